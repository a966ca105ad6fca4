"""Stepper: a run, or two beside each other, step by step.

>>> Stepper(tape)                                                               # doctest: +SKIP
>>> Stepper(scenario)                                                           # doctest: +SKIP
>>> Stepper(tape, compare=other)                                                # doctest: +SKIP
"""

from __future__ import annotations

import os
from typing import Any

import ipywidgets
from ipywidgets import Layout

from ordercascade.checks import whole
from ordercascade.errors import InputTypeError
from ordercascade.lab.branch import BranchPanel
from ordercascade.lab.controls import Options, Transport
from ordercascade.lab.export import html_of, write
from ordercascade.lab.keys import Root
from ordercascade.lab.panels import Panel, Scales
from ordercascade.lab.player import JUMPS, Jump, Player
from ordercascade.lab.safeguard_panel import SafeguardPanel
from ordercascade.lab.scenario_panel import ScenarioPanel
from ordercascade.lab.still import still_of
from ordercascade.lab.take import TakePanel
from ordercascade.run import run
from ordercascade.scenario import Scenario
from ordercascade.tape import Tape


class Stepper:
    """Steps through one run, or two on the same scales; `step` is how many steps are done.

    A scenario is run first. Step 0 is the opening; `tape.frame(step - 1)` is what is shown.
    """

    def __init__(self, source: Tape | Scenario, *, compare: Tape | Scenario | None = None) -> None:
        tapes = [_tape(source, "source")]
        if compare is not None:
            tapes.append(_tape(compare, "compare"))
        self.step = 0
        self.root = Root()
        self.root.on_msg(self._asked)
        self._scales = Scales()
        self._panels = [Panel(self._scales, self.goto)]
        self.controls = Transport(self.goto, self._jump, 1)
        self.options = Options(self._redraw, self._choose)
        self.scenario = ScenarioPanel(self._ran, self._state)
        self.branch = BranchPanel(lambda: (self.tapes, self.step - 1), self._branched)
        self.safeguards = SafeguardPanel(lambda: self.tapes[0], self._branched, self._state)
        self.take = TakePanel(self.root, lambda: self.tapes[0], self._page)
        layout = Layout(
            display="grid",
            grid_template_columns="repeat(auto-fit, minmax(min(100%, 460px), 1fr))",
            grid_gap="12px",
            width="100%",
        )
        self.grid = ipywidgets.GridBox([self._panels[0].box], layout=layout)
        self.grid.add_class("oc-panels")
        parts = [self.scenario.box, self.controls.box, self.root, self.options.box, self.grid]
        self.box = ipywidgets.VBox([*parts, self.branch.box, self.safeguards.box, self.take.box])
        self.box.add_class("oc-root")
        self.scenario.offer(tapes[0], source if isinstance(source, Scenario) else None)
        self.show(*tapes)

    @property
    def tapes(self) -> tuple[Tape, ...]:
        """The runs that are shown, the left one first."""
        return tuple(player.tape for player in self._players)

    @property
    def steps(self) -> int:
        """The number of steps of the longest run shown."""
        return max(player.count for player in self._players)

    def show(self, *tapes: Tape, step: int = 0) -> None:
        """Show one run, or two beside each other, at a step."""
        if not 1 <= len(tapes) <= 2:
            raise InputTypeError("tapes", "one or two", f"{len(tapes)}")
        self._players = [Player(tape) for tape in tapes]
        while len(self._panels) < len(tapes):
            self._panels.append(Panel(self._scales, self.goto))
        first = self._players[0]
        tick = str(first.units.tick)
        self.options.offer(first.markets, (first.venue, first.market), tick)
        self._load()
        self.step = min(step, self.steps)
        self._render()
        self.branch.offer(self._names)

    def goto(self, step: int) -> None:
        """Show the run after so many steps; beyond an end, the end."""
        wanted = min(max(int(step), 0), self.steps)
        self.controls.say("")
        if wanted != self.step:
            self.step = wanted
            self._render()
        else:
            self.controls.show(wanted)

    def jump(self, to: Jump, *, back: bool = False) -> bool:
        """Go to the next (last) step of a kind in either run; False where there is none."""
        here = self.step - 1
        found = {
            player.jump(min(here, player.count - 1), to, back=back) for player in self._players
        }
        found = {k for k in found if (k < here if back else k > here)}
        if found:
            self.goto((max(found) if back else min(found)) + 1)
        return bool(found)

    def export_html(self, path: str | os.PathLike[str]) -> None:
        """Write what is shown, one run or two, as a page that plays without kernel and network."""
        write(path, self._page())

    def _page(self) -> str:
        return html_of(*self.tapes, market=self._players[0].market_name)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a run that is under way in its thread; False if it is still busy."""
        panels = (self.scenario, self.branch, self.safeguards)
        return all([panel.wait(timeout) for panel in panels])

    def _ipython_display_(self) -> None:
        """Show the widget, and leave a still picture for who opens the notebook without a kernel.

        The style sheet that comes with the living widget hides the still one.
        """
        from IPython.display import HTML, display

        display(self.box)  # type: ignore[no-untyped-call]
        display(HTML(still_of(self._players)))  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        names = " beside ".join(player.name for player in self._players)
        return f"<Stepper {names}: step {self.step} of {self.steps}>"

    def _load(self) -> None:
        """Give the panels their runs, and the scales what all of them need."""
        for panel, player, name in zip(self._panels, self._players, self._names, strict=False):
            panel.load(player, name)
        self.grid.children = [panel.box for panel in self._shown]
        self.controls.reach(self.steps)
        self._stretch()

    @property
    def _names(self) -> list[str]:
        """The names of the runs that are shown, told apart."""
        names = [player.name for player in self._players]
        if len(names) == 2 and names[0] == names[1]:
            names = [f"{names[0]} (before)", f"{names[1]} (after)"]
        return names

    @property
    def _shown(self) -> list[Panel]:
        return self._panels[: len(self._players)]

    def _stretch(self) -> None:
        """Set the shared scales: what any of the runs reaches."""
        show, players = self.options.show, self._players
        spans = [player.span(zoom=show["zoom"]) for player in players]
        low, high = min(s[0] for s in spans), max(s[1] for s in spans)
        for player in players:
            player.widen(low, high, zoom=show["zoom"])
        self._scales.show(
            price=(low, high), top=max(player.settled(**show)[1] for player in players)
        )
        prices = [player.path_span for player in players]
        path = min(p[0] for p in prices), max(p[1] for p in prices)
        self._scales.walk(steps=self.steps, path=path)
        top = float(self._scales.lots.max) / 1.05
        most = [max(values) for values in zip(*(p.most for p in players), strict=True)]
        for panel in self._shown:
            panel.scale(top, (most[0], most[1], most[2], most[3]))

    def _render(self) -> None:
        """Draw the step; the status line comes last, so that it tells when all is there."""
        self.controls.show(self.step)
        views = [panel.render(self.step, self.options.show) for panel in self._shown]
        with self.root.hold_sync():
            self.root.step, self.root.text = self.step, views[0].status

    def _redraw(self) -> None:
        self._stretch()
        self._render()

    def _choose(self) -> None:
        """Look at another market, in every run that has it."""
        venue, market = self.options.market.value
        self._players = [
            Player(p.tape, venue=venue, market=market)
            if (venue, market) in p.markets.values()
            else p
            for p in self._players
        ]
        self._load()
        self._render()

    def _jump(self, to: str, way: int) -> None:
        kind = next(each for each in JUMPS if each == to)
        if not self.jump(kind, back=way < 0):
            self.controls.say(f"no {to} {'before' if way < 0 else 'after'} this step")

    def _asked(self, _: object, message: dict[str, Any], __: object) -> None:
        if "by" in message:
            self.goto(self.step + whole("by", message["by"], -(10**6), 10**6))
        elif "key" in message:
            self.controls.key(str(message["key"]))

    def _state(self, state: str) -> None:
        self.root.state = state

    def _ran(self, tape: Tape, beside: bool) -> None:
        """Show a new run; `beside` keeps the one before as the left of two."""
        if beside:
            self.show(self.tapes[0], tape, step=self.step)
        else:
            self.show(tape)

    def _branched(self, source: Tape, tape: Tape) -> None:
        """Show a branch beside the run that it leaves."""
        self.show(source, tape, step=self.step)


def _tape(source: object, field: str) -> Tape:
    if isinstance(source, Scenario):
        return run(source, progress=False)
    if not isinstance(source, Tape):
        hint = "oc.run(scenario) makes a tape, Tape.load(path) reads one"
        raise InputTypeError(field, "a Tape or a Scenario", source, hint=hint)
    if not source.markets or not len(source):
        raise InputTypeError(field, "a Tape with a market and a step", "an empty tape")
    return source

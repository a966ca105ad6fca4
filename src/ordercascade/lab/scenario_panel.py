"""The scenario panel: choose, change, run in a thread, cancel; refusals stand by their field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets
from ipywidgets import Layout

from ordercascade import scenarios
from ordercascade.errors import OrderCascadeError
from ordercascade.lab.controls import button, choice, row
from ordercascade.lab.fields import Field, Rule, problem, tell
from ordercascade.lab.runner import Runner, to_end
from ordercascade.lab.setup import Choice, applied, field_of, read
from ordercascade.run import World
from ordercascade.safeguards import safeguards
from ordercascade.scenario import Scenario
from ordercascade.tape import Tape

OWN = "(this run)"


class ScenarioPanel:
    """What to run next."""

    def __init__(self, ran: Callable[[Tape, bool], None], state: Callable[[str], None]) -> None:
        """`ran` takes a new tape and whether to keep the one before; `state` idle or busy."""
        self._ran, self._state = ran, state
        self._runner = Runner()
        self._own: Scenario | None = None
        self._base: Scenario | None = None
        self.preset = choice("scenario", [OWN, *scenarios.names()], "oc-preset", width="230px")
        self.shock = Field("shock", "shock", width="210px")
        self.side = choice("", [("sells", "ask"), ("buys", "bid")], "oc-side", width="80px")
        self.side.tooltip = "direction of the shock"
        self.unit = ipywidgets.Label()
        self.seed = Field("seed", "seed", width="130px")
        self.depth = Field("depth", "depth ×", width="120px")
        self.leverage = Field("leverage", "leverage ×", width="140px")
        self.rules = {each.name: Rule(each, prefix="rule") for each in safeguards()}
        self.beside = ipywidgets.Checkbox(
            description="show beside the run before", indent=False, layout=Layout(width="auto")
        )
        self.beside.add_class("oc-beside")
        self.run = button("Run", "rocket", "oc-run", "run this scenario", width="80px")
        self.run.button_style = "success"
        self.cancel = button("Cancel", "stop", "oc-cancel", "stop the run", width="90px")
        self.cancel.disabled = True
        self.busy = ipywidgets.HTML("idle")
        self.busy.add_class("oc-busy")
        self.error = problem("run")
        self.run.on_click(lambda _: self.start())
        self.cancel.on_click(lambda _: self.stop())
        self.preset.observe(lambda change: self._choose(change["new"]), "value")
        shock = [self.shock.box, self.side, self.unit]
        first = [self.preset, *shock, self.seed.box, self.depth.box, self.leverage.box]
        second = [rule.box for rule in self.rules.values()]
        third = [self.run, self.cancel, self.busy, self.beside]
        self.box = ipywidgets.VBox([row(first), row(second), row(third), self.error])
        self.box.add_class("oc-box")

    def offer(self, tape: Tape, scenario: Scenario | None) -> None:
        """Offer the scenario a tape came from as the one to change."""
        text = str(tape.meta["scenario"])
        if scenario is None and text:
            try:
                scenario = Scenario.from_toml(text)
            except OrderCascadeError as error:
                tell(self.error, f"this run's scenario cannot be read here: {error}")
        self._own = scenario
        if scenario is None:
            self.preset.options = list(scenarios.names())
            self.preset.value = scenarios.names()[0]
        else:
            self._show(scenario)

    def start(self) -> None:
        """Judge the fields, then run in a thread; what is wrong is said by its field."""
        self._forgive()
        if self._base is None:
            tell(self.error, "this run carries no scenario: choose one")
            return
        try:
            scenario = applied(self._base, self._chosen())
        except OrderCascadeError as error:
            self._blame(error)
            return
        beside = bool(self.beside.value)
        self._busy("building the book and the accounts …")

        def work(still: Callable[[int], bool]) -> Tape:
            with World(scenario) as world:
                return to_end(world, still)

        self._runner.start(
            work,
            lambda steps: self._busy(f"running: {steps:,} steps"),
            lambda tape, error: self._finished(tape, error, beside),
        )

    def stop(self) -> None:
        """Let go of the run that is under way."""
        self._runner.cancel()
        self._idle("cancelled")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the run that is under way."""
        return self._runner.wait(timeout)

    def _choose(self, name: str) -> None:
        self._forgive()
        scenario = self._own if name == OWN else scenarios.load(name)
        if scenario is not None:
            self._show(scenario)

    def _show(self, scenario: Scenario) -> None:
        self._base = scenario
        now = read(scenario)
        self.shock.input.value, self.side.value = now.shock, now.side
        self.shock.input.disabled = self.side.disabled = not now.shock
        self.unit.value = now.unit if now.shock else "no shock"
        self.seed.input.value = now.seed
        self.depth.input.value, self.leverage.input.value = now.depth, now.leverage
        for name, rule in self.rules.items():
            rule.show(now.rules[name])

    def _chosen(self) -> Choice:
        return Choice(
            shock=self.shock.input.value,
            side=self.side.value,
            unit=self.unit.value,
            seed=self.seed.input.value,
            depth=self.depth.input.value,
            leverage=self.leverage.input.value,
            rules={name: rule.chosen for name, rule in self.rules.items()},
        )

    def _finished(self, tape: Tape | None, error: Exception | None, beside: bool) -> None:
        if tape is None:
            self._idle("failed")
            self._blame(error or RuntimeError("the run gave nothing"))
        elif not len(tape):
            self._idle("done: nothing happened")
        else:
            try:
                self._ran(tape, beside)
            except OrderCascadeError as refused:
                self._idle("failed")
                self._blame(refused)
                return
            self._idle(f"done: {len(tape):,} steps, {len(tape.liquidations):,} liquidations")

    def _errors(self) -> dict[str, Any]:
        fields = (("shock", self.shock), ("seed", self.seed), ("depth", self.depth))
        lines = {name: field.error for name, field in (*fields, ("leverage", self.leverage))}
        return lines | {name: rule.error for name, rule in self.rules.items()}

    def _forgive(self) -> None:
        for line in (*self._errors().values(), self.error):
            if line.value:
                tell(line, "")

    def _blame(self, error: Exception) -> None:
        tell(self._errors().get(field_of(error), self.error), str(error) or type(error).__name__)

    def _busy(self, text: str) -> None:
        self.busy.value = f"● {text}"
        self.run.disabled, self.cancel.disabled = True, False
        self._state("busy")

    def _idle(self, text: str) -> None:
        self.busy.value = text
        self.run.disabled, self.cancel.disabled = False, True
        self._state("idle")

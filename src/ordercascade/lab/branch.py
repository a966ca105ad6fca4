"""Branch here: at the step that is shown, change one rule and run on, beside the original."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets
import numpy as np

from ordercascade.errors import InputError, OrderCascadeError
from ordercascade.lab.controls import button, choice, row
from ordercascade.lab.fields import Rule, problem, tell
from ordercascade.lab.runner import Runner, to_end
from ordercascade.lab.setup import read, ruled
from ordercascade.run import World, world_at
from ordercascade.safeguards import safeguards
from ordercascade.scenario import Scenario
from ordercascade.tape import Tape

NAME_MAX = 64


def world_of(tape: Tape, k: int) -> World:
    """Return the world of a tape right after step k, by running its scenario again.

    A branch is run as it came about: its first scenario, and each change at its step; right
    where another fund begins, its deposit is done as well.
    InputError where the tape carries no scenario, or another engine or file gives another run.
    """
    text = str(tape.meta["scenario"])
    if not text:
        raise InputError("branch", tape.meta["name"], "must start from a run of a scenario")
    changes = tape.meta.get("changes", [])
    texts = [*(str(each["from"]) for each in changes), text]
    ends = [int(each["step"]) for each in _before(tape, k)] + [k + 1]  # counts of steps
    world = world_at(Scenario.from_toml(texts[0]), ends[0] - 1)
    for end, rules in zip(ends[1:], texts[1:], strict=False):
        world.change(Scenario.from_toml(rules))
        world.run(max(0, end - len(world.tape())))  # Another fund is a step of its own.
    again = world.tape()
    told = {name: column[: len(again)] for name, column in tape.steps.to_numpy().items()}
    if not all(np.array_equal(again.steps[name], column) for name, column in told.items()):
        raise InputError("branch", tape.meta["name"], "must be a run that this engine repeats")
    return world


def branched(tape: Tape, k: int, rule: str, value: str | None) -> World:
    """Return the world of a tape after step k, going on with one safeguard changed."""
    world = world_of(tape, k)
    changed = ruled(world.scenario, rule, value)
    world.change(changed.set(f'name="{_named(tape, rule, k)}"'))
    return world


def _named(tape: Tape, rule: str, k: int) -> str:
    changes = _before(tape, k)
    base = Scenario.from_toml(str(changes[0]["from"])).name if changes else str(tape.meta["name"])
    which = f" branch {len(changes) + 1}" if changes else ""
    what = f"{which} with other {rule.replace('_', ' ')} from step {k + 1}"
    return base[: NAME_MAX - len(what)] + what


def _before(tape: Tape, k: int) -> list[Mapping[str, Any]]:
    """Return the changes of rules in force after step k."""
    return [each for each in tape.meta.get("changes", []) if int(each["step"]) <= k + 1]


class BranchPanel:
    """One rule, its value, and a button."""

    def __init__(
        self, here: Callable[[], tuple[tuple[Tape, ...], int]], made: Callable[[Tape, Tape], None]
    ) -> None:
        """`here` says which runs are shown after which step, `made` takes a run and its branch."""
        self._here, self._made = here, made
        self._runner = Runner()
        self._rules = {each.name: Rule(each, prefix="branch") for each in safeguards()}
        options = [(each.label, each.name) for each in safeguards()]
        self.of = choice("of", [("this run", 0)], "oc-branch-of", width="240px")
        self.rule = choice("change", options, "oc-branch-rule", width="240px")
        self.holder = ipywidgets.HBox()
        self.go = button("Branch here", "code-fork", "oc-branch", "run on from here", width="120px")
        self.busy = ipywidgets.HTML()
        self.error = problem("branch")
        for menu in (self.rule, self.of):
            menu.observe(lambda _: self.refresh(), "value")
        self.go.on_click(lambda _: self.start())
        self.box = ipywidgets.VBox(
            [row([self.go, self.of, self.rule, self.holder, self.busy]), self.error]
        )
        self.box.add_class("oc-box")

    @property
    def field(self) -> Rule:
        """The field of the rule that is chosen."""
        return self._rules[self.rule.value]

    def start(self) -> None:
        """Run on from the step that is shown, in a thread."""
        tell(self.error, "")
        tape, k = self._source
        rule, value = self.rule.value, self.field.chosen

        def work(still: Callable[[int], bool]) -> Tape:
            with branched(tape, k, rule, value) as world:
                return to_end(world, still)

        self.go.disabled = True
        self.busy.value = "● running on …"
        self._runner.start(work, lambda _: None, lambda *end: self._finished(tape, *end))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the branch that is under way."""
        return self._runner.wait(timeout)

    def refresh(self) -> None:
        """Show the field of the chosen rule, the other way round from what the run has."""
        field = self.field
        try:
            text = str(self._source[0].meta["scenario"])
            now = read(Scenario.from_toml(text)).rules[self.rule.value] if text else None
        except OrderCascadeError:
            now = None
        kinds = field.safeguard
        if kinds.kind == "choice":
            field.show(next(c for c in kinds.choices if c != now))
        else:
            field.show(kinds.default if now is None else now)
            field.switch.value = now is None
        self.holder.children = [field.box]

    def offer(self, names: list[str]) -> None:
        """Offer the runs that are shown, by name: any of them can be branched from."""
        self.of.options = [(name, place) for place, name in enumerate(names)]
        self.of.layout.display = "" if len(names) > 1 else "none"
        self.refresh()

    @property
    def _source(self) -> tuple[Tape, int]:
        """The run to branch from, and its step that is shown."""
        tapes, k = self._here()
        tape = tapes[min(self.of.value or 0, len(tapes) - 1)]
        return tape, min(k, len(tape) - 1)

    def _finished(self, source: Tape, tape: Tape | None, error: Exception | None) -> None:
        self.go.disabled = False
        self.busy.value = ""
        if tape is None:
            tell(self.error, str(error) or type(error).__name__)
            return
        self._made(source, tape)
        self.busy.value = f"done: {len(tape):,} steps, {len(tape.liquidations):,} liquidations"

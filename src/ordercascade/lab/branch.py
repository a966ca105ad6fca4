"""Branch here: at the step that is shown, change one rule and run on, beside the original."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from ordercascade.errors import InputError, OrderCascadeError
from ordercascade.lab.controls import button, choice, row
from ordercascade.lab.fields import Rule, problem, tell
from ordercascade.lab.runner import Runner, to_end
from ordercascade.lab.setup import read, ruled
from ordercascade.run import World, world_at
from ordercascade.safeguards import safeguards
from ordercascade.scenario import Scenario
from ordercascade.tape import Tape


def world_of(tape: Tape, k: int, scenario: Scenario | None = None) -> World:
    """Return the world of a tape right after step k, by running its scenario again.

    InputError where the tape carries no scenario, or another engine or file gives another run.
    """
    text = str(tape.meta["scenario"])
    if not text or tape.meta.get("changes"):
        raise InputError("branch", tape.meta["name"], "must start from a run of a scenario")
    made = scenario or Scenario.from_toml(text)
    world = world_at(made, k)
    again = world.tape()
    if not all((again.steps[c] == tape.steps[c][: k + 1]).all() for c in again.steps.columns):
        raise InputError("branch", tape.meta["name"], "must be a run that this engine repeats")
    return world


def branched(tape: Tape, k: int, rule: str, value: str | None) -> World:
    """Return the world of a tape after step k, going on with one safeguard changed."""
    world = world_of(tape, k)
    changed = ruled(world.scenario, rule, value)
    other = world.fork()
    other.change(changed.set(f'name="{_named(world.scenario.name, rule, k)}"'))
    return other


def _named(name: str, rule: str, k: int) -> str:
    return f"{name} with other {rule.replace('_', ' ')} from step {k + 1}"


class BranchPanel:
    """One rule, its value, and a button."""

    def __init__(self, here: Callable[[], tuple[Tape, int]], made: Callable[[Tape], None]) -> None:
        """`here` says which run and step is shown, `made` takes the branch's tape."""
        self._here, self._made = here, made
        self._runner = Runner()
        self._rules = {each.name: Rule(each, prefix="branch") for each in safeguards()}
        options = [(each.label, each.name) for each in safeguards()]
        self.rule = choice("change", options, "oc-branch-rule", width="240px")
        self.holder = ipywidgets.HBox()
        self.go = button("Branch here", "code-fork", "oc-branch", "run on from here", width="120px")
        self.busy = ipywidgets.HTML()
        self.error = problem("branch")
        self.rule.observe(lambda _: self.refresh(), "value")
        self.go.on_click(lambda _: self.start())
        self.box = ipywidgets.VBox([row([self.go, self.rule, self.holder, self.busy]), self.error])
        self.box.add_class("oc-box")

    @property
    def field(self) -> Rule:
        """The field of the rule that is chosen."""
        return self._rules[self.rule.value]

    def start(self) -> None:
        """Run on from the step that is shown, in a thread."""
        tell(self.error, "")
        tape, k = self._here()
        rule, value = self.rule.value, self.field.chosen

        def work(still: Callable[[int], bool]) -> Tape:
            with branched(tape, k, rule, value) as world:
                return to_end(world, still)

        self.go.disabled = True
        self.busy.value = "● running on …"
        self._runner.start(work, lambda _: None, self._finished)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the branch that is under way."""
        return self._runner.wait(timeout)

    def refresh(self) -> None:
        """Show the field of the chosen rule, the other way round from what the run has."""
        field = self.field
        try:
            text = str(self._here()[0].meta["scenario"])
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

    def _finished(self, tape: Tape | None, error: Exception | None) -> None:
        self.go.disabled = False
        self.busy.value = ""
        if tape is None:
            tell(self.error, str(error) or type(error).__name__)
            return
        self._made(tape)
        self.busy.value = f"done: {len(tape):,} steps, {len(tape.liquidations):,} liquidations"

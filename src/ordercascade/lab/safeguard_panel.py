"""Compare safeguards: each alone, all together, all but one; and any of those beside the run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import ipywidgets

from ordercascade.analysis import Ablation, ablation
from ordercascade.checks import whole
from ordercascade.errors import InputError, OrderCascadeError
from ordercascade.lab.controls import button, choice, row
from ordercascade.lab.fields import Field, problem, tell
from ordercascade.lab.runner import Runner, to_end
from ordercascade.run import World
from ordercascade.scenario import Scenario
from ordercascade.tape import Tape

SEEDS, SEEDS_MAX = "5", 1_000


class Stopped(Exception):
    """The comparison was let go of."""


class Looking(Executor):
    """Runs tasks where it stands, and asks before each whether to go on."""

    def __init__(self, still: Callable[[int], bool]) -> None:
        self._still, self._done = still, 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a task now, unless nobody waits for it any more."""
        if not self._still(self._done):
            raise Stopped("the comparison was stopped")
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        self._done += 1
        return future


class SafeguardPanel:
    """How many seeds, a button, the table, and a column of it to look at."""

    def __init__(
        self,
        tape: Callable[[], Tape],
        made: Callable[[Tape, Tape], None],
        told: Callable[[str], None],
    ) -> None:
        """`tape` says which run is compared, `made` takes it and a column's; `told` its state."""
        self._tape, self._made, self._told = tape, made, told
        self._runner = Runner()
        self._found: Ablation | None = None
        self._source: Tape | None = None
        self.seeds = Field("ablate-seeds", "seeds", width="110px")
        self.seeds.input.value = SEEDS
        self.go = button(
            "Compare safeguards",
            "shield",
            "oc-ablate",
            "run each safeguard alone, all together, and all but one",
            width="180px",
        )
        self.cancel = button("Cancel", "stop", "oc-ablate-cancel", "stop comparing", width="90px")
        self.cancel.disabled = True
        self.column = choice("show", [("", "")], "oc-ablate-column", width="260px")
        self.show = button(
            "Beside", "columns", "oc-ablate-show", "run this column beside the run", width="90px"
        )
        self.busy = ipywidgets.HTML()
        self.table = ipywidgets.HTML()
        self.table.add_class("oc-ablated")
        self.error = problem("ablate")
        self.column.layout.display = self.show.layout.display = "none"
        self.go.on_click(lambda _: self.start())
        self.cancel.on_click(lambda _: self.stop())
        self.show.on_click(lambda _: self.look())
        first = [self.go, self.seeds.box, self.cancel, self.busy, self.column, self.show]
        self.box = ipywidgets.VBox([row(first), self.table, self.error])
        self.box.add_class("oc-box")

    @property
    def found(self) -> Ablation | None:
        """The comparison that is shown."""
        return self._found

    def start(self) -> None:
        """Compare in a thread; what is wrong is said."""
        tell(self.error, "")
        tape = self._tape()
        try:
            scenario, seeds = _scenario(tape), _seeds(self.seeds.input.value)
        except OrderCascadeError as error:
            tell(self.error, str(error))
            return
        made: list[Ablation] = []

        def work(still: Callable[[int], bool]) -> Tape:
            made.append(ablation(scenario, seeds=seeds, executor=Looking(still)))
            return tape

        def finished(_: Tape | None, error: Exception | None) -> None:
            self._free()
            if error is not None:
                self._fail(error)
                return
            self._found, self._source = made[0], tape
            self.table.value = made[0]._repr_html_()
            self.column.options = [(name, name) for name in made[0].names]
            self.column.layout.display = self.show.layout.display = ""
            self.busy.value = f"done: {made[0].values[:, :, 0].size:,} runs"

        self._hold("comparing …")
        self._runner.start(work, lambda n: self._say(f"comparing: {n} columns done"), finished)

    def look(self) -> None:
        """Run the chosen column at the run's own seed, and show it beside the run."""
        found, source = self._found, self._source
        if found is None or source is None:
            return
        tell(self.error, "")
        name = str(self.column.value)
        config = next(each.config for each in found.columns if each.name == name)
        scenario = Scenario(config).set(f'name="{found.scenario[:30]} with {name[:28]}"')

        def work(still: Callable[[int], bool]) -> Tape:
            with World(scenario) as world:
                return to_end(world, still)

        def finished(tape: Tape | None, error: Exception | None) -> None:
            self._free()
            if tape is None:
                self._fail(error or InputError("column", name, "gave no run"))
                return
            try:
                self._made(source, tape)
            except OrderCascadeError as refused:
                self._fail(refused)
                return
            self.busy.value = f"{name}: {len(tape):,} steps, {len(tape.liquidations):,} orders"

        self._hold(f"running {name} …")
        self._runner.start(work, lambda n: self._say(f"{n:,} steps"), finished)

    def stop(self) -> None:
        """Let go of what is under way."""
        self._runner.cancel()
        self._free()
        self.busy.value = "cancelled"

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for what is under way."""
        return self._runner.wait(timeout)

    def _say(self, text: str) -> None:
        self.busy.value = f"● {text}"

    def _hold(self, text: str) -> None:
        self._say(text)
        self.go.disabled, self.cancel.disabled, self.show.disabled = True, False, True
        self._told("busy")

    def _free(self) -> None:
        self.go.disabled, self.cancel.disabled, self.show.disabled = False, True, False
        self._told("idle")

    def _fail(self, error: Exception) -> None:
        self.busy.value = "failed"
        tell(self.error, str(error) or type(error).__name__)


def _scenario(tape: Tape) -> Scenario:
    text = str(tape.meta["scenario"])
    if not text:
        raise InputError("safeguards", tape.meta["name"], "must be compared on a run of a scenario")
    return Scenario.from_toml(text)


def _seeds(text: str) -> int:
    if not text.strip().isdecimal() or len(text.strip()) > 9:
        raise InputError("seeds", text, f"must be a whole number from 1 to {SEEDS_MAX:,}")
    return whole("seeds", int(text), 1, SEEDS_MAX)

"""The stepper without a browser: what it sends, what its controls do, what it says when refused."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import ordercascade as oc
from lab import random_runs
from ordercascade import InputTypeError, Scenario, Tape, run, scenarios
from ordercascade.safeguards import safeguards

pytest.importorskip("bqplot")
pytest.importorskip("anywidget")
ipywidgets = pytest.importorskip("ipywidgets")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

DEEP = """
schema = 1
name = "deep"
[[venue]]
name = "v"
[[venue.market]]
name = "AUSD"
tick_size = 0.01
lot_size = 0.01
settle = "USD"
decimals = 6
brackets = [{ floor = 0, maintenance = 0.01, leverage_max = 50 }]
book = { kind = "ladder", mid = 200.005, step = 0.01, levels = LEVELS, size = 0.5 }
[[venue.population]]
market = "AUSD"
accounts = 400
long_share = 0.9
leverage = { values = [5, 10, 20, 50] }
notional = { kind = "lognormal", median = 400, sigma = 1 }
entry = { kind = "normal", sigma_bps = 300 }
[[shock]]
at_s = 1
side = "ask"
size = 200
"""


def deep(levels: int, *changes: str) -> Scenario:
    return Scenario.from_toml(DEEP.replace("LEVELS", str(levels)), *changes)


@pytest.fixture(scope="module")
def squeeze() -> Tape:
    return run(scenarios.load("t2a"), progress=False)


@pytest.fixture(scope="module")
def cascade() -> Tape:
    return run(scenarios.load("btc-cascade"), progress=False)


def stepper(*sources: Any) -> Any:
    from ordercascade.lab import Stepper

    return Stepper(sources[0], compare=sources[1] if len(sources) > 1 else None)


Sent = list[tuple[str, dict[str, Any], int]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sent]:
    """What every widget sends: its kind, the message, all bytes of it."""
    found: Sent = []

    def record(self: Any, msg: dict[str, Any], buffers: Any = None) -> None:
        text = len(json.dumps(msg, default=str))
        size = sum(memoryview(each).nbytes for each in buffers or [])
        found.append((type(self).__name__, {**msg, "from": id(self)}, text + size))

    monkeypatch.setattr(ipywidgets.Widget, "_send", record)
    yield found


def test_a_step_of_two_deep_books_costs_at_most_16_messages_and_64_kb(sent: Sent) -> None:
    app = stepper(deep(5000), deep(5000, "seed=3", "fund.balance=1000"))
    for show in ((True, True), (True, False), (False, True), (False, False)):
        app.options.sum.value, app.options.zoom.value = show
        for place in (0, app.steps // 2, app.steps - 1):
            app.goto(place)
            sent.clear()
            app.controls.next.click()
            kinds = [kind for kind, _, _ in sent]
            assert len(sent) <= 16, kinds
            assert sum(size for _, _, size in sent) <= 64_000, [(s[0], s[2]) for s in sent]
            # x and y of a curve travel together: nobody speaks twice in a step.
            assert len({message["from"] for _, message, _ in sent}) == len(sent), kinds
            assert kinds[-1] == "Root"  # The status tells that all is there.


def test_every_way_to_a_step_shows_the_same(cascade: Tape) -> None:
    app = stepper(cascade)

    def shown() -> tuple[Any, ...]:
        panel = app._panels[0]
        y = np.nan_to_num(panel.curves.y, nan=-1)
        return app.step, app.root.text, y.tobytes(), json.dumps(panel.facts.view)

    for _ in range(7):
        app.controls.next.click()
    by_clicks = shown()
    assert by_clicks[0] == 7
    assert (app.controls.scrub.value, app.controls.play.value) == (7, 7)
    app.controls.first.click()
    assert app.step == 0
    app.controls.scrub.value = 7
    assert shown() == by_clicks
    app.controls.last.click()
    assert app.step == len(cascade)
    app.controls.next.click()
    assert app.step == len(cascade)
    app.controls.play.value = 7
    assert shown() == by_clicks
    app.controls.back.click()
    app._asked(None, {"by": 1}, None)
    assert shown() == by_clicks
    app._panels[0]._asked(None, {"goto": 6}, None)
    assert app.step == 6
    app.controls.kind.value = "liquidation"
    app.controls.before.click()
    app.controls.after.click()
    assert app.step - 1 in cascade.liquidations["step"]


def test_a_jump_that_finds_nothing_says_so(squeeze: Tape) -> None:
    app = stepper(squeeze)
    app.controls.kind.value = "ADL"
    app.controls.after.click()
    assert app.step == 0
    assert app.controls.note.value == "no ADL after this step"
    app.controls.next.click()
    assert app.controls.note.value == ""


def test_keys_without_a_button_change_speed_and_show_help(squeeze: Tape) -> None:
    app = stepper(squeeze)
    app._asked(None, {"key": "faster"}, None)
    assert (app.controls.speed.value, app.controls.play.interval) == ("2×", 100)
    for _ in range(5):
        app._asked(None, {"key": "slower"}, None)
    assert app.controls.speed.value == "0.5×"
    app._asked(None, {"key": "help"}, None)
    assert "Space" in app.controls.note.value


def test_two_runs_stand_on_the_same_axes(cascade: Tape) -> None:
    other = scenarios.load("btc-cascade", "venue.limit=bankruptcy", "name=safer")
    app = stepper(cascade, other)
    one, two = app._shown
    for mark in ("curves", "path"):
        for axis in ("x", "y"):
            assert getattr(one, mark).scales[axis] is getattr(two, mark).scales[axis]
    prices, lots = app._scales.price, app._scales.lots
    for panel in (one, two):
        low, high = panel.player.span(zoom=True)
        assert prices.min <= low
        assert prices.max >= high
    app.goto(app.steps)
    for panel in (one, two):
        assert np.nanmax(panel.curves.y) <= lots.max
        assert panel.steps == panel.player.count


def test_only_what_changes_is_sent_and_nothing_when_nothing_does(squeeze: Tape, sent: Sent) -> None:
    app = stepper(squeeze)
    app.goto(3)
    sent.clear()
    app.goto(3)
    assert sent == []


def test_a_run_with_a_bad_value_says_so_by_its_field_and_keeps_the_old_run(cascade: Tape) -> None:
    app = stepper(cascade)
    panel = app.scenario
    wrong = {
        panel.shock: ("much", "shock must be a number"),
        panel.seed: ("-1", "seed must be a whole number"),
        panel.depth: ("0", "depth must be above 0"),
        panel.leverage: ("x", "leverage must be a number"),
    }
    for field, (text, said) in wrong.items():
        before, field.input.value = field.input.value, text
        panel.run.click()
        assert said in field.error.value
        assert "alert" in field.error.value
        field.input.value = before
    rule = panel.rules["tranches"]
    rule.value.value = "2"
    panel.run.click()
    assert "tranches must be above 0 and at most 1" in rule.error.value
    assert app.tapes == (cascade,)
    assert not panel.run.disabled


def test_a_changed_scenario_runs_and_can_stand_beside_the_one_before(cascade: Tape) -> None:
    app = stepper(cascade)
    panel = app.scenario
    panel.shock.input.value, panel.beside.value = "9,000,000", True
    panel.rules["fund"].switch.value = False
    panel.run.click()
    assert app.wait(60)
    old, new = app.tapes
    assert old is cascade
    want = scenarios.load("btc-cascade", "shock.notional=9000000", "fund.balance=0")
    assert new.summary()["notional_liquidated"] == run(want).summary()["notional_liquidated"]
    assert "done" in panel.busy.value
    assert app.root.state == "idle"


def test_a_cancelled_run_never_arrives_and_a_newer_one_replaces_an_older(cascade: Tape) -> None:
    from ordercascade.lab.runner import Runner

    arrived: list[str] = []
    gate = threading.Event()

    def work(name: str) -> Any:
        def body(still: Any) -> Tape:
            gate.wait(10)
            arrived.append(f"{name} may go on: {still(1)}")
            return cascade

        return body

    def finished(name: str) -> Any:
        return lambda tape, error: arrived.append(f"{name} is shown")

    runner = Runner()
    runner.start(work("first"), lambda _: None, finished("first"))
    first = runner._thread
    runner.start(work("second"), lambda _: None, finished("second"))
    second = runner._thread
    runner.cancel()
    runner.start(work("third"), lambda _: None, finished("third"))
    gate.set()
    for thread in (first, second):
        assert thread is not None
        thread.join(10)
    assert runner.wait(10)
    assert sorted(arrived) == [
        "first may go on: False",
        "second may go on: False",
        "third is shown",
        "third may go on: True",
    ]


def test_a_cell_that_waits_for_a_run_has_it_although_it_holds_up_its_event_loop(
    cascade: Tape,
) -> None:
    async def cell() -> tuple[Tape, ...]:
        app = stepper(cascade)
        app.scenario.shock.input.value = "9,000,000"
        app.scenario.run.click()
        assert app.wait(60)
        return app.tapes

    (new,) = asyncio.run(cell())
    assert new is not cascade


def test_cancel_leaves_the_old_run_and_the_panel_ready(cascade: Tape) -> None:
    app = stepper(cascade)
    panel = app.scenario
    gate = threading.Event()
    panel._runner.start(lambda still: gate.wait(10) and cascade, lambda _: None, panel._finished)
    panel._busy("running")
    assert (panel.run.disabled, panel.cancel.disabled, app.root.state) == (True, False, "busy")
    panel.cancel.click()
    gate.set()
    app.wait(10)
    assert panel.busy.value == "cancelled"
    assert (panel.run.disabled, panel.cancel.disabled, app.root.state) == (False, True, "idle")
    assert app.tapes[0] is cascade


def test_a_preset_fills_the_fields(cascade: Tape) -> None:
    panel = stepper(cascade).scenario
    panel.preset.value = "short-squeeze"
    assert panel.side.value == "bid"
    assert panel.rules["fund"].chosen == "50"
    assert panel.rules["tranches"].chosen is None
    panel.preset.value = "(this run)"
    assert panel.rules["tranches"].chosen == "0.2"


def test_a_branch_stands_beside_the_original_and_begins_as_it_did(cascade: Tape) -> None:
    app = stepper(cascade)
    app.goto(61)
    app.branch.rule.value = "exit_buffer"
    assert app.branch.field.chosen == "0.01"
    app.branch.field.value.value = "0.05"
    app.branch.go.click()
    assert app.wait(60)
    assert app.branch.error.value == ""
    old, new = app.tapes
    assert old is cascade
    assert app.step == 61
    for name in ("steps", "fills", "liquidations"):
        for column in old.tables[name].columns:
            mine, its = (t.tables[name] for t in (old, new))
            mine, its = (t[column][t["step"] <= 60] for t in (mine, its))
            assert np.array_equal(mine, its), (name, column)
    assert new.state_hash() != old.state_hash()
    assert new.meta["changes"][0]["step"] == 61


def test_a_branch_of_a_branch_begins_as_its_own_run_did(cascade: Tape) -> None:
    """The rules of step 61 hold until step 100, those of step 100 from there."""
    from ordercascade.lab.branch import branched

    app = stepper(cascade)
    app.goto(61)
    app.branch.rule.value = "exit_buffer"
    app.branch.field.value.value = "0.05"
    app.branch.go.click()
    assert app.wait(60)
    first = app.tapes[1]
    app.branch.of.value = 1
    app.goto(100)
    app.branch.rule.value = "fund"
    app.branch.field.switch.value, app.branch.field.value.value = True, "1000000"
    app.branch.go.click()
    assert app.wait(60)
    assert app.branch.error.value == ""
    old, new = app.tapes
    assert old is first
    assert app.step == 100
    for column in old.steps.columns:
        assert np.array_equal(old.steps[column][:100], new.steps[column][:100]), column
    assert [each["step"] for each in new.meta["changes"]] == [61, 100]
    assert new.summary()["fund_after"] != old.summary()["fund_after"]
    again = oc.Scenario.from_toml(new.meta["scenario"])
    assert new.meta["name"] == "btc-cascade branch 2 with other fund from step 100"
    assert str(again.resolved.venue[0].fund.balance) == "1000000"
    assert str(again.resolved.venue[0].exit_buffer) == "0.05"
    # Of the third generation: after all changes, and right where the second begins.
    for k, steps in ((150, 151), (99, 101)):
        with branched(new, k, "limit", "on") as world:
            assert [each["step"] for each in world.tape().meta["changes"]] == [61, 100, steps]
            world.run()
            third = world.tape()
        for column in old.steps.columns:
            assert np.array_equal(new.steps[column][:steps], third.steps[column][:steps])
    # And from before its own change a branch is a run of the first scenario.
    app.goto(30)
    app.branch.of.value = 1
    app.branch.rule.value = "exit_buffer"
    app.branch.go.click()
    assert app.wait(60)
    assert app.branch.error.value == ""
    assert [each["step"] for each in app.tapes[1].meta["changes"]] == [30]


def test_a_run_that_ended_earlier_is_branched_from_its_end(cascade: Tape) -> None:
    other = run(scenarios.load("t2a"), progress=False)
    app = stepper(other, cascade)
    app.goto(200)
    assert app.branch._source == (other, len(other) - 1)


def test_a_branch_that_cannot_be_says_why(cascade: Tape) -> None:
    app = stepper(cascade)
    app.goto(10)
    app.branch.rule.value = "tranches"
    app.branch.field.switch.value = True
    app.branch.field.value.value = "none"
    app.branch.go.click()
    app.wait(60)
    assert "tranches must be" in app.branch.error.value
    assert len(app.tapes) == 1


def test_the_panel_lists_every_safeguard_that_is_registered(squeeze: Tape) -> None:
    panel = stepper(squeeze).scenario
    assert list(panel.rules) == [each.name for each in safeguards()]


def test_safeguards_are_compared_and_a_column_stands_beside_the_run(squeeze: Tape) -> None:
    app = stepper(squeeze)
    panel = app.safeguards
    panel.seeds.input.value = "2"
    panel.go.click()
    assert panel.wait(60)
    assert panel.error.value == ""
    found = panel.found
    assert found is not None
    assert set(found.names) > {"baseline", "fund", "all", "all but fund"}
    assert all(f"<th>{name}</th>" in panel.table.value for name in found.names)
    panel.column.value = "tranches"
    panel.show.click()
    assert app.wait(60)
    assert app.tapes[0] is squeeze
    assert app.tapes[1].meta["name"] == "t2a with tranches"
    assert app.tapes[1].venues[0]["rules"]["fraction_ppm"] == 200_000
    values = found.values[found.names.index("tranches"), 0]
    assert sum(app.tapes[1].summary()["notional_liquidated"].values()) == values[1]


def test_a_comparison_that_cannot_be_says_why_and_one_can_be_stopped(squeeze: Tape) -> None:
    app = stepper(squeeze)
    panel = app.safeguards
    for text in ("none", "0", "1001", "-1", "99999999999999"):
        panel.seeds.input.value = text
        panel.go.click()
        assert "seeds must be" in panel.error.value
    panel.seeds.input.value = "1000"
    panel.go.click()
    panel.cancel.click()
    assert panel.wait(60)
    assert panel.found is None
    assert panel.busy.value == "cancelled"
    assert (panel.go.disabled, panel.cancel.disabled) == (False, True)


def test_the_tables_are_taken_home_as_they_are(squeeze: Tape, sent: Sent) -> None:
    import io
    import zipfile

    from ordercascade.lab.take import csv_of

    with zipfile.ZipFile(io.BytesIO(csv_of(squeeze))) as archive:
        lines = archive.read("fills.csv").decode().splitlines()
    assert lines[0].split(",")[:4] == ["step", "venue", "market", "price"]
    assert len(lines) == len(squeeze.fills) + 1
    app = stepper(squeeze)
    sent.clear()
    app.take.csv.click()
    assert [message["method"] for _, message, _ in sent] == ["custom"]
    assert sent[0][1]["content"]["save"] == "t2a.csv.zip"


def test_other_markets_can_be_looked_at() -> None:
    app = stepper(scenarios.load("two-market-cross"))
    names = [name for name, _ in app.options.market.options]
    assert names == ["ALPHA", "BETA"]
    now = app.options.market.value
    other = next(value for _, value in app.options.market.options if value != now)
    app.goto(2)
    app.options.market.value = other
    assert (app._players[0].venue, app._players[0].market) == other
    assert app.step == 2


def test_markup_in_names_is_text_wherever_html_is_made(squeeze: Tape) -> None:
    """BAD_INPUTS K11: a scenario refuses such names, a tape from a file may hold any."""
    from ordercascade.lab.still import still_of

    word = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    app = stepper(random_runs.renamed(squeeze, word))
    app.goto(4)
    panel = app._panels[0]
    pieces = [panel.depth_title.value, panel.path_title.value, still_of(app._players)]
    for piece in pieces:
        assert "<script" not in piece
        assert "<img src=x" not in piece
    assert word in app.root.text  # set as text by the page
    assert "&lt;img" in pieces[0]


def test_what_is_no_run_is_refused() -> None:
    with pytest.raises(InputTypeError, match="^source must be a Tape or a Scenario"):
        stepper("t2a")


def test_without_the_extra_the_pip_line_is_said_and_the_view_model_still_works() -> None:
    program = (
        "import sys\n"
        "class Nothing:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.partition('.')[0] in ('ipywidgets', 'bqplot', 'anywidget', 'traitlets'):\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Nothing())\n"
        "import ordercascade as oc\n"
        "from ordercascade.lab import Player\n"
        "print(Player(oc.run(oc.scenarios.load('t2a'), progress=False)).at(3).kind)\n"
        "try:\n"
        "    from ordercascade.lab import Stepper\n"
        "except oc.MissingExtraError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[1].endswith("pip install 'ordercascade[lab]'"), done.stderr

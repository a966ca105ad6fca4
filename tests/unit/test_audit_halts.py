"""The audit of tapes with circuit breakers: yes to the engine's, no to one with a cell changed."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ordercascade as oc
from ordercascade.core.world import World
from ordercascade.enums import BreakerKind, NoteKind, ReleaseRule, Side, StepKind, Stop
from ordercascade.mechanisms.breakers import Breaker
from ordercascade.replay.auctions import Offer, clearing
from ordercascade.tape import Tape
from property.test_breakers import ROUND_MAX, breakers
from reference import scenarios as draw
from reference.scripts import Call, play
from unit.audit_worlds import meta_of, spoil
from unit.test_audit import refuse, told

SECOND = 10**9
STEPS_MAX = 1_000
USUAL: dict[str, Any] = {
    "everybody": 0, "window_ns": 0, "halt_ns": 0, "release": 0, "drip_ppm": 0, "drip_ns": 0,
}  # fmt: skip


def tape_of(calls: list[Call], numbers: list[dict[str, Any]]) -> Tape:
    """Play calls with breakers; the tape says which. Pauses must not follow each other for ever."""
    own = {"breakers": tuple(Breaker(**each) for each in numbers), "round_max": ROUND_MAX}
    world = World(steps_max=STEPS_MAX)
    play(world, [calls[0]._replace(kwargs=calls[0].kwargs | own), *calls[1:]])
    assert world.stop != Stop.STEP_BOUND
    meta = meta_of(calls) | {"stop": int(world.stop)}
    told_of = [USUAL | {k: int(v) for k, v in each.items()} for each in numbers]
    meta["venues"][0]["breakers"] = told_of
    return Tape(world.log, meta)


@settings(max_examples=30)
@given(draw.scenarios(), breakers(), st.booleans())
def test_a_random_world_with_breakers_passes(
    calls: list[Call], numbers: list[dict[str, Any]], auctions: bool
) -> None:
    if auctions:
        drip = {"release", "drip_ppm", "drip_ns"}
        numbers = [
            {k: v for k, v in each.items() if k not in drip}
            | ({"release": ReleaseRule.AUCTION} if each["kind"] != BreakerKind.BAND else {})
            for each in numbers
        ]
    tape = tape_of(calls, numbers)
    found = oc.audit(tape)
    assert found.ok, told(found)
    rows = {check.name: check.rows for check in found.checks}
    assert rows["halts"] == found.steps
    assert rows["liquidations"] == len(tape.liquidations)
    assert {gap.check for gap in found.gaps} <= {"valves", "parents"}


def ladder(*numbers: dict[str, Any], size: int = 15, owners: int = 4) -> Tape:
    """T2a's book and longs (tests/golden), a sale now and another one ten seconds on."""
    calls = [Call(-1, "add_venue", (1,), {"trigger_strict": False})]
    terms = {"multiplier": 10, "brackets": [(0, 50_000, 0, 100_000)], "last": 100}
    calls.append(Call(0, "add_market", (), terms))
    calls += [Call(0, "seed_level", (0, Side.BID, price, 10)) for price in range(100, 79, -1)]
    people = [(10, 595), (20, 1_380), (15, 1_320), (30, 4_350)]
    for who, (lots, money) in enumerate(people[:owners], 1):
        calls += [
            Call(0, "open_account"),
            Call(0, "deposit", (who, 0, money)),
            Call(0, "open_position", (who, 0, lots, lots * 1_000)),
        ]
    calls.append(Call(-1, "schedule_shock", (0, 0, 0, Side.ASK), {"size": size}))
    later = (10 * SECOND, 0, 0, Side.ASK)
    calls.append(Call(-1, "schedule_shock", later, {"size": 7, "limit": 90}))
    return tape_of([*calls, Call(-1, "start"), Call(-1, "run")], list(numbers))


HALT = {"kind": BreakerKind.HALT, "band_ppm": 10_000, "halt_ns": 60 * SECOND}
WAITS = HALT | {"everybody": True}
DRIPS = HALT | {
    "band_ppm": 20_000, "release": ReleaseRule.DRIP, "drip_ppm": 400_000, "drip_ns": SECOND,
}  # fmt: skip


@cache
def made(name: str) -> Tape:
    return {
        "halt": lambda: ladder(WAITS),
        "auction": lambda: ladder(WAITS | {"release": ReleaseRule.AUCTION}),
        "band": lambda: ladder({"band_ppm": 30_000, "kind": BreakerKind.BAND}),
        "slices": lambda: ladder(DRIPS, size=25),
    }[name]()


def first(tape: Tape, table: str, **cells: int) -> int:
    """The first row of a table with these cells."""
    columns = [(tape.tables[table][name].tolist(), cell) for name, cell in cells.items()]
    rows = range(len(columns[0][0]))
    return next(row for row in rows if all(column[row] == cell for column, cell in columns))


@pytest.mark.parametrize("name", ["halt", "auction", "band", "slices"])
def test_the_tapes_below_pass_as_they_are(name: str) -> None:
    found = oc.audit(made(name))
    assert found.ok, told(found)


@pytest.mark.parametrize(
    ("name", "table", "cells", "column", "by"),
    [
        ("halt", "steps", {"kind": StepKind.HALT}, "parent", -1),
        ("halt", "steps", {"kind": StepKind.RESUME}, "parent", -1),
        ("halt", "steps", {"kind": StepKind.RESUME}, "time_ns", -1),
        ("halt", "steps", {"kind": StepKind.HALT}, "kind", StepKind.RESUME - StepKind.HALT),
        ("halt", "steps", {"kind": StepKind.RESUME}, "kind", StepKind.HALT - StepKind.RESUME),
        ("halt", "notes", {"kind": NoteKind.RELEASED}, "b", 1),
        ("halt", "notes", {"kind": NoteKind.HELD}, "a", -1),
        ("halt", "notes", {"kind": NoteKind.HELD}, "b", -1),
        ("halt", "orders", {"size": 7, "filled": 7}, "size", 1),
        ("auction", "orders", {"size": 7, "account": 0, "result": 0}, "size", 1),
        ("band", "fills", {"price": 97, "taker_account": 2}, "price", -1),
        ("slices", "notes", {"kind": NoteKind.RELEASED}, "a", -8),
    ],
)
def test_one_cell_of_a_halt_changed_is_found(
    name: str, table: str, cells: dict[str, int], column: str, by: int
) -> None:
    tape = made(name)
    refuse(oc.audit(spoil(tape, table, first(tape, table, **cells), column, by)), "halts")


@pytest.mark.parametrize(
    ("name", "table", "cells", "column", "by", "check"),
    [
        ("band", "liquidations", {"limit_price": 97}, "limit_price", -1, "liquidations"),
        ("band", "orders", {"price": 97}, "price", 1, "orders"),
        ("slices", "liquidations", {"tranche": 2}, "lots_asked", 1, "liquidations"),
        ("halt", "steps", {"kind": StepKind.RESUME}, "market", -1, "tables"),
        ("halt", "notes", {"kind": NoteKind.HELD}, "a", -1, "notes"),
        ("halt", "notes", {"kind": NoteKind.RELEASED}, "b", 1, "notes"),
        ("halt", "orders", {"filled": 0}, "result", 1, "orders"),
        ("auction", "fills", {"taker_side": 0}, "price", 1, "auctions"),
        ("auction", "fills", {"taker_side": 0}, "size", 1, "auctions"),
        ("auction", "fills", {"taker_side": 0}, "taker_fee", 1, "fees"),
        ("auction", "liquidations", {"tranche": 1}, "lots_filled", -1, "auctions"),
        ("auction", "liquidations", {"tranche": 1}, "worst_price", -1, "auctions"),
        ("auction", "liquidations", {"tranche": 1}, "value", 99, "auctions"),
        ("auction", "liquidations", {"tranche": 1}, "equity_before", 1, "liquidations"),
        ("auction", "steps", {"kind": StepKind.AUCTION}, "parent", -1, "parents"),
        ("auction", "steps", {"kind": StepKind.AUCTION}, "generation", 1, "parents"),
        ("auction", "orders", {"account": 1}, "size", 1, "orders"),
        ("auction", "orders", {"size": 7, "account": 0, "result": 0}, "size", 1, "auctions"),
    ],
)
def test_one_cell_of_a_round_at_a_valve_changed_is_found(
    name: str, table: str, cells: dict[str, int], column: str, by: int, check: str
) -> None:
    tape = made(name)
    refuse(oc.audit(spoil(tape, table, first(tape, table, **cells), column, by)), check)


def test_a_level_that_an_auction_leaves_and_an_order_that_a_gate_let_pass_are_found() -> None:
    tape = made("auction")
    step = first(tape, "steps", kind=StepKind.AUCTION)
    row = first(tape, "levels", step=step)
    refuse(oc.audit(spoil(tape, "levels", row, "size_after", 1)), "auctions")


@pytest.mark.parametrize("name", ["halts", "t2b"])
def test_a_shipped_scenario_with_breakers_is_played_to_its_end(name: str) -> None:
    tape = oc.run(oc.scenarios.load(name), progress=False)
    found = oc.audit(tape)
    assert found.ok, told(found)
    rows = {check.name: check.rows for check in found.checks}
    assert rows["liquidations"] == len(tape.liquidations) == rows["outcomes"]
    assert rows["valves"] > 0
    assert (rows["auctions"] > 0) == (name == "halts")


def pauses(kind: BreakerKind, **numbers: Any) -> Tape:
    """The ladder with pauses for lag or gas that end."""
    usual = {"kind": kind, "halt_ns": SECOND, "halt_max_ns": 3 * SECOND}
    return ladder(usual | numbers)


def test_pauses_for_lag_and_gas_are_worked_out_again() -> None:
    """Gas of 30 is always above 25: pauses; the audit of a tape that says 20 finds them wrong."""
    tape = pauses(BreakerKind.GAS, gas=30, gas_max=25)
    assert StepKind.HALT in tape.steps["kind"].tolist()
    found = oc.audit(tape)
    assert found.ok, told(found)
    assert not [gap for gap in found.gaps if "gas" in gap.reason]
    venue = tape.meta["venues"][0]
    said = [venue["breakers"][0] | {"gas": 20}]
    meta = tape.meta | {"venues": [venue | {"breakers": said}]}
    refuse(oc.audit(Tape(tape.__dict__["_log"].fork(), meta)), "valves")
    late = [venue["breakers"][0] | {"halt_ns": SECOND + 1}]
    meta = tape.meta | {"venues": [venue | {"breakers": late}]}
    refuse(oc.audit(Tape(tape.__dict__["_log"].fork(), meta)), "valves")


@pytest.mark.parametrize(
    ("offers", "last", "found"),
    [
        ([], 5, (0, 0)),
        ([(0, 9, 5), (1, 10, 5)], 5, (0, 0)),
        ([(0, 10, 5), (1, 8, 5)], 9, (9, 5)),
        ([(0, 10, 5), (1, 8, 5)], 3, (8, 5)),
        ([(0, 10, 5), (1, 8, 5)], 0, (9, 5)),
        ([(0, 10, 7), (1, 8, 5)], 3, (10, 5)),
        ([(0, 10, 5), (1, 8, 7)], 30, (8, 5)),
        ([(0, 10, 5), (0, 9, 3), (1, 8, 6), (1, 9, 2)], 1, (9, 8)),
    ],
)
def test_an_auction_clears_at_most_lots_least_left_and_nearest(
    offers: list[tuple[int, int, int]], last: int, found: tuple[int, int]
) -> None:
    assert clearing([Offer(*each) for each in offers], last) == found


def test_a_mark_inside_the_band_calls_no_halt_and_one_beyond_it_does() -> None:
    """The halt came at 99, 1 % below 100: not at 100; and one that 99 calls must be there."""
    tape = made("halt")
    row = first(tape, "marks", mark=99)
    refuse(oc.audit(spoil(tape, "marks", row, "mark", 1)), "halts")
    wide = tape.meta["venues"][0]["breakers"][0] | {"band_ppm": 50_000}
    meta = tape.meta | {"venues": [tape.meta["venues"][0] | {"breakers": [wide]}]}
    refuse(oc.audit(Tape(tape.__dict__["_log"].fork(), meta)), "halts")
    quiet = ladder(wide)
    strict = meta | {"venues": [tape.meta["venues"][0]]}
    refuse(oc.audit(Tape(quiet.__dict__["_log"].fork(), strict)), "halts")


def test_the_mean_over_the_window_is_worked_out_again() -> None:
    """The sale of 15 ends at 99, the next one at 98: 2 % below the first mark, but 1 % below the
    mean of the five seconds before. A halt by the one is none by the other."""
    for span, other in ((0, 5 * SECOND), (5 * SECOND, 0)):
        numbers = HALT | {"band_ppm": 20_000, "window_ns": span}
        tape = ladder(numbers, owners=0)
        assert oc.audit(tape).ok
        assert (StepKind.HALT in tape.steps["kind"].tolist()) == (span == 0)
        venue = tape.meta["venues"][0]
        said = [venue["breakers"][0] | {"window_ns": other}]
        meta = tape.meta | {"venues": [venue | {"breakers": said}]}
        refuse(oc.audit(Tape(tape.__dict__["_log"].fork(), meta)), "halts")

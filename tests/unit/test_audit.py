"""The audit says yes to every tape of the engine, and no to a tape with one cell changed."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings

import ordercascade as oc
from ordercascade.audit import UNEXPLAINED
from ordercascade.core.events import SCHEMA
from ordercascade.core.world import World
from ordercascade.enums import MarkRefresh, QueueOrder, Side
from ordercascade.errors import InputError
from ordercascade.replay.findings import CHECKS
from ordercascade.replay.valves import BACK
from ordercascade.tape import Tape
from property.test_larger_worlds import world_of
from reference import scenarios as draw
from reference.scripts import Call, play
from unit.audit_worlds import meta_of, spoil, tape_of_calls, tape_of_users
from unit.hand_tape import t2a

PACKAGE = Path(oc.__file__).parent


def told(found: oc.Audit) -> str:
    return "\n".join(str(failure) for failure in found.failures)


def refuse(found: oc.Audit, *checks: str) -> None:
    """Hold that these checks failed, among others perhaps."""
    failed = {check.name for check in found.checks if check.failed}
    assert set(checks) <= failed, f"{failed}: {told(found)}"


# Tapes that are as they should be.


@pytest.mark.parametrize("name", oc.scenarios.names())
def test_a_shipped_scenario_passes_whole(name: str) -> None:
    tape = oc.run(oc.scenarios.load(name), progress=False)
    found = oc.audit(tape)
    assert found.ok, told(found)
    why = {gap.reason for gap in found.gaps}
    # What collaterals decide is not decided again, and the audit says so.
    venues = tape.meta["venues"]
    guarded = [word for word in UNEXPLAINED if any(word in v for v in venues)]
    assert ("collaterals" in guarded) == (
        "[[venue.collateral]]" in oc.scenarios.load(name).to_toml()
    )
    why -= {BACK} if "breaker" in oc.scenarios.load(name).to_toml() else set()
    assert all(each in reason for reason in why for each in guarded) if guarded else not why
    if not guarded:
        assert next(c.rows for c in found.checks if c.name == "parents") == len(tape)


def test_the_golden_trace_passes_and_every_one_of_its_rows_was_looked_at() -> None:
    """T2a: a shock of 15 lots, then A, B and C: 9 fills, 3 orders and the shock's, 8 steps."""
    rules = {"trigger_strict": False, "queue": QueueOrder.TRIGGER_PRICE}
    calls = [Call(-1, "add_venue", (1,), rules | {"mark_refresh": MarkRefresh.ORDER})]
    terms = {"multiplier": 10, "brackets": [(0, 50_000, 0, 100_000)], "last": 100}
    calls.append(Call(0, "add_market", (), terms))
    calls += [Call(0, "seed_level", (0, Side.BID, price, 10)) for price in range(100, 79, -1)]
    for who, (lots, money) in enumerate([(10, 595), (20, 1_380), (15, 1_320), (30, 4_350)], 1):
        calls += [
            Call(0, "open_account"),
            Call(0, "deposit", (who, 0, money)),
            Call(0, "open_position", (who, 0, lots, lots * 1_000)),
        ]
    calls.append(Call(-1, "schedule_shock", (0, 0, 0, Side.ASK), {"size": 15}))
    found = oc.audit(tape_of_calls([*calls, Call(-1, "start"), Call(-1, "run")]))
    assert found.ok, told(found)
    rows = {check.name: check.rows for check in found.checks}
    assert (rows["fills"], rows["orders"], rows["liquidations"], rows["time"]) == (9, 4, 3, 8)


@settings(max_examples=60)
@given(draw.scenarios())
def test_a_random_scenario_passes_whole(calls: list[Call]) -> None:
    found = oc.audit(tape_of_calls(calls))
    assert found.ok, told(found)
    assert found.gaps == ()


@settings(max_examples=25)
@given(draw.scenarios(venues=2))
def test_two_venues_pass_and_only_scopes_cannot_be_told_apart(calls: list[Call]) -> None:
    found = oc.audit(tape_of_calls(calls))
    assert found.ok, told(found)
    assert {gap.check for gap in found.gaps} <= {"scopes"}


@settings(max_examples=15)
@given(draw.scenarios())
def test_a_tape_without_rules_passes_and_says_what_it_lacks(calls: list[Call]) -> None:
    tape = tape_of_calls(calls, ruled=False)
    found = oc.audit(tape)
    assert found.ok, told(found)
    gaps = {gap.check: gap.reason for gap in found.gaps}
    assert "time" in gaps
    if len(tape.liquidations):
        assert {"liquidations", "outcomes", "fees"} <= set(gaps)
        assert "rules" in gaps["outcomes"]


@pytest.mark.parametrize("seed", range(8))
def test_a_larger_world_passes_whole(seed: int) -> None:
    found = oc.audit(tape_of_calls(world_of(seed)))
    assert found.ok, told(found)
    assert found.gaps == ()


@pytest.mark.parametrize("seed", range(12))
def test_users_who_trade_cancel_amend_and_move_money_leave_a_sound_tape(seed: int) -> None:
    found = oc.audit(tape_of_users(seed))
    assert found.ok, told(found)
    assert {gap.check for gap in found.gaps} <= {"parents"}


@pytest.mark.parametrize("seed", [0, 3])
def test_a_tape_cut_after_any_step_passes(seed: int) -> None:
    calls, world = world_of(seed), World()
    play(world, calls[:-1])
    meta = meta_of(calls)
    while world.step() >= 0:
        found = oc.audit(Tape(world.log, meta))
        assert found.ok, f"after {world.steps} steps: {told(found)}"


@pytest.mark.parametrize("most", [1, 2, 5, 9, 14, 30])
def test_a_tape_that_its_bound_cut_short_passes(most: int) -> None:
    calls, world = world_of(4), World(steps_max=most)
    play(world, calls)
    found = oc.audit(Tape(world.log, meta_of(calls)))
    assert found.ok, told(found)
    assert len(world.log.column("steps", "step")) == most + 1


def test_a_saved_tape_passes_like_the_one_that_was_saved(tmp_path: Path) -> None:
    tape = oc.run(oc.scenarios.load("short-squeeze"), progress=False)
    for place in (tmp_path / "run.oct", tmp_path / "folder"):
        tape.save(place)
        assert oc.audit(oc.Tape.load(place)) == oc.audit(tape)


def test_the_tape_of_a_venue_in_python_carries_what_the_audit_needs() -> None:
    """The example of the README: a long of 0.25 at 4 % margin is handed over at 56,000."""
    btc = oc.Market("BTCUSDT", tick_size="0.1", lot_size="0.001", settle="USDT", decimals=6)
    venue = oc.Venue("binance-usdm", [btc], index={"BTCUSDT": "60000"})
    long, short = venue.open_account(), venue.open_account()
    venue.deposit(long, "1000")
    venue.deposit(short, "50000")
    venue.submit(short, "BTCUSDT", Side.ASK, price="60000", size="0.25")
    venue.submit(long, "BTCUSDT", Side.BID, price="60000", size="0.25")
    venue.set_index("BTCUSDT", "56000")
    found = oc.audit(venue.settle())
    assert found.ok, told(found)
    assert next(check.rows for check in found.checks if check.name == "adl") == 1


# The answer.


def test_the_answer_is_a_frozen_value_with_a_table_for_people() -> None:
    found = oc.audit(oc.run(oc.scenarios.load("t2a"), progress=False))
    with pytest.raises(AttributeError):
        found.steps = 0  # type: ignore[misc]
    assert [check.name for check in found.checks] == list(CHECKS)
    lines = str(found).splitlines()
    assert lines[0] == "Audit of t2a: 8 steps played again from the opening"
    assert lines[-1] == "Everything follows."
    assert "<th>parents</th><td>8</td><td>ok</td>" in found._repr_html_()


def test_a_failure_names_step_table_row_field_and_both_values() -> None:
    tape = oc.run(oc.scenarios.load("t2a"), progress=False)
    found = oc.audit(spoil(tape, "liquidations", 1, "equity_before", 1))
    (failure,) = found.failures
    want = int(tape.liquidations["equity_before"][1])
    step = int(tape.liquidations["step"][1])
    assert failure == ("liquidations", step, "liquidations", 1, "equity_before", want, want + 1)
    text = f"liquidations[1].equity_before must be {want}, got {want + 1} (step {step})"
    assert str(failure) == text
    assert text in str(found)
    assert not found.ok
    assert "1 cells do not follow." in str(found)


def test_many_failures_are_counted_and_the_first_are_told() -> None:
    tape = oc.run(oc.scenarios.load("contagion"), progress=False)
    wrong = again(tape, markets=[{**m, "external_maker_fee_ppm": 77} for m in tape.markets])
    found = oc.audit(wrong)
    (check,) = [check for check in found.checks if check.failed]
    assert check.name == "fees"
    assert check.failed > 100
    assert len(check.failures) == 20
    assert f"... and {check.failed - 5:,} more" in str(found)


def test_a_tape_written_by_hand_fails_where_it_was_not_written_out() -> None:
    """It has no opening marks, no postings and one seat of each kind."""
    refuse(oc.audit(t2a().tape()), "tables")


def test_a_tape_whose_markets_have_no_name_is_not_played_and_says_so() -> None:
    calls = world_of(0)
    world = World()
    play(world, calls)
    found = oc.audit(Tape(world.log, {"name": "bare"}))
    assert {gap.check for gap in found.gaps} == set(CHECKS) - {"tables"}
    assert "does not name venue 0" in found.gaps[0].reason


@pytest.mark.parametrize(
    ("name", "seed", "other", "check"),
    [
        ("adl_rule", 51, 0, "adl"),
        ("adl_trigger", 0, 1, "outcomes"),
        ("buffer_ppm", 11, 10**6, "outcomes"),
        ("cooldown_ns", 18, 10**12, "liquidations"),
        ("fraction_ppm", 1, 333_334, "liquidations"),
        ("leg", 13, 1, "liquidations"),
        ("limit", 2, 1, "orders"),
        ("liquidation_fee_ppm", 3, 1, "fees"),
        ("liquidation_fee_to", 8, 1, "postings"),
        ("liquidation_pays_taker", 2, 0, "fees"),
        ("mark_refresh", 3, 1, "marks"),
        ("min_value", 11, 10**6, "liquidations"),
        ("queue", 2, 1, "liquidations"),
        ("residual", 2, 0, "waterfalls"),
        ("round_ns", 1, 1, "time"),
        ("shortfall_at", 14, 0, "outcomes"),
        ("social", 1, 1, "postings"),
        ("then_all", 25, 0, "liquidations"),
        ("trigger_strict", 5, 0, "parents"),
    ],
)
def test_other_rules_than_those_of_the_run_are_noticed(
    name: str, seed: int, other: int, check: str
) -> None:
    """Not only cells: the same tape does not follow from another rule."""
    tape = tape_of_calls(world_of(seed))
    (venue,) = tape.venues
    assert venue["rules"][name] != other
    rules = {**venue["rules"], name: other}
    found = oc.audit(again(tape, venues=[{**venue, "rules": rules}]))
    refuse(found, check)


def test_a_run_that_left_somebody_liquidatable_is_noticed() -> None:
    """T2a after its shock and the new mark: A falls at 99, and has sent no order."""
    with oc.World(oc.scenarios.load("t2a")) as world:
        world.run(2)
        tape = world.tape()
    assert oc.audit(tape).ok
    refuse(oc.audit(again(tape, stop=int(oc.Stop.NOBODY_AT_RISK))), "end")


def again(tape: Tape, **meta: object) -> Tape:
    """Return the same tables under other metadata."""
    return Tape(tape.__dict__["_log"], {**tape.meta, **meta})


def test_the_audit_asks_nothing_of_the_engine() -> None:
    for file in [PACKAGE / "audit.py", *(PACKAGE / "replay").glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("ordercascade.core"), file


# One cell changed.

# Who must notice: a table's check, or a column's where another one is nearer. A row that points
# nowhere, or that a Tape itself refuses, is noticed by "tables".
NEAREST: dict[str, str] = {
    **{table: table for table in ("orders", "liquidations", "postings", "adl", "marks", "scopes")},
    **{"funds": "funds", "notes": "notes", "fills": "fills", "levels": "book", "steps": "tables"},
    **{"accounts": "tables", "positions": "costs", "steps.market": "orders"},
    **{"postings.asset": "money", "postings.from_holder": "postings money"},
    **{"postings.to_holder": "postings money"},
    **{"steps.time_ns": "time", "steps.round": "time marks"},
    **dict.fromkeys(("steps.parent", "steps.generation", "steps.cause_market"), "parents"),
    **dict.fromkeys(("fills.price", "fills.size"), "book"),
    **dict.fromkeys(("fills.maker_fee", "fills.taker_fee", "liquidations.fee"), "fees"),
    **dict.fromkeys(
        [f"liquidations.{name}" for name in SCHEMA["liquidations"] if name.startswith("paid_")]
        + ["liquidations.shortfall", "liquidations.outcome"],
        "outcomes",
    ),
    **dict.fromkeys(("accounts.collateral", "positions.scope"), "scopes"),
}
# What an audit cannot always see, and why; and the tape that shows it: -1 the cascade, else the
# seed of a tape of users. In each some row is noticed, and some is not.
UNSEEN: dict[str, tuple[int, str]] = {
    "accounts.account": (-1, "the owner of a scope that never trades"),
    "accounts.collateral": (-1, "the money of a scope that is never recorded and never trades"),
    "accounts.market": (-1, "an isolated scope that owns nothing may be isolated anywhere"),
    "fills.maker_order": (-1, "an order of the opening is named by its fills alone"),
    "fills.maker_rest": (3, "how an opening level is cut into orders is told by fills alone"),
    "levels.market": (-1, "an opening level that nobody reaches fits another market as well"),
    "levels.price": (-1, "an opening level that nobody reaches"),
    "levels.size_after": (-1, "an opening level that nobody reaches"),
    "marks.last": (-1, "an opening last price that neither mark nor trade needs"),
    "orders.account": (3, "whose an amendment was that changed nothing"),
    "orders.flags": (3, "post-only leaves no trace in an order that would not have traded"),
    "orders.market": (3, "an amendment that changed nothing might be another market's"),
    "orders.price": (3, "a limit is felt only by what it kept from trading"),
    "orders.side": (5, "an amendment that changed nothing might be another side's"),
    "orders.size": (3, "what an order asked for beyond what it got and rested"),
    "orders.tif": (3, "an order that was filled whole did not need it"),
    "orders.type": (3, "an order that was filled whole at one price may have been of any type"),
    "postings.amount": (1, "what a user pays in is told by its posting, until a record needs it"),
    "postings.from_holder": (12, "whose money moved, until a record needs it"),
    "postings.step": (3, "money that a user moved may have been moved a call sooner or later"),
    "scopes.step": (-1, "where nothing moved between two steps a record fits both"),
    "steps.parent": (12, "where a settlement begins behind the calls of users is not told"),
    "steps.round": (3, "the last rows of a round may read like the first of the next"),
}


@cache
def cascade() -> Tape:
    """41 steps in two markets: fund, deleveraging, external, bad debt, tranches, cooldowns."""
    tape = tape_of_calls(world_of(679))
    assert min(len(tape.tables[table]) for table in SCHEMA) > 0
    return tape


@cache
def users(seed: int = 3) -> Tape:
    return tape_of_users(seed, 40 if seed in (3, 5) else 100)


def noticed(tape: Tape, table: str, column: str, rows: int) -> Iterator[set[str]]:
    """Change cells of a column by 1 up and down; yield the checks that noticed each.

    Rows are a seeded sample.
    """
    count = len(tape.tables[table])
    for row in random.Random(f"{table}.{column}").sample(range(count), min(rows, count)):
        for by in (1, -1):
            try:
                checks = oc.audit(spoil(tape, table, row, column, by)).checks
            except InputError:
                yield {"tables"}
            else:
                yield {check.name for check in checks if check.failed}


@pytest.mark.parametrize("table", SCHEMA)
def test_a_changed_cell_is_noticed_by_the_check_it_belongs_to(table: str) -> None:
    for column in SCHEMA[table]:
        name = f"{table}.{column}"
        if name not in UNSEEN or (UNSEEN[name][0] >= 0 and name != "orders.size"):
            nearest = {"tables", *NEAREST.get(name, NEAREST[table]).split()}
            nearest -= {"tables"} if name == "postings.asset" else set()
            for checks in noticed(cascade(), table, column, 2):
                assert nearest & checks, f"{name}: {checks}"


@pytest.mark.parametrize("table", ["orders", "fills", "postings"])
def test_a_changed_cell_of_a_user_s_step_is_noticed(table: str) -> None:
    for column in SCHEMA[table]:
        if f"{table}.{column}" not in UNSEEN:
            assert all(noticed(users(), table, column, 2)), column


@pytest.mark.parametrize("name", UNSEEN)
def test_a_column_said_to_be_unseen_now_and_then_is_seen_now_and_then(name: str) -> None:
    """The list is honest: what is always noticed, or never, does not stand on it."""
    seed, reason = UNSEEN[name]
    kinds = set()
    for checks in noticed(cascade() if seed < 0 else users(seed), *name.split("."), 120):
        kinds.add(bool(checks))
        if len(kinds) == 2:
            return
    pytest.fail(f"{name} ({reason}) is {'always' if True in kinds else 'never'} noticed")


def test_levels_and_postings_put_off_are_noticed_by_money_and_costs() -> None:
    """A profit posted to somebody else: sums per market still hold, the posting does not."""
    tape = cascade()
    reasons = tape.postings["reason"].tolist()
    row = reasons.index(int(oc.PostReason.REALISE))
    refuse(oc.audit(spoil(tape, "postings", row, "amount", 1)), "postings", "costs", "equity")
    refuse(oc.audit(spoil(tape, "positions", 0, "size", 1)), "costs")
    refuse(oc.audit(spoil(tape, "positions", 0, "cost", 1)), "costs")


@pytest.mark.parametrize("seed", range(4))
def test_a_tape_spoilt_in_many_cells_is_answered_and_never_an_exception(seed: int) -> None:
    """Ids that point nowhere, signs turned, cells as large as they go: 40 tapes a seed."""
    draw = random.Random(seed)
    answers = set()
    for _ in range(40):
        tape = draw.choice([cascade(), users()])
        log = tape.__dict__["_log"].fork()
        for _ in range(draw.choice([1, 3, 12])):
            table = draw.choice([name for name in SCHEMA if len(tape.tables[name])])
            column = draw.choice([name for name in SCHEMA[table] if name != "step"])
            row, width = draw.randrange(len(tape.tables[table])), SCHEMA[table][column][0]
            most = 2 ** (8 * width - 1) - 1
            now = log.get(table, row, column)
            cell = draw.choice([0, -1, -now, now + 3, most, draw.randrange(-(10**6), 10**6)])
            log.set(table, row, column, max(-most, min(most, cell)))
        with suppress(InputError):  # A Tape refuses some by itself.
            answers.add(oc.audit(Tape(log, tape.meta)).ok)
    assert False in answers


def test_windows_looked_at_in_python_and_in_columns_give_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Numbers that do not fit 64 bits are looked at one by one; here all of them are."""
    tape = tape_of_calls(world_of(36))
    wrong = spoil(tape, "steps", int(tape.liquidations["step"][-1]), "parent", -1)
    found = oc.audit(tape), oc.audit(wrong)
    monkeypatch.setattr("ordercascade.replay.parents.CELL_MAX", 0)
    assert (oc.audit(tape), oc.audit(wrong)) == found

"""The audit of stages: tapes of every house and preset follow; changed ones do not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import ordercascade as oc
from ordercascade import presets
from ordercascade.core.stages import STAGES
from ordercascade.enums import HolderKind, PostReason, StepKind
from ordercascade.errors import InputError
from ordercascade.mechanisms.tranches import Tranches
from ordercascade.replay.schedules import Schedule as Told
from ordercascade.replay.staging import Sizes, Stages
from ordercascade.schedules import schedule_of
from ordercascade.tape import Tape
from swarm.houses import houses
from unit.audit_worlds import spoil
from unit.preset_worlds import EXTRAS
from unit.staged_tapes import life, run_of
from unit.test_audit import again
from unit.test_stage_keys import SCHEDULES, margin, scenario

STAGED = tuple(name for name in houses() if name != "simple")


def told(found: oc.Audit) -> str:
    return f"{found}"


@pytest.mark.parametrize("name", STAGED)
def test_a_random_life_of_a_house_passes_whole(name: str) -> None:
    for seed in range(3):
        found = oc.audit(life(name, seed))
        assert found.ok, told(found)


# What cannot be worked out again from the tape of a preset's scenario, and is said.
GAPS = {
    "bitmex": {"liquidations: the trigger price where the margin jumps (rows)"},
    "bybit-inverse": {
        "liquidations: sizes and limits of a policy with stages at an inverse market (rows)"
    },
    "okx": {"liquidations: the trigger price where the margin jumps (rows)"},
    "synthetix-v3": {"end: whether who is left waits for a window's capacity (venues)"},
}


@pytest.mark.parametrize("name", [*presets.runnable(), *EXTRAS])
def test_the_scenario_of_a_preset_passes_and_says_what_it_lacks(name: str) -> None:
    for fund in (0, 20_000, 2_000_000):
        found = oc.audit(run_of(name, fund=fund))
        assert found.ok, told(found)
        assert {f"{gap.check}: {gap.reason}" for gap in found.gaps} == GAPS.get(name, set())
    kinds = set(run_of(name).steps["kind"].tolist())
    looked = {check.name for check in found.checks if check.rows}
    for kind, check in (
        (StepKind.TAKEOVER, "takeovers"),
        (StepKind.DISPOSAL, "disposals"),
        (StepKind.PAYMENT, "payments"),
    ):
        assert (check in looked) == (kind in kinds)
    assert ("insured" in looked) == (name == "dydx-v4")


def test_the_audit_knows_every_key_of_the_engine_s_stages_and_their_defaults() -> None:
    assert {key: int(value) for key, value in STAGES.items()} == Stages()._asdict()
    plain = Tranches()
    mine = Sizes()._asdict() | {"limit_all": int(plain.limit)}
    assert mine == {key: int(getattr(plain, key)) for key in Sizes._fields}


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("base", ["mark", "entry"])
def test_a_schedule_written_a_second_time_asks_the_same(kind: str, base: str) -> None:
    if (kind, base) == ("risk", "entry"):
        pytest.skip("refused: open orders have no entry")
    made = scenario(f"mm_base = '{base}'", margin=margin(kind)).venues[0].markets[0].margins
    if made is None:
        pytest.skip("brackets at the mark are no schedule")
    rows = made.arguments.get("rows")
    said = made.arguments | ({"rows": [list(row) for row in rows]} if rows else {})
    mine, theirs = Told({"kind": made.kind, **said}), schedule_of(made)
    draw = random.Random(kind)
    for _ in range(200):
        size = draw.choice((-1, 1)) * draw.choice((1, 19, 20, draw.randint(1, 10**5)))
        price, paid = draw.randint(1, 10**4), draw.randint(1, 10**4)
        value, cost = size * price * 50, size * paid * 50
        _, asked = oc.margin.what_if(theirs, price, size, cost, 0)
        assert mine.maintenance(size, value, cost) == asked


# One cell changed.

# Rows of the new kinds of step: a tape that has them, and which table's rows of these steps.
ROWS: tuple[tuple[str, StepKind, str], ...] = (
    ("hyperliquid", StepKind.TAKEOVER, "adl"),
    ("hyperliquid", StepKind.TAKEOVER, "postings"),
    ("hyperliquid", StepKind.TAKEOVER, "steps"),
    ("binance-usdm", StepKind.TAKEOVER, "adl"),
    ("synthetix-v3", StepKind.TAKEOVER, "adl"),
    ("vega", StepKind.DISPOSAL, "orders"),
    ("vega", StepKind.DISPOSAL, "fills"),
    ("vega", StepKind.DISPOSAL, "postings"),
    ("vega", StepKind.DISPOSAL, "steps"),
    ("vega", StepKind.PAYMENT, "postings"),
    ("vega", StepKind.PAYMENT, "steps"),
    ("dydx-v4", StepKind.ADL, "adl"),
    ("dydx-v4", StepKind.LIQUIDATION, "liquidations"),
    ("dydx-v4", StepKind.LIQUIDATION, "postings"),
    ("okx", StepKind.ADL, "adl"),
    ("bybit-linear", StepKind.LIQUIDATION, "liquidations"),
)
# Cells that no rule fixes, as in test_audit.py: how an opening level is cut into orders, and
# whether the last row of a round is the first of the next.
FREE = {"fills.maker_order", "fills.maker_rest", "steps.round"}


def spoilt(tape: Tape, kind: StepKind, table: str, column: str) -> Iterator[oc.Audit]:
    """Change cells of a column in rows of these steps by 1; yield what the audit finds."""
    steps = np.flatnonzero(tape.steps["kind"] == kind)
    rows = np.flatnonzero(np.isin(tape.tables[table]["step"], steps)).tolist()
    assert rows
    for row in random.Random(f"{table}.{column}").sample(rows, min(2, len(rows))):
        try:
            wrong = spoil(tape, table, row, column, random.Random(row).choice((1, -1)))
        except InputError:
            continue  # What a Tape itself refuses.
        yield oc.audit(wrong)


@pytest.mark.parametrize(("name", "kind", "table"), ROWS)
def test_a_changed_cell_of_a_stage_s_step_is_noticed(name: str, kind: StepKind, table: str) -> None:
    tape = run_of(name)
    for column in tape.tables[table].columns:
        if f"{table}.{column}" not in FREE:
            for found in spoilt(tape, kind, table, column):
                assert not found.ok, f"{table}.{column} of {kind.name}"


# Other rules than the run's.

OTHER_STAGES: tuple[tuple[str, str, int], ...] = (
    ("hyperliquid", "takeover", 1),
    ("hyperliquid", "takeover_ppm", 100_000),
    ("hyperliquid", "takeover_price", 2),
    ("hyperliquid", "takeover_cap_ppm", 1),
    ("binance-usdm", "takeover_when", 2),
    ("binance-usdm", "takeover_cap_ppm", 10**9),
    ("synthetix-v3", "takeover_collateral", 0),
    ("vega", "dispose_ns", 60 * 10**9),
    ("vega", "dispose_ppm", 100_001),
    ("vega", "dispose_full", 10**9),
    ("vega", "dispose_share_ppm", 10**6),
    ("vega", "dispose_range_ppm", 10_000),
    ("vega", "variation", 0),
    ("dydx-v4", "insured", 0),
    ("dydx-v4", "insured_fee_ppm", 100),
    ("dydx-v4", "adl_overlap", 0),
    ("okx", "adl_price", 0),
    ("vega", "search_ppm", 10**6),
    ("vega", "initial_ppm", 1_150_000),
    ("vega", "release_ppm", 10**8),
    ("shared", "social_rule", 0),
    ("shared", "social_step", 10**9),
    ("ticks", "adl_price", 0),
    ("before", "adl_price", 2),
    ("before", "adl_when", 2),
)


def ruled(tape: Tape, part: str, **numbers: int) -> Tape:
    """Return the tape under other stages or sizes."""
    (venue,) = tape.venues
    return again(tape, venues=[{**venue, part: {**venue[part], **numbers}}])


@pytest.mark.parametrize(("name", "key", "other"), OTHER_STAGES)
def test_other_stages_than_those_of_the_run_are_noticed(name: str, key: str, other: int) -> None:
    tape = run_of(name, fund=0 if name == "shared" else 20_000)
    assert int(tape.venues[0]["stages"].get(key, STAGES[key])) != other
    assert not oc.audit(ruled(tape, "stages", **{key: other})).ok


OTHER_SIZES: tuple[tuple[str, str, int], ...] = (
    ("dydx-v4", "portion_ppm", 500_000),
    ("dydx-v4", "block_value", 10**9),
    ("dydx-v4", "limit", 0),
    ("dydx-v4", "spread_ppm", 200_000),
    ("dydx-v4", "adjustment_ppm", 2 * 10**6),
    ("okx", "tiers", 1),
    ("okx", "rule", 4),
    ("okx", "limit_all", 0),
    ("covering", "portion_ppm", 900_000),
    ("covering", "ramp_ns", 10**9),
    ("covering", "target_ppm", 3 * 10**6),
    ("covering", "buffer_ppm", 300_000),
    ("covering", "cost_ppm", 9_000),
    ("covering", "round_up", 0),
    ("covering", "min_value", 10**12),
    ("covering", "cooldown_ns", 10**14),
    ("covering", "range_ppm", 50_000),
    ("synthetix-v3", "capacity", 10_000),
    ("synthetix-v3", "window_ns", 10**12),
)


@pytest.mark.parametrize(("name", "key", "other"), OTHER_SIZES)
def test_other_sizes_than_those_of_the_run_are_noticed(name: str, key: str, other: int) -> None:
    assert not oc.audit(ruled(run_of(name), "tranches", **{key: other})).ok


def test_orders_that_fit_a_tier_are_held_against_their_rule() -> None:
    tape = life("bybit-linear", 1)
    assert oc.audit(tape).ok
    assert not oc.audit(ruled(tape, "tranches", rule=3)).ok


@pytest.mark.parametrize("key", ["maintenance_ppm", "initial_ppm"])
def test_another_schedule_than_that_of_the_run_is_noticed(key: str) -> None:
    tape = run_of("dydx-v4")
    markets: list[dict[str, Any]] = [
        {**m, "schedule": {**m["schedule"], key: m["schedule"][key] // 2}} for m in tape.markets
    ]
    assert not oc.audit(again(tape, markets=markets)).ok


def test_a_loss_that_the_winners_of_a_settlement_share_follows_and_a_changed_one_does_not() -> None:
    tape = run_of("jump", fund=0)
    found = oc.audit(tape)
    assert found.ok, told(found)
    kinds = tape.steps["kind"][tape.postings["step"]]
    for reason in (PostReason.SOCIALISED, PostReason.BAD_DEBT, PostReason.TRANSFER):
        rows = np.flatnonzero((tape.postings["reason"] == reason) & (kinds == StepKind.PAYMENT))
        wrong = oc.audit(spoil(tape, "postings", int(rows[0]), "amount", 1))
        assert "postings" in {check.name for check in wrong.checks if check.failed}
    # What each winner keeps is floor(gain * collected / owed): one unit to another is noticed.
    rows = np.flatnonzero((tape.postings["reason"] == PostReason.SOCIALISED)
                          & (kinds == StepKind.PAYMENT))[:2]  # fmt: skip
    wrong_tape = spoil(spoil(tape, "postings", int(rows[0]), "amount", 1), "postings",
                       int(rows[1]), "amount", -1)  # fmt: skip
    assert not oc.audit(wrong_tape).ok


def test_a_takeover_by_somebody_else_s_holder_is_noticed_before_the_tape_is_played() -> None:
    tape = run_of("hyperliquid")
    kinds = tape.tables["accounts"]["kind"]
    row = int(np.flatnonzero(tape.steps["kind"][tape.adl["step"]] == StepKind.TAKEOVER)[0])
    users = np.flatnonzero(kinds == HolderKind.SCOPE)
    by = int(users[0]) - int(tape.adl["scope_to"][row])
    found = oc.audit(spoil(tape, "adl", row, "scope_to", by))
    assert [check.name for check in found.checks if check.failed] == ["tables"]


@pytest.mark.parametrize("seed", range(3))
def test_a_staged_tape_spoilt_in_many_cells_is_answered_and_never_an_exception(seed: int) -> None:
    draw = random.Random(seed)
    names = ("vega", "dydx-v4", "hyperliquid", "synthetix-v3", "okx")
    for _ in range(25):
        tape = run_of(draw.choice(names))
        log = tape.__dict__["_log"].fork()
        for _ in range(draw.choice((1, 3, 12))):
            table = draw.choice([name for name in tape.tables if len(tape.tables[name])])
            column = draw.choice([name for name in tape.tables[table].columns if name != "step"])
            row = draw.randrange(len(tape.tables[table]))
            now = log.get(table, row, column)
            cell = draw.choice((0, -1, -now, now + 3, draw.randrange(-100, 100)))
            if not -128 <= cell <= 127:
                continue
            log.set(table, row, column, cell)
        try:
            wrong = Tape(log, tape.meta)
        except (InputError, ValueError):
            continue
        assert isinstance(oc.audit(wrong).ok, bool)

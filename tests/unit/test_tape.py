"""The tape: frames against a replay, the golden summary, the hash, frames and tables for people."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercascade import scenarios
from ordercascade.core.events import SCHEMA, EventLog
from ordercascade.engine import meta_of
from ordercascade.enums import AdlRule, HolderKind, PostReason, Side, StepKind
from ordercascade.errors import InputError, InputTypeError, MissingExtraError, RangeError
from ordercascade.frames import Frame
from ordercascade.run import build
from ordercascade.tape import Tape
from unit.golden_tape import FUND_OPENING, META, SCOPES, Hand, golden_log, put


@pytest.fixture
def tape() -> Tape:
    return Tape(golden_log(), META)


# The golden summary.


def test_the_golden_trace_multiplies_by_two_thirds_two_and_three_quarters(tape: Tape) -> None:
    """Volumes 15, 10, 20, 15, 0; the shock moved one tick, the cascade five."""
    s = tape.summary()
    assert s["r_by_generation"] == pytest.approx([2 / 3, 2.0, 0.75, 0.0])
    assert s["r_initial"] == pytest.approx(2 / 3)
    assert s["r_max"] == 2.0
    assert s["amplification"] == 5.0
    assert (s["first_mark"], s["last_mark"], s["last_price"]) == (100, 95, 95)
    assert (s["lowest_mark"], s["highest_mark"]) == (95, 100)
    assert s["price_move_ppm"] == -50_000
    assert s["shock_notional"] == 100 * 10 + 99 * 5
    assert s["generations"] == 3


def test_the_golden_trace_liquidates_three_accounts_of_four(tape: Tape) -> None:
    s = tape.summary()
    assert s["liquidations"] == s["accounts_liquidated"] == 3
    assert s["lots_liquidated"] == {"BTCUSDT": 45}
    assert s["notional_liquidated"] == {"BTCUSDT": 985 + 1940 + 1430}
    assert s["rounds"] == 4


def test_the_golden_money_is_accounted_for(tape: Tape) -> None:
    """A loses 15, B 60, C its 60 and the fund 10, D 150 on paper."""
    s = tape.summary()
    assert s["money_check"] == {"USDT": 0}
    assert s["users_loss"] == 15 + 60 + 60 + 150
    assert (s["fund_before"], s["fund_after"]) == (FUND_OPENING, FUND_OPENING - 10)
    assert s["fund_paid"] == s["shortfall"] == 10
    assert s["bad_debt"] == s["socialised"] == s["adl_lots"] == s["fees"] == 0


def test_the_summary_has_every_key_of_the_specification(tape: Tape) -> None:
    keys = """schema scenario seed state_hash steps rounds generations liquidations
        accounts_liquidated lots_liquidated notional_liquidated first_mark last_mark lowest_mark
        highest_mark last_price price_move_ppm shock_notional amplification r_initial r_max
        r_by_generation fees shortfall fund_before fund_after fund_paid vault_paid adl_lots
        adl_notional accounts_taken_over taken_over_lots taken_over_notional disposed_notional
        socialised bad_debt borne_outside users_loss money_check bounds_reached
        wall_s engine_s""".split()
    assert set(keys) <= set(tape.summary())


def test_a_wrong_fund_record_shows_in_the_money_check() -> None:
    log = golden_log()
    log.set("funds", log.rows("funds") - 1, "balance", FUND_OPENING - 11)
    assert Tape(log, META).summary()["money_check"] == {"USDT": 1}


def test_an_opening_whose_costs_do_not_balance_shows_in_the_money_check() -> None:
    log = golden_log()
    log.set("positions", 0, "cost", -7499)
    assert Tape(log, META).summary()["money_check"] == {"USDT": 1}


def test_a_tape_without_rows_has_a_summary_of_nothing() -> None:
    s = Tape(EventLog(), {}).summary()
    assert s["steps"] == s["rounds"] == s["generations"] == s["users_loss"] == 0
    assert s["amplification"] is s["first_mark"] is s["r_max"] is None
    assert s["r_by_generation"] == []
    assert s["money_check"] == {}


def test_a_shock_that_liquidates_nobody_reproduces_by_nought() -> None:
    h = Hand()
    h.sell(h.step(StepKind.SHOCK), 0, [(100, 10)])
    s = Tape(h.log, META).summary()
    assert s["r_by_generation"] == [0.0]
    assert s["amplification"] is None


def test_without_an_opening_mark_the_opening_book_gives_it() -> None:
    h = Hand()
    log = EventLog()
    for table in ("levels", "accounts", "positions"):
        log.extend(table, {c: h.log.column(table, c) for c in SCHEMA[table]})
    assert Tape(log, META).summary()["first_mark"] == 100
    given = {**META, "markets": [{**META["markets"][0], "mark": 123}]}
    assert Tape(log, given).summary()["first_mark"] == 123


def test_deleveraging_takes_from_counterparties_and_from_the_outside() -> None:
    """A (10 long, mark 95, worth 950) is handed over at 970: shorts lose 20, external half."""
    h = Hand()
    step = h.step(StepKind.ADL, scope=SCOPES[1])
    put(h.log, "marks", step=step, mark=95, last=95)
    for rank, taker in enumerate((SCOPES[4], 0)):
        put(h.log, "adl", step=step, scope_from=SCOPES[1], scope_to=taker, lots=5, cost=485,
            rank=rank, rule=AdlRule.QUEUE)  # fmt: skip
    s = Tape(h.log, META).summary()
    assert (s["adl_lots"], s["adl_notional"], s["borne_outside"]) == (10, 970, 10)
    # A: cost 1000 against 970 = 30; B 100, C 75; D 150 on its own lots and 10 by the ADL.
    assert s["users_loss"] == 30 + 100 + 75 + 150 + 10


def test_deposits_are_no_gains_and_transfers_within_an_account_no_losses() -> None:
    h = Hand()
    step = h.step(StepKind.AGENTS)
    put(h.log, "accounts", scope=10, account=1, kind=HolderKind.SCOPE, market=0)
    put(h.log, "postings", step=step, from_holder=-1, to_holder=SCOPES[2], amount=500,
        reason=PostReason.DEPOSIT)  # fmt: skip
    put(h.log, "postings", step=step, from_holder=SCOPES[1], to_holder=10, amount=20,
        reason=PostReason.TRANSFER)  # fmt: skip
    put(h.log, "postings", step=step, from_holder=SCOPES[2], to_holder=3, amount=2,
        reason=PostReason.FEE_TAKER)  # fmt: skip
    s = Tape(h.log, META).summary()
    assert s["users_loss"] == s["fees"] == 2


def test_several_markets_are_told_apart_and_measured_in_value() -> None:
    second = {**META["markets"][0], "id": 1, "name": "ETHUSDT", "multiplier": 3}
    h = Hand()
    shock = h.step(StepKind.SHOCK)
    h.sell(shock, 0, [(100, 10)])
    step = h.step(StepKind.LIQUIDATION, shock, 1, market=1)
    put(h.log, "fills", step=step, market=1, price=50, size=10, taker_side=Side.ASK)
    put(h.log, "liquidations", step=step, market=1, lots_filled=10, value=1500)
    s = Tape(h.log, {**META, "markets": [*META["markets"], second]}).summary()
    assert s["market"] == "BTCUSDT"
    assert s["lots_liquidated"] == {"BTCUSDT": 0, "ETHUSDT": 10}
    assert s["r_by_generation"] == [1.5, 0.0]
    assert s["by_market"]["ETHUSDT"]["last_price"] == 50


# Frames.


def test_the_opening_frame_shows_the_opening_book(tape: Tape) -> None:
    f = tape.frame(-1)
    assert f.bids.tolist() == [[price, 10] for price in range(100, 79, -1)]
    assert f.asks.tolist() == [[101, 10]]
    assert len(f.eaten) == len(f.touched) == len(f.fills["step"]) == len(f.ancestors) == 0
    assert (dict(f.step), f.fund, f.time_ns) == ({}, FUND_OPENING, 0)
    assert f.marks["mark"].tolist() == [100]


def test_a_liquidation_frame_shows_what_it_ate_and_what_was_eaten_before(tape: Tape) -> None:
    """Step 4 is B: 98×5, 97×10, 96×5; the shock and A took 100×10, 99×10, 98×5."""
    f = tape.frame(4)
    bid = int(Side.BID)
    assert f.eaten.tolist() == [[bid, 96, 5], [bid, 97, 10], [bid, 98, 5]]
    assert f.touched.tolist() == [[bid, 98, 5], [bid, 99, 10], [bid, 100, 10]]
    assert f.bids[:2].tolist() == [[96, 5], [95, 10]]
    assert f.fills["price"].tolist() == [98, 97, 96]
    assert f.liquidation["account"] == 2
    assert f.ancestors.tolist() == [3, 2, 1, 0]
    assert f.step["kind"] == StepKind.LIQUIDATION
    assert f.marks["mark"].tolist() == [100, 99, 98]
    assert f.scopes["scope"].tolist() == [SCOPES[1], SCOPES[2]]


def test_the_last_frame_shows_the_fund_and_no_liquidation(tape: Tape) -> None:
    f = tape.frame(len(tape) - 1)
    assert (f.fund, f.vault, f.bad_debt) == (FUND_OPENING - 10, 0, 0)
    assert dict(f.liquidation) == {}
    assert f.scopes["ratio_ppm"].tolist() == [1, 2, 3]


def test_zoom_cuts_the_book_and_not_what_was_touched(tape: Tape) -> None:
    f = tape.frame(4, zoom=(90, 96))
    assert f.bids[:, 0].tolist() == [95, 94, 93, 92, 91, 90]
    assert len(f.asks) == 0
    assert len(f.touched) == 3


@pytest.mark.parametrize("k", [-2, 9])
def test_a_step_that_is_not_there_is_refused(tape: Tape, k: int) -> None:
    with pytest.raises(InputError, match=r"k must be in \[-1, 8\]"):
        tape.frame(k)


def test_a_step_number_beyond_int64_is_refused(tape: Tape) -> None:
    with pytest.raises(RangeError, match="k does not fit int64"):
        tape.frame(10**30)


def test_arrays_of_a_frame_are_read_only(tape: Tape) -> None:
    f = tape.frame(4)
    columns = [f.bids, f.asks, f.eaten, f.touched, f.ancestors]
    for mapping in (f.fills, f.marks, f.scopes, f.adl, f.notes):
        columns += mapping.values()
    assert not any(column.flags.writeable for column in columns)
    with pytest.raises(AttributeError):
        f.k = 3  # type: ignore[misc]


def _replayed(log: EventLog, k: int, market: int) -> tuple[dict[Any, int], dict[Any, int]]:
    """Replay levels and fills row by row: the book, and what was eaten before step k."""
    book: dict[Any, int] = {}
    touched: dict[Any, int] = {}
    for r in range(log.rows("levels")):
        row = {c: log.get("levels", r, c) for c in SCHEMA["levels"]}
        if row["step"] <= k and row["market"] == market:
            book[row["side"], row["price"]] = row["size_after"]
    for r in range(log.rows("fills")):
        row = {c: log.get("fills", r, c) for c in SCHEMA["fills"]}
        if row["step"] < k and row["market"] == market:
            key = 1 - row["taker_side"], row["price"]
            touched[key] = touched.get(key, 0) + row["size"]
    return {key: size for key, size in book.items() if size}, touched


def _as_dict(f: Frame) -> dict[tuple[int, int], int]:
    sides = ((int(Side.BID), f.bids), (int(Side.ASK), f.asks))
    return {(side, int(p)): int(n) for side, rows in sides for p, n in rows}


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),  # how far the step goes on
            st.integers(0, 1),
            st.integers(0, 1),
            st.integers(1, 6),
            st.integers(0, 3),
            st.booleans(),
        ),
        max_size=40,
    ),
    st.randoms(use_true_random=False),
)
def test_any_frame_in_any_order_is_the_replayed_book(rows: list[Any], random: Any) -> None:
    log = EventLog()
    step = -1
    for on, market, side, price, size, fills in rows:
        step += on
        put(log, "levels", step=step, market=market, side=side, price=price, size_after=size)
        if fills and step >= 0:
            put(log, "fills", step=step, market=market, taker_side=side, price=price, size=1)
    for number in range(step + 1):
        put(log, "steps", step=number, parent=-1)
    tape = Tape(log, {"markets": [{}, {"id": 1}]})
    wanted = [(k, market) for k in range(-1, step + 1) for market in (0, 1)]
    random.shuffle(wanted)
    for k, market in wanted:
        f = tape.frame(k, market=market)
        book, touched = _replayed(log, k, market)
        assert _as_dict(f) == book
        assert {(a, b): n for a, b, n in f.touched.tolist()} == touched
        assert f.bids[:, 0].tolist() == sorted(f.bids[:, 0].tolist(), reverse=True)
        assert f.asks[:, 0].tolist() == sorted(f.asks[:, 0].tolist())


@pytest.mark.parametrize("spread", [1, 10**7])
def test_frames_far_beyond_a_keyframe_are_the_replayed_book(spread: int) -> None:
    """30,000 rows, so several keyframes; prices near each other and far apart."""
    random, rows, steps = np.random.default_rng(5), 30_000, 3_000
    step = np.sort(random.integers(-1, steps, rows))
    price, side = random.integers(1, 100, rows) * spread, random.integers(0, 2, rows)
    size = random.integers(0, 9, rows)
    log, zero = EventLog(), np.zeros(rows, dtype=np.int64)
    log.extend("levels", {"step": step, "market": zero, "side": side, "price": price,
                          "size_after": size})  # fmt: skip
    nothing = dict.fromkeys(SCHEMA["steps"], zero[:steps])
    log.extend("steps", {**nothing, "step": np.arange(steps), "parent": zero[:steps] - 1})
    tape = Tape(log, {})
    for k in [*random.integers(-1, steps, 20).tolist(), steps - 1, -1, 0]:
        done = slice(int(np.searchsorted(step, k, side="right")))
        book = dict(zip(zip(side[done], price[done], strict=True), size[done], strict=True))
        assert _as_dict(tape.frame(k)) == {key: n for key, n in book.items() if n}


def test_two_venues_share_a_tape_and_keep_their_books() -> None:
    log = EventLog()
    for price in (100, 200):
        for side in (0, 1):
            put(log, "levels", step=-1, side=side, price=price + side, size_after=1)
    for venue in (0, 1):
        put(log, "steps", step=venue, venue=venue, parent=-1)
        put(log, "levels", step=venue, side=0, price=100 * (venue + 1), size_after=5)
    tape = Tape(log, {"venues": [{}, {}], "markets": [{}, {"venue": 1, "id": 0}]})
    assert tape.frame(1, venue=0, market=0).bids.tolist() == [[100, 5]]
    assert tape.frame(1, venue=1, market=0).bids.tolist() == [[200, 5]]
    assert tape.frame(0, venue=1, market=0).bids.tolist() == [[200, 1]]


# What a tape is.


def test_a_tape_does_not_change_when_its_log_goes_on() -> None:
    log = golden_log()
    tape = Tape(log, META)
    before = tape.state_hash()
    log.append("notes", dict.fromkeys(SCHEMA["notes"], 0))
    log.set("steps", 0, "time_ns", 5)
    assert len(tape.notes) == 0
    assert tape.steps["time_ns"][0] == 10**9
    assert Tape(log, META).state_hash() != before == Tape(golden_log(), META).state_hash()


def test_a_tape_cannot_be_assigned_to(tape: Tape) -> None:
    with pytest.raises(AttributeError, match="frozen"):
        tape.meta = {}
    with pytest.raises(TypeError):
        tape.meta["seed"] = 8  # type: ignore[index]
    with pytest.raises(ValueError, match="read-only"):
        tape.steps["kind"][0] = 1


def test_the_hash_knows_the_final_world_and_not_the_clock(tape: Tape) -> None:
    assert Tape(golden_log(), {**META, "wall_s": 9.0}).state_hash() == tape.state_hash()
    assert Tape(golden_log(), {**META, "state_hash": "f" * 32}).state_hash() != tape.state_hash()


def test_another_process_with_another_hash_seed_gives_the_same_hash(tape: Tape) -> None:
    code = "from unit.golden_tape import *; from ordercascade.tape import Tape;" \
           "print(Tape(golden_log(), META).state_hash())"  # fmt: skip
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed}
        out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
        assert out.stdout.decode().strip() == tape.state_hash()


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("steps", "parent", 2), ("steps", "parent", -2), ("steps", "step", 7),
        ("steps", "event_to", 10**6), ("steps", "fill_from", -1), ("fills", "step", 10**6),
        ("levels", "step", 3), ("marks", "step", -2),
    ],
)  # fmt: skip
def test_tables_that_point_outside_each_other_are_refused(
    table: str, column: str, value: int
) -> None:
    log = golden_log()
    log.set(table, 0, column, value)
    with pytest.raises(InputError, match=f"{table}\\."):
        Tape(log, META)


@pytest.mark.parametrize(
    "meta",
    [
        {"seed": object()}, {"wall_s": float("nan")}, {"markets": [1]}, {"venues": {}},
        {"markets": [{"decimals": "6"}]}, {"markets": [{"tick_size": 0.1}]},
        {"venues": [{"id": True}]},
    ],
)  # fmt: skip
def test_metadata_of_another_kind_is_refused(meta: dict[str, Any]) -> None:
    with pytest.raises(InputTypeError, match="meta"):
        Tape(EventLog(), meta)


def test_names_and_units_are_lists_with_defaults() -> None:
    tape = Tape(EventLog(), {"markets": [{"name": "X"}], "venues": [{"name": "v"}]})
    assert tape.markets[0]["tick_size"] == "1"
    assert tape.markets[0]["id"] == tape.venues[0]["id"] == 0
    assert tape.accounts == []


# Tables for people.


def test_a_table_tells_its_columns_and_rows(tape: Tape) -> None:
    assert len(tape.fills) == 9
    assert list(tape.fills) == list(tape.fills.columns) == list(SCHEMA["fills"])
    assert tape.fills.row(0)["price"] == 100
    assert repr(tape.fills).startswith("Table('fills', 9 rows: step, venue")
    with pytest.raises(InputError, match="fills column must be one of"):
        tape.fills["quantity"]


def test_human_units_are_prices_sizes_money_and_names(tape: Tape) -> None:
    """A tick is 0.1, a lot 0.001, a unit 0.01 USDT; 985 units over 10 lots is 98.5 ticks."""
    human = tape.liquidations.to_numpy(units="human")
    assert human["worst_price"].tolist() == [9.8, 9.6, 9.5]
    assert human["lots_filled"].tolist() == [0.01, 0.02, 0.015]
    assert human["value"].tolist() == [9.85, 19.4, 14.3]
    assert human["vwap"].tolist() == pytest.approx([9.85, 9.7, 9.53333333])
    assert human["market"].tolist() == ["BTCUSDT"] * 3
    assert human["venue"].tolist() == ["perp"] * 3
    assert human["side"].tolist() == ["ASK"] * 3
    steps = tape.steps.to_numpy(units="human")
    assert steps["time_s"].tolist() == [1.0] * 9
    assert steps["market"].tolist() == ["BTCUSDT"] * 8 + [""]
    assert tape.postings.to_numpy(units="human")["amount"][-1] == 0.1
    assert tape.tables["accounts"].to_numpy(units="human")["collateral"][1] == 10.0


def test_every_table_has_human_units_also_when_it_is_empty(tape: Tape) -> None:
    for source in (tape, Tape(EventLog(), {})):
        for table in source.tables.values():
            assert all(len(v) == len(table) for v in table.to_numpy(units="human").values())


def test_unknown_units_are_refused(tape: Tape) -> None:
    with pytest.raises(InputError, match="units must be 'raw' or 'human'"):
        tape.fills.to_numpy(units="metric")  # type: ignore[arg-type]


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_a_missing_library_is_named_with_its_extra(
    tape: Tape, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"{library} is not installed.*\[data\]"):
        getattr(tape.fills, f"to_{library}")()


def test_polars_gets_every_column_with_names_for_enumerations(tape: Tape) -> None:
    polars = pytest.importorskip("polars")
    for table in tape.tables.values():
        raw = table.to_polars()
        assert raw.columns == list(table.columns)
        assert len(raw) == len(table)
        assert len(table.to_polars(units="human")) == len(table)
    assert tape.fills.to_polars()["taker_side"].to_list() == ["ASK"] * 9
    assert tape.fills.to_polars()["price"].dtype == polars.Int64
    assert tape.fills.to_polars(units="human")["price"][0] == 10.0


def test_pandas_gets_every_column_with_categories_for_enumerations(tape: Tape) -> None:
    pytest.importorskip("pandas")
    frame = tape.fills.to_pandas()
    assert frame["taker_side"].tolist() == ["ASK"] * 9
    assert frame["price"].tolist()[0] == 100
    assert tape.fills.to_pandas(units="human")["price"][0] == 10.0


def test_html_is_escaped_and_says_what_it_leaves_out(tape: Tape) -> None:
    html = tape._repr_html_()
    assert "&lt;golden&gt;" in html
    assert "<golden>" not in html
    assert "LIQUIDATION" in tape.steps._repr_html_()
    assert "levels: 21 more rows" in tape.levels._repr_html_()
    assert "T2a <golden>" in repr(tape)


# Against the world that wrote it.


@pytest.mark.parametrize("name", ["t2a", "two-market-cross", "btc-cascade"])
def test_the_tape_of_a_run_says_what_the_live_world_says(name: str) -> None:
    """Users' losses, funds and the last book, recomputed from rows alone, are the engine's own."""
    scenario = scenarios.load(name)
    world = build(scenario).world
    venue, accounts = world.venue(0), world.log
    users = [
        (scope, account)
        for scope, account, kind in zip(
            *(accounts.column("accounts", c).tolist() for c in ("scope", "account", "kind")),
            strict=True,
        )
        if kind == HolderKind.SCOPE
    ]

    def equity() -> dict[int, int]:
        found: dict[int, int] = {}
        for scope, account in users:
            found[account] = found.get(account, 0) + venue.equity(scope)
        return found

    before = equity()
    world.run()
    after = equity()
    tape = Tape(world.log, meta_of(scenario.venues))
    s, f = tape.summary(), tape.frame(len(tape) - 1, market=0)
    assert s["users_loss"] == sum(max(0, before[a] - after[a]) for a in before)
    assert set(s["money_check"].values()) == {0}
    bids = venue.depth(0, int(Side.BID), len(f.bids) + 1)
    assert [list(map(int, row)) for row in bids] == f.bids.tolist()
    fund = int(HolderKind.FUND)
    assert s["fund_after"] == f.fund == venue.balance(venue.holder(fund, 0))

"""The story: every sentence against a tape written by hand, where the numbers can be counted."""

from __future__ import annotations

import re

import pytest

from ordercascade.enums import AdlRule, Outcome, PostReason, Side, StepKind, Stop
from ordercascade.figures import Units, percent, read, some
from ordercascade.outcome import ending, positions
from ordercascade.story import settlements, tell
from unit.hand_tape import BAD_DEBT, EXTERNAL, FUND, SCOPE, SECOND, HandTape, t2a


def has(text: str, *parts: str) -> None:
    """Check that every part is in the text, each after the one before."""
    at = 0
    for part in parts:
        found = text.find(part, at)
        assert found >= 0, f"{part!r} is not in\n{text[at:]}"
        at = found + len(part)


def test_the_golden_cascade_is_told_trade_by_trade() -> None:
    has(
        tell(t2a().tape()),
        "TOY: 4 long positions of 75 lots; best bid 100; best ask 101",
        "t = 1 s, step 0: an outside order sells 15 lots\n",
        "eats 2 bid levels: 10 at 100, 5 at 99\n",
        "TOY mark 100 → 99 (-1.00 %)",
        "Generation 1: 1 account liquidated, 10 lots sold for 985 USD",
        "account A, long 10 lots (step 2, round 0, set off by the outside event of step 0)",
        "liquidation price 99, mark 99: sells 10 lots\n",
        "eats 2 bid levels: 5 at 99, 5 at 98; on average 98.5",
        "mark 99 → 98 (-1.01 %)",
        "Generation 2: 1 account liquidated, 20 lots sold for 1,940 USD",
        "account B, long 20 lots (step 4, round 0, set off by account A in step 2)",
        "eats 3 bid levels: 5 at 98, 10 at 97, 5 at 96; on average 97.0",
        "Generation 3: 1 account liquidated, 15 lots sold for 1,430 USD",
        "Where it stopped, and why",
        "TOY: mark 100 → 95 (-5.00 %), lowest 95, highest 100, last trade 95",
        "After step 7 (t = 1 s, round 0) nobody is at risk any more",
        # D: 570 - 30 (100 - p) < 3 p first at p = 89, for 570 - 300 = 270 is not below 270.
        "The next liquidation price below is 89, 6.32 % away: account D, long 30 lots",
        "Liquidated: 3 accounts with 3 orders in 3 generations: 45 lots for 4,355 USD",
        "The price went 5.00 times as far",
        "0.67, 2.00, 0.75, 0.00",
    )


def test_a_trigger_that_is_not_strict_comes_one_tick_earlier() -> None:
    assert "below is 90, 5.26 % away: account D" in ending(t2a().tape(trigger_strict=False))


def test_without_brackets_on_the_tape_the_ending_gives_the_ratio_and_no_invented_price() -> None:
    hand = t2a()
    del hand.market["brackets"]
    text = ending(hand.tape())
    assert "Next in line below is account D, long 30 lots: margin ratio 1.474" in text
    assert "The next liquidation price" not in text


@pytest.fixture
def squeeze() -> HandTape:
    """Two shorts and an outside purchase; the second short is far from its price."""
    hand = HandTape(market="BTCUSDT", settle="USDT", tick="0.1", lot="0.001", decimals=6,
                    multiplier=100, mark=600_000, brackets=[[0, 5_000, 0, 10_000]],
                    price_max=2**24)  # fmt: skip
    short = hand.account("bear", -2_500, 10**9, 600_000)
    other = hand.account("hedger", -1_000, 10**10, 600_000)
    step = hand.shock(Side.BID, 4_000, [(600_010, 1_000), (600_100, 3_000)])
    hand.mark(600_100, step)
    step = hand.liquidation(short, [(600_100, 500), (600_200, 1_500), (600_500, 500)],
                            parent=step, trigger_price=600_090, fee=60_000_000,
                            equity_before=500_000_000, equity_after=250_000_000)  # fmt: skip
    hand.mark(600_500, step)
    hand.scope(other, 10**10 - 500 * 1000 * 100, 300_250_000)
    return hand


def test_a_short_is_bought_back_and_eats_asks_upwards(squeeze: HandTape) -> None:
    has(
        tell(squeeze.tape()),
        "2 short positions of 3.500 BTC",
        "an outside order buys 4.000 BTC",
        "eats 2 ask levels: 1.000 at 60,001.0, 3.000 at 60,010.0",
        "Generation 1: 1 account liquidated, 2.500 BTC bought back for 150,0",
        "account bear, short 2.500 BTC",
        "liquidation price 60,009.0, mark 60,010.0: buys back 2.500 BTC",
        "eats 3 ask levels: 0.500 at 60,010.0, 1.500 at 60,020.0, 0.500 at 60,050.0",
        "equity 500.00 USDT → 250.00 USDT after a fee of 60.00 USDT",
        "mark 60,000.0 → 60,050.0 (+0.08 %)",
        "The next liquidation price above is ",
        "account hedger, short 1.000 BTC",
    )


def test_the_price_of_the_next_short_is_the_first_tick_at_which_it_falls(squeeze: HandTape) -> None:
    """Equity at p: 10^10 - 1000·100·(p - 600,000); maintenance: ceil(1000·100·p / 200)."""

    def falls(p: int) -> bool:
        return 10**10 - 100_000 * (p - 600_000) < -(-(100_000 * p * 5_000) // 10**6)

    shown = re.search(r"above is ([\d,.]+),", ending(squeeze.tape()))
    assert shown is not None
    tick = round(float(shown[1].replace(",", "")) * 10)
    assert falls(tick)
    assert not falls(tick - 1)


def test_a_shortfall_names_everybody_who_bore_it() -> None:
    hand = HandTape(market="BTCUSD", fund=50)
    long, one, two = hand.account("L", 10), hand.account("S1", -4), hand.account("S2", -3)
    step = hand.shock(Side.ASK, 5, [(100, 5)])
    hand.mark(80, step)
    step = hand.liquidation(long, [(80, 2)], parent=step, outcome=Outcome.DELEVERAGED,
                            equity_before=-40, equity_after=-44, shortfall=44, paid_fund=20,
                            paid_adl=24)  # fmt: skip
    adl = hand.step(StepKind.ADL, parent=step, scope=SCOPE)
    for rank, (scope, lots) in enumerate([(SCOPE + 1, 4), (SCOPE + 2, 3), (EXTERNAL, 1)]):
        hand.row("adl", step=adl, scope_from=SCOPE, scope_to=scope, lots=lots, cost=84 * lots,
                 rank=rank, rule=AdlRule.QUEUE)  # fmt: skip
    has(
        tell(hand.tape()),
        "shortfall 44 USD, borne by: insurance fund 20 USD, ADL counterparties 24 USD",
        "ADL: 8 BTC handed over at 84.0 on average, to account S1 4, account S2 3, the outside 1",
        "No account holds a position in BTCUSD any more",
    )
    sizes = positions(read(hand.tape()), 0, 0)
    assert [sizes[SCOPE + n - 1] for n in (long, one, two)] == [0, 0, 0]


def test_a_scope_emptied_by_adl_that_is_below_zero_is_told_too() -> None:
    hand = HandTape()
    hand.account("L", 10)
    hand.account("S", -10)
    step = hand.shock(Side.ASK, 5, [(100, 5)])
    step = hand.liquidation(1, [], parent=step, outcome=Outcome.DELEVERAGED)
    step = hand.step(StepKind.WATERFALL, parent=step, scope=SCOPE + 1)
    for source, amount, reason in (
        (FUND, 7, PostReason.FUND_PAYS),
        (BAD_DEBT, 5, PostReason.BAD_DEBT),
    ):
        hand.row("postings", step=step, from_holder=source, to_holder=SCOPE + 1, amount=amount,
                 reason=reason)  # fmt: skip
    text = tell(hand.tape())
    assert "step 2: account S is left below zero: fund pays 7 USD, bad debt 5 USD" in text


def test_lots_that_nobody_bought_are_said_to_wait_and_end_the_story() -> None:
    hand = HandTape()
    account = hand.account("A", 10)
    step = hand.shock(Side.ASK, 9, [(100, 5)])
    hand.mark(100, step)
    hand.liquidation(account, [(90, 3)], parent=step, outcome=Outcome.PENDING, limit_price=88)
    has(
        tell(hand.tape(Stop.NOTHING_TO_FILL)),
        "an outside order sells 9 lots",
        "5 lots filled; eats 1 bid level: 5 at 100",
        "3 lots sold for 270 USD (7 lots unfilled)",
        "sells 10 lots at 88 or higher; 3 lots filled",
        "7 lots wait for another order",
        "there is nothing left to trade against: 1 account still to be liquidated:"
        " account A (7 lots)",
        "best bid none",
    )


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (Stop.ROUND_BOUND, "round_max was reached, not a resting place"),
        (Stop.STEP_BOUND, "steps_max was reached, not a resting place"),
        (Stop.RUNNING, "the run was paused; it can go on"),
    ],
)
def test_a_run_that_was_cut_says_so(stop: Stop, words: str) -> None:
    assert words in ending(t2a().tape(stop))


def test_a_large_generation_is_summed_up_exactly() -> None:
    hand = HandTape()
    step = hand.shock(Side.ASK, 1, [(100, 1)])
    for n in range(40):
        hand.liquidation(hand.account(f"a{n}", 1 + n), [(100, 1 + n)], parent=step, fee=2)
    text = tell(hand.tape(), top=3)
    has(
        text,
        "Generation 1: 40 accounts liquidated, 820 lots sold for 82,000 USD, fees 80 USD",
        "account a37, long 38 lots",
        "account a38, long 39 lots",
        "account a39, long 40 lots",
        "... and 37 more, 703 lots sold for 70,300 USD, fees 74 USD",
    )
    assert "account a36" not in text


def test_a_tranche_and_a_retry_are_told_as_such() -> None:
    hand = HandTape()
    account = hand.account("whale", 100)
    step = hand.shock(Side.ASK, 1, [(100, 1)])
    hand.liquidation(account, [(99, 20)], parent=step, asked=20, outcome=Outcome.PENDING)
    hand.liquidation(account, [(98, 80)], parent=step, tranche=2, outcome=Outcome.HEALTHY,
                     step_cells={"time_ns": 31 * SECOND})  # fmt: skip
    has(
        tell(hand.tape()),
        "sells 20 lots of 100 (tranche 1)",
        "80 lots wait for another order",
        "t = 31 s: a liquidation that had to wait goes on",
        "healthy again",
    )


def test_events_without_a_liquidation_are_few_words() -> None:
    hand = HandTape()
    for n in range(30):
        hand.shock(Side.ASK, 1, [(100, 1)], time_ns=n * SECOND)
    assert "... 30 outside events at 30 times: nobody is liquidated" in tell(hand.tape())
    assert len(tell(hand.tape()).splitlines()) < 15


def test_of_many_cascades_the_largest_are_told_and_the_others_counted() -> None:
    hand = HandTape()
    for n in range(20):
        step = hand.shock(Side.ASK, 1, [(100, 1)], time_ns=n * SECOND)
        account = hand.account(f"a{n}", n + 1)
        hand.liquidation(account, [(100, n + 1)], parent=step, step_cells={"time_ns": n * SECOND})
    text = tell(hand.tape())
    assert text.count("Generation 1:") == 12
    assert "... 8 outside events at 8 times: 8 accounts liquidated, 36 lots sold" in text


def test_money_from_outside_and_outside_prices_are_told() -> None:
    hand = HandTape()
    hand.account("A", 10)
    step = hand.step(StepKind.AGENTS)
    hand.row("postings", step=step, from_holder=EXTERNAL, to_holder=SCOPE, amount=250,
             reason=PostReason.DEPOSIT)  # fmt: skip
    step = hand.step(StepKind.SHOCK, cause_market=0, time_ns=2 * SECOND)
    hand.row("marks", step=step, last=100, index=97, mark=100)
    has(
        tell(hand.tape()),
        "step 0: deposit of 250 USD, account A",
        "t = 2 s, step 1: a new outside price of TOY: 97",
    )


def test_an_empty_tape_has_a_story_too() -> None:
    has(tell(HandTape().tape()), "no positions", "Before the first step nobody is at risk")


def test_settlements_are_cut_where_the_round_falls_or_time_passes_in_round_0() -> None:
    hand = HandTape()
    for time, number in ((1, 0), (1, 0), (1, 1), (1, 2), (1, 0), (3, 0), (4, 1)):
        hand.step(StepKind.SHOCK, time_ns=time, round=number)
    assert list(settlements(read(hand.tape()))) == [(0, 4), (4, 5), (5, 7)]


def test_numbers_are_written_for_people() -> None:
    tape = HandTape(market="BTCUSDT", settle="USDT", tick="0.10", lot="0.001", decimals=6,
                    multiplier=100).tape()  # fmt: skip
    units = read(tape).units[0, 0]
    assert isinstance(units, Units)
    assert units.price(600_001) == "60,000.10"
    assert units.size(-1_234_567) == "1,234.567 BTC"
    for amount, text in (
        (0, "0.00 USDT"),
        (1, "0.000001 USDT"),
        (9_999, "0.009999 USDT"),
        (10_000, "0.01 USDT"),
        (1_234_500_000, "1,234.50 USDT"),
        (-2_500_000, "-2.50 USDT"),
    ):
        assert units.money(amount) == text
    assert units.average(100 * 600_001 * 3, 3) == "60,000.100"
    assert percent(-1, 1000) == "-0.10 %"
    assert percent(1, 10**6) == "+0.0001 %"
    assert some(["a", "b", "c"], most=2) == "a, b and 1 more"

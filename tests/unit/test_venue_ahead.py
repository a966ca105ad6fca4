"""A Venue without a scenario plans ahead: the end of a market, answers to margin calls."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

import ordercascade as oc
from ordercascade.enums import StepKind

CALLS = {"margin_calls": {"call": 1.5, "release": 2}}


def market(name: str = "BTC") -> oc.Market:
    return oc.Market(name, tick_size="1", lot_size="1", settle="USDT", decimals=2)


def venue_of(**rules: Any) -> oc.Venue:
    """Two accounts, 10 lots bought and sold at 100, with 60 and 500 of money."""
    rules = {"oracle": {"kind": "index"}, **rules}
    venue = oc.Venue("simple", [market()], rules=rules, index={"BTC": "100"})
    for money in ("60", "500"):
        venue.deposit(venue.open_account(), money)
    venue.submit(2, "BTC", oc.Side.ASK, price="100", size="10")
    venue.submit(1, "BTC", oc.Side.BID, price="100", size="10")
    venue.settle()
    return venue


def kinds(tape: oc.Tape) -> list[int]:
    return [int(kind) for kind in tape.steps["kind"]]


def money(venue: oc.Venue, account: int) -> Decimal:
    return sum((each.equity for each in venue.standing(account)), Decimal(0))


def test_a_market_ends_when_its_second_comes() -> None:
    """Planned for 30 s at 104: nothing at 29, all closed at 30; the long has won 40."""
    venue = venue_of()
    venue.expire("BTC", 30, price="stated", stated="104")
    tape = venue.settle(at_s=29)
    assert StepKind.EXPIRY not in kinds(tape)
    assert venue.position(1, "BTC") == 10
    tape = venue.settle(at_s="30")
    assert kinds(tape).count(StepKind.EXPIRY) == 1
    assert venue.position(1, "BTC") == venue.position(2, "BTC") == 0
    assert (money(venue, 1), money(venue, 2)) == (100, 460)
    order = venue.submit(1, "BTC", oc.Side.BID, price="100", size="1")
    assert order == oc.Reject.EXPIRED_MARKET
    assert oc.audit(tape).ok
    assert not any(venue.audit().values())


def test_an_end_is_planned_once_and_judged_by_its_words() -> None:
    venue = venue_of()
    for words, said in (
        ({"price": "median"}, "price"),
        ({"price": "stated"}, "expire.stated"),
        ({"price": "average_mark"}, "expire.window_s"),
        ({"window_s": 5}, "expire.window_s"),
    ):
        with pytest.raises(oc.ConfigError, match=said):
            venue.expire("BTC", 30, **words)  # type: ignore[arg-type]
    with pytest.raises(oc.InputError, match="market"):
        venue.expire("ETH", 30)
    venue.expire("BTC", 30, price="average_mark", window_s=10)
    with pytest.raises(oc.ConfigError, match="has an expiry already"):
        venue.expire("BTC", 31)


def test_who_is_called_adds_money_after_its_delay() -> None:
    """The index falls until a call; five seconds later the wallet brings it to 3 margins."""
    venue = venue_of(**CALLS)
    venue.answer(1, "add", wallet="500", target=3, delay_s=5)
    assert any(_called(venue, price) for price in range(99, 90, -1))
    before = money(venue, 1)
    tape = venue.settle(at_s=4)
    assert StepKind.AGENTS not in kinds(tape)[-1:]
    tape = venue.settle(at_s=5)
    assert money(venue, 1) > before
    assert oc.audit(tape).ok


def _called(venue: oc.Venue, price: int) -> bool:
    venue.set_index("BTC", str(price))
    return StepKind.MARGIN_CALL in kinds(venue.settle())


def test_who_is_called_reduces() -> None:
    venue = venue_of(**CALLS)
    venue.answer(1, "reduce", fraction="0.5")
    venue.submit(2, "BTC", oc.Side.BID, price="99", size="10")
    assert any(_called(venue, p) for p in range(99, 90, -1))
    assert venue.position(1, "BTC") == 5


def test_answers_need_calls_and_known_words() -> None:
    with pytest.raises(oc.ConfigError, match="venue.margin_calls: is required"):
        venue_of().answer(1, "add", wallet="5")
    venue = venue_of(**CALLS)
    with pytest.raises(oc.ConfigError, match="needs a target, a wallet or both"):
        venue.answer(1, "add")
    with pytest.raises(oc.ConfigError, match="takes no wallet"):
        venue.answer(1, "reduce", wallet="5")
    with pytest.raises(oc.InputError, match="account"):
        venue.answer(9, "ignore")


@pytest.mark.parametrize("key", ["account", "population", "answer", "interest", "positions"])
def test_what_only_a_scenario_carries_out_is_refused(key: str) -> None:
    with pytest.raises(oc.ConfigError, match=f"venue.{key}: belongs to a scenario's venue"):
        venue_of(**{key: []})


def test_an_end_of_a_scenario_s_market_is_the_scenario_s_to_plan() -> None:
    world = oc.World(oc.scenarios.load("t2a"))
    venue = world.venue(oc.scenarios.load("t2a").venues[0].name)
    with pytest.raises(oc.InputError, match="must end as its scenario says"):
        venue.expire(next(iter(venue.markets)), 5)
    world.close()

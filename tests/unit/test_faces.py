"""The margin engine for other people's code: a Venue in people's units, without a scenario."""

from __future__ import annotations

from decimal import Decimal

import pytest

import ordercascade as oc

BTC = oc.Market("BTCUSDT", tick_size="0.1", lot_size="0.001", settle="USDT", decimals=6)
ETH = oc.Market("ETHUSDT", tick_size="0.01", lot_size="0.001", settle="USDT", decimals=6)
BID, ASK = oc.Side.BID, oc.Side.ASK


def opened(**options: object) -> tuple[oc.Venue, int, int]:
    """A long and a short of 0.05 BTC at 60,000, without fees; the long has 1,000 USDT."""
    rules = {"fees": {"maker": 0, "taker": 0}}
    index = {"BTCUSDT": "60000", "ETHUSDT": "3000"}
    venue = oc.Venue("binance-usdm", [BTC, ETH], index=index, rules=rules, **options)  # type: ignore[arg-type]
    long, short = venue.open_account(), venue.open_account()
    venue.deposit(long, "1000")
    venue.deposit(short, "5000")
    assert venue.submit(long, "BTCUSDT", BID, price="60000", size="0.05") > 0
    assert venue.submit(short, "BTCUSDT", ASK, price="60000", size="0.05") == 0
    return venue, long, short


def test_the_example_of_the_design_runs_as_printed() -> None:
    market = oc.Market("BTCUSDT", tick_size="0.1", lot_size="0.001", settle="USDT", decimals=6)
    venue = oc.Venue("binance-usdm", [market])
    a = venue.open_account()
    venue.deposit(a, "1000")
    venue.submit(a, "BTCUSDT", oc.Side.BID, price="60000", size="0.05")
    venue.set_index("BTCUSDT", "58000")
    assert venue.at_risk() == []
    assert venue.liquidation_price(a, "BTCUSDT") is None
    assert venue.what_if(a, BTCUSDT="55000")[0].equity == 1000
    tape = venue.settle()
    assert tape.summary()["liquidations"] == 0


def test_prices_of_liquidation_and_bankruptcy_are_where_margin_says() -> None:
    """1000 + 0.05 (p - 60000) = 0 at 40,000; = 0.004 * 0.05 p at 40,160.64."""
    venue, long, short = opened()
    assert venue.bankruptcy_price(long, "BTCUSDT") == Decimal("40000.0")
    assert venue.liquidation_price(long, "BTCUSDT") == Decimal("40160.6")
    assert venue.liquidation_price(short, "BTCUSDT") is not None
    assert venue.bankruptcy_price(long, "ETHUSDT") is None


def test_what_if_agrees_with_the_engine_on_both_sides_of_the_line() -> None:
    venue, long, _ = opened()
    at = venue.what_if(long, BTCUSDT="40160.6")[0]
    above = venue.what_if(long, BTCUSDT="40160.7")[0]
    assert at.liquidatable
    assert not above.liquidatable
    assert at.ratio < 1 <= above.ratio
    venue.set_index("BTCUSDT", "40160.7")
    assert venue.at_risk() == []
    venue.set_index("BTCUSDT", "40160.6")
    assert venue.at_risk() == [at]
    assert venue.mark("BTCUSDT") == Decimal("40160.6")


def test_settling_liquidates_and_hands_over_what_finds_no_bid() -> None:
    """Nobody bids, and 39,000 is below bankruptcy: the short takes the lots at 40,000."""
    venue, long, short = opened()
    venue.set_index("BTCUSDT", "39000")
    tape = venue.settle()
    assert tape.summary()["adl_lots"] == 50
    assert venue.position(long, "BTCUSDT") == 0
    assert venue.standing(long)[0].equity == 0
    assert venue.standing(short)[0].equity == 6000
    assert not any(venue.audit().values())


def test_money_and_orders_answer_with_numbers_or_rejects() -> None:
    venue, long, _ = opened()
    assert venue.withdraw(long, "999") is oc.Reject.INSUFFICIENT
    assert venue.withdraw(long, "100") == 0
    assert venue.submit(long, "BTCUSDT", BID, price="59000", size="10") is oc.Reject.INSUFFICIENT
    order = venue.submit(long, "BTCUSDT", BID, price="59000", size="0.001")
    assert order > 0
    assert venue.cancel(long, "BTCUSDT", order) == Decimal("0.001")
    assert venue.cancel(long, "BTCUSDT", order) is oc.Reject.UNKNOWN_ORDER
    assert venue.isolate(long, "BTCUSDT") is oc.Reject.POSITION_OPEN
    assert venue.isolate(long, "ETHUSDT", "50") == 0
    scopes = venue.standing(long)
    assert [(scope.market, scope.equity) for scope in scopes] == [(None, 850), ("ETHUSDT", 50)]
    assert venue.move_isolated(long, "ETHUSDT", "-50") == 0


def test_background_liquidity_is_seeded_before_the_first_order() -> None:
    rules = {"fees": {"maker": 0, "taker": 0}}
    venue = oc.Venue("simple", [BTC], rules=rules, fund="100")
    venue.seed("BTCUSDT", BID, price="59999", size="1")
    venue.seed("BTCUSDT", ASK, price="60001", size="1")
    assert venue.mark("BTCUSDT") == 60_000
    assert venue.fund() == 100
    with pytest.raises(oc.ConfigError, match="must come before the first order"):
        venue.seed("BTCUSDT", BID, price="59998", size="1")


def test_unknown_markets_rules_and_presets_are_refused_by_name() -> None:
    venue, long, _ = opened()
    with pytest.raises(oc.InputError, match="must be one of BTCUSDT, ETHUSDT"):
        venue.position(long, "XYZ")
    with pytest.raises(oc.ConfigError, match="did you mean 'residual'"):
        oc.Venue("simple", [BTC], rules={"residul": "fund"})
    with pytest.raises(oc.ConfigError, match="did you mean 'simple'"):
        oc.Venue("simpel", [BTC])
    with pytest.raises(oc.ConfigError, match="has no brackets of 'XYZ'"):
        oc.Venue("binance-usdm", [oc.Market("XYZ", tick_size=1, lot_size=1, settle="USDT")])
    with pytest.raises(oc.InputError, match="index must be a market of the venue"):
        oc.Venue("simple", [BTC], index={"XYZ": 5})


def test_a_venue_of_a_world_knows_accounts_by_name() -> None:
    world = oc.World(oc.scenarios.load("t2a"))
    toy = world.venue("toy")
    assert toy.liquidation_price("A", "TOY") == 99
    assert [toy.liquidation_price(name, "TOY") for name in "BCD"] == [98, 96, 90]
    assert toy.position(4, "TOY") == 30
    with pytest.raises(oc.InputError, match="must be one of toy"):
        world.venue("perp")

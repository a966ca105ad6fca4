"""Vectors about one stage each: sizes, takeovers, queues, shared losses. All run the engine."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from ordercascade import margin
from ordercascade.core.world import World
from ordercascade.enums import (
    AdlRule,
    HolderKind,
    MarketKind,
    OrderLimit,
    PostReason,
    PriceMode,
    PriceSource,
    Side,
    SocialRule,
    Takeover,
    TakeoverWhen,
    TrancheRule,
)
from ordercascade.mechanisms.closing import Deleverage
from ordercascade.mechanisms.tranches import Tranches
from vectors.engine import SECOND, Desk, Terms, flat, ppm
from vectors.form import NotYet, Vector, engine, exact, form, places, sign, whole

NANO = Fraction(1, 10**9)
MICRO = Fraction(1, 10**6)
ONE = Fraction(1)


def handed_over(vector: Vector, money: Fraction, size: Fraction) -> Fraction:
    """Return the price at which the fund took a bankrupt position over: cost over size."""
    i = vector["inputs"]
    entry = exact(i["entry"])
    tick = Fraction(1, 10 ** min(4, places(i["entry"]) + 1))
    lot, side = Fraction(1, 1000), sign(i["side"])
    money = money // NANO * NANO
    desk = Desk(
        NANO,
        Terms(tick, lot, flat("0.005"), entry, entry * 4),
        policy=Tranches(limit=OrderLimit.BANKRUPTCY),
        stages={"takeover": Takeover.FUND, "takeover_when": TakeoverWhen.UNFILLED},
    )
    desk.open("it", cash=money, size=side * size, entry=entry)
    desk.start()
    # Just beyond the bankruptcy price nobody buys, and the fund takes all of it.
    desk.venue.set_index(0, round(entry * (1 - side * money / (size * entry)) / tick) - side)
    desk.settle()
    lots, cost, _ = desk.venue.inherited(HolderKind.FUND, 0)
    if lots != desk.lots(side * size) or desk.equity("it") != 0:
        raise ValueError("not taken over")
    return desk.money(cost) / (lots * lot)


@engine
@form("bankruptcy", "side entry leverage", "tick")
def taken_over(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    if vector["venue"].endswith("inverse"):
        return taken_over_in_coins(i)
    found = handed_over(vector, exact(i["entry"]) / exact(i["leverage"]), ONE)
    return {"bankruptcy_price": found}


def taken_over_in_coins(i: dict[str, Any]) -> dict[str, Any]:
    """The same of an inverse contract, 5,000 lots of a dollar; coins in units of 10^-12."""
    lots, tick = sign(i["side"]) * 5_000, exact(i.get("tick", "0.5"))
    terms, entry = whole(10**12 / tick), exact(i["entry"])
    paid = math.floor(terms * tick * abs(lots) / entry)
    world = World(1)
    world.add_venue(
        policy=Tranches(limit=OrderLimit.BANKRUPTCY),
        stages={"takeover": Takeover.FUND, "takeover_when": TakeoverWhen.UNFILLED},
    )
    venue = world.venue(0)
    venue.add_market(
        kind=MarketKind.INVERSE,
        multiplier=terms,
        price_max=2**20,
        size_max=10**5,
        brackets=flat("0.005"),
        source=PriceSource.INDEX,
        index=math.floor(entry / tick),
    )
    account = venue.open_account()
    venue.deposit(account, 0, math.floor(paid / exact(i["leverage"])))
    scope = venue.open_position(account, 0, lots, -paid if lots > 0 else paid)
    world.start()
    world.settle()
    rounded = venue.bankruptcy_price(scope, 0) or 0
    # Just beyond it nobody buys, and the fund takes all of it over.
    venue.set_index(0, rounded - sign(i["side"]))
    world.settle()
    held, cost, _ = venue.inherited(HolderKind.FUND, 0)
    if held != lots or venue.equity(scope) != 0:
        raise ValueError("not taken over")
    price = terms * tick * abs(lots) / Fraction(abs(cost))
    return {"bankruptcy_price": price, "bankruptcy_price_rounded": rounded * tick}


@engine
@form("bankruptcy", "side entry size position_margin wallet")
def taken_over_with_wallet(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    money = exact(i["position_margin"]) + exact(i["wallet"])
    return {"bankruptcy_price": handed_over(vector, money, exact(i["size"]))}


@engine
@form("adl_rank", "accounts fields liquidated_size bankruptcy_price")
def queue(vector: Vector) -> dict[str, Any]:
    """Longs with given scores; a short whose bankruptcy price is the given one is handed over."""
    i = vector["inputs"]
    if [field.strip() for field in i["fields"].split(",")] != ["quantity", "score"]:
        raise ValueError(f"fields {i['fields']!r}")
    names, total = list(i["accounts"]), sum(exact(row[0]) for row in i["accounts"].values())
    closed = sold_to(i, exact(i["liquidated_size"]))
    order = list(sold_to(i, total))  # a short as large as all of them asks everybody in turn
    lights, seen = {}, Fraction(0)
    for name in order:
        seen += exact(i["accounts"][name][0])
        lights[name] = -(-100 * seen // (20 * total)) * 20
    left = {name: exact(i["accounts"][name][0]) - lots for name, (lots, _) in closed.items()}
    (price,) = {cost / lots for lots, cost in closed.values()}
    return {
        "order": order,
        "percentile": {name: lights[name] for name in names},
        "closed": {name: lots for name, (lots, _) in closed.items()},
        "price": price,
        "left": {name: lots for name, lots in left.items() if lots},
    }


def sold_to(i: dict[str, Any], size: Fraction) -> dict[str, tuple[Fraction, Fraction]]:
    """Hand a bankrupt short over; return name -> (lots, cost) in the order of the queue."""
    price, gap = exact(i["bankruptcy_price"]), 50
    scale = 10 ** places(*(row[1] for row in i["accounts"].values()))
    scores: dict[int, int] = {}
    while True:  # the first round only learns the scopes' ids
        backstop = Deleverage(AdlRule.SCORES, scores=scores)
        desk = Desk(
            MICRO, Terms(ONE, ONE, flat("0.005"), price - gap, price * 2), backstop=backstop
        )
        for name, (held, _) in i["accounts"].items():
            desk.open(name, cash=exact(held) * price, size=held, entry=price - gap)
        desk.open("bankrupt", cash=gap * size, size=-size, entry=price - gap)
        named = {desk.scope(name): name for name in i["accounts"]}
        if scores:
            break
        scores = {at: whole(exact(i["accounts"][name][1]) * scale) for at, name in named.items()}
    desk.start()
    desk.venue.set_index(0, desk.ticks(price + 1))
    desk.settle()
    rows = sorted(desk.rows("adl", "rank", "scope_to", "lots", "cost"))
    return {named[to]: (Fraction(lots), abs(desk.money(cost))) for _, to, lots, cost in rows}


@engine
@form("loss_socialisation", "loss base_long base_short")
def by_lots(vector: Vector) -> dict[str, Any]:
    """A loss that no fund covers is charged to every open lot; the charge a lot is the shift."""
    i = vector["inputs"]
    long, short, loss = exact(i["base_long"]), exact(i["base_short"]), exact(i["loss"])
    lot = Fraction(1, 10 ** places(i["base_long"], i["base_short"]))
    cash, low = 1, 10
    entry = low + loss + cash  # one unit of base, sold at `low`, leaves just the loss
    desk = Desk(
        NANO,
        Terms(Fraction(1, 100), lot, flat("0.05"), entry, entry * 10),
        social=True,
        stages={"social_rule": SocialRule.LOTS, "social_step": whole(MICRO / NANO * lot)},
    )
    desk.open("bankrupt", cash=cash, size=ONE, entry=entry)
    desk.open("long", cash=long * entry * 2, size=long, entry=entry)
    desk.open("short", cash=short * entry * 2, size=-short, entry=entry)
    desk.venue.seed_level(0, Side.BID, desk.ticks(low), desk.lots(ONE))
    desk.start()
    desk.venue.set_index(0, desk.ticks(low))
    desk.settle()
    paid = {
        source: desk.money(amount)
        for source, target, amount, reason in desk.rows(
            "postings", "from_holder", "to_holder", "amount", "reason"
        )
        if reason == PostReason.SOCIALISED and target == desk.holder(HolderKind.FUND)
    }
    (each,) = {paid[desk.scope("long")] / long, paid[desk.scope("short")] / short}
    return {"funding_delta_1e9": each / NANO}


@engine
@form("partial_liq_size", "contracts tier1_max")
def tier_down(vector: Vector) -> dict[str, Any]:
    """A position of the third tier is cut to the top of the first: two tiers down."""
    i = vector["inputs"]
    top = i["tier1_max"]
    # Tiers by value at a mark of 1: to the first's top, to half-way, above.
    million, rows, amount, before = 10**6, [], 0, 0
    for lots, rate in ((0, 10_000), (top + 1, 20_000), ((top + i["contracts"]) // 2, 30_000)):
        amount += lots * (rate - before)
        rows.append((lots * million, rate, amount, 2 * rate))
        before = rate
    policy = Tranches(TrancheRule.TIER_DOWN, tiers=2)
    desk = Desk(MICRO, Terms(ONE, ONE, rows, 1, 10), policy=policy)
    desk.open("it", cash=1, size=i["contracts"], entry=1)
    desk.start()
    desk.settle()
    ((lots,),) = desk.rows("liquidations", "lots_asked")
    return {"close": lots}


def covered(
    shortage: Fraction, price: Fraction, rate: Fraction, cost: Fraction, **policy: Any
) -> tuple[Fraction, Fraction]:
    """Return (lots asked, position) of an account so much short of its maintenance."""
    lot, tick = NANO, Fraction(1, 10 ** places(float(price)))
    unit = lot * tick
    size = Fraction(-(-shortage // ((rate - cost) * price))) + 10
    need = size * price * rate
    desk = Desk(
        unit,
        Terms(tick, lot, flat(rate), price, price * 10),
        policy=Tranches(TrancheRule.COVER, cost_ppm=ppm(cost), round_up=False, **policy),
    )
    cash = (need - shortage) // unit * unit
    desk.open("it", cash=cash, size=size, entry=price)
    desk.start()
    desk.settle()
    ((lots,),) = desk.rows("liquidations", "lots_asked")
    return lots * lot, size


@engine
@form("partial_liq_size", "shortage margin_ratio liq_fee if_fee price quote_price")
def to_cover(vector: Vector) -> dict[str, Any]:
    """Money is the quote token: so many of them cover a shortage told in dollars.

    The fund's fee is taken of the value in dollars, the liquidator's of that in tokens; where a
    token is not a dollar and both are asked for, the fee in dollars is worth more tokens.
    """
    i = vector["inputs"]
    token = exact(i["quote_price"])
    cost = exact(i["liq_fee"]) + exact(i["if_fee"]) / token
    rate = exact(i["margin_ratio"])
    if (cost * 10**6).denominator != 1:
        raise NotYet("costs of a sale finer than ppm")
    lots, _ = covered(exact(i["shortage"]) / token, exact(i["price"]), rate, cost)
    return {"base_1e9": lots / NANO}


@engine
@form(
    "partial_liq_size",
    "shortage asset_weight liability_weight asset_mult liab_mult if_fee price",
)
def liability(vector: Vector) -> dict[str, Any]:
    """The public formula; an order that frees as much of its value and costs as much agrees."""
    i = vector["inputs"]
    shortage, price = exact(i["shortage"]), exact(i["price"])
    base, freed, cost = margin.liability_transfer(
        shortage,
        price,
        asset_weight=exact(i["asset_weight"]),
        liability_weight=exact(i["liability_weight"]),
        asset_multiplier=exact(i["asset_mult"]),
        liability_multiplier=exact(i["liab_mult"]),
        fund_fee=exact(i["if_fee"]),
    )
    base_lots = base // NANO
    if (cost * 10**6).denominator == 1 and freed < 1:
        lots, _ = covered(shortage, price, freed, cost)
        if abs(lots / NANO - base_lots) > 1:
            raise ValueError(f"the engine sells {lots / NANO}, the formula says {base_lots}")
    return {"base_1e9": base_lots}


@engine
@form("partial_liq_size", "shortage initial_pct")
def share_at_first(vector: Vector) -> dict[str, Any]:
    """The first order's share of the lots that would cover: a small shortage goes at once. [DR2]"""
    i = vector["inputs"]
    price, rate = Fraction(max(100, math.ceil(i["shortage"]))), Fraction(1, 10)
    lots, _ = covered(
        exact(i["shortage"]),
        price,
        rate,
        Fraction(0),
        portion_ppm=ppm(i["initial_pct"]),
        min_value=50 * 10**9,
        ramp_ns=60 * SECOND,
    )
    whole_lots = exact(i["shortage"]) / (price * rate)
    return {"pct": round(lots / whole_lots, 6)}


def windowed(i: dict[str, Any], sizes: dict[str, Any], **more: Any) -> tuple[Desk, int]:
    """Return a desk whose accounts the vault takes over by the window, at the mark."""
    fee = exact(i["maker_fee"]) + exact(i["taker_fee"])
    capacity = fee * exact(i["skew_scale"]) * exact(i["multiplier"]) * exact(i["window_seconds"])
    desk = Desk(
        NANO,
        Terms(Fraction(1, 1000), Fraction(1, 1000), flat("0.05"), 100, 1000),
        policy=Tranches(
            TrancheRule.WINDOW,
            capacity=whole(capacity * 1000),
            window_ns=whole(exact(i["window_seconds"]) * SECOND),
            **more,
        ),
        stages={
            "takeover": Takeover.VAULT,
            "takeover_when": TakeoverWhen.BELOW,
            "takeover_price": PriceMode.MARK,
            "takeover_collateral": True,
        },
    )
    for at, (name, size) in enumerate(sizes.items()):
        # The first falls below maintenance at 90, the next only at 80, … and
        # is left with so little that a part of the position is still too much.
        money = exact(size) * (10 * (at + 1) + Fraction(1, 10))
        desk.open(name, cash=money, size=size, entry=100)
    return desk, whole(capacity * 1000)


@engine
@form(
    "partial_liq_size",
    "maker_fee taker_fee skew_scale multiplier window_seconds positions calls",
)
def window(vector: Vector) -> dict[str, Any]:
    """Each call is a block: everybody who was called so far is below maintenance."""
    i = vector["inputs"]
    order = list(dict.fromkeys(name for _, name in i["calls"]))
    desk, capacity = windowed(i, {name: i["positions"][name] for name in order})
    desk.start()
    left = []
    for time, name in i["calls"]:
        desk.venue.set_index(0, desk.ticks(100 - 10 * (order.index(name) + 1)))
        desk.settle(time)
        left.append(desk.held(name)[1][0])
    return {"capacity": Fraction(capacity, 1000), "left_after_each_call": left}


@engine
@form(
    "partial_liq_size",
    "maker_fee taker_fee skew_scale multiplier window_seconds position max_pd other_trader_sells",
)
def skewed(vector: Vector) -> dict[str, Any]:
    """Three blocks in one window; before the third another trader sells."""
    i = vector["inputs"]
    most = exact(i["max_pd"]) * exact(i["skew_scale"])
    desk, capacity = windowed(i, {"it": i["position"]}, skew_max=whole(most * 1000))
    desk.open("other", cash=10**5)
    desk.venue.seed_level(0, Side.BID, desk.ticks(90), desk.lots(i["other_trader_sells"]))
    desk.start()
    desk.venue.set_index(0, desk.ticks(90))
    left = []
    for block in range(3):
        if block == 2:
            desk.sell("other", i["other_trader_sells"], 90)
        desk.settle(Fraction(block, 2))
        left.append(desk.held("it")[1][0])
    return {"capacity": Fraction(capacity, 1000), "left": left}

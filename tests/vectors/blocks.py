"""Vectors of a venue that settles against the bankruptcy quote, block by block: in the engine."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from ordercascade.duties import TrancheRule
from ordercascade.enums import AdlRule, AdlWhen, CancelPolicy, LegRule, OrderLimit, Reject, Side
from ordercascade.errors import InputError
from ordercascade.mechanisms.closing import Deleverage
from ordercascade.mechanisms.tranches import Tranches
from vectors.engine import Desk, Terms, flat, sides
from vectors.form import Vector, engine, exact, form, whole
from vectors.prices import bankruptcy_quote

NANO = Fraction(1, 10**9)  # the engine's finest money
QUANTUM = Fraction(1, 10**6)
CENT_BTC = Fraction(1, 10**8)
MOST = 2**60
ONE = Fraction(1)


def rules(
    policy: Tranches | None = None, *, fee_ppm: int = 0, most: int = MOST, **stages: Any
) -> dict[str, Any]:
    """One block a settlement: fillable limit, insured fills, overlap check."""
    return {
        "policy": policy or Tranches(limit=OrderLimit.MARKET),
        "backstop": Deleverage(AdlRule.SCOPE_ID),
        "cancel": CancelPolicy.NONE,
        "round_max": 1,
        "stages": {
            "insured": True,
            "insured_fee_ppm": fee_ppm,
            "insured_most": most,
            "adl_overlap": True,
            "adl_when": AdlWhen.UNTOUCHED,
        }
        | stages,
    }


def terms(market: dict[str, Any], unit: Fraction) -> Terms:
    """Return a market with lots of a base quantum; a tick of a lot is worth a unit."""
    lot = Fraction(market["base_quantum"].split()[0])
    rates = [(0, market["mmf_ppm"], 0, market["imf_ppm"])]
    return Terms(unit / lot, lot, rates, market["oracle_price_usd"])


def in_dollars(i: dict[str, Any], **more: Any) -> Desk:
    """Return a desk for a flow in dollars, its money in quanta; finer only where prices are."""
    market, orders = i["market"], i["orders_in_arrival_order"]
    prices = [market["oracle_price"], *(order["price"] for order in orders)]
    sizes = [account["btc"] for account in i["accounts"].values()]
    sizes += [order["size"] for order in orders]
    tick, lot, unit = ONE, QUANTUM, QUANTUM
    if any(exact(n) % 1 for n in prices) or any(exact(n) % lot for n in sizes):
        tick, lot, unit = Fraction(1, 10), CENT_BTC, NANO
    return Desk(
        unit, Terms(tick, lot, flat(market["mmf"], market["imf"]), market["oracle_price"]), **more
    )


@engine
@form(
    "liquidation_flow",
    "market insurance_fund accounts orders_in_arrival_order liquidations_config"
    " liquidatable_in_order",
)
def block(vector: Vector) -> dict[str, Any]:
    """One block of the published flows: orders rest, then everybody at risk is liquidated.

    Ties in the venue's sort are broken by an order hash; here by id, and the note says who went
    first, so the accounts are opened in that order.
    """
    i, config = vector["inputs"], vector["inputs"]["liquidations_config"]
    unit = 1 / in_dollars(i).unit
    policy = Tranches(
        TrancheRule.PORTION,
        OrderLimit.FILLABLE,
        portion_ppm=config["max_position_portion_ppm"],
        min_value=whole(exact(config["min_position_notional"]) * unit),
        block_value=whole(exact(config["subaccount_max_notional"]) * unit),
        spread_ppm=config["spread_to_mmr_ratio_ppm"],
        adjustment_ppm=config["bankruptcy_adjustment_ppm"],
    )
    most = whole(exact(config["subaccount_max_insurance_lost"]) * unit)
    fee = config["max_liquidation_fee_ppm"]
    desk = in_dollars(i, **rules(policy, fee_ppm=fee, most=most))
    first = [name for name in i["accounts"] if f"{name} is closed first" in vector.get("note", "")]
    for name in [*first, *(name for name in i["accounts"] if name not in first)]:
        account = i["accounts"][name]
        desk.net(name, account["usdc"], account["btc"])
    desk.start(fund=i["insurance_fund"])
    for name, side, size, price in sides(i["orders_in_arrival_order"]):
        desk.rest(name, side, size, price)
    if i["market"].get("status") == "final_settlement":
        desk.venue.wind_up(0)
    desk.settle()
    found = {name: desk.held(name) for name in i["accounts"]}
    named = {name: {"usdc": cash, "btc": sizes[0]} for name, (cash, sizes) in found.items()}
    # What is not asked of an account is not said of it.
    return {name: named[name] for name in vector["expected"]} | named


def quanta(i: dict[str, Any], unit: Fraction = QUANTUM, **more: Any) -> Desk:
    """Return a desk for a vector in quanta: market k is the k-th of its markets.

    Its money is in quanta too, so that margins are rounded as the venue rounds them.
    """
    if list(i["markets"]) != [str(at) for at in range(len(i["markets"]))]:
        raise ValueError("markets that are not 0, 1, …")
    return Desk(unit, *(terms(market, unit) for market in i["markets"].values()), **more)


def enter(desk: Desk, name: str, account: dict[str, Any], worst: int = 0) -> None:
    sizes = [Fraction(0)] * len(desk.markets)
    for leg in account["positions"]:
        sizes[leg["perp"]] += leg["size_q"] * desk.markets[leg["perp"]].lot
    desk.net(name, account["usdc_q"] * QUANTUM, *sizes, worst=worst)


def in_quanta(desk: Desk, name: str) -> dict[str, Any]:
    cash, sizes = desk.held(name)
    lots = [whole(size / terms.lot) for size, terms in zip(sizes, desk.markets, strict=True)]
    held = [{"perp": at, "size_q": size} for at, size in enumerate(lots) if size]
    return {"usdc_q": cash / QUANTUM, "positions": held}


def held_by(account: dict[str, Any], perp: int) -> int:
    return sum(leg["size_q"] for leg in account["positions"] if leg["perp"] == perp)


@engine
@form("adl_execution", "markets liquidated offsetting perp delta_q")
def offset(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    desk = quanta(i, **rules())
    both = ("liquidated", "offsetting")
    for name in both:
        enter(desk, name, i[name])
    desk.start()
    scopes = [desk.scope(name) for name in both]
    held = held_by(i["liquidated"], i["perp"])
    if (held < 0) != (i["delta_q"] > 0):
        return {"rejected": True, "reason": "invalid position size delta"}
    try:
        answer = desk.venue.close_pair(scopes[0], i["perp"], scopes[1], abs(i["delta_q"]))
    except InputError:
        return {"rejected": True, "reason": "invalid position size delta"}
    desk.world._check()
    if answer == Reject.NO_OVERLAP:
        return {"rejected": True, "reason": "bankruptcy prices do not overlap"}
    return {name: in_quanta(desk, name) for name in both}


@engine
@form("bankruptcy", "usdc_q positions markets perp delta_q")
def quote(vector: Vector) -> dict[str, Any]:
    """In quanta, rounded up; the public formula must say the same."""
    i = vector["inputs"]
    desk = quanta(i, **rules())
    enter(desk, "it", i)
    desk.start()
    units = desk.venue.bankruptcy_quote(desk.scope("it"), i["perp"], abs(i["delta_q"]))
    found = math.ceil(desk.money(units) / QUANTUM)
    if found != bankruptcy_quote(i, i, i["delta_q"]):
        raise ValueError(f"the engine says {found}, the formula something else")
    return {"bankruptcy_quote_q": found}


@engine
@form(
    "insurance_fund_delta",
    "usdc_q positions markets perp is_buy fill_q subticks max_liquidation_fee_ppm",
)
def insured(vector: Vector) -> dict[str, Any]:
    """The account's order meets one maker of the given size and price; the fund can pay."""
    i, perp, fund = vector["inputs"], vector["inputs"]["perp"], 10**7
    lot = Fraction(i["markets"][str(perp)]["base_quantum"].split()[0])
    price = Fraction(i["subticks"], 10**8) * QUANTUM / lot  # dollars
    unit = NANO if price % (QUANTUM / lot) else QUANTUM
    said = rules(fee_ppm=i["max_liquidation_fee_ppm"]) | {"leg": LegRule.WORST_PNL}
    desk = quanta(i, unit, **said)
    enter(desk, "it", i, perp)
    desk.open("maker", cash=10**8)
    desk.start(fund=fund)
    side = Side.ASK if i["is_buy"] else Side.BID
    desk.rest("maker", side, i["fill_q"] * lot, price, perp)
    desk.settle()
    ((filled,),) = desk.rows("liquidations", "lots_filled")
    if filled != i["fill_q"]:
        raise ValueError(f"{filled} filled of {i['fill_q']}")
    return {"insurance_fund_delta_q": (desk.fund() - fund) / QUANTUM}


@engine
@form("insurance_fund_delta", "deposit size entry mmf oracle fill_price")
def topped_up(vector: Vector) -> dict[str, Any]:
    """The spread of the live venue, 1.5 of the maintenance rate, reaches the fill. MARGIN §6.3."""
    i = vector["inputs"]
    policy = Tranches(limit=OrderLimit.FILLABLE, spread_ppm=1_500_000)
    tick, unit = Fraction(1, 1000), QUANTUM
    market = Terms(tick, Fraction(1), flat(i["mmf"]), i["entry"], 1000)
    desk = Desk(unit, market, **rules(policy))
    desk.open("it", cash=i["deposit"], size=i["size"], entry=i["entry"])
    desk.open("maker", cash=10**6)
    desk.start(fund=1000)
    at_entry = desk.money(desk.venue.maintenance(desk.scope("it")))
    desk.rest("maker", Side.BID, i["size"], i["fill_price"])
    desk.venue.set_index(0, desk.ticks(i["oracle"]))
    scope = desk.scope("it")
    equity, _ = desk.venue.what_if(scope, {0: desk.ticks(i["oracle"])})
    desk.settle()
    ((filled, value),) = desk.rows("liquidations", "lots_filled", "value")
    if filled != desk.lots(i["size"]):
        raise ValueError("not filled")
    return {
        "mmr_at_entry": at_entry,
        "pnl_at_oracle": desk.money(equity) - i["deposit"],
        "equity": desk.money(equity),
        "pnl_at_fill": desk.money(value) - i["size"] * i["entry"],
        "fund_pays": 1000 - desk.fund(),
    }


@engine
@form("adl_execution", "A B new_price")
def jump(vector: Vector) -> dict[str, Any]:
    """A price jump: nothing on the book, so the rest of the table. The price handed over at."""
    i = vector["inputs"]
    entry = i["A"]["entry"]
    desk = Desk(QUANTUM, Terms(Fraction(1, 10), Fraction(1), flat(0.03), entry, 1000), **rules())
    for name in ("A", "B"):
        desk.open(name, cash=i[name]["deposit"], size=i[name]["size"], entry=entry)
    desk.start()
    desk.venue.set_index(0, desk.ticks(i["new_price"]))
    before, _ = desk.venue.what_if(desk.scope("B"), {0: desk.ticks(i["new_price"])})
    desk.settle()
    ((lots, cost),) = desk.rows("adl", "lots", "cost")
    return {
        "B_equity_before": desk.money(before),
        "adl_price": abs(desk.money(cost)) / lots,
        "A_pnl": desk.equity("A") - i["A"]["deposit"],
        "B_pnl": desk.equity("B") - i["B"]["deposit"],
        "B_equity_after": desk.equity("B"),
    }


@engine
@form(
    "partial_liq_size",
    "position_q quote_q_per_base_q min_position_notional_liquidated"
    " max_position_portion_liquidated_ppm",
)
def notional(vector: Vector) -> dict[str, Any]:
    """What one order of the planner is worth at the mark; the minimum is a tiny portion's.

    A lot is worth one quantum, so that a value is not rounded to lots.
    """
    i = vector["inputs"]

    def asked(portion_ppm: int) -> Fraction:
        policy = Tranches(
            TrancheRule.PORTION,
            portion_ppm=portion_ppm,
            min_value=i["min_position_notional_liquidated"],
        )
        each = exact(i["quote_q_per_base_q"])
        market = Terms(each, 1 / each, flat(0.1), each, each * 4)
        desk = Desk(Fraction(1), market, **rules(policy))
        size = i["position_q"]
        desk.open("it", cash=1, size=size, entry=each)
        desk.start()
        desk.settle()
        ((lots,),) = desk.rows("liquidations", "lots_asked")
        return Fraction(lots)

    return {
        "min_notional": asked(0),
        "max_notional": asked(i["max_position_portion_liquidated_ppm"]),
    }

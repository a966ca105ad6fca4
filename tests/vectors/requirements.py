"""Vectors that ask what is required: margins, amounts of tiers, rates, fees, portfolios."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from ordercascade import margin
from ordercascade.exact import PPM
from ordercascade.margin import Schedule
from vectors.form import Grid, Vector, exact, form, places, preset, sign, whole

PPT = 10**12


@form("margin_requirement", "floor mmr mmr_prev cum_prev")
def next_amount(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    tiers = [(Fraction(0), exact(i["mmr_prev"])), (exact(i["floor"]), exact(i["mmr"]))]
    return {"cum": exact(i["cum_prev"]) + margin.amounts(tiers)[-1]}


@form("margin_requirement", "tiers_cap_mmr")
def table(vector: Vector) -> dict[str, Any]:
    rows = vector["inputs"]["tiers_cap_mmr"]
    floors = [Fraction(0), *(exact(cap) for cap, _ in rows[:-1])]
    rates = [exact(rate) for _, rate in rows]
    return {"cum": margin.amounts(list(zip(floors, rates, strict=True)))}


@form("margin_requirement", "tiers_cap_mmr_cum notional")
def lookup(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    rows = i["tiers_cap_mmr_cum"]
    unit = 10 ** max(places(row[2]) for row in rows)
    floors = [Fraction(0), *(exact(cap) for cap, _, _ in rows[:-1])]
    schedule = Schedule.tiers(
        [
            (whole(floor * unit), whole(exact(rate) * PPM), whole(exact(cum) * unit), PPM)
            for floor, (_, rate, cum) in zip(floors, rows, strict=True)
        ]
    )
    value = math.floor(exact(i["notional"]) * unit)
    rate = schedule.rates(value)[1]
    return {"mmr": Fraction(rate, PPT), "cum": Fraction(schedule.amount(value), unit)}


@form("margin_requirement", "base_limit step base_mm base_im values")
def risk_limit(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    unit = 10**6
    schedule = Schedule.steps(
        limit=whole(exact(i["base_limit"]) * unit),
        step=whole(exact(i["step"]) * unit),
        maintenance_ppm=whole(exact(i["base_mm"]) * PPM),
        initial_ppm=whole(exact(i["base_im"]) * PPM),
    )
    values = [whole(exact(value) * unit) for value in i["values"]]
    rates = [schedule.rates(value) for value in values]
    answers: dict[str, Any] = {
        "mm": [Fraction(maintenance, PPT) for _, maintenance in rates],
        "im": [Fraction(initial, PPT) for initial, _ in rates],
    }
    for key in vector["expected"]:
        if key.startswith(("mm_coin_at_", "im_coin_at_")):
            value = whole(exact(key.rpartition("_")[2]) * unit)
            found = margin.margin_required(schedule, value, 1)
            answers[key] = Fraction(found[key.startswith("mm")], unit)
    return answers


@form("margin_requirement", "base_im base_mm inc_per_unit price size")
def linear_in_size(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    grid = Grid([i["price"]], [i["size"]], [])
    schedule = Schedule.size(
        maintenance_ppm=whole(exact(i["base_mm"]) * PPM),
        initial_ppm=whole(exact(i["base_im"]) * PPM),
        increment_ppt=whole(exact(i["inc_per_unit"]) * PPT / 10**grid.lot),
        **grid.options(),
    )
    size, price = grid.size(i["size"]), grid.price(i["price"])
    initial, maintenance = margin.margin_required(schedule, size, price)
    rates = schedule.rates(0, size)
    return {
        "im_rate": Fraction(rates[0], PPT),
        "mm_rate": Fraction(rates[1], PPT),
        "im": grid.people(initial),
        "mm": grid.people(maintenance),
    }


@form(
    "margin_requirement",
    "base_imf_ppm oi_lower_cap oi_upper_cap open_interest_notional",
    "notional",
)
def open_interest(vector: Vector) -> dict[str, Any]:
    """The initial rate is floored to the ppm, the amount rounded up."""
    i = vector["inputs"]
    schedule = Schedule.interest(
        maintenance_ppm=0,
        initial_ppm=i["base_imf_ppm"],
        lower=i["oi_lower_cap"],
        upper=i["oi_upper_cap"],
    )
    interest = i["open_interest_notional"]
    rate = schedule.rates(0, open_interest=interest)[0]
    value = i.get("notional", 1)
    initial, _ = margin.margin_required(schedule, 1, value, open_interest=interest)
    return {"adjusted_imf_ppm": Fraction(rate, PPM), "initial_margin": initial}


@form("margin_requirement", "max_leverage", "notional leverage")
def by_leverage(vector: Vector) -> dict[str, Any]:
    """Maintenance is half of the initial rate at the asset's greatest leverage."""
    i = vector["inputs"]
    if isinstance(i["max_leverage"], list):
        rows = [margin.leverage_row(leverage) for leverage in i["max_leverage"]]
        return {"mmr": [Fraction(maintenance, PPM) for _, maintenance in rows]}
    initial_ppm, maintenance_ppm = margin.leverage_row(i["max_leverage"])
    grid = Grid([i["notional"]], [1], [])
    schedule = Schedule.flat(
        initial_ppm=initial_ppm, maintenance_ppm=maintenance_ppm, **grid.options()
    )
    price = grid.price(i["notional"])
    found = [margin.margin_required(schedule, 1, price, leverage=x) for x in i["leverage"]]
    return {
        "initial": [grid.people(initial) for initial, _ in found],
        "maintenance": [grid.people(maintenance) for _, maintenance in found],
    }


@form("margin_requirement", "quantity_usd leverage", "price entry")
def inverse_initial(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    price = i["price"] if "price" in i else i["entry"]
    grid = Grid([price], [i["quantity_usd"]], [], inverse=True)
    size, tick = grid.size(i["quantity_usd"]), grid.price(price)
    schedule = grid.flat(0)
    initial, _ = margin.margin_required(schedule, size, tick, leverage=i["leverage"])
    value, _ = margin.what_if(schedule, tick, -size, 0, 0)  # a short's value is above 0
    return {
        "initial_margin_btc": grid.people(initial),
        "position_value_btc": grid.people(value),
    }


@form("margin_requirement", "face contracts price leverage")
def contracts(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    size = str(float(exact(i["face"]) * exact(i["contracts"])))
    grid = Grid([i["price"]], [size], [])
    initial, _ = margin.margin_required(
        grid.flat(0), grid.size(size), grid.price(i["price"]), leverage=i["leverage"]
    )
    return {"initial_margin": grid.people(initial)}


@form("margin_requirement", "mark open buys sells linear_slippage rf_long rf_short")
def risk_factors(vector: Vector) -> dict[str, Any]:
    """Risk factor and slippage; the source computes in whole units of its asset."""
    i = vector["inputs"]
    schedule = Schedule.risk(
        long_ppm=whole(exact(i["rf_long"]) * PPM),
        short_ppm=whole(exact(i["rf_short"]) * PPM),
        slippage_ppm=whole(exact(i["linear_slippage"]) * PPM),
    )
    finer = 10 ** places(i["mark"])
    _, maintenance = margin.margin_required(
        schedule, i["open"], whole(exact(i["mark"]) * finer), bids=i["buys"], asks=i["sells"]
    )
    return {"maintenance": -(-maintenance // finer)}


@form("margin_requirement", "open buys sells")
def riskiest(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    bought, sold = margin.riskiest(i["open"], bids=i["buys"], asks=i["sells"])
    return {"riskiest_long": bought, "riskiest_short": sold}


@form(
    "margin_requirement",
    "s_twap f_twap margin_funding_factor futures_margin",
    "delta_t interest_rate clamp_lower clamp_upper position",
)
def funding(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    payment, more_long, more_short = margin.funding_margin(
        exact(i["s_twap"]),
        exact(i["f_twap"]),
        factor=exact(i["margin_funding_factor"]),
        interest=exact(i.get("delta_t", 0)) * exact(i.get("interest_rate", 0)),
        low=exact(i["clamp_lower"]) if "clamp_lower" in i else None,
        high=exact(i["clamp_upper"]) if "clamp_upper" in i else None,
    )
    base, held = exact(i["futures_margin"]), exact(i.get("position", 1))
    return {
        "funding_payment": payment,
        "total_long": base + more_long,
        "total_short": base + more_short,
        "total_margin": base + abs(held) * (more_long if held > 0 else more_short),
    }


@form("margin_requirement", "entry position factors order amended fill")
def isolated_orders(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    factor = exact(i["order"]["factor"])

    def held(order: dict[str, Any]) -> int:
        return margin.order_margin(exact(order["size"]), exact(order["price"]), factor)

    amended, moved = held(i["amended"]), held(i["fill"])
    return {
        "margin_at_factors": [
            margin.order_margin(exact(i["position"]), exact(i["entry"]), exact(one))
            for one in i["factors"]
        ],
        "order_margin": held(i["order"]),
        "order_margin_amended": amended,
        "moved_to_position": moved,
        "order_margin_left": amended - moved,
    }


@form("fee", "shortage base margin_ratio liquidator_fee price quote_price max_if_fee")
def insurance(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    notional = exact(i["base"]) * exact(i["price"])
    found = margin.insurance_fee_ppm(
        exact(i["shortage"]) * exact(i["quote_price"]),
        notional,
        margin_ratio=exact(i["margin_ratio"]),
        liquidator_fee=exact(i["liquidator_fee"]),
        most=exact(i["max_if_fee"]),
    )
    return {"if_fee_ppm": found}


@form("portfolio_margin", "mr_core mr7_raw tiers")
def liquidation_cost(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    core, raw = exact(i["mr_core"]), exact(i["mr7_raw"])
    adjusted = margin.scaled(raw, [(exact(cap), exact(factor)) for cap, factor in i["tiers"]])
    return {
        "mr7_adj": adjusted,
        "mmr_before": max(core, raw),
        "mmr_after": max(core, adjusted),
    }


@form("portfolio_margin", "long_future short_call")
def span(vector: Vector) -> dict[str, Any]:
    arrays = {name: [exact(x) for x in array] for name, array in vector["inputs"].items()}
    combined, worst = margin.requirement(list(arrays.values()))
    return {
        "combined": combined,
        "requirement_future": margin.requirement([arrays["long_future"]])[1],
        "requirement_call": margin.requirement([arrays["short_call"]])[1],
        "requirement_combined": worst,
    }


@form("portfolio_margin", "position index basis_rate days shocks contingency_factor")
def future_grid(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    future = exact(i["index"]) * (1 + exact(i["basis_rate"]) * exact(i["days"]) / 365)
    size = exact(i["position"])
    return {
        "future_price": future,
        "pnl": margin.loss_grid(size, future, [exact(shock) for shock in i["shocks"]]),
        "contingency": abs(size) * exact(i["index"]) * exact(i["contingency_factor"]),
    }


@form("portfolio_margin", "price_range buckets contract")
def shape(vector: Vector) -> dict[str, Any]:
    """The size is not printed: one entry says it, and all must follow from it."""
    i = vector["inputs"]
    (key, want), *rest = vector["expected"].items()
    if rest or not key.startswith("pnl_at_"):
        raise ValueError("expects one list pnl_at_…")
    shocks = [Fraction(int(text), 100) for text in key.removeprefix("pnl_at_").split("_")]
    step = exact(i["price_range"]) / i["buckets"]
    if any(shock % step or abs(shock) > exact(i["price_range"]) for shock in shocks):
        raise ValueError("a shock lies off the buckets")
    unit = margin.loss_grid(Fraction(1), Fraction(1), shocks, inverse=i["contract"] == "inverse")
    at = next(index for index, value in enumerate(unit) if value)
    return {key: [exact(want[at]) / unit[at] * value for value in unit]}


@form("trigger", "margin size entry mark mmr liq_fee_rate")
def margin_ratio(vector: Vector) -> dict[str, Any]:
    """Liquidated where (margin + profit) / value is at most the rate and the fee."""
    i = vector["inputs"]
    grid = Grid([i["entry"], i["mark"]], [i["size"]], [i["margin"]])
    schedule = grid.flat(i["mmr"], **preset(vector, i["liq_fee_rate"]))
    size = grid.size(i["size"]) * sign(i.get("side", "long"))
    cost, mark = grid.cost(size, i["entry"]), grid.price(i["mark"])
    money = grid.money(i["margin"])
    equity, _ = margin.what_if(schedule, mark, size, cost, money)
    value, _ = margin.what_if(schedule, mark, abs(size), 0, 0)
    trigger = margin.trigger_price(schedule, size, cost, money)
    return {
        "upl": grid.people(equity - money),
        "margin_ratio": Fraction(equity, value),
        "trigger_level": exact(i["mmr"]) + exact(i["liq_fee_rate"]),
        "liquidate": mark <= trigger if size > 0 else 0 < trigger <= mark,
    }

"""Vectors that ask for a price: liquidation, bankruptcy, average entry, limit of a liquidation."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ordercascade import margin
from ordercascade.margin import Schedule
from vectors.form import Grid, Vector, exact, form, preset, sign, whole

DIGITS = 9
INVERSE_TICK = Fraction(1, 2)  # presets/bybit-inverse.toml, rounding


@form("liq_price", "mode side wallet size entry mmr cum", "others tmm_others upnl_others")
def tiered(vector: Vector) -> dict[str, Any]:
    """Marginal tiers; the tier at the answer is given. Others by position or as sums."""
    i = vector["inputs"]
    rest = [leg[key] for leg in i.get("others", []) for key in ("entry", "mark")]
    sizes = [i["size"], *(leg["size"] for leg in i.get("others", []))]
    worth = [exact(leg["size"]) * exact(leg["mark"]) for leg in i.get("others", [])]
    grid = Grid([i["entry"], *rest], sizes, [i["wallet"], i["cum"], *map(float, worth)])
    if i["mode"] not in ("cross", "isolated") or (i["mode"] == "isolated" and rest):
        raise ValueError(f"mode {i['mode']!r}")
    equity, maintenance = grid.money(i.get("upnl_others", 0)), grid.money(i.get("tmm_others", 0))
    for leg in i.get("others", []):
        table = _tier(grid, leg["mmr"], leg["cum"], **preset(vector))
        size = sign(leg["side"]) * grid.size(leg["size"])
        cost = grid.cost(size, leg["entry"])
        own, need = margin.what_if(table, grid.price(leg["mark"]), size, cost, 0)
        equity, maintenance = equity + own, maintenance + need
    size = sign(i["side"]) * grid.size(i["size"])
    found = margin.liquidation_price(
        _tier(grid, i["mmr"], i["cum"], **preset(vector)),
        size,
        grid.cost(size, i["entry"]),
        grid.money(i["wallet"]),
        other_equity=equity,
        other_maintenance=maintenance,
        digits=DIGITS,
    )
    return {"liq_price": _people(grid, found)}


@form("liq_price", "side entry size leverage mmr deduction extra_margin")
def at_entry(vector: Vector) -> dict[str, Any]:
    """Isolated, maintenance on the entry value; the collateral is the initial margin."""
    i = vector["inputs"]
    grid = Grid([i["entry"]], [i["size"]], [i["extra_margin"]])
    table = _tier(grid, i["mmr"], i["deduction"], **preset(vector))
    size = sign(i["side"]) * grid.size(i["size"])
    cost = grid.cost(size, i["entry"])
    # The entry may lie between ticks: one lot that is worth the cost asks the same.
    whole_cost = _tier(grid, i["mmr"], i["deduction"], **preset(vector), multiplier=abs(cost))
    initial, maintenance = margin.margin_required(whole_cost, 1, 1, leverage=i["leverage"])
    money = initial + grid.money(i["extra_margin"])
    found = margin.liquidation_price(table, size, cost, money, digits=DIGITS)
    return {
        "initial_margin": grid.people(initial),
        "maintenance_margin": grid.people(maintenance),
        "liq_price": _people(grid, found),
    }


@form("liq_price", "mode side margin size entry mmr taker_fee")
def fee_in_trigger(vector: Vector) -> dict[str, Any]:
    """Isolated, with the taker's fee on the value at the mark in the trigger."""
    i = vector["inputs"]
    grid = Grid([i["entry"]], [i["size"]], [i["margin"]])
    table = grid.flat(i["mmr"], **preset(vector, i["taker_fee"]))
    size = sign(i["side"]) * grid.size(i["size"])
    cost = grid.cost(size, i["entry"])
    found = margin.liquidation_price(table, size, cost, grid.money(i["margin"]), digits=DIGITS)
    return {"liq_price": _people(grid, found)}


@form("liq_price", "side quantity_usd entry balance_btc order_margin mmr taker_fee")
def inverse_cross(vector: Vector) -> dict[str, Any]:
    """Inverse cross: maintenance at entry, closing fee at the bankruptcy price; rounded to a tick.

    Where the source prints a rounded price, `rounding` says so: up for a long, down for a short.
    """
    i = vector["inputs"]
    grid = Grid([i["entry"]], [i["quantity_usd"]], [i["balance_btc"]], inverse=True)
    table = grid.flat(i["mmr"], **preset(vector, i["taker_fee"]))
    size = sign(i["side"]) * grid.size(i["quantity_usd"])
    cost = grid.cost(size, i["entry"])
    money = grid.money(i["balance_btc"]) - grid.money(i["order_margin"])
    liquidation = _people(grid, margin.liquidation_price(table, size, cost, money, digits=DIGITS))
    if "tick" in vector.get("rounding", ""):
        liquidation = _on_tick(liquidation, INVERSE_TICK, size)
    bankruptcy = margin.bankruptcy_price(table, size, cost, money, digits=DIGITS)
    return {"bankruptcy_price": _people(grid, bankruptcy), "liq_price": liquidation}


@form("liq_price", "equity size price mmf mmr_others", "others")
def net_collateral(vector: Vector) -> dict[str, Any]:
    """An account with so much equity at the oracle price; others by their maintenance."""
    i = vector["inputs"]
    grid = Grid([i["price"]], [i["size"]], [i["equity"], i["mmr_others"]])
    table = grid.flat(i["mmf"], **preset(vector))
    for leg in i.get("others", []):  # They are said twice; both must agree.
        own = abs(exact(leg["size"])) * exact(leg["price"]) * exact(leg["mmf"])
        if len(i["others"]) == 1 and own != exact(i["mmr_others"]):
            raise ValueError("mmr_others does not follow from others")
    size = grid.size(i["size"])
    cost = grid.cost(size, i["price"])
    found = margin.liquidation_price(
        table,
        size,
        cost,
        grid.money(i["equity"]),
        other_maintenance=grid.money(i["mmr_others"]),
        digits=DIGITS,
    )
    price = _people(grid, found)
    return {"liq_price": price, "mm_at_liq": abs(exact(i["size"])) * price * exact(i["mmf"])}


@form("entry_price", "fills")
def harmonic(vector: Vector) -> dict[str, Any]:
    fills = [(exact(size), exact(price)) for size, price in vector["inputs"]["fills"]]
    inverse = vector["venue"].endswith(("inverse", "coinm")) or vector["venue"] == "bitmex"
    return {"avg_entry": margin.entry_price(fills, inverse=inverse)}


@form("bankruptcy", "side entry leverage", "tick")
def isolated(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    inverse = vector["venue"].endswith("inverse")
    grid = Grid([i["entry"]], [1000 if inverse else 1], [], inverse=inverse)
    table = grid.flat(0)
    size, price = sign(i["side"]) * grid.size(1000 if inverse else 1), grid.price(i["entry"])
    initial, _ = margin.margin_required(table, size, price, leverage=i["leverage"])
    found = margin.bankruptcy_price(
        table, size, grid.cost(size, i["entry"]), initial, digits=DIGITS
    )
    exactly = _people(grid, found)
    rounded = _on_tick(exactly, exact(i["tick"]), size) if "tick" in i else exactly
    return {"bankruptcy_price": exactly, "bankruptcy_price_rounded": rounded}


@form("bankruptcy", "side entry size position_margin wallet")
def with_wallet(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    grid = Grid([i["entry"]], [i["size"]], [i["position_margin"], i["wallet"]])
    size = sign(i["side"]) * grid.size(i["size"])
    money = grid.money(i["position_margin"]) + grid.money(i["wallet"])
    cost = grid.cost(size, i["entry"])
    found = margin.bankruptcy_price(grid.flat(0), size, cost, money, digits=DIGITS)
    return {"bankruptcy_price": _people(grid, found)}


def _account(i: Vector, of: Vector) -> tuple[int, int, dict[int, tuple[Schedule, int, int]]]:
    """Return (equity, maintenance, perp -> (schedule, size, price)) in quantums."""
    equity, maintenance = of["usdc_q"], 0
    legs = {}
    for position in of["positions"]:
        market = i["markets"][str(position["perp"])]
        price = whole(Fraction(market["quote_q_per_base_q"]))
        table = Schedule.flat(
            maintenance_ppm=market["mmf_ppm"], initial_ppm=market["imf_ppm"], base="oracle"
        )
        own, need = margin.what_if(table, price, position["size_q"], 0, 0)
        equity, maintenance = equity + own, maintenance + need
        legs[position["perp"]] = (table, position["size_q"], price)
    return equity, maintenance, legs


def bankruptcy_quote(i: Vector, account: Vector, delta: int) -> int:
    """Return what a change of one leg must bring: its share of the account by maintenance."""
    equity, maintenance, legs = _account(i, account)
    table, size, price = legs[i["perp"]]
    before = margin.margin_required(table, size, price)[1]
    after = margin.margin_required(table, size + delta, price)[1]
    return margin.bankruptcy_quote(delta * price, equity, before - after, maintenance)


@form(
    "liquidation_limit_price",
    "usdc_q positions markets perp delta_q bankruptcy_adjustment_ppm spread_to_mmr_ratio_ppm",
)
def fillable(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    equity, maintenance, legs = _account(i, i)
    _, size, price = legs[i["perp"]]
    found = margin.fillable_price(
        Fraction(price),
        size,
        equity,
        maintenance,
        rate_ppm=i["markets"][str(i["perp"])]["mmf_ppm"],
        spread_ppm=i["spread_to_mmr_ratio_ppm"],
        adjustment_ppm=i["bankruptcy_adjustment_ppm"],
    )
    want = vector["expected"]
    # The source does not reduce its fractions: the same price over its own denominator.
    bottom = want["fillable_price_den"]
    return {"fillable_price_num": found * bottom, "fillable_price_den": bottom}


def _tier(grid: Grid, rate: Any, amount: Any, **options: Any) -> Schedule:
    """Return the one tier of a table that a vector gives."""
    ppm = whole(exact(rate) * 10**6)
    row = (0, ppm, grid.money(amount), 0)  # the leverage says what is asked at first
    return Schedule.tiers([row], **(grid.options() | options))


def _people(grid: Grid, found: int) -> Fraction:
    return Fraction(found, 10 ** (grid.tick + DIGITS))


def _on_tick(price: Fraction, tick: Fraction, size: int) -> Fraction:
    """Return a price on its grid: up for a long, down for a short."""
    return -(-price // tick) * tick if size > 0 else price // tick * tick

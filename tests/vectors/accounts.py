"""Vectors about accounts: profit and loss, whole accounts, and sizes of liquidations."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from ordercascade import margin
from vectors.form import Grid, Vector, exact, form, sign


@form("pnl", "contracts_usd entry mark close")
def inverse(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    prices = [i["entry"], i["mark"], i["close"]["price"]]
    grid = Grid(prices, [i["contracts_usd"], i["close"]["contracts"]], [], inverse=True)

    def gain(lots: Any, at: Any) -> Fraction:
        size = grid.size(lots)
        cost = grid.cost(size, i["entry"])
        return grid.people(margin.what_if(grid.flat(0), grid.price(at), size, cost, 0)[0])

    closed = i["close"]["contracts"]
    return {
        "unrealised_btc": gain(i["contracts_usd"], i["mark"]),
        "realised_btc": gain(closed, i["close"]["price"]),
        "realised_if_at_mark": gain(closed, i["mark"]),
    }


@form("pnl", "face entry close contracts side")
def face(vector: Vector) -> dict[str, Any]:
    i = vector["inputs"]
    lots = str(float(exact(i["face"]) * exact(i["contracts"])))
    grid = Grid([i["entry"], i["close"]], [lots], [])
    size = sign(i["side"]) * grid.size(lots)
    cost = grid.cost(size, i["entry"])
    gain, _ = margin.what_if(grid.flat(0), grid.price(i["close"]), size, cost, 0)
    return {"pnl": grid.people(gain)}


def skewed(vector: Vector) -> dict[str, Any]:
    """A trade pays the skew it makes: filled at index (1 + size / (2 scale)), the book flat before.

    The examples give no margin parameters: liquidatable is taken as without any equity.
    """
    i = vector["inputs"]
    gains = []
    for leg in i["positions"]:
        size, index = exact(leg["size"]), exact(leg.get("entry_index", leg["price"]))
        paid = index * (1 + size / (2 * exact(leg["skew_scale"])))
        grid = Grid([leg["price"]], [leg["size"]], [float(abs(size) * paid)])
        lots, cost = grid.size(leg["size"]), grid.money(size * paid)
        gain, _ = margin.what_if(grid.flat(0), grid.price(leg["price"]), lots, cost, 0)
        gains.append(grid.people(gain))
    left = exact(i["collateral"]) + sum(gains, Fraction(0))
    return {"pnl": gains, "available_margin": left, "liquidatable": left < 0}


form("pnl", "collateral positions")(skewed)
form("trigger", "collateral positions")(skewed)


@form("trigger", "collateral_eth size_usd entry price min_collateral_factor")
def collateral_in_kind(vector: Vector) -> dict[str, Any]:
    """Collateral moves with the price; the least collateral is a share of the size at entry."""
    i = vector["inputs"]
    tokens = round(float(exact(i["size_usd"]) / exact(i["entry"])), 8)
    money = exact(i["collateral_eth"]) * exact(i["price"])
    grid = Grid([i["entry"], i["price"]], [tokens], [float(money)])
    table = grid.flat(i["min_collateral_factor"], base="entry")
    size = grid.size(tokens)
    cost = grid.cost(size, i["entry"])
    equity, need = margin.what_if(table, grid.price(i["price"]), size, cost, grid.money(money))
    return {"liquidatable": equity <= 0 or equity < need}


@form("partial_liq_size", "spot base quote base_asset_weight base_liab_weight price max_base")
def until_healthy(vector: Vector) -> dict[str, Any]:
    """Whole lots until weighted health is 0, or the position or the liquidator's limit ends."""
    i = vector["inputs"]
    base, quote, price = exact(i["base"]), exact(i["quote"]), exact(i["price"])
    weight = exact(i["base_asset_weight"] if base > 0 else i["base_liab_weight"])
    health = exact(i["spot"]) + quote + base * price * weight
    gain = price * (1 - weight) if base > 0 else price * (weight - 1)
    lots = min(abs(base), exact(i["max_base"]))
    if health < 0:
        lots = min(lots, Fraction(math.ceil(-health / gain)))
    else:
        lots = Fraction(0)
    side = 1 if base > 0 else -1
    return {"base": base - side * lots, "quote": quote + side * lots * price}

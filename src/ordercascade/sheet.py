"""The summary of a run as a table for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ordercascade.enums import Stop
from ordercascade.figures import Figures, percent

Row = tuple[str, str, str]


def summary_table(f: Figures, heading: Callable[[str], str] = str) -> str:
    """Return the summary as a table: what, how much, of what; `heading` may paint a title."""
    s = f.summary
    sections = [
        (f"{s['scenario']}, seed {s['seed']}", list(_counts(s))),
        *((units.name, list(_market(f, key))) for key, units in f.units.items()),
        ("Money", list(_amounts(f))),
        ("Run", list(_facts(s))),
    ]
    rows = [row for _, found in sections for row in found]
    label, number = (max(len(row[i]) for row in rows) for i in (0, 1))
    lines = []
    for title, found in sections:
        lines += [heading(title)]
        lines += [f"  {a:<{label}}  {b:>{number}}  {c}".rstrip() for a, b, c in found]
    return "\n".join([*lines, f"state hash {s['state_hash']}"])


def _counts(s: Mapping[str, Any]) -> Iterator[Row]:
    yield "liquidations", f"{s['liquidations']:,}", "orders"
    yield "accounts liquidated", f"{s['accounts_liquidated']:,}", ""
    if s["accounts_taken_over"]:
        yield "accounts taken over", f"{s['accounts_taken_over']:,}", ""
    yield "generations", f"{s['generations']:,}", ""
    yield "rounds", f"{s['rounds']:,}", ""
    yield "steps", f"{s['steps']:,}", ""
    for name, key in (("amplification", "amplification"), ("R, first", "r_initial")):
        if s[key] is not None:
            yield name, f"{s[key]:.3f}", ""
    if s["r_max"] is not None:
        yield "R, largest", f"{s['r_max']:.3f}", ""


def _market(f: Figures, key: tuple[int, int]) -> Iterator[Row]:
    units, prices = f.units[key], f.prices(*key)
    first, last = prices["first_mark"], prices["last_mark"]
    for name in ("first_mark", "last_mark", "lowest_mark", "highest_mark", "last_price"):
        if prices[name] is not None:
            note = f"{units.settle}  {percent(last - first, first)}"
            yield (
                name.replace("_", " "),
                units.price(prices[name]),
                note if name == "last_mark" else units.settle,
            )
    place = list(f.units).index(key)
    lots, value = (
        list(f.summary[name].values())[place] for name in ("lots_liquidated", "notional_liquidated")
    )
    yield "liquidated", units.number(lots), units.base
    yield ("liquidated, value", *_split(units.money(value)))


TAKEN = {"taken over, value": "taken_over_notional", "sold again, value": "disposed_notional"}


def _amounts(f: Figures) -> Iterator[Row]:
    """Yield sums over all venues; in smallest units where they settle in different assets."""
    s = f.summary
    alike = len({(u.settle, u.cash) for u in f.units.values()}) == 1
    money = next(iter(f.units.values())).money if alike else "{:,} units".format
    sums = {
        "outside orders, value": "shock_notional",
        "fees": "fees",
        "shortfall": "shortfall",
        "insurance fund, before": "fund_before",
        "insurance fund, after": "fund_after",
        "paid by the fund": "fund_paid",
        "paid by the vault": "vault_paid",
        "handed over by ADL, value": "adl_notional",
        **(TAKEN if s["accounts_taken_over"] else {}),
        "socialised": "socialised",
        "bad debt": "bad_debt",
        "borne outside": "borne_outside",
        "lost by accounts": "users_loss",
    }
    for name, key in sums.items():
        yield (name, *_split(money(s[key])))
    for asset, amount in s["money_check"].items():
        yield "money check", f"{amount:,}", f"units of {asset} that do not add up"


def _split(text: str) -> tuple[str, str]:
    number, _, unit = text.partition(" ")
    return number, unit


def _facts(s: Mapping[str, Any]) -> Iterator[Row]:
    yield "stopped", Stop(int(s["stop"] or 0)).name.lower().replace("_", " "), ""
    yield "bounds reached", f"{s['bounds_reached']:,}", ""
    yield "time", f"{s['wall_s'] or 0:.3f}", f"s, engine {s['engine_s'] or 0:.3f} s"

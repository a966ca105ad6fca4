"""Scenarios whose cascades are known: books of constant depth, liquidation prices evenly spaced."""

from __future__ import annotations

import ordercascade as oc

HEAD = """\
schema = 1
name = "{name}"
[[venue]]
name = "toy"
preset = "simple"
limit = "market"
ordering = "price_time"
oracle = {{ kind = "last" }}
"""
MARKET = """\
[[venue.market]]
name = "{name}"
tick_size = 1
lot_size = 1
settle = "USD"
decimals = 0
last = {mark}
brackets = [{{ floor = 0, maintenance = 0.05, leverage_max = 10 }}]
book = {{ kind = "ladder", mid = {mark}.5, step = 1, levels = {levels}, size = {depth} }}
"""
SHOCK = '[[shock]]\nat_s = 1\nmarket = "{name}"\nside = "ask"\nsize = {size}\n'


def account(name: str, slack: int, mark: int, legs: dict[str, int]) -> str:
    """Return an account that is liquidatable once it has lost more than `slack`, fees apart."""
    need = -(-sum(size * mark for size in legs.values()) * 5 // 100)
    text = f'[[venue.account]]\nname = "{name}"\ncollateral = {slack + need}\n'
    for market, size in legs.items():
        text += (
            f'[[venue.account.position]]\nmarket = "{market}"\nside = "long"\n'
            f"size = {size}\nentry_price = {mark}\n"
        )
    return text


def ladder(
    *, depth: int, gap: int, lots: int, sale: int, accounts: int, weight: str = "1"
) -> oc.Scenario:
    """`depth` lots bid at each tick, an account of `lots` liquidatable every `gap` ticks.

    `weight` is the own book's in the mark; the rest is an outside price that stands still.
    """
    reach = -(-(sale + accounts * lots) // depth) + gap * (accounts + 2)
    mark = 20 * max(reach, 1_000)  # so high that maintenance hardly moves with the price
    text = HEAD.format(name="ladder") + MARKET.format(
        name="TOY", mark=mark, levels=reach + 2, depth=depth
    )
    text += f"""\
[[venue.population]]
market = "TOY"
accounts = {accounts}
size = {lots}
liquidation_price = {{ kind = "ladder", first = {mark - gap}, step = {gap} }}
"""
    leaning = f'oracle = {{ kind = "last", own_book_weight = {weight}, index = {mark} }}\nbook ='
    text = text.replace("book =", leaning) if weight != "1" else text
    return oc.Scenario.from_toml(text + SHOCK.format(name="TOY", size=sale))


def coupled(ticks: int) -> oc.Scenario:
    """Two markets with K = [[0.4, 0.2], [0.1, 0.3]]; `ticks` lots of A are sold, one bid a tick.

    Loss a tick of either price: 0.95 of the lots, maintenance falling with the value. "b" accounts
    hold 3 A and 2 B and sell A, the larger; one is due each 10 ticks of A or 15 of B: 3 / 10 = 0.3
    of A from A, 3 / 15 = 0.2 from B. "a" accounts hold 2 A and 3 B and sell B, one each 30 ticks of
    A or 20 of B: 0.1 and 0.15 of B. The rest is in one market: 0.1 of A from A, 0.15 of B from B.
    """
    mark = 2_000 * ticks
    reach = 4 * ticks
    text = HEAD.format(name="coupled")
    text += MARKET.format(name="A", mark=mark, levels=reach, depth=1)
    text += MARKET.format(name="B", mark=mark, levels=reach, depth=1)

    def due(name: str, legs: dict[str, int], per_tick: int, gap: int, far: int) -> str:
        """Accounts due each `gap` ticks of a price by which they lose 0.95 `per_tick`."""
        rows = [
            account(f"{name}{k}", (2 * k + 1) * gap * per_tick * 95 // 200, mark, legs)
            for k in range(far // gap + 2)
        ]
        return "".join(rows)

    text += due("b", {"A": 3, "B": 2}, 3, 10, 2 * ticks + ticks // 2)
    text += due("a", {"A": 2, "B": 3}, 2, 30, 3 * ticks)
    text += due("own-a", {"A": 2}, 2, 20, 2 * ticks)
    text += due("own-b", {"B": 3}, 3, 20, ticks)
    return oc.Scenario.from_toml(text + SHOCK.format(name="A", size=ticks))

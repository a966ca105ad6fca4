"""Small random scenarios from a number: one or two markets, crowds on both sides, every rule."""

from __future__ import annotations

import json
from random import Random

from ordercascade import Scenario, Tape, run

MARKET = """
[[venue.market]]
name = "{name}"
tick_size = {tick}
lot_size = {lot}
settle = "USD"
decimals = 6
brackets = [{{ floor = 0, maintenance = {maintenance}, leverage_max = 20 }}]
book = {{ kind = "ladder", mid = {mid}, step = {step}, levels = {levels}, size = {size} }}
"""
CROWD = """
[[venue.population]]
name = "{name}"
market = {markets}
accounts = {accounts}
long_share = {longs}
cross_share = {cross}
leverage = {{ values = [5, 10, 20] }}
notional = {{ kind = "lognormal", median = {median}, sigma = 1 }}
entry = {{ kind = "normal", sigma_bps = 100 }}
"""


def scenario(number: int) -> Scenario:
    """Return the random scenario of a number."""
    r = Random(number)
    two = r.random() < 0.3
    rules = [
        f"fund = {{ balance = {r.choice([0, 200, 5000])} }}",
        f'limit = "{r.choice(["market", "bankruptcy"])}"',
        f'ordering = "{r.choice(["block_batch", "price_time", "worst_first"])}"',
        f"social = {r.choice(['true', 'false'])}",
        f"exit_buffer = {r.choice([0, 0.01])}",
        f"liquidation_fee = {r.choice([0, 0.005])}",
        f'adl = {{ rule = "{r.choice(["queue", "pro_rata"])}" }}',
    ]
    if r.random() < 0.5:
        policy = f'kind = "tranche", fraction = {r.choice([0.2, 0.5])}, cooldown_s = 1'
        rules.append(f"liquidation = [{{ {policy} }}]")
    text = f'schema = 1\nname = "random-{number}"\nseed = {number}\n[[venue]]\nname = "v"\n'
    text += "\n".join(rules) + "\n"
    names = ["AUSD", "BUSD"][: 1 + two]
    for name in names:
        tick = r.choice([0.1, 0.5, 1])
        text += MARKET.format(
            name=name,
            tick=tick,
            lot=0.01,
            maintenance=r.choice([0.01, 0.03]),
            mid=100 + tick / 2,
            step=round(tick * r.choice([1, 1, 3]), 3),
            levels=r.choice([20, 60, 200]),
            size=r.choice([1, 3, 10]),
        )
    for name in names:
        text += CROWD.format(
            name=f"{name}-crowd",
            markets=f'"{name}"',
            accounts=r.choice([5, 30, 80]),
            longs=r.choice([0.2, 0.5, 0.8]),
            cross=r.choice([0, 0.5, 1]),
            median=r.choice([50, 300]),
        )
    for at in range(r.choice([1, 1, 2])):
        side = r.choice(["ask", "bid"])
        text += f'[[shock]]\nat_s = {1 + at}\nmarket = "{r.choice(names)}"\nside = "{side}"\n'
        text += f"notional = {r.choice([300, 2000, 8000])}\n"
    return Scenario.from_toml(text)


def tape(number: int) -> Tape:
    """Return its run."""
    return run(scenario(number), progress=False)


def two_venues() -> Tape:
    """Return a run on two venues; the scopes of both have the same numbers."""
    head, _, rest = scenario(0).to_toml().partition("[[venue]]")
    venue, _, shock = rest.partition("[[shock]]")
    other = venue.replace('name = "v"', 'name = "w"', 1).replace('"AUSD', '"CUSD')
    shock = shock.replace("[[shock]]", "").replace('venue = ""', "").strip()
    shocks = [f'[[shock]]\nvenue = "{name}"\n{shock}\n' for name in "vw"]
    shocks[1] = shocks[1].replace('"AUSD', '"CUSD')
    text = f"{head}[[venue]]{venue}[[venue]]{other}{''.join(shocks)}"
    return run(Scenario.from_toml(text), progress=False)


def renamed(tape: Tape, word: str) -> Tape:
    """Return a tape whose run, market, venue and accounts all have one name."""
    meta = json.loads(json.dumps(dict(tape.meta)))
    meta.update(name=word, about=word)
    names = ("markets", "venues", "accounts", "populations")
    for named in (each for name in names for each in meta[name]):
        named["name"] = word
    for market in meta["markets"]:
        market["settle"] = word
    return Tape(tape.__dict__["_log"], meta)

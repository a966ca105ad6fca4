"""Small random scenarios for Hypothesis: a few markets, a dozen accounts, every rule."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ordercascade.enums import (
    AdlRule,
    AdlTrigger,
    CancelPolicy,
    FeeTo,
    FundingRule,
    LegRule,
    LimitRule,
    MarketKind,
    MarkRefresh,
    OrderFlag,
    PriceSource,
    QueueOrder,
    Residual,
    ShortfallAt,
    Side,
    TimeInForce,
)
from reference.scripts import Call

SECOND = 10**9
BASE = 100  # every market starts near this tick

RULES: dict[str, list[Any]] = {
    "mark_refresh": [MarkRefresh.ROUND, MarkRefresh.ORDER],
    "queue": list(QueueOrder),
    "round_ns": [0, SECOND],
    "round_max": [100_000, 100_000, 100_000, 3],
    "shortfall_at": list(ShortfallAt),
    "trigger_strict": [True, False],
    "leg": list(LegRule),
    "cancel": list(CancelPolicy),
    "limit": list(LimitRule),
    "residual": list(Residual),
    "social": [False, True],
    "buffer_ppm": [0, 20_000],
    "liquidation_fee_ppm": [0, 12_500],
    "liquidation_fee_to": list(FeeTo),
    "liquidation_pays_taker": [False, True],
    "adl_rule": [
        *(AdlRule.QUEUE, AdlRule.PRO_RATA, AdlRule.SCOPE_ID),
        *(AdlRule.ACCOUNT_RISK, AdlRule.MARGIN_RATIO, AdlRule.GROWTH),
    ],
    "adl_trigger": list(AdlTrigger),
    "fraction_ppm": [10**6, 250_000, 500_000],
    "min_value": [0, 600],
    "cooldown_ns": [0, SECOND, 3 * SECOND],
    "then_all": [False, True],
}
BRACKETS = [
    [(0, 50_000, 0, 100_000)],
    [(0, 10_000, 0, 20_000)],
    [(0, 50_000, 0, 100_000), (1_000, 100_000, 50, 200_000), (5_000, 200_000, 550, 300_000)],
    [(0, 4_000, 0, 8_000), (600, 24_000, 12, 50_000)],
]


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what the preset decides; the first choice of each rule is its default."""
    drawn = {name: draw(st.sampled_from(choices)) for name, choices in RULES.items()}
    return {name: choice for name, choice in drawn.items() if choice != RULES[name][0]}


@st.composite
def market(draw: st.DrawFn, asset: int) -> dict[str, Any]:
    """Draw the arguments of `add_market`."""
    found: dict[str, Any] = {
        "asset": asset,
        "multiplier": draw(st.sampled_from([1, 1, 7, 10**9 + 7])),
        "price_max": draw(st.sampled_from([2**20, 160])),
        "brackets": draw(st.sampled_from(BRACKETS)),
    }
    if draw(st.integers(0, 2)) == 0:  # K: a lot is worth K / price.
        found["kind"] = MarketKind.INVERSE
        found["multiplier"] = draw(st.sampled_from([997, 10_000, 70_003, 10**13 + 37]))
    if found["multiplier"] == 10**13 + 37:
        found |= {"price_max": 160, "size_max": 2**16}
    elif found["multiplier"] > 10**5:  # Products past 64 bits, within p_max·q_max·m ≤ 2**60.
        found |= {"price_max": 160, "size_max": 2**22}
    if draw(st.booleans()):
        found["maker_fee_ppm"] = draw(st.sampled_from([-100, 300, 2_000]))
        found["taker_fee_ppm"] = draw(st.sampled_from([100, 5_000]))
    if draw(st.integers(0, 3)) == 0:
        found["external_maker_fee_ppm"] = draw(st.sampled_from([-50, 1_000]))
        found["external_taker_fee_ppm"] = 700
    if draw(st.booleans()):
        found["source"] = draw(st.sampled_from(PriceSource))
        found["own_weight_ppm"] = draw(st.sampled_from([10**6, 300_000, 0]))
        found["index"] = draw(st.sampled_from([0, BASE, BASE + 3]))
    if draw(st.booleans()):
        found["last"] = BASE + draw(st.integers(-2, 2))
    return found


@st.composite
def funding(draw: st.DrawFn) -> dict[str, Any]:
    """Draw how a market's funding rate is found."""
    return {
        "rule": draw(st.sampled_from(FundingRule)),
        "interest_ppb": draw(st.sampled_from([0, 100_000, 7_777_777])),
        "clamp_ppb": draw(st.sampled_from([0, 500_000, 20_000_000])),
        "cap_ppb": draw(st.sampled_from([10**9, 3_000_001])),
        "share": draw(st.sampled_from([1, 8])),
        "at_index": draw(st.booleans()),
    }


@st.composite
def levels(draw: st.DrawFn, number: int, venue: int) -> list[Call]:
    """Draw a ladder on both sides of a market's start, perhaps with gaps, perhaps thin."""
    calls = []
    for side, sign in ((Side.BID, -1), (Side.ASK, 1)):
        sizes = draw(st.lists(st.sampled_from([5, 3, 0, 10, 25]), max_size=14))
        for away, size in enumerate(sizes, 1):
            if size:
                price = BASE + sign * away
                calls.append(Call(venue, "seed_level", (number, side, price, size)))
    return calls


@st.composite
def account(draw: st.DrawFn, number: int, markets: list[dict[str, Any]], venue: int) -> list[Call]:
    """Draw an account: some positions, thin margins, perhaps an isolated scope."""
    calls = [Call(venue, "open_account")]
    cross_need: dict[int, int] = {found["asset"]: 0 for found in markets}
    opens, moves = [], []
    for which, found in enumerate(markets):
        lots = draw(st.sampled_from([0, 0, 5, 10, 20, 30]))
        if not lots:
            continue
        sign = draw(st.sampled_from([1, 1, -1]))
        entry = BASE + draw(st.integers(-4, 4))
        cost = sign * lots * entry * found["multiplier"]
        if "kind" in found:
            cost = -sign * (lots * found["multiplier"] // entry)
        opens.append(Call(venue, "open_position", (number, which, sign * lots, cost)))
        margin = abs(cost) * draw(st.sampled_from([1, 3, 6, 10, 25])) // 100
        if draw(st.integers(0, 2)) == 0:
            moves.append(Call(venue, "isolate", (number, which)))
            moves.append(Call(venue, "move_isolated", (number, which, margin or 1)))
        cross_need[found["asset"]] += margin + 1
    spare = draw(st.sampled_from([0, 0, 50]))
    for asset, need in cross_need.items():
        calls.append(Call(venue, "deposit", (number, asset, need + spare + 1)))
    return calls + moves + opens


@st.composite
def venue(draw: st.DrawFn, number: int = 0) -> list[Call]:
    """Draw one venue up to, but without, the start of the world."""
    assets = draw(st.sampled_from([1, 1, 1, 2]))
    calls = [Call(-1, "add_venue", (assets,), draw(rules()))]
    markets = [draw(market(n % assets)) for n in range(draw(st.integers(assets, 3)))]
    calls += [Call(number, "add_market", (), found) for found in markets]
    for which, found in enumerate(markets):
        ladder = draw(levels(which, number))
        if len({call.args[1] for call in ladder}) < 2:
            found.setdefault("last", BASE)  # Half a book has no mid to start from.
        calls += ladder
    for which in range(len(markets)):
        if draw(st.booleans()):
            calls.append(Call(number, "set_funding", (which,), draw(funding())))
    for asset in range(assets):
        amount = draw(st.sampled_from([0, 40, 500]))
        if amount:
            calls.append(Call(number, "fund_deposit", (asset, amount)))
    for who in range(1, draw(st.integers(3, 12)) + 1):
        calls += draw(account(who, markets, number))
    return calls


@st.composite
def agenda(draw: st.DrawFn, calls: list[Call], number: int = 0) -> list[Call]:
    """Draw what happens from outside: shocks, ticks of the index, transfers."""
    markets, accounts = count(calls, "add_market", number), count(calls, "open_account", number)
    assets = [call.args[0] for call in calls if call.name == "add_venue"][number]
    times = st.sampled_from([0, 0, SECOND, 2 * SECOND, 5 * SECOND])
    which = st.integers(0, markets - 1)
    found = []
    for _ in range(draw(st.integers(1, 4))):
        size = draw(st.sampled_from([10, 25, 60, 200]))
        how = draw(st.sampled_from([{"size": size}, {"size": size}, {"notional": 100 * size}]))
        if draw(st.integers(0, 3)) == 0:
            how = {**how, "limit": BASE + draw(st.integers(-6, 6))}
        where = (draw(times), number, draw(which), draw(st.sampled_from(Side)))
        found.append(Call(-1, "schedule_shock", where, how))
    for _ in range(draw(st.integers(0, 2))):
        price = BASE + draw(st.integers(-12, 12))
        found.append(Call(-1, "schedule_index", (draw(times), number, draw(which), price)))
    for _ in range(draw(st.integers(0, 2))):
        how = {"times": draw(st.integers(1, 3)), "every_ns": draw(st.sampled_from([SECOND, 1]))}
        if draw(st.booleans()):
            how["rate_ppb"] = draw(st.sampled_from([0, 100_000, -3_333_333, 70_000_001, -(10**9)]))
        found.append(Call(-1, "schedule_funding", (draw(times), number, draw(which)), how))
    for _ in range(draw(st.integers(0, 1))):
        amount = draw(st.sampled_from([30, 300, -20]))
        who = draw(st.integers(1, accounts))
        asset = draw(st.integers(0, assets - 1))
        found.append(Call(-1, "schedule_transfer", (draw(times), number, who, asset, amount)))
    return found


@st.composite
def user_order(draw: st.DrawFn, calls: list[Call], number: int = 0) -> Call:
    """Draw an order of a user: mostly limit orders near the start."""
    who = draw(st.integers(1, count(calls, "open_account", number)))
    where = draw(st.integers(0, count(calls, "add_market", number) - 1))
    price = BASE + draw(st.integers(-9, 9))
    size = draw(st.sampled_from([1, 4, 10, 30]))
    side = draw(st.sampled_from(Side))
    how: dict[str, Any] = {}
    if draw(st.integers(0, 3)) == 0:
        how = draw(
            st.sampled_from(
                [
                    {"tif": TimeInForce.IOC},
                    {"tif": TimeInForce.FOK},
                    {"flags": OrderFlag.POST_ONLY},
                ]
            )
        )
    return Call(number, "submit", (who, where, side, price, size), how)


@st.composite
def scenarios(draw: st.DrawFn, venues: int = 1) -> list[Call]:
    """Draw a whole scenario, from the first call to the end of the run."""
    calls: list[Call] = []
    for number in range(venues):
        calls += draw(venue(number))
    for number in range(venues):
        calls += draw(agenda(calls, number))
    calls.append(Call(-1, "start"))
    for number in range(venues):
        calls += draw(st.lists(user_order(calls, number), max_size=6))
    return [*calls, Call(-1, "run")]


def count(calls: list[Call], name: str, number: int) -> int:
    """Return how often a venue was called by a name."""
    return sum(call.name == name and call.venue == number for call in calls)

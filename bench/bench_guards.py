"""What safeguards cost: the crash of bench_cascade.py with rules that never bind.

Price band, TWAP, tranches and fee slope are asked in every round or order, and change nothing: the
orders are the bare one's, so the difference is what they cost. For that the rounds are a
microsecond apart and the TWAP's window a nanosecond, so that it is the last price of the round
before; tranches are of positions that nobody has; and the book is 30 % deeper than there, since an
order that finds no bids at all waits behind a band and goes without one. Each case has a fund of so
much, and no more: its cap costs nothing. Thread CPU time, minimum of N, turn and turn about. Where
the mark is looked at after every order, a TWAP writes fewer marks than the last price does.

Volatility margin and contagion buffer are apart: asked in every round they cost next to nothing,
but a change of rates looks at every account again. So they are measured where they move, in µs a
change or look and 1,000 accounts: a calm book, an order of one lot every minute, a sample every
minute; less what the same minutes cost without them.

Then what a Python plug-in costs a round, the way back after a failure kept open, less what the
object itself takes: small tranches on 500 levels, so many rounds.
`python bench/bench_guards.py [--repeat N] [--accounts N]`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from crash import BRACKETS, MULTIPLIER, PRICE, draw_accounts
from ordercascade.core.world import World
from ordercascade.enums import FeedKind, MarkRefresh, PriceSource, QueueOrder, Side, StepKind
from ordercascade.mechanisms.breakers import Breaker
from ordercascade.mechanisms.feeds import Feed
from ordercascade.mechanisms.plugins import PluginBreaker, PluginOracle, View
from ordercascade.mechanisms.slices import Slices
from ordercascade.mechanisms.surcharges import ContagionBuffer, VolatilityFee, VolatilityMargin


class Nothing:
    """A Python plug-in that allows everything."""

    def judge(self, market: int, view: object, time_ns: int) -> None:
        return None

    def mark(self, view: View, time_ns: int) -> int:
        return view.last

    def state(self) -> bytes:
        return b""


def band() -> dict[str, Any]:
    return {"breakers": [Breaker(band_ppm=999_999, window_ns=300 * 10**9)]}


def twap() -> dict[str, Any]:
    return {"oracle": Feed(FeedKind.TWAP, window_ns=1, heartbeat_ns=1, price_max=2 * PRICE)}


def clamp() -> dict[str, Any]:
    return {"oracle": Feed(FeedKind.SPOT, clamp_round_ppm=10**6, price_max=2 * PRICE)}


def tranches() -> dict[str, Any]:
    return {"fraction_ppm": 200_000, "min_value": 2**59}


def slices() -> dict[str, Any]:
    return {"policy": Slices([10**9])}


def plugin() -> dict[str, Any]:
    return {"breakers": [PluginBreaker(Nothing())]}


def fee() -> dict[str, Any]:
    """A slope from a reference that volatility cannot pass, for the tape's sake."""
    slope = {"base_ppm": 0, "slope_ppm": 500, "cap_ppm": 10_000, "reference_ppb": 10**9}
    return {"surcharges": [VolatilityFee(**slope)]}


def margin() -> dict[str, Any]:
    """It is asked, and never moves: its cap is what the table asks."""
    base = BRACKETS[0][1]
    still = VolatilityMargin(k_ppm=3 * 10**6, mpor_ns=MINUTE, bases_ppm=[base], cap_ppm=base)
    return {"surcharges": [still]}


def moving() -> dict[str, Any]:
    """Some ppm more and less every minute: too little to liquidate anybody."""
    base = BRACKETS[0][1]
    numbers = {"k_ppm": 10**6, "mpor_ns": MINUTE, "bases_ppm": [0], "start_ppb": 10**7}
    return {"surcharges": [VolatilityMargin(**numbers, cap_ppm=base)]}


def looking() -> dict[str, Any]:
    return {"surcharges": [ContagionBuffer(reach_ppm=10_000, cap_ppm=1)]}


MINUTE = 60 * 10**9
MINUTES = 50
CASES: dict[str, list[Callable[[], dict[str, Any]]]] = {
    "bare": [],
    "price band": [band],
    "TWAP": [twap],
    "tranches": [tranches],
    "fee slope": [fee],
    "all of these": [band, twap, tranches, fee],
    "clamp": [clamp],
    "planned slices": [slices],
    "volatility margin": [margin],
    "Python breaker": [plugin],
}


PLUGINS: dict[str, Callable[[], dict[str, Any]]] = {
    "breaker": plugin,
    "oracle": lambda: {"oracle": PluginOracle(Nothing())},
    "both": lambda: plugin() | {"oracle": PluginOracle(Nothing())},
}


def build(
    accounts: int,
    refresh: MarkRefresh,
    *made: Callable[[], dict[str, Any]],
    levels: int = 12_000,
    fraction_ppm: int = 10**6,
    calm: bool = False,
) -> World:
    """The world of crash.py, with these mechanisms."""
    said: dict[str, Any] = {"fraction_ppm": fraction_ppm} if fraction_ppm < 10**6 else {}
    share = 1.02 if calm or levels < 12_000 else 1.3
    for each in made:
        said |= each()
    oracle = said.pop("oracle", None)
    world = World(7)
    world.add_venue(
        mark_refresh=refresh,
        queue=QueueOrder.TRIGGER_PRICE,
        liquidation_fee_ppm=5_000,
        round_ns=1_000,
        **said,
    )
    venue = world.venue(0)
    venue.add_market(
        multiplier=MULTIPLIER,
        price_max=2 * PRICE,
        size_max=2**30,
        brackets=BRACKETS,
        source=PriceSource.LAST,
        oracle=oracle,
    )
    people = draw_accounts(accounts)
    each_level = max(1, int(sum(size for size, _, _ in people) * share / levels))
    for k in range(levels):
        venue.seed_level(0, Side.BID, PRICE - 1 - k * (12_000 // levels), each_level)
    venue.seed_level(0, Side.ASK, PRICE + 1, each_level)
    venue.fund_deposit(0, 10**14)
    for size, entry, money in people:
        account = venue.open_account()
        venue.deposit(account, 0, money)
        venue.open_position(account, 0, size, size * entry * MULTIPLIER)
    for minute in range(MINUTES if calm else 0):
        world.schedule_shock(minute * MINUTE, 0, 0, Side.ASK, size=1)
    if not calm:
        world.schedule_shock(0, 0, 0, Side.ASK, size=each_level * (levels // 6))
    world.start()
    return world


def a_round(accounts: int, repeat: int) -> None:
    """What a Python plug-in costs a round, by run() and by step()."""
    for by_step in (False, True):
        best: dict[str, float] = {}
        rounds = 0
        for _ in range(repeat):
            for name, made in {"bare": dict, **PLUGINS}.items():
                small = {"levels": 500, "fraction_ppm": 10_000}
                world = build(accounts, MarkRefresh.ROUND, made, **small)
                start = time.thread_time()
                while by_step and world.step() >= 0:
                    pass
                world.run()
                spent = time.thread_time() - start
                best[name] = min(best.get(name, spent), spent)
                rounds = int(world.log.column("steps", "round").max()) + 1
        steps = world.log.rows("steps")
        door = "step()" if by_step else "run()"
        print(f"Python plug-ins by {door}: {accounts} accounts, {rounds} rounds, {steps} steps")
        for name in PLUGINS:
            cost = (best[name] - best["bare"]) / rounds * 1e6 - own_time(name)
            print(f"  {name:<20} {cost:9.2f} us a round beside its own time (at most 5)")


def own_time(name: str) -> float:
    """Microseconds that the object itself takes a round."""
    one, view, count = Nothing(), View(1, 1, 1, 1, 1, 0), 100_000
    start = time.thread_time()
    for _ in range(count):
        if name != "oracle":
            one.judge(0, view, 0)
        if name != "breaker":
            one.mark(view, 0)
    return (time.thread_time() - start) / count * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--accounts", type=int, default=20_000)
    chosen = parser.parse_args()
    for refresh in MarkRefresh:
        best: dict[str, float] = {}
        orders: dict[str, int] = {}
        rounds = 0
        for _ in range(chosen.repeat):
            for name, made in CASES.items():
                world = build(chosen.accounts, refresh, *made)
                start = time.thread_time()
                world.run()
                spent = time.thread_time() - start
                best[name] = min(best.get(name, spent), spent)
                orders[name] = world.log.rows("liquidations")
                rounds = int(world.log.column("steps", "round").max()) + 1
        print(f"mark_refresh={refresh.name.lower()}, {orders['bare']} orders, {rounds} rounds")
        for name, spent in best.items():
            more = (spent / best["bare"] - 1) * 100
            apart = "" if orders[name] == orders["bare"] else "  (another tape)"
            print(f"  {name:<23} {spent * 1e3:9.2f} ms  {more:+6.1f} %{apart}")
    for name, per in apart_of(chosen.accounts, chosen.repeat).items():
        print(f"{name}: {per:.1f} us a minute and 1,000 accounts")
    a_round(1_000, max(chosen.repeat, 7))
    return 0


def apart_of(accounts: int, repeat: int) -> dict[str, float]:
    """What a change of rates and a look cost, in µs for 1,000 accounts."""
    cases = {"bare": [], "volatility margin that moves": [moving], "contagion buffer": [looking]}
    best: dict[str, float] = {}
    for _ in range(repeat):
        for name, made in cases.items():
            world = build(accounts, MarkRefresh.ROUND, *made, calm=True)
            start = time.thread_time()
            world.run()
            spent = time.thread_time() - start
            best[name] = min(best.get(name, spent), spent)
            changes = int((world.log.column("steps", "kind") == StepKind.RATES).sum())
            assert world.log.rows("liquidations") == 0
            assert changes >= (MINUTES - 1 if name.endswith("moves") else 0), changes
    bare = best.pop("bare")
    return {name: (spent - bare) * 1e9 / MINUTES / accounts for name, spent in best.items()}


if __name__ == "__main__":
    sys.exit(main())

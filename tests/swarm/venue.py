"""World and venue against their twins: what users and the outside do, settlement by settlement.

After each operation its result, the rows it wrote in every table, marks, scopes at risk and all
money must agree; every few operations also each scope's margin, liquidation and bankruptcy prices.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from ordercascade.core.world import World
from ordercascade.enums import (
    MarketKind,
    OrderFlag,
    OrderType,
    Outcome,
    PriceSource,
    Reject,
    Side,
    StepKind,
    TimeInForce,
)
from reference.scenarios import BRACKETS, RULES, SECOND
from reference.scripts import assert_same, state
from reference.world import World as Twin
from swarm.common import Failed, rules_of, weighed
from swarm.mirror import Terms
from swarm.same import rows_of, same_money, same_rows

BASE = 100
DUMP_EVERY = 50

KINDS = (
    ("submit", 34), ("cancel", 7), ("amend", 7), ("deposit", 4), ("withdraw", 4), ("isolate", 3),
    ("move_isolated", 4), ("set_index", 4), ("shock", 7), ("settle", 8), ("run", 3),
    ("planned", 4), ("stepped", 3), ("fork", 1),
)  # fmt: skip


class Pair:
    """One seed's worlds; `step()` does one operation to both and compares."""

    def __init__(self, seed: int) -> None:
        self.draw = draw = random.Random(seed)
        self.kinds = weighed(draw, KINDS, ("submit", "shock", "settle"))
        self.fast, self.twin = World(), Twin()
        self.counts: Counter[str] = Counter()
        self.what = "set-up"
        self.orders: list[tuple[int, int, int, int]] = []  # venue, account, market, id
        self.venues = draw.choice([1, 1, 1, 1, 1, 2])
        self.deep = draw.choice([3, 10, 40])
        self.spread = draw.choice([2, 6, 12])
        self.shape = [self._venue(number) for number in range(self.venues)]
        self._both(None, "start")
        self.at = rows_of(self.fast, self.twin)
        # The opening of a book is what its levels hold, in however many rows.
        self.shift = self.at["levels"][0] - self.at["levels"][1]
        self.done = 0
        self._both(None, "settle")
        self.compare()

    # Set-up.

    def _both(self, venue: int | None, name: str, *args: Any, **kwargs: Any) -> int:
        """Make a call on both; results must agree."""
        self.what = f"{'w' if venue is None else f'v{venue}'}.{name}{args} {kwargs or ''}"
        got, want = (
            getattr(world if venue is None else world.venue(venue), name)(*args, **kwargs)
            for world in (self.fast, self.twin)
        )
        if name in ("open_position", "fund_deposit", "start") or want is None:
            return 0
        assert got == want, f"result (compiled, twin) = ({got}, {want})"
        return int(want)

    def _venue(self, number: int) -> tuple[int, list[int], int]:
        """Set up a venue; return (assets, assets of the markets, accounts)."""
        draw = self.draw
        assets = draw.choice([1, 1, 2])
        rules = rules_of(draw, RULES)
        self._both(None, "add_venue", assets, **rules)
        settles = [n % assets for n in range(draw.randrange(assets, 4))]
        terms = [self._market(number, asset) for asset in settles]
        for asset in range(assets):
            amount = draw.choice([0, 0, 40, 500, 5_000])
            if amount:
                self._both(number, "fund_deposit", asset, amount)
        accounts = draw.randrange(3, 13)
        for _ in range(accounts):
            self._account(number, settles, terms)
        return assets, settles, accounts

    def _market(self, venue: int, asset: int) -> Terms:
        draw, multiplier = self.draw, self.draw.choice([1, 1, 10])
        terms = Terms(multiplier)
        if draw.random() < 0.3:
            terms = Terms(multiplier * BASE * BASE + 37, inverse=True)
        source = draw.choice(list(PriceSource))
        maker = draw.choice([0, 0, -100, 300, 2_000])
        number = self._both(
            venue,
            "add_market",
            asset,
            terms.multiplier,
            kind=MarketKind.INVERSE if terms.inverse else MarketKind.LINEAR,
            price_max=draw.choice([300, 5_000]),
            size_max=draw.choice([40, 10**4, 10**4]),
            brackets=[
                (floor * multiplier, rate, amount * multiplier, initial)
                for floor, rate, amount, initial in draw.choice(BRACKETS)
            ],
            maker_fee_ppm=maker,
            taker_fee_ppm=draw.choice([200, 5_000]),
            external_maker_fee_ppm=draw.choice([0, 0, -50]),
            external_taker_fee_ppm=draw.choice([0, 700]),
            source=source,
            own_weight_ppm=draw.choice([10**6, 10**6, 300_000, 0]),
            index=draw.choice([0, BASE, BASE + 3]),
            last=draw.choice([BASE - 1, BASE, BASE + 1]),
        )
        for away in range(1, draw.choice([1, 5, 15])):
            for side, sign in ((Side.BID, -1), (Side.ASK, 1)):
                if draw.random() < 0.7:
                    size = 1 + draw.randrange(self.deep)
                    self._both(venue, "seed_level", number, side, BASE + sign * away, size)
        return terms

    def _account(self, venue: int, settles: list[int], terms: list[Terms]) -> None:
        draw = self.draw
        account = self._both(venue, "open_account")
        opens = []  # Last: without a mark before the start nothing is free beside a position.
        for market, asset in enumerate(settles):
            if draw.random() < 0.3:
                self._both(venue, "deposit", account, asset, draw.choice([1, 60, 3_000]))
                continue
            lots = draw.choice([1, 1, -1]) * draw.choice([3, 10, 25])
            cost = terms[market].paid(lots, BASE + draw.randrange(-4, 5))
            margin = max(1, abs(cost) * draw.choice([1, 4, 8, 30]) // 100)
            self._both(venue, "deposit", account, asset, margin + draw.choice([1, 50]))
            if draw.random() < 0.25:
                self._both(venue, "isolate", account, market)
                self._both(venue, "move_isolated", account, market, margin)
            opens.append((market, lots, cost))
        for opened in opens:
            self._both(venue, "open_position", account, *opened)

    # One operation.

    def step(self) -> None:
        kind = self.kinds[int(self.draw.random() * len(self.kinds))]
        self.counts[kind] += 1
        getattr(self, kind)()
        self.compare()
        self.done += 1
        if self.done % DUMP_EVERY == 0:
            self.dump()

    def compare(self) -> None:
        """What the operation wrote, and what moves with it."""
        self.at = same_rows(self.fast, self.twin, self.at, self.shift)
        assert self.fast.time_ns == self.twin.time_ns
        for number, like in enumerate(self.twin.venues):
            venue = self.fast.venue(number)
            assert venue.marks() == like.marks(), "marks"
            same_money(venue, like)
            assert not any(venue.audit().values())

    def dump(self) -> None:
        """What is asked of every scope, and the engine's own scan."""
        got, want = state(self.fast, self.twin), state(self.twin, self.twin)
        off = {name: (got[name], want[name]) for name in want if got[name] != want[name]}
        assert not off, f"state (compiled, twin) = {off}"
        for number in range(self.venues):
            self.fast.venue(number)._check()
        self.counts["dumps"] += 1

    def finish(self) -> None:
        """Every table from its first row, and the state; then count what was reached."""
        self.what = "the end"
        assert_same(self.fast, self.twin)
        self.dump()
        tables = self.twin.tables
        for row in tables.rows("steps"):
            self.counts[f"step {StepKind(row['kind']).name}"] += 1
        for row in tables.rows("liquidations"):
            self.counts[f"outcome {Outcome(row['outcome']).name}"] += 1
        self.counts["fills"] += tables.count("fills")
        self.counts["adl rows"] += tables.count("adl")

    # Draws.

    def _where(self) -> tuple[int, int, int]:
        """A venue, one of its accounts, one of its markets."""
        venue = int(self.draw.random() * self.venues)
        _, settles, accounts = self.shape[venue]
        return venue, 1 + int(self.draw.random() * accounts), int(self.draw.random() * len(settles))

    def _price(self, venue: int, market: int) -> int:
        mark = self.twin.venues[venue].markets[market].mark
        return max(1, min(300, mark + int((self.draw.random() * 2 - 1) * self.spread)))

    def _size(self) -> int:
        return 1 + int(self.draw.random() ** 2 * min(40, 3 * self.deep))

    def _note(self, result: int) -> None:
        if result <= -2:
            self.counts[f"reject {Reject(result).name}"] += 1

    # What users do.

    def submit(self) -> None:
        venue, account, market = self._where()
        how: dict[str, Any] = {}
        if self.draw.random() < 0.35:
            how = self.draw.choice(
                [
                    {"type": OrderType.MARKET},
                    {"tif": TimeInForce.IOC},
                    {"tif": TimeInForce.FOK},
                    {"flags": OrderFlag.POST_ONLY},
                ]
            )
        side, price = Side(int(self.draw.random() * 2)), self._price(venue, market)
        result = self._both(venue, "submit", account, market, side, price, self._size(), **how)
        self._note(result)
        if result > 0:
            self.orders.append((venue, account, market, result))

    def _order(self) -> tuple[int, int, int, int]:
        if not self.orders:
            return *self._where(), 7
        place = int(self.draw.random() * len(self.orders))
        venue, account, market, order = self.orders[place]
        if order not in self.twin.venues[venue].markets[market].book.orders:
            self.orders[place] = self.orders[-1]
            self.orders.pop()
        if self.draw.random() < 0.03:
            account = 1 + int(self.draw.random() * self.shape[venue][2])
        return venue, account, market, order

    def cancel(self) -> None:
        venue, account, market, order = self._order()
        self._note(self._both(venue, "cancel", account, market, order))

    def amend(self) -> None:
        venue, account, market, order = self._order()
        price = self._price(venue, market) if self.draw.random() < 0.5 else 0
        size = self._size() if self.draw.random() < 0.9 else 0
        self._note(self._both(venue, "amend", account, market, order, price=price, size=size))

    def deposit(self) -> None:
        venue, account, market = self._where()
        amount = 1 + int(self.draw.random() ** 3 * 2_000)
        self._both(venue, "deposit", account, self.shape[venue][1][market], amount)

    def withdraw(self) -> None:
        venue, account, market = self._where()
        amount = 1 + int(self.draw.random() ** 3 * 2_000)
        self._note(self._both(venue, "withdraw", account, self.shape[venue][1][market], amount))

    def isolate(self) -> None:
        venue, account, market = self._where()
        self._note(self._both(venue, "isolate", account, market))

    def move_isolated(self) -> None:
        venue, account, market = self._where()
        isolated = list(self.twin.venues[venue].isolated)
        if isolated:
            account, market = self.draw.choice(isolated)
            amount = int((self.draw.random() - 0.4) * 300) or 1
            self._note(self._both(venue, "move_isolated", account, market, amount))
        else:
            self.isolate()

    # What comes from outside.

    def set_index(self) -> None:
        venue, _, market = self._where()
        self._both(venue, "set_index", market, self._price(venue, market))

    def _shock(self, later: int) -> None:
        venue, _, market = self._where()
        side = Side(int(self.draw.random() * 2))
        if self.draw.random() < 0.5:
            side = Side(int(self.twin.venues[venue].markets[market].mark > BASE))
        how: dict[str, Any] = {"size": 1 + int(self.draw.random() * 12 * self.deep)}
        if self.draw.random() < 0.2:
            how = {"notional": how["size"] * BASE}
        if self.draw.random() < 0.2:
            how["limit"] = self._price(venue, market)
        self._both(None, "schedule_shock", self.twin.time_ns + later, venue, market, side, **how)

    def shock(self) -> None:
        self._shock(0)
        self._both(None, "settle")

    def settle(self) -> None:
        self._both(None, "settle")

    def run(self) -> None:
        self._both(None, "run")

    def planned(self) -> None:
        """Something at a later time; run() comes to it."""
        later = self.draw.choice([0, SECOND, 2 * SECOND])
        venue, account, market = self._where()
        when, way = self.twin.time_ns + later, int(self.draw.random() * 3)
        if way == 0:
            amount = int((self.draw.random() - 0.4) * 500) or 1
            asset = self.shape[venue][1][market]
            self._both(None, "schedule_transfer", when, venue, account, asset, amount)
        elif way == 1:
            self._both(None, "schedule_index", when, venue, market, self._price(venue, market))
        else:
            self._shock(later)

    def stepped(self) -> None:
        """A shock, one step at a time; the state must agree after each of them."""
        self._shock(0)
        while self._both(None, "step") >= 0:
            assert self.fast.settling == self.twin.settling
            for number, like in enumerate(self.twin.venues):
                assert self.fast.venue(number).marks() == like.marks()
                assert not any(self.fast.venue(number).audit().values())

    def fork(self) -> None:
        """Go on with a copy; the twin need not know."""
        other = self.fast.fork()
        assert other.state_hash() == self.fast.state_hash()
        self.fast = other


def play(seed: int, ops: int) -> Counter[str]:
    """Run one seed; raise Failed at the first operation that differs."""
    number = 0
    pair: Any = None
    try:
        pair = Pair(seed)
        for number in range(ops):  # noqa: B007
            pair.step()
        pair.finish()
    except Exception as error:
        raise Failed("venue", seed, number, pair.what if pair else "set-up", error) from error
    return pair.counts

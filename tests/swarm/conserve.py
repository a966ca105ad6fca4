"""Conservation: random operations of every kind on one world, audited after every step.

40 accounts, 3 markets, 2 settlement assets, all rules of the venue drawn by the seed. After each
operation, and after each step of a settlement that is stepped: `audit()` is 0 units everywhere, and
every holder's equity is what the tape's transfers make of it (mirror.py).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from ordercascade.core.world import World
from ordercascade.enums import (
    HolderKind,
    MarketKind,
    NoteKind,
    OrderFlag,
    OrderType,
    Outcome,
    PostReason,
    PriceSource,
    Reject,
    Side,
    StepKind,
    TimeInForce,
)
from reference.scenarios import BRACKETS, RULES, SECOND
from swarm.common import Failed, rules_of, weighed
from swarm.mirror import Mirror, Terms

ACCOUNTS, BASE = 40, 1_000
ASSETS = (0, 0, 1)  # of the markets
SETTLING = frozenset(["index", "shock", "settle", "run"])
STEPS_MAX = 20_000  # of one settlement: more would be one that does not end

KINDS = (
    ("limit", 30), ("market", 5), ("ioc", 5), ("fok", 4), ("post_only", 4), ("cancel", 9),
    ("amend", 7), ("deposit", 4), ("withdraw", 5), ("isolate", 3), ("move_isolated", 5),
    ("index", 4), ("shock", 7), ("settle", 5), ("run", 2), ("planned", 3), ("fund", 1),
)  # fmt: skip
ALWAYS = ("limit", "shock", "settle", "deposit")


class Economy:
    """One seed's world and the operations on it; `step()` does one and checks."""

    fund_unit = 1
    extra_assets = 0  # beside those that markets settle in
    settling = SETTLING

    def __init__(self, seed: int) -> None:
        self.draw = draw = random.Random(seed)
        self.kinds = weighed(draw, KINDS, ALWAYS)
        self.counts: Counter[str] = Counter()
        self.orders: list[tuple[int, int, int]] = []
        self.what = "start"
        self.world = World(seed)
        self._raise(draw)
        self.asset_count = len(set(self.assets))
        self.paid_in = [0] * (self.asset_count + self.extra_assets)
        self._open(draw)
        self.world.start()
        self.mirror = self._reflect()
        assert self.mirror.paid_in == self.paid_in, (self.mirror.paid_in, self.paid_in)
        self.parked: tuple[World, str] | None = None
        self.check()

    # The opening.

    def _reflect(self) -> Mirror:
        return Mirror(self.world, self.terms)

    def _raise(self, draw: random.Random) -> None:
        """Add the venue with its markets."""
        rules = rules_of(draw, RULES | {"social": [False, True, True]})
        if draw.random() < 0.8:
            rules.pop("round_max", None)
        self.world.add_venue(2, **rules)
        self.venue = self.world.venue(0)
        self.assets = ASSETS
        self.multipliers = [draw.choice([1, 10, 100]) for _ in ASSETS]
        self.terms = [
            Terms(unit * BASE * BASE, inverse=True) if draw.random() < 0.3 else Terms(unit)
            for unit in self.multipliers
        ]
        for number in range(len(ASSETS)):
            self._market(draw, number)

    def _open(self, draw: random.Random) -> None:
        for asset in range(self.asset_count):
            amount = draw.choice([0, 1_000, 100_000]) * self.fund_unit
            self.venue.fund_deposit(asset, amount)
            for market, settles in enumerate(self.assets):
                if settles == asset and self.venue.fund_of(market) != 5 * asset + 1:
                    self.venue.fund_deposit(asset, amount, market=market)
                    self.paid_in[asset] += amount
            self.paid_in[asset] += amount
        for _ in range(ACCOUNTS):
            self._account(draw, self.venue.open_account())

    def _market(self, draw: random.Random, number: int) -> None:
        asset, multiplier = ASSETS[number], self.multipliers[number]
        maker = draw.choice([0, 0, -200, 200, 1_500])
        self.venue.add_market(
            asset,
            self.terms[number].multiplier,
            kind=MarketKind.INVERSE if self.terms[number].inverse else MarketKind.LINEAR,
            price_max=5_000,
            size_max=draw.choice([60, 10**4]),
            brackets=[
                (floor * 10 * multiplier, rate, amount * 10 * multiplier, initial)
                for floor, rate, amount, initial in draw.choice(BRACKETS)
            ],
            maker_fee_ppm=maker,
            taker_fee_ppm=draw.choice([200, 500, 4_000]),
            external_maker_fee_ppm=draw.choice([0, 0, 100]),
            external_taker_fee_ppm=draw.choice([0, 0, 700]),
            source=draw.choice(list(PriceSource)),
            own_weight_ppm=draw.choice([10**6, 10**6, 300_000]),
            index=draw.choice([0, BASE, BASE + 2]),
            last=BASE,
        )
        self._book(draw, number)

    def _book(self, draw: random.Random, number: int) -> None:
        deep = draw.choice([2, 6, 25])
        for distance in range(1, draw.choice([10, 60, 150])):
            for side, sign in ((Side.BID, -1), (Side.ASK, 1)):
                if draw.random() < 0.8:
                    size = 1 + draw.randrange(deep)
                    self.venue.seed_level(number, side, BASE + sign * distance, size)

    def _account(self, draw: random.Random, account: int) -> None:
        for asset in range(self.asset_count):
            self._deposit(account, asset, draw.choice([1, 2_000, 40_000]) * self.multipliers[asset])
        for market, asset in enumerate(self.assets):
            if draw.random() < 0.35:
                continue
            lots = draw.choice([1, 1, 1, -1]) * draw.randrange(1, 30)
            cost = self.terms[market].paid(lots, BASE + draw.randrange(-15, 16))
            margin = abs(cost) // draw.randrange(3, 50) + 1
            self._deposit(account, asset, margin)
            if draw.random() < 0.25:
                self.venue.isolate(account, market)
                self.venue.move_isolated(account, market, margin)
            self.venue.open_position(account, market, lots, cost)

    def _deposit(self, account: int, asset: int, amount: int) -> None:
        self.venue.deposit(account, asset, amount)
        self.paid_in[asset] += amount

    # One operation.

    def step(self) -> None:
        """Do the next operation and check the world."""
        kind = self.kinds[int(self.draw.random() * len(self.kinds))]
        if self.draw.random() < 0.001:
            kind = "fork"
        self.counts[kind] += 1
        getattr(self, kind)()
        self.check()
        if kind in self.settling:  # Planned transfers happen there: only the tape says if.
            self.paid_in = list(self.mirror.paid_in)
        assert self.mirror.paid_in == self.paid_in, (self.mirror.paid_in, self.paid_in)

    def check(self) -> None:
        """0 units off, and every holder owns what the transfers say. Cheap enough for always."""
        self.counts["audits"] += 1
        deltas = self.venue.audit()
        assert not any(deltas.values()), {name: off for name, off in deltas.items() if off}
        self.mirror.sync()

    def _where(self) -> tuple[int, int]:
        return 1 + int(self.draw.random() * ACCOUNTS), int(self.draw.random() * len(self.assets))

    def _price(self, market: int) -> int:
        away = int(self.draw.random() * 25) - 12
        if self.draw.random() < 0.05:
            away *= 12
        return min(5_000, max(1, self.mirror.marks[market] + away))

    def _size(self) -> int:
        return 1 + int(self.draw.random() ** 3 * 40)

    def _submit(self, kind: OrderType, tif: TimeInForce, flags: int = 0) -> None:
        account, market = self._where()
        side, price, size = int(self.draw.random() * 2), self._price(market), self._size()
        self.what = f"submit({account}, {market}, {side}, {price}, {size}, {kind}, {tif}, {flags})"
        result = self.venue.submit(account, market, side, price, size, kind, tif, flags)
        self._note(result)
        if result > 0:
            self._remember(account, market, result)

    def _remember(self, account: int, market: int, order: int) -> None:
        if len(self.orders) < 200:
            self.orders.append((account, market, order))
        else:
            self.orders[int(self.draw.random() * 200)] = (account, market, order)

    def _note(self, result: int) -> None:
        if result <= -2:
            self.counts[f"reject {Reject(result).name}"] += 1

    def limit(self) -> None:
        self._submit(OrderType.LIMIT, TimeInForce.GTC)

    def market(self) -> None:
        self._submit(OrderType.MARKET, TimeInForce.GTC)

    def ioc(self) -> None:
        self._submit(OrderType.LIMIT, TimeInForce.IOC)

    def fok(self) -> None:
        self._submit(OrderType.LIMIT, TimeInForce.FOK)

    def post_only(self) -> None:
        self._submit(OrderType.LIMIT, TimeInForce.GTC, OrderFlag.POST_ONLY)

    def _order(self) -> tuple[int, int, int]:
        if not self.orders:
            return 1, 0, 1
        account, market, order = self.orders[int(self.draw.random() * len(self.orders))]
        if self.draw.random() < 0.05:
            account = self._where()[0]
        return account, market, order

    def cancel(self) -> None:
        order = self._order()
        self.what = f"cancel{order}"
        self._note(self.venue.cancel(*order))

    def amend(self) -> None:
        order = self._order()
        price = self._price(order[1]) if self.draw.random() < 0.5 else 0
        size = self._size() if self.draw.random() < 0.9 else 0
        self.what = f"amend({order}, price={price}, size={size})"
        self._note(self.venue.amend(*order, price=price, size=size))

    def deposit(self) -> None:
        account, market = self._where()
        amount = 1 + int(self.draw.random() ** 3 * 20_000 * self.multipliers[market])
        self.what = f"deposit({account}, {self.assets[market]}, {amount})"
        self._deposit(account, self.assets[market], amount)

    def withdraw(self) -> None:
        account, market = self._where()
        scope = self.venue.cross_scope(account, self.assets[market])
        amount = max(1, int(self.venue.collateral(scope) * self.draw.random() * 1.2))
        self.what = f"withdraw({account}, {self.assets[market]}, {amount})"
        result = self.venue.withdraw(account, self.assets[market], amount)
        self._note(result)
        if result == 0:
            self.counts["withdrawn"] += 1
            self.paid_in[self.assets[market]] -= amount

    def isolate(self) -> None:
        where = self._where()
        self.what = f"isolate{where}"
        self._note(self.venue.isolate(*where))

    def move_isolated(self) -> None:
        account, market = self._where()
        isolated = self.mirror.isolated
        if isolated and self.draw.random() < 0.95:
            account, market = isolated[int(self.draw.random() * len(isolated))]
        if (account, market) not in self.mirror.scopes:
            return self.isolate()
        amount = int((self.draw.random() - 0.5) * 3_000 * self.multipliers[market]) or 1
        self.what = f"move_isolated({account}, {market}, {amount})"
        result = self.venue.move_isolated(account, market, amount)
        self._note(result)
        self.counts["moved"] += result == 0

    def fund(self) -> None:
        asset, amount = (
            int(self.draw.random() * self.asset_count),
            int(self.draw.random() * 20_000) * self.fund_unit,
        )
        self.what = f"set_fund({amount}, {asset})"
        self.paid_in[asset] += amount - self.venue.balance(5 * asset + 1)
        self.venue.set_fund(amount, asset)

    # What comes from outside, and settlements.

    def index(self) -> None:
        market = int(self.draw.random() * len(self.assets))
        price = min(5_000, max(1, self._price(market) + int(self.draw.random() * 41) - 20))
        self.what = f"set_index({market}, {price}) and settle"
        self.venue.set_index(market, price)
        self.check()
        self._settled(self.world.settle())

    def shock(self) -> None:
        market, side = int(self.draw.random() * len(self.assets)), int(self.draw.random() * 2)
        # More often towards the middle: a market that ran away calms down.
        if self.draw.random() < 0.5:
            side = int(self.mirror.marks[market] > BASE)
        size = 1 + int(self.draw.random() ** 2 * 250)
        now = self.world.time_ns
        self.what = f"shock({now}, {market}, {side}, {size}), stepped"
        self.world.schedule_shock(now, 0, market, side, size=size)
        self._stepped()

    def _stepped(self) -> None:
        """Step to the end, checked after every step."""
        steps = 0
        while self.world.step() >= 0:
            self.check()
            steps += 1
            assert steps < STEPS_MAX
        self._settled(steps)

    def _settled(self, steps: int) -> None:
        self.counts["settlement steps"] += steps

    def settle(self) -> None:
        self.what = "settle()"
        self._settled(self.world.settle())

    def run(self) -> None:
        self.what = "run()"
        self._settled(self.world.run(STEPS_MAX))

    def planned(self) -> None:
        """A transfer, a tick or a shock at a later time; run() comes to it."""
        account, market = self._where()
        later = self.world.time_ns + int(self.draw.random() * 3) * SECOND
        way = int(self.draw.random() * 3)
        self.what = f"planned {way} at {later} for {account}, {market}"
        if way == 0:
            amount = int((self.draw.random() - 0.4) * 2_000 * self.multipliers[market]) or 1
            self.world.schedule_transfer(later, 0, account, self.assets[market], amount)
        elif way == 1:
            self.world.schedule_index(later, 0, market, self._price(market))
        else:
            size, limit = self._size(), self._price(market)
            self.world.schedule_shock(later, 0, market, account % 2, size=size, limit=limit)

    def fork(self) -> None:
        """Go on with a copy or the original; what is left behind must never change again."""
        self.what = "fork()"
        self.left_behind()
        other = self.world.fork()
        digest = self.world.state_hash()
        assert other.state_hash() == digest
        if self.draw.random() < 0.5:
            self.world, other = other, self.world
        self.venue = self.world.venue(0)
        self.mirror.look(self.world)
        self.parked = other, digest

    def left_behind(self) -> None:
        """The world left behind at the last fork is as it was."""
        if self.parked is not None:
            world, digest = self.parked
            assert world.state_hash() == digest, "a fork and its original share memory"
            assert not any(world.venue(0).audit().values())

    # The end.

    def _lots(self, holder: int, market: int) -> int:
        """What a holder has by the ledger; fund and vault may have taken something over."""
        vault = 5 * self.assets[market] + 2
        kinds = {self.venue.fund_of(market): HolderKind.FUND, vault: HolderKind.VAULT}
        if holder in kinds:
            return int(self.venue.inherited(kinds[holder], market)[0])
        return int(self.venue.position(holder, market)[0])

    def finish(self) -> None:
        """The rarer and dearer checks; then count what was reached."""
        self.what = "the end"
        self.left_behind()
        self.world._check()
        for market, held in enumerate(self.mirror.held):
            for holder, lots in held.items():
                assert self._lots(holder, market) == lots
        log, counts = self.world.log, self.counts
        for name, table, column, kinds in (
            ("step", "steps", "kind", StepKind),
            ("outcome", "liquidations", "outcome", Outcome),
            ("note", "notes", "kind", NoteKind),
            ("posted", "postings", "reason", PostReason),
        ):
            for code, times in Counter(log.column(table, column).tolist()).items():
                counts[f"{name} {kinds(code).name}"] += times
        counts["fills"] += log.rows("fills")
        makers, takers = log.column("fills", "maker_account"), log.column("fills", "taker_account")
        counts["self trades"] += int((makers == takers).sum())
        deep = log.column("steps", "generation")
        counts["steps of generation 3 or more"] += int((deep >= 3).sum())


def played(target: str, start: Callable[[], Economy], seed: int, ops: int) -> Counter[str]:
    """Run one seed; raise Failed at the first operation after which something is off."""
    number = -1
    economy: Any = None
    try:
        economy = start()
        for number in range(ops):  # noqa: B007
            economy.step()
        economy.finish()
    except Exception as error:
        what = economy.what if economy is not None else "set-up"
        raise Failed(target, seed, max(number, 0), what, error) from error
    return economy.counts


def play(seed: int, ops: int) -> Counter[str]:
    """Run one seed of the plain economy."""
    return played("conserve", lambda: Economy(seed), seed, ops)

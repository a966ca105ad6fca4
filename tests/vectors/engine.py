"""A venue on a vector's grid: accounts with net cash, orders, one block, what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import (
    AdlWhen,
    CancelPolicy,
    HolderKind,
    PriceMode,
    PriceSource,
    Side,
    SocialRule,
    Takeover,
)
from ordercascade.mechanisms.tranches import Tranches
from vectors.form import exact, whole

Brackets = list[tuple[int, int, int, int]]
SECOND = 10**9
ONE = Fraction(1)
HIGHEST = 100_000


def ppm(rate: Any) -> int:
    return whole(exact(rate) * 10**6)


class Terms(NamedTuple):
    """A market: how fine prices and sizes are, its brackets, its mark and highest price."""

    tick: Fraction
    lot: Fraction
    brackets: Brackets
    mark: Any
    highest: Any = 10**6
    schedule: Any = None  # in place of the brackets
    taker_fee_ppm: int = 0


class Desk:
    """A venue and its world. Prices, sizes and money are people's."""

    def __init__(
        self,
        unit: Fraction,
        *markets: Terms,
        source: PriceSource = PriceSource.INDEX,
        **rules: Any,
    ) -> None:
        self.unit, self.markets, self.rules = unit, markets, rules
        self.world = World(1)
        self.world.add_venue(**rules)
        self.venue: Venue = self.world.venue(0)
        for at, terms in enumerate(markets):
            top = min(whole(exact(terms.highest) / terms.tick), 2**31 - 1)
            room = 2**58 // len(markets) // (top * self.multiplier(at))
            self.venue.add_market(
                multiplier=self.multiplier(at),
                price_max=top,
                size_max=min(2**40, room),
                brackets=terms.brackets,
                schedule=terms.schedule,
                taker_fee_ppm=terms.taker_fee_ppm,
                source=source,
                index=self.ticks(terms.mark, at),
            )
        self.accounts: dict[str, int] = {}

    def multiplier(self, at: int = 0) -> int:
        return whole(self.markets[at].tick * self.markets[at].lot / self.unit)

    def ticks(self, price: Any, at: int = 0) -> int:
        return whole(exact(price) / self.markets[at].tick)

    def lots(self, size: Any, at: int = 0) -> int:
        return whole(exact(size) / self.markets[at].lot)

    def units(self, money: Any) -> int:
        return whole(exact(money) / self.unit)

    def money(self, units: int) -> Fraction:
        return units * self.unit

    def open(self, name: str, *, size: Any = 0, cash: Any = 0, entry: Any = 0) -> int:
        """Open an account with a position entered at a price; `cash` is what it has besides."""
        account = self.accounts[name] = self.venue.open_account()
        self.venue.deposit(account, 0, max(1, self.units(cash)))
        if lots := self.lots(size):
            cost = lots * self.ticks(entry) * self.multiplier()
            self.venue.open_position(account, 0, lots, cost)
        if not self.units(cash):  # an account of nothing: the unit goes out again
            assert self.venue.withdraw(account, 0, 1) == 0
        return account

    def net(self, name: str, cash: Any, *sizes: Any, worst: int = 0) -> int:
        """Open an account whose cash was debited with the whole notional: MARGIN §1.

        Entered at the marks, so that its collateral is its equity there; where that is below zero
        the `worst` leg is entered so much worse. It is in any case by one unit, so that a venue
        which closes the worst leg first closes that one.
        """
        account = self.accounts[name] = self.venue.open_account()
        legs = [(at, self.lots(size, at)) for at, size in enumerate(sizes) if size]
        values = [
            lots * self.ticks(self.markets[at].mark, at) * self.multiplier(at) for at, lots in legs
        ]
        equity = self.units(cash) + sum(values)
        if legs and worst not in dict(legs):
            worst = legs[0][0]
        money = max(0, equity) + 1
        self.venue.deposit(account, 0, money)
        for (at, lots), value in zip(legs, values, strict=True):
            self.venue.open_position(account, at, lots, value + (at == worst) * (money - equity))
        return account

    def start(self, fund: Any = 0) -> None:
        if self.units(fund):
            self.venue.fund_deposit(0, self.units(fund))
        self.world.start()

    def rest(self, name: str, side: Side, size: Any, price: Any, at: int = 0) -> None:
        """Submit an order that must rest."""
        ticks, lots = self.ticks(price, at), self.lots(size, at)
        answer = self.venue.submit(self.accounts[name], at, side, ticks, lots)
        if answer <= 0:
            raise ValueError(f"the order of {name} does not rest: {answer}")

    def sell(self, name: str, size: Any, price: Any) -> None:
        """Submit a sale that must be filled at once."""
        answer = self.venue.submit(
            self.accounts[name], 0, Side.ASK, self.ticks(price), self.lots(size)
        )
        if answer != 0:
            raise ValueError(f"the sale of {name} is not filled: {answer}")

    def settle(self, at_s: Any = 0) -> None:
        self.world.settle(max(self.world.time_ns, whole(exact(at_s) * SECOND)))
        off = {name: delta for name, delta in self.venue.audit().items() if delta}
        if off:
            raise ValueError(f"money was lost: {off}")
        self.world._check()

    def scope(self, name: str) -> int:
        return int(self.venue.scope_of(self.accounts[name], 0))

    def held(self, name: str) -> tuple[Fraction, list[Fraction]]:
        """Return (net cash, sizes): cash after the whole notional was debited."""
        scope = self.scope(name)
        legs = [self.venue.position(scope, at) for at in range(len(self.markets))]
        cash = self.venue.collateral(scope) - sum(cost for _, cost in legs)
        return self.money(cash), [
            size * terms.lot for (size, _), terms in zip(legs, self.markets, strict=True)
        ]

    def equity(self, name: str) -> Fraction:
        return self.money(self.venue.equity(self.scope(name)))

    def fund(self) -> Fraction:
        return self.money(self.venue.fund)

    def holder(self, kind: HolderKind) -> int:
        return int(self.venue.holder(kind, 0))

    def rows(self, table: str, *columns: str) -> list[tuple[int, ...]]:
        taken = [self.world.log.column(table, column).tolist() for column in columns]
        return list(zip(*taken, strict=True))


def flat(maintenance: Any, initial: Any = None) -> Brackets:
    """Return brackets of one rate."""
    rate = ppm(maintenance)
    return [(0, rate, 0, rate if initial is None else ppm(initial))]


def sides(orders: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, Side, Any, Any]]:
    for order in orders:
        side = Side.BID if order["side"] == "buy" else Side.ASK
        yield str(order.get("account", "")), side, order["size"], order["price"]


# A house that settles to the mark, inherits what it closes out, and sells it by the clock.


def stages(strategy: dict[str, Any], levels: tuple[Any, Any, Any] | None) -> dict[str, Any]:
    """Return the stages of a disposal strategy and margin levels."""
    found = {
        "takeover": Takeover.FUND,
        "takeover_price": PriceMode.MARK,
        "takeover_collateral": True,
        "variation": True,
        "adl_when": AdlWhen.NEVER,
        "order_ppm": 0,
        "social_rule": SocialRule.GAINS,
        "dispose_ns": whole(exact(strategy["step"]) * SECOND),
        "dispose_ppm": ppm(strategy["fraction"]),
        "dispose_full": min(int(strategy["full_size"]), 2**40),
        "dispose_share_ppm": ppm(strategy["max_fraction"]),
        "dispose_range_ppm": ppm(strategy.get("range", "0.1")),
    }
    if levels:
        names = ("search_ppm", "initial_ppm", "release_ppm")
        found |= {name: ppm(level) for name, level in zip(names, levels, strict=True)}
    return found


def house(
    slippage: Fraction, mark: int, strategy: dict[str, Any], levels: Any, source: PriceSource
) -> Desk:
    rate = ppm(min(ONE, slippage))
    return Desk(
        ONE,
        Terms(ONE, ONE, [(0, rate, 0, rate)], mark, HIGHEST),
        source=source,
        policy=Tranches(),
        cancel=CancelPolicy.MARKET,
        stages=stages(strategy, levels),
    )

"""Venue: the margin engine in people's units, without a scenario, or one venue of a World.

>>> btc = Market("BTCUSDT", tick_size="0.1", lot_size="0.001", settle="USDT", decimals=6)
>>> venue = Venue("binance-usdm", [btc], index={"BTCUSDT": "60000"})
>>> a = venue.open_account()
>>> venue.deposit(a, "1000")
>>> venue.submit(a, "BTCUSDT", Side.BID, price="60000", size="0.05") > 0
True
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ordercascade import presets, toml
from ordercascade.checks import CASH_MAX, check_order, member, once, whole
from ordercascade.collaterals import held_of, paid_in
from ordercascade.config import VenueConfig
from ordercascade.engine import default_engine, meta_of, raise_venue, spelt, tape_of
from ordercascade.enums import OrderFlag, OrderType, Reject, Side, TimeInForce
from ordercascade.errors import ConfigError, InputError, InputTypeError, RangeError
from ordercascade.exact import plain, time_ns
from ordercascade.market import Market, Number
from ordercascade.plan import VenuePlan, venue_plan
from ordercascade.populations import Names
from ordercascade.portfolios import forget_options
from ordercascade.standing import Standing, stood
from ordercascade.upcoming import alone, answering, ending, give_answer, plan_end

if TYPE_CHECKING:
    from ordercascade.tape import Tape


class Owners(NamedTuple):
    """Whose the accounts of a built venue are: ids by name, and which have two legs."""

    names: Names
    legs: Mapping[int, tuple[str, ...]] = {}


class Venue:
    """Markets, accounts and liquidation rules of one exchange."""

    def __init__(
        self,
        preset: str,
        markets: Sequence[Market],
        *,
        rules: Mapping[str, Any] | None = None,
        index: Mapping[str, Number] | None = None,
        fund: Number = 0,
        engine: Any = None,
    ) -> None:
        """Open a venue; `rules` are keys of a scenario's [[venue]], `index` outside prices."""
        once(self, hasattr(self, "_plan"))
        raw = spelt(preset, markets, alone(rules or {}), index or {}, fund)
        try:
            built = toml.build(raw, VenueConfig)
        except ConfigError as error:
            raise ConfigError(f"venue.{error.path}", error.rule, error.value) from None
        config = presets.complete(built, path="venue")
        self._plan = venue_plan(config, path="venue", base=Path())
        self._engine = engine or default_engine()
        # Margin needs a mark, so the engine starts with the first call that brings a price;
        # what was asked before waits here.
        self._early: list[Callable[[Any], object]] = []
        self._seeded: set[int] = set()
        self._world: Any = None
        self._venue: Any = None
        self._names: Mapping[str, int] = {}
        self._accounts = 0
        self._legs: dict[int, tuple[str, ...]] = {}  # of hedged accounts
        self._waiting = self._plan.fund  # deposits of before the start
        self._meta = meta_of((self._plan,))

    @classmethod
    def of(
        cls, world: Any, venue: Any, plan: VenuePlan, owners: Owners, meta: dict[str, Any]
    ) -> Venue:
        """Return the face of a venue that a World has built and started."""
        made = object.__new__(cls)
        made._world, made._venue, made._plan = world, venue, plan
        made._names = owners.names
        made._accounts, made._meta = len(owners.names) + len(owners.legs), meta
        made._legs = dict(owners.legs)
        return made

    @property
    def name(self) -> str:
        """The venue's name in a scenario, else the preset's."""
        return self._plan.name

    @property
    def markets(self) -> dict[str, Market]:
        """The venue's markets by name."""
        return {item.market.name: item.market for item in self._plan.markets}

    def open_account(self, *, hedge: bool = False) -> int:
        """Return a new account: 1, 2, …; with `hedge` its long and short legs are told apart."""
        if type(hedge) is not bool:
            raise InputTypeError("hedge", "True or False", hedge)
        self._do(lambda venue: venue.open_account(hedge=hedge))
        self._accounts += 1 + hedge  # Its short legs trade under a number of their own.
        self._legs |= {self._accounts - 1: ("long", "short")} if hedge else {}
        return self._accounts - hedge

    def deposit(self, account: int | str, money: Number, *, asset: str | None = None) -> None:
        """Pay into the account's cross scope; `asset` is a collateral, else what it settles in."""
        owner, (number, amount) = self._account(account), self._paid(money, asset)
        if self._world is None:
            if self._waiting + amount > CASH_MAX:
                raise RangeError("amount", "and the deposits before must sum to at most 2**60")
            self._waiting += amount
        self._do(lambda venue: venue.deposit(owner, number, amount))

    def withdraw(self, account: int | str, money: Number, *, asset: str | None = None) -> int:
        """Pay out of the cross scope what its margin leaves free: 0 or Reject.INSUFFICIENT."""
        self._start()
        return _answer(self._venue.withdraw(self._account(account), *self._paid(money, asset)))

    def assets(self, account: int | str) -> dict[str, Decimal]:
        """Return how much of each collateral of the venue an account holds."""
        self._start()
        return held_of(self._venue, self._plan.collaterals, self._account(account))

    def isolate(self, account: int | str, market: str, money: Number = 0) -> int:
        """Isolate the account's coming position in a market, with money from its cross scope.

        0, Reject.POSITION_OPEN (a position or an order is there), or Reject.INSUFFICIENT; after a
        refusal nothing has changed.
        """
        owner, at = self._account(account), self._market(market)
        amount = self._settled().to_amount(money)
        if amount < 0:
            raise InputError("amount", plain(Decimal(str(money))), "must be 0 or more")
        self._start()
        if amount > self._free(owner):
            return Reject.INSUFFICIENT
        scope = int(self._venue.isolate(owner, at))
        if scope < 0:
            return _answer(scope)
        return _answer(self._venue.move_isolated(owner, at, amount)) if amount else 0

    def move_isolated(self, account: int | str, market: str, money: Number) -> int:
        """Move money from cross to isolated (> 0) or back (< 0): 0 or Reject.INSUFFICIENT."""
        owner, at = self._account(account), self._market(market)
        amount = self._settled().to_amount(money)
        self._start()
        return _answer(self._venue.move_isolated(owner, at, amount))

    def submit(
        self,
        account: int | str,
        market: str,
        side: Side,
        *,
        size: Number,
        price: Number | None = None,
        tif: TimeInForce = TimeInForce.GTC,
        flags: OrderFlag = OrderFlag.NONE,
        leg: str | None = None,
    ) -> int:
        """Submit an order (without a price: at market); return its id, 0, or a Reject.

        Where a market has no price at all yet, the first order's stands in for the outside one
        until `set_index` says better: margin needs a mark.
        """
        units, at = self._units(market), self._market(market)
        kind = OrderType.MARKET if price is None else OrderType.LIMIT
        ticks = 0 if price is None else units.to_ticks(price)
        lots, owner = units.to_lots(size), self._account(account)
        asked, taken, alive, bits = check_order(kind, side, tif, flags)
        self._start(at, ticks)
        return _answer(self._venue.submit(owner, at, taken, ticks, lots, asked, alive, bits, leg))

    def cancel(self, account: int | str, market: str, order: int) -> Decimal | Reject:
        """Cancel an order; return the size that was open, or a Reject."""
        owner, at = self._account(account), self._market(market)
        number = whole("order", order, 1, 2**63 - 1, hint="use what submit() returned")
        self._start()
        lots = _answer(self._venue.cancel(owner, at, number))
        return lots if isinstance(lots, Reject) else self._units(market).to_size(lots)

    def seed(self, market: str, side: Side, *, price: Number, size: Number) -> None:
        """Rest background liquidity of the outside; only before the first order or mark."""
        if self._world is not None:
            raise ConfigError("venue", "background liquidity must come before the first order")
        units, at = self._units(market), self._market(market)
        row = at, member("side", Side, side), units.to_ticks(price), units.to_lots(size)
        self._seeded.add(at)
        self._early.append(lambda venue: venue.seed_level(*row))

    def set_index(self, market: str, price: Number) -> None:
        """Set the outside price of a market now."""
        at, ticks = self._market(market), self._units(market).to_ticks(price)
        self._start(at, ticks)
        self._venue.set_index(at, ticks)

    def mark(self, market: str) -> Decimal:
        """Return the mark as a settlement would take it now."""
        return self._units(market).to_price(self._marks()[self._market(market)])

    def fund(self) -> Decimal:
        """Return what the insurance fund has; what they have together, if each market has one."""
        if self._world is None:
            return self._settled().to_money(self._plan.fund)
        return self._settled().to_money(self._venue.fund)

    def position(self, account: int | str, market: str, leg: str | None = None) -> Decimal:
        """Return a position's signed size; in hedge mode of its leg, "long" or "short"."""
        owner, at = self._account(account), self._market(market)
        self._start()
        scope = self._venue.scope_of(owner, at)
        size = self._venue.position(scope, at, leg=leg)[0] if scope >= 0 else 0
        return self._units(market).to_size(size)

    def standing(self, account: int | str) -> tuple[Standing, ...]:
        """Return the account's scopes, at the marks as they would be taken now."""
        return self.what_if(account)

    def what_if(self, account: int | str, **prices: Number) -> tuple[Standing, ...]:
        """Return the account's scopes as they would stand at other marks; nothing changes."""
        marks = self._marks()
        for market, price in prices.items():
            marks[self._market(market)] = self._units(market).to_ticks(price)
        forget_options(marks, self._plan.markets, prices)
        return tuple(self._stood(self._account(account), marks))

    def at_risk(self) -> list[Standing]:
        """Return the scopes that a settlement would liquidate now, by scope id."""
        marks = self._marks()
        risky = {int(scope) for scope in self._venue.at_risk()}
        last = self._accounts if risky else 0
        mine = [account for account in range(1, last + 1) if account - 1 not in self._legs]
        found = {scope: (own, scope, at) for own in mine for scope, at in self._scopes(own)}
        return [self._at(found[scope], marks) for scope in sorted(risky & found.keys())]

    def liquidation_price(self, account: int | str, market: str) -> Decimal | None:
        """Return the mark nearest to safety at which the scope is liquidatable, None if none."""
        ticks = self._asked("liquidation_price", account, market)
        return None if ticks is None else self._units(market).to_price(ticks)

    def bankruptcy_price(
        self, account: int | str, market: str, leg: str | None = None
    ) -> Decimal | None:
        """Return where the position's share of equity is used up, None without one.

        It may lie below 0: then the position cannot lose all the account holds.
        """
        ticks = self._asked("bankruptcy_price", account, market, leg=leg)
        return None if ticks is None else self._units(market).to_price(ticks)

    def expire(
        self,
        market: str,
        at_s: Number,
        *,
        price: str = "mark",
        window_s: Number | None = None,
        stated: Number | None = None,
    ) -> None:
        """Plan the end of a market, so many seconds after the beginning; `settle(at_s=)` meets it.

        `price`: mark, index, average_mark, average_index (of the last `window_s`), or stated.
        """
        at, units = self._market(market), self._units(market)
        ends = ending(units, at_s=at_s, price=price, window_s=window_s, stated=stated)
        self._start()
        plan_end(self._world, at, ends, self._meta, alone=hasattr(self, "_engine"))

    def answer(self, account: int | str, action: str, **how: Number | str) -> None:
        """Say what an account does when it is called for margin: add, reduce or ignore.

        `delay_s`; add: `target` (maintenance margins), `wallet`, `source`; reduce: `fraction`.
        """
        owner, numbers = self._account(account), answering(self._plan, action, how)
        self._start()
        give_answer(self._world, self._venue, owner, numbers)

    def settle(self, at_s: Number | None = None) -> Tape:
        """Run the rounds until nobody is at risk, now or at a later second of the venue's clock.

        What was planned until then happens first, each at its time. Returns the tape of all.
        """
        self._start()
        self._world.settle(None if at_s is None else time_ns("at_s", at_s))
        return tape_of(self._world, self._meta)

    def audit(self) -> dict[str, int]:
        """Return what does not add up, by name: all zeros, or the engine has a bug."""
        self._start()
        return dict(self._venue.audit())

    def _do(self, action: Callable[[Any], object]) -> None:
        if self._world is None:
            self._early.append(action)
        else:
            action(self._venue)

    def _start(self, at: int = -1, ticks: int = 0) -> None:
        """Start the engine once every market has a price; `ticks` may stand in at market `at`."""
        if self._world is not None:
            return
        markets = list(self._plan.markets)
        for index, item in enumerate(markets):
            if item.arguments["index"] or item.arguments["last"] or index in self._seeded:
                continue
            if index != at or ticks == 0:
                rule = f"price not set for {item.market.name}: give Venue(index=…), or set_index"
                raise InputError("mark", None, rule)
            markets[index] = item._replace(arguments=item.arguments | {"index": ticks})
        plan = self._plan._replace(markets=tuple(markets))
        world = self._engine.World(0)
        venue = raise_venue(world, plan)
        for action in self._early:
            action(venue)
        world.start()
        self._world, self._venue, self._plan = world, venue, plan
        self._early.clear()

    def _account(self, account: int | str) -> int:
        if isinstance(account, str):
            if account not in self._names:
                raise InputError("account", account, "must be an account of the venue")
            return self._names[account]
        number = whole("account", account, -(2**63), 2**63 - 1)
        if number == 0:
            raise InputError("account", 0, "must not be 0: account 0 is reserved for the outside")
        if not self._accounts:
            raise InputError("account", number, "must be open: call open_account() first")
        if not 1 <= number <= self._accounts:
            raise InputError("account", number, f"must be in [1, {self._accounts}]")
        return number

    def _market(self, market: str) -> int:
        for index, item in enumerate(self._plan.markets):
            if item.market.name == market:
                return index
        raise InputError("market", market, f"must be one of {', '.join(self.markets)}")

    def _units(self, market: str) -> Market:
        return self._plan.markets[self._market(market)].market

    def _settled(self) -> Market:
        if not self._plan.markets:
            raise ConfigError("venue", "has no market and so no settlement asset")
        return self._plan.markets[0].market

    def _paid(self, money: Number, asset: str | None = None) -> tuple[int, int]:
        """Return the number of an asset, and an amount of it that is above 0."""
        return paid_in(money, asset, self._settled(), self._plan.collaterals)

    def _free(self, account: int) -> int:
        """Return what may leave the cross scope: within collateral, initial margin covered."""
        scope = int(self._venue.cross_scope(account, 0))
        if scope < 0:
            return 0
        spare = int(self._venue.equity(scope)) - int(self._venue.initial(scope))
        return max(0, min(spare, int(self._venue.collateral(scope))))

    def _asked(self, question: str, account: int | str, market: str, **leg: Any) -> int | None:
        self._start()
        at = self._market(market)
        scope = self._venue.scope_of(self._account(account), at)
        ticks = getattr(self._venue, question)(scope, at, **leg) if scope >= 0 else None
        return None if ticks is None else int(ticks)

    def _marks(self) -> list[int]:
        """Return the marks as the oracles would give them now, in ticks."""
        self._start()
        return [
            int(self._venue.marks()[at])
            if item.feed or item.option  # What it remembers, or works out, is the engine's.
            else item.mark_of(*(int(price) for price in self._venue.prices(at)))
            for at, item in enumerate(self._plan.markets)
        ]

    def _scopes(self, account: int) -> list[tuple[int, int | None]]:
        """Return (scope, market) of an account by id; the cross scope has no market of its own."""
        scopes: dict[int, int | None] = {int(self._venue.cross_scope(account, 0)): None}
        for at in range(len(self._plan.markets)):
            scopes.setdefault(int(self._venue.scope_of(account, at)), at)
        found = [(scope, at) for scope, at in scopes.items() if scope >= 0]
        return sorted(found, key=lambda item: item[0])

    def _stood(self, account: int, marks: Sequence[int]) -> list[Standing]:
        return [self._at((account, scope, at), marks) for scope, at in self._scopes(account)]

    def _at(self, whose: tuple[int, int, int | None], marks: Sequence[int]) -> Standing:
        return stood(self._venue, self._plan, whose, marks, self._legs.get(whose[0], (None,)))

    def __reduce__(self) -> NoReturn:
        hint = "send the calls that built it, or a Scenario; World.fork() copies a running world"
        raise InputTypeError("Venue", "rebuilt, not copied or pickled", "a copy", hint=hint)

    def __repr__(self) -> str:
        return f"Venue({self.name!r}, [{', '.join(self.markets)}], accounts={self._accounts})"


def _answer(code: int) -> int:
    return Reject(code) if code <= Reject.UNKNOWN_ORDER else int(code)

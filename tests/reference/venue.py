"""The twin's venue: set-up, what users ask of it, and the questions margin asks of a scope."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ordercascade.enums import (
    HolderKind,
    MarketKind,
    OrderType,
    PostReason,
    PriceSource,
    Reject,
    Side,
    StepKind,
    TimeInForce,
)
from ordercascade.errors import ConfigError, InputError
from reference import collateral as backing
from reference import funding, hedging, margin, trading
from reference.brakes import Brakes
from reference.calls import Calls, Ending
from reference.interest import Lending
from reference.ledger import OUTSIDE, SHORT, Ledger, Position, split
from reference.margin import PPM, Bracket, div_ceil
from reference.market import Market
from reference.record import StepWriter, recorded
from reference.rules import Rules, Scope
from reference.surcharges import Surcharges

if TYPE_CHECKING:
    from reference.world import World


class Venue:
    """Markets, ledger and rules of one exchange. Marks are whole lists: markets are few."""

    def __init__(self, world: World, venue_id: int, asset_count: int, rules: Rules) -> None:
        self.world, self.id, self.rules = world, venue_id, rules
        self.asset_count = asset_count
        self.ledger = Ledger(asset_count, world.tables)
        self.writer = StepWriter(self)
        self.markets: list[Market] = []
        self.accounts = 0
        self.twins: dict[int, int] = {}  # hedged account -> the number of its short legs
        self.scopes: dict[int, Scope] = {}
        self.cross: dict[tuple[int, int], int] = {}  # (account, asset) -> scope
        self.isolated: dict[tuple[int, int], int] = {}  # (account, market) -> scope
        self.round, self.now = 0, 0
        self.settled = 0  # time of its latest round
        self.planned = 0  # scopes in its latest queue
        self.brakes: Brakes | None = None
        self.calls = Calls(**rules.calls) if rules.calls else None
        self.endings: dict[int, Ending] = {}
        self.pledges: dict[int, backing.Pledge] = {}
        self.surcharges: Surcharges | None = None
        self.lending: Lending | None = None
        self.shares: dict[int, int] = {}  # by asset: what borrowers close, ppb
        self.window = 0  # first step that may be the parent of an order of this round
        self.step3_end = 0

    # Set-up.

    @recorded
    def add_market(
        self,
        asset: int = 0,
        multiplier: int = 1,
        price_max: int = 2**20,
        size_max: int = 2**30,
        brackets: Iterable[tuple[int, int, int, int]] = (),
        maker_fee_ppm: int = 0,
        taker_fee_ppm: int = 0,
        external_maker_fee_ppm: int = 0,
        external_taker_fee_ppm: int = 0,
        source: PriceSource = PriceSource.LAST,
        own_weight_ppm: int = PPM,
        index: int = 0,
        last: int = 0,
        kind: MarketKind = MarketKind.LINEAR,
    ) -> int:
        """Add a market (all of them before the first scope); return its id."""
        self._before_start()
        market = Market(
            len(self.markets), asset, multiplier, price_max, size_max,
            [Bracket(*bracket) for bracket in brackets],
            maker_fee_ppm, taker_fee_ppm, external_maker_fee_ppm, external_taker_fee_ppm,
            source, own_weight_ppm, index, last, kind,
        )  # fmt: skip
        self.markets.append(market)
        clearing = self.ledger.add_holder(HolderKind.CLEARING, asset, -1, market.id)
        self.ledger.clearing.append(clearing)
        return market.id

    @recorded
    def set_funding(self, market: int, **terms: Any) -> None:
        """Say how a market's funding rate is found."""
        self.markets[market].funding = funding.Terms(**terms)

    @recorded
    def seed_level(self, market: int, side: Side, price: int, size: int) -> int:
        """Rest a background order of `external`."""
        self._before_start()
        return self.markets[market].book.submit(side, price, size)

    @recorded
    def open_account(self, *, hedge: bool = False) -> int:
        """Return a new account: 1, 2, …; 0 is external."""
        self.accounts += 1
        return self.hedge(self.accounts) - 1 if hedge else self.accounts

    @recorded
    def hedge(self, account: int) -> int:
        """Put an account into hedge mode, while it holds nothing: its twin or a reject."""
        return self._as_step(lambda: hedging.hedge(self, account))

    def open_accounts(self, deposits: Any, openings: Any, asset: int = 0) -> int:
        """Open an account for each deposit, with its rows of positions; return the first."""
        self._before_start()
        first = self.accounts + 1
        rows = openings.tolist()
        for number, amount in enumerate(deposits.tolist()):
            account = self.open_account()
            if amount:
                self.deposit(account, asset, amount)
            for _, market, size, cost, collateral, isolated in (r for r in rows if r[0] == number):
                if isolated:
                    scope = self.isolate(account, market)
                    if collateral:
                        self.ledger.post(OUTSIDE, scope, collateral, PostReason.DEPOSIT)
                self.open_position(account, market, size, cost)
        return first

    def below_zero(self) -> list[tuple[int, int, int]]:
        """Return (scope, account, equity) of users' scopes with less than nothing."""
        found = [(scope, self.equity(scope)) for scope in sorted(self.scopes)]
        return [(s, self.ledger.holders[s].account, money) for s, money in found if money < 0]

    @recorded
    def open_position(self, account: int, market: int, size: int, cost: int) -> None:
        """Open with a position; `external` gets its opposite."""
        self._before_start()
        scope, outside = self.holder_of(account, market), self.holder_of(0, market)
        leg = market + SHORT if account in self.twins and size < 0 else market
        for holder, sign, key in ((scope, 1, leg), (outside, -1, market)):
            position = self.ledger.positions.setdefault((holder, key), Position())
            position.size += sign * size
            position.cost += sign * cost

    @recorded
    def fund_deposit(self, asset: int, amount: int) -> None:
        """Pay into the insurance fund."""
        self._before_start()
        self.ledger.post(
            OUTSIDE, self.ledger.find(HolderKind.FUND, asset), amount, PostReason.DEPOSIT
        )

    # What users ask, at set-up or between settlements (then each call is an `agents` step).

    @recorded
    def deposit(self, account: int, asset: int, amount: int) -> int:
        """Pay into the account's cross scope; return it."""
        return self._as_step(lambda: trading.deposit(self, account, asset, amount))

    @recorded
    def withdraw(self, account: int, asset: int, amount: int) -> int:
        """Pay out of the account's cross scope: 0 or Reject.INSUFFICIENT."""
        return self._as_step(lambda: trading.withdraw(self, account, asset, amount))

    @recorded
    def isolate(self, account: int, market: int) -> int:
        """Isolate the account's coming position in a market; return the scope or a reject."""

        def work() -> int:
            known = self.isolated.get((account, market))
            if known is not None:
                return known
            held = self.scope_of(account, market)
            legs = [where % SHORT for where, _ in self.ledger.legs(held)] if held >= 0 else []
            numbers = [account, self.twins.get(account, account)]
            if market in legs or any(self.markets[market].book.orders_of(n) for n in numbers):
                return Reject.POSITION_OPEN
            self.isolated[account, market] = self._new_scope(
                account, self.markets[market].asset, market
            )
            return self.isolated[account, market]

        return self._as_step(work)

    @recorded
    def move_isolated(self, account: int, market: int, amount: int) -> int:
        """Move money between cross and isolated scope: 0 or Reject.INSUFFICIENT."""
        if (account, market) not in self.isolated:
            raise InputError("market", market, "must be one the account has isolated")
        return self._as_step(lambda: trading.move_isolated(self, account, market, amount))

    @recorded
    def submit(
        self,
        account: int,
        market: int,
        side: Side,
        price: int,
        size: int,
        type: OrderType = OrderType.LIMIT,
        tif: TimeInForce = TimeInForce.GTC,
        flags: int = 0,
        leg: str | None = None,
    ) -> int:
        """Submit a user's order: an id, 0, or a reject code."""
        self._after_start()
        account = hedging.number_of(self, account, leg)
        return self._as_step(
            lambda: trading.submit(self, account, market, side, price, size, type, tif, flags)
        )

    @recorded
    def cancel(self, account: int, market: int, order_id: int) -> int:
        """Cancel a user's order: its lots or a reject code."""
        self._after_start()
        account = hedging.owner(self, account, market, order_id)
        return self._as_step(lambda: trading.cancel(self, account, market, order_id))

    @recorded
    def amend(self, account: int, market: int, order_id: int, price: int = 0, size: int = 0) -> int:
        """Amend a user's order: its id, 0, or a reject code."""
        self._after_start()
        account = hedging.owner(self, account, market, order_id)
        return self._as_step(lambda: trading.amend(self, account, market, order_id, price, size))

    @recorded
    def set_index(self, market: int, price: int) -> None:
        """Set the outside price now: a `shock` step."""
        self._after_start()
        self.round, self.now = 0, self.world.time_ns
        trading.index_tick(self, market, price)

    # Questions about a scope; `marks` are the standing ones unless others are given.

    def marks(self) -> list[int]:
        """Return the standing marks."""
        return [market.mark for market in self.markets]

    def peeked(self) -> list[int]:
        """Return the marks that a taking would give now."""
        return backing.Peek(market.peek() for market in self.markets)

    def value(self, scope: int, market: int, marks: list[int] | None = None) -> int:
        """Return the signed value of a position."""
        mark = (marks or self.marks())[market % SHORT]
        return self.markets[market % SHORT].value(self.ledger.position(scope, market).size, mark)

    def equity(self, scope: int, marks: list[int] | None = None) -> int:
        """Return collateral + Σ (value − cost)."""
        legs = self.ledger.legs(scope)
        gains = [self.value(scope, market, marks) - position.cost for market, position in legs]
        backed = backing.pledged(self, scope, marks) if self.pledges else 0
        return self.ledger.collateral(scope) + sum(gains) + backed

    def leg_maintenance(self, scope: int, market: int, marks: list[int] | None = None) -> int:
        """Return the maintenance margin of one leg."""
        if self.ledger.position(scope, market).size == 0:
            return 0
        value = abs(self.value(scope, market, marks))
        return margin.maintenance(self.markets[market % SHORT].brackets, value)

    def maintenance(self, scope: int, marks: list[int] | None = None) -> int:
        """Return the maintenance margin of all legs."""
        return sum(self.leg_maintenance(scope, m, marks) for m, _ in self.ledger.legs(scope))

    def initial(self, scope: int) -> int:
        """Return the initial margin of positions and resting orders."""
        return trading.initial_margin(self, scope)

    def liquidatable(self, scope: int, marks: list[int] | None = None) -> bool:
        """Say if a scope with lots is below maintenance (or on it, where that counts)."""
        if not self.ledger.legs(scope):
            return False
        spare = self.equity(scope, marks) - self.maintenance(scope, marks)
        return spare < 0 or (not self.rules.trigger_strict and spare == 0)

    def healthy(self, scope: int) -> bool:
        """Say if a liquidation may end: at the exit level and above the trigger."""
        worth = sum(abs(self.value(scope, market)) for market, _ in self.ledger.legs(scope))
        exit_level = self.maintenance(scope) + div_ceil(self.rules.buffer_ppm * worth, PPM)
        return self.equity(scope) >= exit_level and not self.liquidatable(scope)

    def ratio(self, scope: int) -> Fraction:
        """Return the margin ratio, exact."""
        return Fraction(self.equity(scope), max(1, self.maintenance(scope)))

    def handover_costs(self, scope: int) -> dict[int, int]:
        """Return X_k of every leg: value less the leg's share of the equity, by maintenance."""
        weights = [(m, self.leg_maintenance(scope, m)) for m, _ in self.ledger.legs(scope)]
        shares = split(self.equity(scope), weights)
        return {market: self.value(scope, market) - share for market, share in shares.items()}

    def bankruptcy_price(self, scope: int, market: int, leg: str | None = None) -> int:
        """Return X_k/(q·m), rounded up for a sell and down for a buy; 0 without a position."""
        market += SHORT if leg == "short" else 0
        lots = self.ledger.position(scope, market).size
        if lots == 0:
            return 0
        cost = self.handover_costs(scope)[market]
        return self.markets[market % SHORT].price_of(cost, lots)

    def liquidation_price(self, scope: int, market: int) -> int:
        """Return the tick nearest to safety at which the scope is liquidatable, 0 if none."""
        market %= SHORT
        lots = self.ledger.position(scope, market).size
        other = self.ledger.position(scope, market + SHORT).size
        if lots and other:
            return hedging.liquidation_price(self, scope, market)
        lots = lots or other
        if lots == 0:
            return 0
        if self.pledges and (found := backing.trigger(self, scope, market)) is not None:
            return found

        def unsafe(tick: int) -> bool:
            marks = self.marks()
            marks[market] = tick
            return self.liquidatable(scope, marks)

        where = self.markets[market]
        return margin.nearest_unsafe(
            where.brackets, lots, lambda tick: where.value(lots, tick), unsafe
        )

    def at_risk(self) -> list[int]:
        """Return the scopes that would be liquidatable if marks were taken now, by id."""
        marks = self.peeked()
        return [scope for scope in sorted(self.scopes) if self.liquidatable(scope, marks)]

    # Plain queries.

    def collateral(self, scope: int) -> int:
        return self.ledger.collateral(scope)

    def balance(self, holder: int) -> int:
        return self.ledger.collateral(holder)

    def position(self, scope: int, market: int, leg: str | None = None) -> tuple[int, int]:
        held = self.ledger.position(scope, market + SHORT if leg == "short" else market)
        return held.size, held.cost

    def book(self, market: int) -> Any:
        return self.markets[market].book

    def scope_of(self, account: int, market: int) -> int:
        """Return the scope that holds the account's position in a market, −1 if not made yet."""
        account = hedging.main(self, account)
        key = account, self.markets[market].asset
        return self.isolated.get((account, market), self.cross.get(key, -1))

    def holder(self, kind: HolderKind, which: int) -> int:
        """Return a venue holder of an asset, or the clearing holder of a market."""
        if kind == HolderKind.CLEARING:
            return self.ledger.clearing[which]
        return self.ledger.find(kind, which)

    def audit(self) -> dict[str, int]:
        return self.ledger.audit()

    def _check(self) -> None:
        wrong = {name: delta for name, delta in self.audit().items() if delta}
        assert not wrong, wrong
        for market in self.markets:
            market.book._check()

    # Helpers of the other rooms of the twin.

    def open(self) -> None:
        """Take the first prices; `external` realises where its opening lots add up to none."""
        for market in self.markets:
            market.open()
        backing.stand(self)
        for market in self.markets:
            outside = self.holder_of(0, market.id)
            balance = self.ledger.position(outside, market.id)
            if balance.size == 0:
                profit, balance.cost = -balance.cost, 0
                self.ledger.realise(outside, market.id, profit)
        if self.rules.breakers:
            self.brakes = Brakes(self, list(self.rules.breakers))
        if self.rules.surcharges:
            self.surcharges = Surcharges(self, list(self.rules.surcharges))

    def holder_of(self, account: int, market: int) -> int:
        """Return who takes a fill of `account` in a market; makes the cross scope if need be."""
        asset = self.markets[market].asset
        if account == 0:
            return self.ledger.find(HolderKind.EXTERNAL, asset)
        account = hedging.main(self, account)
        isolated = self.isolated.get((account, market))
        return self.cross_scope(account, asset) if isolated is None else isolated

    def cross_scope(self, account: int, asset: int) -> int:
        """Return the account's cross scope of an asset; makes it on first use."""
        if (account, asset) not in self.cross:
            self.cross[account, asset] = self._new_scope(account, asset, -1)
        return self.cross[account, asset]

    def fees_holder(self, asset: int) -> int:
        """Return who receives trading fees."""
        return self.ledger.find(HolderKind.FEES, asset)

    def note_position(self, holder: int) -> None:
        """Remember that the step being written changed a holder's position."""
        if holder in self.scopes and self.ledger.step is not None:
            self.scopes[holder].position_step = self.ledger.step

    def markets_of(self, scope: int) -> list[Market]:
        """Return the markets whose positions and orders belong to a scope."""
        account = self.scopes[scope].account
        return [m for m in self.markets if self.scope_of(account, m.id) == scope]

    def _new_scope(self, account: int, asset: int, market: int) -> int:
        number = self.ledger.add_holder(HolderKind.SCOPE, asset, account, market)
        self.scopes[number] = Scope(number, account, asset, market)
        if self.world.started:  # The tape's list of holders grows with them.
            self.world.tables.append(
                "accounts", venue=self.id, scope=number, account=account,
                kind=HolderKind.SCOPE, asset=asset, market=market, collateral=0,
            )  # fmt: skip
        return number

    def _as_step(self, work: Any) -> int:
        if not self.world.started:
            return int(work())
        if self.world.settling:
            raise ConfigError("venue", "user calls must come between settlements")
        self.round, self.now = 0, self.world.time_ns
        step = self.writer.open(StepKind.AGENTS)
        result = int(work())
        if result < -1:
            self.writer.drop(step)  # A refusal changes nothing and is no step.
        else:
            self.writer.close(step)
        return result

    def _before_start(self) -> None:
        if self.world.started:
            raise ConfigError("venue", "set-up must come before start()")

    def _after_start(self) -> None:
        if not self.world.started:
            raise ConfigError("venue", "orders must come after start()")

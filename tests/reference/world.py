"""The twin's world: clock, agenda, venues, one step row a call."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from ordercascade.duties import CallAction, ExpiryRule
from ordercascade.enums import Side, Stop
from ordercascade.errors import ConfigError, InputError
from reference import calls, collateral, hedging, settlement, trading
from reference.funding import fund
from reference.interest import Lending, pay_interest, relieve
from reference.ledger import SHORT
from reference.record import recorded
from reference.rules import Rules, Scope
from reference.tables import Tables
from reference.venue import Venue

INTEREST = 2**62  # in place of a funding rate
INDEX_TICK, FUNDING, TRANSFER, SHOCK, COOLDOWN = 0, 1, 2, 3, 4  # kinds in agenda order


class Item(NamedTuple):
    """One thing on the agenda; items compare by the agenda order of SEMANTICS §3."""

    time_ns: int
    kind: int
    venue: int
    market: int
    account: int
    sequence: int
    what: tuple[int, ...]
    role: str = ""


class World:
    """Made by calls, then started, then stepped. `history` is every call, for fork()."""

    def __init__(self, seed: int = 0, *, steps_max: int = 10**9) -> None:
        self.seed, self.steps_max = seed, steps_max
        self.tables = Tables()
        self.venues: list[Venue] = []
        self.agenda: list[Item] = []
        self.sequence = 0
        self.time_ns = 0
        self.started = False
        self.settled_once = False
        self.bound_reached = False
        self.stop = Stop.RUNNING
        self.history: list[tuple[int, str, tuple[Any, ...], dict[str, Any]]] = []
        self.inside = 0
        self._settlement: Iterator[int] | None = None

    # Set-up.

    @recorded
    def add_venue(self, asset_count: int = 1, **rules: Any) -> int:
        """Add a venue with the rules of a preset; return its id."""
        self._before_start()
        self.venues.append(Venue(self, len(self.venues), asset_count, Rules(**rules)))
        return len(self.venues) - 1

    def venue(self, venue_id: int) -> Venue:
        return self.venues[venue_id]

    @recorded
    def start(self) -> None:
        """Take the first marks and write the opening."""
        self._before_start()
        for venue in self.venues:
            venue.open()
            self._write_opening(venue)
        self.started = True

    def _write_opening(self, venue: Venue) -> None:
        for market in venue.markets:
            for side in (Side.BID, Side.ASK):
                for price in market.book.prices(side):
                    size = market.book.size_at(side, price)
                    self.tables.append(
                        "levels", step=-1, market=market.id, side=side, price=price, size_after=size
                    )
            market.book.changes = []
        for account, twin in venue.twins.items():
            hedging.tell(venue, -1, account, twin)
        for number, holder in enumerate(venue.ledger.holders):
            self.tables.append(
                "accounts",
                venue=venue.id,
                scope=number,
                account=holder.account,
                kind=holder.kind,
                asset=holder.asset,
                market=holder.market,
                collateral=holder.collateral,
            )
            for market_id, held in venue.ledger.legs(number):
                self.tables.append(
                    "positions",
                    venue=venue.id,
                    scope=number,
                    market=market_id % SHORT,
                    size=held.size,
                    cost=held.cost,
                )

    @recorded
    def add_collateral(self, venue: int, asset: int, **terms: Any) -> None:
        """Let an asset back scopes of another."""
        self._before_start()
        made = self.venues[venue].pledges[asset] = collateral.made(terms)
        if made.spot:
            self.venues[venue].markets[made.market].size_max = 0

    # The agenda.

    @recorded
    def schedule_shock(
        self,
        time_ns: int,
        venue: int,
        market: int,
        side: Side,
        size: int = 0,
        notional: int = 0,
        limit: int = 0,
    ) -> None:
        """Plan an immediate order of `external`."""
        self._plan(time_ns, SHOCK, venue, market, 0, (side, size, notional, limit))

    @recorded
    def schedule_index(self, time_ns: int, venue: int, market: int, price: int) -> None:
        """Plan a tick of the outside price."""
        self._plan(time_ns, INDEX_TICK, venue, market, 0, (price,))

    @recorded
    def schedule_funding(
        self,
        time_ns: int,
        venue: int,
        market: int,
        *,
        rate_ppb: int | None = None,
        every_ns: int = 0,
        times: int = 1,
    ) -> None:
        """Plan a series of funding payments; without a rate by the market's rule."""
        rate = () if rate_ppb is None else (rate_ppb,)
        self._plan(time_ns, FUNDING, venue, market, 0, (every_ns, times, *rate))

    @recorded
    def schedule_collateral(
        self,
        time_ns: int,
        venue: int,
        asset: int,
        *,
        price: int | None = None,
        peg_ppm: int | None = None,
    ) -> None:
        """Plan another price or peg of a collateral."""
        what = (price, 0) if peg_ppm is None else (peg_ppm, 1)
        assert what[0] is not None
        self._plan(time_ns, INDEX_TICK, venue, -1, asset, (int(what[0]), what[1]))

    @recorded
    def schedule_transfer(
        self, time_ns: int, venue: int, account: int, asset: int, amount: int
    ) -> None:
        """Plan a deposit (> 0) or a withdrawal (< 0) of a user."""
        self._plan(time_ns, TRANSFER, venue, -1, account, (asset, amount))

    @recorded
    def schedule_expiry(
        self,
        time_ns: int,
        venue: int,
        market: int,
        *,
        rule: ExpiryRule,
        window_ns: int = 0,
        price: int = 0,
    ) -> None:
        """Plan the end of a market."""
        where = self.venues[venue]
        now, stands = where.now, where.markets[market]
        ending = calls.Ending(
            time_ns, rule, window_ns, price, now, [(now, stands.mark, stands.index)]
        )
        self._plan(time_ns, FUNDING, venue, market, 1, (), "end")
        where.endings[market] = ending

    @recorded
    def set_answers(self, venue: int, first: int, count: int = 1, **answer: Any) -> None:
        """Say what accounts do when they are called."""
        where = self.venues[venue].calls
        assert where is not None
        for account in range(first, first + count):
            where.answers[account] = calls.Answer(**answer)

    def plan_answer(
        self, venue: Venue, scope: int, account: int, step: int, answer: calls.Answer
    ) -> None:
        """Put an answer on the agenda: money by the rank of transfers, orders by theirs."""
        kind = TRANSFER if answer.action == CallAction.ADD else SHOCK
        what = (scope, step, int(answer.action))
        self._plan(venue.now + answer.delay_ns, kind, venue.id, -1, account, what, "answer")

    def _plan(
        self,
        time_ns: int,
        kind: int,
        venue: int,
        market: int,
        account: int,
        what: tuple[int, ...],
        role: str = "",
    ) -> None:
        # A venue's clock may be behind the world's: its cooldowns are due at once then.
        if time_ns < self.time_ns and kind not in (COOLDOWN, FUNDING) and role != "answer":
            raise InputError("time_ns", time_ns, f"must not be before {self.time_ns}")
        self.sequence += 1
        self.agenda.append(Item(time_ns, kind, venue, market, account, self.sequence, what, role))

    def add_cooldown(self, venue: int, scope: Scope) -> None:
        """Wake the world when a scope may try again."""
        assert scope.cooldown_until is not None
        self.drop_cooldown(venue, scope.id)
        self._plan(scope.cooldown_until, COOLDOWN, venue, -1, scope.account, (scope.id,))

    @recorded
    def schedule_interest(
        self, time_ns: int, venue: int, asset: int, every_ns: int, times: int, terms: Lending
    ) -> None:
        """Plan interest payments of a venue, each for the time since the one before."""
        self.venues[venue].lending = terms
        self._plan(time_ns, FUNDING, venue, -1, 0, (every_ns, times, INTEREST, asset))
        if terms.elasticity_ppm:
            self._plan(time_ns, SHOCK, venue, -1, 0, (every_ns, times, asset), "relief")

    def drop_cooldown(self, venue: int, scope: int) -> None:
        """Forget the wake-up of a scope, if there is one."""
        self.agenda = [
            item
            for item in self.agenda
            if (item.kind, item.venue, item.what) != (COOLDOWN, venue, (scope,))
        ]

    def due_items(self, running: list[Venue]) -> Iterator[int]:
        """Do what is due at the venues of this round, in agenda order, each at its own time."""
        now = {venue.id: venue.now for venue in running}
        while True:
            due = [item for item in self.agenda if item.time_ns <= now.get(item.venue, -1)]
            if not due:
                return
            item = min(due)
            self.agenda.remove(item)
            venue, what, time_ns = self.venues[item.venue], item.what, item.time_ns
            if item.role == "answer":
                yield calls.answered(venue, *what, time_ns)
            elif item.role == "end":
                yield calls.expire(venue, item.market, time_ns)
            elif item.role == "relief":
                every, times, asset = what
                if times > 1:
                    later = (every, times - 1, asset)
                    self._plan(time_ns + every, SHOCK, venue.id, -1, 0, later, "relief")
                yield relieve(venue, asset, time_ns)
            elif item.kind == INDEX_TICK and item.market < 0:
                yield collateral.tick(venue, item.account, what[0], what[1], time_ns)
            elif item.kind == INDEX_TICK:
                yield trading.index_tick(venue, item.market, what[0], time_ns)
            elif item.kind == FUNDING:
                every, times, *rate = what
                if times > 1:
                    later = (every, times - 1, *rate)
                    self._plan(time_ns + every, FUNDING, venue.id, item.market, 0, later)
                if rate[:1] == [INTEREST]:
                    yield pay_interest(venue, rate[1], every, time_ns)
                else:
                    yield fund(venue, item.market, rate[0] if rate else None, time_ns)
            elif item.kind == TRANSFER:
                yield trading.transfer(venue, item.account, *what, time_ns)
            elif item.kind == SHOCK:
                side, size, notional, limit = what
                yield trading.shock(venue, item.market, Side(side), size, notional, limit, time_ns)

    # Running.

    @property
    def step_count(self) -> int:
        return self.tables.count("steps")

    @property
    def settling(self) -> bool:
        """Say if a settlement has begun and not ended."""
        return self._settlement is not None

    @recorded
    def step(self) -> int:
        """Write exactly one step; return its number, or −1 when nothing is left."""
        self._after_start()
        while True:
            if self.step_count >= self.steps_max:
                self.stop = Stop.STEP_BOUND
                return -1
            if self._settlement is None and not self._begin_next():
                self._say_why()
                return -1
            step = self._advance()
            if step >= 0:
                return step

    def run(self, steps: int | None = None) -> int:
        """Step until nothing is left (or `steps` are written); return the steps written."""
        written = 0
        while (steps is None or written < steps) and self.step() >= 0:
            written += 1
        return written

    @recorded
    def settle(self) -> int:
        """Run one settlement now (or the rest of the one under way); return the steps written."""
        self._after_start()
        first = self.step_count
        if self._settlement is None:
            self._begin(self.time_ns)
        while self._settlement is not None and self.step_count < self.steps_max:
            self._advance()
        return self.step_count - first

    def _begin_next(self) -> bool:
        """Begin the settlement of the next agenda instant (the first one is at the start)."""
        if not self.settled_once:
            self._begin(self.time_ns)
        elif times := self._times():
            self._begin(max(self.time_ns, min(times)))
        return self._settlement is not None

    def _times(self) -> list[int]:
        """Return when something is due: the agenda, breakers, surcharges."""
        wakes = [venue.brakes.wake() for venue in self.venues if venue.brakes]
        wakes += [venue.surcharges.wake() for venue in self.venues if venue.surcharges]
        return [item.time_ns for item in self.agenda] + [at for at in wakes if at is not None]

    def _begin(self, time_ns: int) -> None:
        self.time_ns, self.settled_once, self.bound_reached = time_ns, True, False
        self.stop = Stop.RUNNING
        self._settlement = settlement.settlement(self)

    def _advance(self) -> int:
        """Write the settlement's next step; −1 when it has ended instead."""
        assert self._settlement is not None
        step = next(self._settlement, -1)
        if step < 0:
            self._settlement = None
        return step

    def _say_why(self) -> None:
        pending = any(scope.pending for venue in self.venues for scope in venue.scopes.values())
        self.stop = Stop.NOTHING_TO_FILL if pending else Stop.NOBODY_AT_RISK
        if self.bound_reached:
            self.stop = Stop.ROUND_BOUND

    # Copies and fingerprints.

    def fork(self) -> World:
        """Return a second world in the same state: the recorded calls, made again."""
        other = World(self.seed, steps_max=self.steps_max)
        for venue, name, args, kwargs in self.history:
            target: Any = other if venue < 0 else other.venues[venue]
            # What was refused the first time is refused again: a refusal changes nothing.
            with contextlib.suppress(ConfigError, InputError):
                getattr(target, name)(*args, **kwargs)
        return other

    def state_hash(self) -> str:
        """Return a fingerprint of everything that has happened and will matter."""
        parts: list[Any] = [self.time_ns, self.started, sorted(self.agenda), self.settling]
        parts += [self.tables.rows(name) for name in ("steps", "fills", "levels", "postings")]
        parts += [self.tables.rows(name) for name in ("liquidations", "adl", "marks", "notes")]
        for venue in self.venues:
            parts += [venue.ledger.holders, sorted(venue.ledger.positions.items(), key=str)]
            parts += [sorted(venue.scopes.items(), key=lambda item: item[0]), venue.marks()]
            parts += [market.book.levels for market in venue.markets]
        return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()

    def _before_start(self) -> None:
        if self.started:
            raise ConfigError("world", "set-up must come before start()")

    def _after_start(self) -> None:
        if not self.started:
            raise ConfigError("world", "must be started first")

"""The twin's circuit breakers: each market's valve, halts, and how what waited comes back.

Not here: the call auction (its rules stand in uncross.py; its step is worked out by hand).

A breaker's numbers are read off the object that the compiled engine runs; all that it does is
written again here, with whole lists and fractions. spec/MECHANISMS.md §9.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ordercascade.enums import (
    BreakerKind,
    NoteKind,
    OrderType,
    Reject,
    ReleaseRule,
    Side,
    StepKind,
)
from reference import trading
from reference.margin import PPM

if TYPE_CHECKING:
    from reference.market import Market
    from reference.settlement import Entry
    from reference.venue import Venue

FREE, HOLD, STOP = 0, 1, 2
NANO = 1


@dataclass
class Memory:
    """What one breaker knows of one market: (time, mark) as seen, and its own halt."""

    seen: list[tuple[int, int]] = field(default_factory=list)
    until: int | None = None
    since: int | None = None
    spared: bool = False


@dataclass
class Valve:
    """One market. `halt` is the breaker that holds it longest."""

    action: int = FREE
    low: int = 0
    high: int = 0
    everybody: bool = False
    halted: bool = False
    until: int = 0
    halt: Any = None
    step: int = -1
    held: bool = False  # a halt or a slice holds a forced order back
    cut: bool = False  # ... the band, or nobody inside it
    back: int = 0
    counted: bool = False  # in this round
    drip: Any = None
    size: int = 0
    slice: int = 0
    slice_at: int = 0


@dataclass
class Held:
    market: int
    side: Side
    size: int
    limit: int


class Brakes:
    """All breakers of a venue."""

    def __init__(self, venue: Venue, breakers: list[Any]) -> None:
        self.venue, self.breakers = venue, breakers
        self.memories = [[Memory() for _ in venue.markets] for _ in breakers]
        self.valves = [Valve() for _ in venue.markets]
        self.waiting: list[Held] = []
        for market in venue.markets:
            self.verdicts(market)

    # What breakers say.

    def verdicts(self, market: Market) -> list[tuple[int, Any, int, int, int]]:
        """Ask every breaker: (action, breaker, low, high, until)."""
        found = []
        for breaker, memories in zip(self.breakers, self.memories, strict=True):
            memory = memories[market.id]
            if breaker.window_ns or not memory.seen:
                memory.seen.append((self.venue.now, market.mark))
            if breaker.kind == BreakerKind.BAND:
                middle = self.reference(breaker, memory)
                low = -(-middle * (PPM - breaker.band_ppm) // PPM)
                high = middle * (PPM + breaker.band_ppm) // PPM
                found.append((HOLD, breaker, max(1, low), high, 0))
            elif self.stops(breaker, memory, market):
                assert memory.until is not None
                found.append((STOP, breaker, 0, 0, memory.until))
        return found

    def reference(self, breaker: Any, memory: Memory) -> int:
        """The mean of the marks over the window, each from when it was seen to the next one."""
        now, span = self.venue.now, breaker.window_ns
        if not span:
            return memory.seen[0][1]
        stood: list[tuple[int, int]] = []
        for number, (time, mark) in enumerate(memory.seen):
            if stood and stood[-1][0] == time and number > 1:
                stood.pop()
            stood.append((time, mark))
        total = Fraction(0)
        for number, (time, mark) in enumerate(stood):
            begin = now - span if number == 0 else max(now - span, time)
            end = stood[number + 1][0] if number + 1 < len(stood) else now
            total += max(0, end - begin) * mark
        return math.floor(total / span + Fraction(1, 2))

    def stops(self, breaker: Any, memory: Memory, market: Market) -> bool:
        """Say if a breaker stops trading; its pauses may be repeated only for so long."""
        now, rested = self.venue.now, False
        if memory.until is not None and now >= memory.until:
            memory.until, rested = None, True
            if breaker.kind == BreakerKind.HALT:
                memory.seen, memory.since = [(now, market.mark)], None
        memory.spared = rested and breaker.kind == BreakerKind.GAS
        broken = self.broken(breaker, memory, market)
        if memory.until is None and not memory.spared:
            if not broken:
                memory.since = None
            elif memory.since is None or now - memory.since < breaker.halt_max_ns:
                memory.until = now + breaker.halt_ns
                memory.since = now if memory.since is None else memory.since
        return memory.until is not None

    def broken(self, breaker: Any, memory: Memory, market: Market) -> bool:
        band = Fraction(breaker.band_ppm, PPM)
        if breaker.kind == BreakerKind.GAS:
            rise = 1 + Fraction(breaker.gas_ppm, PPM) * self.venue.planned
            return breaker.gas * rise > breaker.gas_max
        if breaker.kind == BreakerKind.LAG:
            return market.last > 0 and abs(market.last - market.mark) >= band * market.mark
        middle = self.reference(breaker, memory)
        return abs(market.mark - middle) >= band * middle

    # What the valves do in a round, after the marks.

    def turn(self) -> Iterator[int]:
        for market in self.venue.markets:
            yield from self.move(market)

    def move(self, market: Market) -> Iterator[int]:
        valve, now = self.valves[market.id], self.venue.now
        found = self.verdicts(market)
        stops = [verdict for verdict in found if verdict[0] == STOP]
        valve.counted = False
        due = 0
        if valve.drip and now >= valve.slice_at:
            if not valve.held or valve.slice == valve.size:
                valve.drip = None
            else:
                valve.slice, valve.slice_at = valve.size, now + valve.drip.drip_ns
            due = self.release(market, "held")
        if stops:
            longest = max(stops, key=lambda verdict: verdict[4])
            valve.until, valve.halt = max(longest[4], now + NANO), longest[1]
            valve.action, valve.everybody = STOP, any(v[1].everybody for v in found)
            if not valve.halted:
                valve.halted, valve.drip, valve.back = True, None, 0
                yield self.write(market, StepKind.HALT, market.trade_step)
            return
        low = max((verdict[2] for verdict in found), default=0)
        high = min((verdict[3] for verdict in found), default=0)
        action = HOLD if found else FREE
        if (low, high) != (valve.low, valve.high):
            due = self.release(market, "cut")
        elif action != valve.action:
            due = self.waits(market)
        valve.action, valve.low, valve.high = action, low, high
        valve.everybody = any(verdict[1].everybody for verdict in found)
        if valve.halted:
            due = self.reopen(market)
            yield self.write(market, StepKind.RESUME, valve.step)
        for _ in range(due):
            held = next(held for held in self.waiting if held.market == market.id)
            self.waiting.remove(held)
            yield trading.shock(
                self.venue, market.id, held.side, held.size, 0, held.limit, self.venue.now
            )

    def reopen(self, market: Market) -> int:
        valve = self.valves[market.id]
        valve.halted, valve.until = False, 0
        if valve.halt.release == ReleaseRule.DRIP and valve.back:
            valve.drip = valve.halt
            valve.size = max(1, math.ceil(Fraction(valve.back * valve.drip.drip_ppm, PPM)))
            valve.slice, valve.slice_at = valve.size, self.venue.now + valve.drip.drip_ns
        return self.release(market, "held")

    def release(self, market: Market, whom: str) -> int:
        """Pending scopes that were `held` or `cut` may try again; how many outside orders may."""
        market.mark_changes += getattr(self.valves[market.id], whom)
        setattr(self.valves[market.id], whom, False)
        return self.waits(market)

    def waits(self, market: Market) -> int:
        return sum(held.market == market.id for held in self.waiting)

    def write(self, market: Market, kind: StepKind, parent: int) -> int:
        writer, valve = self.venue.writer, self.valves[market.id]
        step = writer.open(
            kind, market=market.id, parent=parent, generation=writer.generation_of(parent)
        )
        valve.step = step
        if kind == StepKind.RESUME:
            self.note(step, NoteKind.RELEASED, market.id, valve.back, self.waits(market))
        writer.close(step)
        return step

    def note(self, step: int, kind: NoteKind, market: int, a: int, b: int) -> None:
        self.venue.world.tables.append(
            "notes", step=step, kind=kind, market=market, scope=-1, a=a, b=b
        )

    # Orders that come to a valve.

    def limit(self, market: int, side: Side, limit: int | None) -> int | None:
        """Return the limit inside the band; None is any price."""
        valve = self.valves[market]
        edge = valve.low if side == Side.ASK else valve.high
        if not edge:
            return limit
        if limit is None:
            return edge
        return max(limit, edge) if side == Side.ASK else min(limit, edge)

    def forced(self, entry: Entry, lots: int) -> Entry | None:
        """Return a forced order as far as it may go now, or nothing."""
        valve = self.valves[entry.market]
        may = lots
        if valve.halted:
            may = 0
        elif valve.drip:
            may = min(lots, valve.slice)
        if may < lots:
            valve.held = True
            if valve.halted:
                valve.back = lots + (valve.back if valve.counted else 0)
            valve.counted = True
        limit = self.limit(entry.market, entry.side, entry.limit)
        return replace(entry, size=may, limit=limit) if may else None

    def sent(self, market: int, filled: int, asked: int) -> None:
        valve = self.valves[market]
        if valve.drip:
            valve.slice -= filled
        if filled < asked and valve.action == HOLD:
            valve.cut = True

    def outside(self, market: int, side: Side, lots: int, limit: int) -> tuple[int, int]:
        """Return lots and limit (0: any) of an outside order as far as it may go now."""
        valve = self.valves[market]
        if not valve.everybody:
            return lots, limit
        if valve.halted:
            return 0, limit
        return lots, (
            self.limit(market, side, limit or None) or 0
        ) if valve.action == HOLD else limit

    def wait(self, step: int, market: int, side: Side, lots: int, limit: int) -> None:
        valve = self.valves[market]
        if lots > 0 and valve.everybody and (valve.halted or valve.action == HOLD):
            self.waiting.append(Held(market, side, lots, limit))
            self.note(step, NoteKind.HELD, market, lots, side)

    def refuses(self, market: int, side: Side, price: int | None) -> bool:
        valve = self.valves[market]
        if not valve.everybody:
            return False
        if valve.halted:
            return True
        return valve.action == HOLD and self.limit(market, side, price) != price

    # When the world must look again.

    def wake(self) -> int | None:
        times = []
        for market, valve in enumerate(self.valves):
            if valve.halted:
                times.append(valve.until)
            elif valve.drip:
                times.append(valve.slice_at)
            elif valve.action == HOLD and (
                valve.cut or any(held.market == market for held in self.waiting)
            ):
                times += self.moving(market)
        return min(times, default=None)

    def moving(self, market: int) -> list[int]:
        """A band that may still move by itself is looked at a twentieth of its window on."""
        now, times = self.venue.settled, []
        for breaker, memories in zip(self.breakers, self.memories, strict=True):
            if breaker.kind != BreakerKind.BAND or not breaker.window_ns:
                continue
            marks = [mark for time, mark in memories[market].seen]
            last = len(marks) - 1
            while last > 0 and marks[last - 1] == marks[-1]:
                last -= 1
            still = last == 0 or memories[market].seen[last][0] <= now - breaker.window_ns
            if not still:
                times.append(now + max(1, breaker.window_ns // 20))
        return times


def refusal(venue: Venue, market: int, side: Side, price: int, kind: OrderType) -> int:
    """Return Reject.HALTED where a valve lets no order of a user through, else 0."""
    brakes = venue.brakes
    asked = None if kind == OrderType.MARKET else price
    return Reject.HALTED if brakes and brakes.refuses(market, side, asked) else 0

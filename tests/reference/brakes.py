"""The twin's circuit breakers: each market's gate, halts, and how what waited comes back.

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
class Gate:
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
        self.gates = [Gate() for _ in venue.markets]
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

    # What the gates do in a round, after the marks.

    def turn(self) -> Iterator[int]:
        for market in self.venue.markets:
            yield from self.move(market)

    def move(self, market: Market) -> Iterator[int]:
        gate, now = self.gates[market.id], self.venue.now
        found = self.verdicts(market)
        stops = [verdict for verdict in found if verdict[0] == STOP]
        gate.counted = False
        due = 0
        if gate.drip and now >= gate.slice_at:
            if not gate.held or gate.slice == gate.size:
                gate.drip = None
            else:
                gate.slice, gate.slice_at = gate.size, now + gate.drip.drip_ns
            due = self.release(market, "held")
        if stops:
            longest = max(stops, key=lambda verdict: verdict[4])
            gate.until, gate.halt = max(longest[4], now + NANO), longest[1]
            gate.action, gate.everybody = STOP, any(v[1].everybody for v in found)
            if not gate.halted:
                gate.halted, gate.drip, gate.back = True, None, 0
                yield self.write(market, StepKind.HALT, market.trade_step)
            return
        low = max((verdict[2] for verdict in found), default=0)
        high = min((verdict[3] for verdict in found), default=0)
        action = HOLD if found else FREE
        if (low, high) != (gate.low, gate.high):
            due = self.release(market, "cut")
        elif action != gate.action:
            due = self.waits(market)
        gate.action, gate.low, gate.high = action, low, high
        gate.everybody = any(verdict[1].everybody for verdict in found)
        if gate.halted:
            due = self.reopen(market)
            yield self.write(market, StepKind.RESUME, gate.step)
        for _ in range(due):
            held = next(held for held in self.waiting if held.market == market.id)
            self.waiting.remove(held)
            yield trading.shock(
                self.venue, market.id, held.side, held.size, 0, held.limit, self.venue.now
            )

    def reopen(self, market: Market) -> int:
        gate = self.gates[market.id]
        gate.halted, gate.until = False, 0
        if gate.halt.release == ReleaseRule.DRIP and gate.back:
            gate.drip = gate.halt
            gate.size = max(1, math.ceil(Fraction(gate.back * gate.drip.drip_ppm, PPM)))
            gate.slice, gate.slice_at = gate.size, self.venue.now + gate.drip.drip_ns
        return self.release(market, "held")

    def release(self, market: Market, whom: str) -> int:
        """Pending scopes that were `held` or `cut` may try again; how many outside orders may."""
        market.mark_changes += getattr(self.gates[market.id], whom)
        setattr(self.gates[market.id], whom, False)
        return self.waits(market)

    def waits(self, market: Market) -> int:
        return sum(held.market == market.id for held in self.waiting)

    def write(self, market: Market, kind: StepKind, parent: int) -> int:
        writer, gate = self.venue.writer, self.gates[market.id]
        step = writer.open(
            kind, market=market.id, parent=parent, generation=writer.generation_of(parent)
        )
        gate.step = step
        if kind == StepKind.RESUME:
            self.note(step, NoteKind.RELEASED, market.id, gate.back, self.waits(market))
        writer.close(step)
        return step

    def note(self, step: int, kind: NoteKind, market: int, a: int, b: int) -> None:
        self.venue.world.tables.append(
            "notes", step=step, kind=kind, market=market, scope=-1, a=a, b=b
        )

    # Orders that come to a gate.

    def limit(self, market: int, side: Side, limit: int | None) -> int | None:
        """Return the limit inside the band; None is any price."""
        gate = self.gates[market]
        edge = gate.low if side == Side.ASK else gate.high
        if not edge:
            return limit
        if limit is None:
            return edge
        return max(limit, edge) if side == Side.ASK else min(limit, edge)

    def forced(self, entry: Entry, lots: int) -> Entry | None:
        """Return a forced order as far as it may go now, or nothing."""
        gate = self.gates[entry.market]
        may = lots
        if gate.halted:
            may = 0
        elif gate.drip:
            may = min(lots, gate.slice)
        if may < lots:
            gate.held = True
            if gate.halted:
                gate.back = lots + (gate.back if gate.counted else 0)
            gate.counted = True
        limit = self.limit(entry.market, entry.side, entry.limit)
        return replace(entry, size=may, limit=limit) if may else None

    def sent(self, market: int, filled: int, asked: int) -> None:
        gate = self.gates[market]
        if gate.drip:
            gate.slice -= filled
        if filled < asked and gate.action == HOLD:
            gate.cut = True

    def outside(self, market: int, side: Side, lots: int, limit: int) -> tuple[int, int]:
        """Return lots and limit (0: any) of an outside order as far as it may go now."""
        gate = self.gates[market]
        if not gate.everybody:
            return lots, limit
        if gate.halted:
            return 0, limit
        return lots, (
            self.limit(market, side, limit or None) or 0
        ) if gate.action == HOLD else limit

    def wait(self, step: int, market: int, side: Side, lots: int, limit: int) -> None:
        gate = self.gates[market]
        if lots > 0 and gate.everybody and (gate.halted or gate.action == HOLD):
            self.waiting.append(Held(market, side, lots, limit))
            self.note(step, NoteKind.HELD, market, lots, side)

    def refuses(self, market: int, side: Side, price: int | None) -> bool:
        gate = self.gates[market]
        if not gate.everybody:
            return False
        if gate.halted:
            return True
        return gate.action == HOLD and self.limit(market, side, price) != price

    # When the world must look again.

    def wake(self) -> int | None:
        times = []
        for market, gate in enumerate(self.gates):
            if gate.halted:
                times.append(gate.until)
            elif gate.drip:
                times.append(gate.slice_at)
            elif gate.action == HOLD and (
                gate.cut or any(held.market == market for held in self.waiting)
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
    """Return Reject.HALTED where a gate lets no order of a user through, else 0."""
    brakes = venue.brakes
    asked = None if kind == OrderType.MARKET else price
    return Reject.HALTED if brakes and brakes.refuses(market, side, asked) else 0

"""The twin's surcharges: margins and fees that move, grid time by grid time, with fractions.

A surcharge's numbers are read off the object that the compiled engine runs; what follows from them
is written again here. spec/MECHANISMS.md §10, §12; ADR 17.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor, isqrt
from typing import TYPE_CHECKING, Any

from ordercascade.enums import NoteKind, Side, StepKind
from ordercascade.mechanisms.surcharges import ContagionBuffer, VolatilityFee
from reference.ledger import SHORT
from reference.margin import PPM

if TYPE_CHECKING:
    from reference.market import Market
    from reference.venue import Venue

PPB = 10**9
HOUR, DAY = 3_600 * 10**9, 86_400 * 10**9


@dataclass
class Memory:
    """What one surcharge knows of one market; times are numbers of grid times."""

    time: int = -1  # of the latest sample, or look
    sampled: int = 0
    seen: int = 0
    variance: int = 0
    wanted: int = 0
    now: int = 0
    later: bool = False


@dataclass
class Standing:
    """What stands on top of a market's rates."""

    maintenance: int = 0
    initial: int = 0
    fee: int = 0


@dataclass
class Near:
    """Lots that a move would liquidate, and lots that rest within it: [falls, rises]."""

    lots: list[int] = field(default_factory=lambda: [0, 0])
    depth: list[int] = field(default_factory=lambda: [0, 0])


class Surcharges:
    """All surcharges of a venue."""

    def __init__(self, venue: Venue, objects: list[Any]) -> None:
        self.venue, self.objects = venue, objects
        self.memories = [[Memory() for _ in venue.markets] for _ in objects]
        self.standing = [Standing() for _ in venue.markets]
        self.to_fund = Fraction(
            max((getattr(o, "to_fund_ppm", 0) for o in objects), default=0), PPM
        )
        for market in venue.markets:
            self.asked(market)

    def turn(self) -> Iterator[int]:
        """Ask about every market after the marks of a round."""
        for market in self.venue.markets:
            yield from self.change(market)

    def change(self, market: Market) -> Iterator[int]:
        now, asked = self.standing[market.id], self.asked(market)
        bare = [(b.maintenance_ppm - now.maintenance, b.initial_ppm - now.initial)
                for b in market.brackets]  # fmt: skip
        most = Standing(
            max(0, min([asked.maintenance, *(PPM - m for m, _ in bare)])),
            max(0, min(asked.initial, PPM)),
            max(0, min(asked.fee, PPM - (market.taker_fee_ppm - now.fee))),
        )
        if most == now:
            return
        writer, parent = self.venue.writer, market.trade_step
        step = writer.open(
            StepKind.RATES, market=market.id, parent=parent, generation=writer.generation_of(parent)
        )
        told = [
            (most.maintenance, now.maintenance),
            (most.initial, now.initial),
            (most.fee, now.fee),
        ]
        for which, (after, before) in enumerate(told):
            if after != before:
                self.venue.world.tables.append(
                    "notes", step=step, kind=NoteKind.RATE, market=market.id, scope=-1,
                    a=after, b=which,
                )  # fmt: skip
        market.brackets = [
            row._replace(maintenance_ppm=m + most.maintenance, initial_ppm=i + most.initial)
            for row, (m, i) in zip(market.brackets, bare, strict=True)
        ]
        market.taker_fee_ppm += most.fee - now.fee
        self.standing[market.id] = most
        writer.close(step)
        yield step

    def asked(self, market: Market) -> Standing:
        found = Standing()
        for each, memories in zip(self.objects, self.memories, strict=True):
            memory = memories[market.id]
            if isinstance(each, ContagionBuffer):
                more = self.look(each, memory, market)
            else:
                more = self.follow(each, memory, market) - base_of(each, market.id)
            more = max(0, min(PPM, more))
            if isinstance(each, VolatilityFee):
                found.fee += more
                continue
            found.initial += more
            if not each.new_only:
                found.maintenance += more
        return found

    # Volatility.

    def follow(self, each: Any, memory: Memory, market: Market) -> int:
        """Pass every grid time since the last round, one by one."""
        time, now = self.venue.now // each.sample_ns, self.venue.now
        if memory.time < 0:
            memory.time, memory.sampled, memory.seen = (
                now // each.sample_ns,
                market.mark,
                market.mark,
            )
            memory.variance = min(PPB**2, each.start_ppb**2 * each.sample_ns // DAY)
            memory.wanted = memory.now = self.formula(each, memory, market.id)
        for grid in range(memory.time + 1, time + 1):
            moved = min(
                PPB, floor(Fraction(abs(memory.seen - memory.sampled) * PPB, memory.sampled))
            )
            decay = Fraction(each.decay_ppm, PPM)
            memory.variance = floor(decay * memory.variance + (1 - decay) * moved**2)
            memory.sampled = memory.seen
            memory.wanted = self.formula(each, memory, market.id)
            hours = (
                Fraction(grid * each.sample_ns, HOUR),
                Fraction((grid - 1) * each.sample_ns, HOUR),
            )
            step = floor(each.step_ppm * hours[0]) - floor(each.step_ppm * hours[1])
            if not each.step_ppm:
                step = PPM
            if memory.wanted > memory.now:
                memory.now = min(memory.wanted, memory.now + step)
            else:
                memory.now = max(memory.wanted, memory.now - step)
        memory.time, memory.seen = time, market.mark
        return memory.now

    def formula(self, each: Any, memory: Memory, market: int) -> int:
        if isinstance(each, VolatilityFee):
            sigma = isqrt(memory.variance * DAY // each.sample_ns)
            more = max(Fraction(0), Fraction(sigma, each.reference_ppb) - 1) * each.slope_ppm
            return int(min(each.cap_ppm, each.base_ppm + ceil(more)))
        sigma = isqrt(memory.variance * each.mpor_ns // each.sample_ns)
        rate = min(PPM, ceil(Fraction(each.k_ppm * sigma, PPB)))
        buffered = ceil(rate * (1 + Fraction(each.buffer_ppm, PPM)))
        rate = max(rate, min(buffered, each.stressed_ppm))
        weight = Fraction(each.weight_ppm, PPM)
        rate = ceil((1 - weight) * rate + weight * each.stressed_ppm)
        return int(max(base_of(each, market), each.floor_ppm, min(rate, each.cap_ppm)))

    # Contagion.

    def look(self, each: ContagionBuffer, memory: Memory, market: Market) -> int:
        time = self.venue.now // each.every_ns
        if memory.time == time:
            memory.later = True
            return memory.now
        memory.time, memory.later = time, False
        near = self.near(market, Fraction(each.reach_ppm, PPM))
        found = [
            self.priced(each, lots, depth)
            for lots, depth in zip(near.lots, near.depth, strict=True)
        ]
        memory.now = max(found)
        return memory.now

    @staticmethod
    def priced(each: ContagionBuffer, lots: int, depth: int) -> int:
        if not lots or not each.weight_ppm:
            return 0
        if lots >= depth:
            return each.cap_ppm
        reproduction = Fraction(lots, depth)
        reach = Fraction(each.reach_ppm * each.weight_ppm, PPM)
        return min(each.cap_ppm, ceil(reach * reproduction / (1 - reproduction)))

    def near(self, market: Market, reach: Fraction) -> Near:
        venue, found = self.venue, Near()
        low = max(1, ceil(market.mark * (1 - reach)))
        high = min(market.price_max, floor(market.mark * (1 + reach)))
        for scope in venue.scopes:
            for leg in (market.id, market.id + SHORT):
                lots = venue.ledger.position(scope, leg).size
                marks = venue.marks()
                marks[market.id] = low if lots > 0 else high
                if lots and venue.liquidatable(scope, marks):
                    found.lots[lots < 0] += abs(lots)
        for side in (Side.BID, Side.ASK):
            for price in market.book.prices(side):
                if low <= price if side == Side.BID else price <= high:
                    found.depth[side] += market.book.size_at(side, price)
        return found

    # When, and where fees go.

    def wake(self) -> int | None:
        """Return when something may rise though nothing happens."""
        times = []
        for each, memories in zip(self.objects, self.memories, strict=True):
            for memory in memories:
                span = each.every_ns if isinstance(each, ContagionBuffer) else each.sample_ns
                moving = memory.later
                if not isinstance(each, ContagionBuffer):
                    moving = memory.seen != memory.sampled or memory.wanted > memory.now
                if moving:
                    times.append(max(self.venue.settled + 1, (memory.time + 1) * span))
        return min(times, default=None)

    def fund_part(self, fee: int) -> int:
        return floor(fee * self.to_fund) if fee > 0 else 0


def base_of(each: Any, market: int) -> int:
    """Return what a market asks anyway."""
    if isinstance(each, VolatilityFee):
        return each.base_ppm
    return int(each.bases_ppm[min(market, len(each.bases_ppm) - 1)])

"""Circuit breakers played again: what each says of a round, and what the valves do about it.

MECHANISMS §9, ADR 15. A round asks every breaker of every market after the marks; then each
market's valve halts, reopens or lets an order go that waited, one step each, in this order. In
between stand the limits and lots of forced orders. Of what the tape does not say its word is
taken and a gap named: the queue that a pause for gas looks at, and how many lots a halt held back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ordercascade.enums import BreakerKind, NoteKind, ReleaseRule, Side, StepKind
from ordercascade.replay.halts import Watch
from ordercascade.replay.rows import Liquidation, Note, Order, Step
from ordercascade.replay.terms import PPM

if TYPE_CHECKING:
    from ordercascade.replay.stage import Stage

GAS_QUEUE = "how many scopes were planned, which a pause for gas looks at (venues)"
BACK = "how many lots a halt held back (notes)"
UNTOLD = "if an order is the agenda's or one that waited at a band of scope all (venues)"


@dataclass
class Memory(Watch):
    """What one breaker knows of one market; pauses for lag and gas among them."""

    since: int = -1  # the first pause of a run of them
    spared: bool = False

    def moves(self, now: int, mark: int, last: int, *, told: bool) -> bool:
        """Say if it stops trading now; `told`: the tape says that a halt begins here."""
        kind, ended = self.numbers["kind"], self.until and now >= self.until
        self.see(now, mark)  # A halt's reference starts anew at its end.
        if kind == BreakerKind.HALT:
            return self.stops(now, mark)
        self.spared = bool(ended) and kind == BreakerKind.GAS
        if kind == BreakerKind.LAG:
            broken = last > 0 and abs(last - mark) * PPM >= self.numbers["band_ppm"] * mark
        else:
            broken = self.numbers["gas"] > self.numbers["gas_max"]
            broken = broken or (told and self.numbers.get("gas_ppm", 0) > 0)
        if self.until or self.spared:
            return self.until > 0
        if not broken:
            self.since = -1
        elif self.since < 0 or now - self.since < self.numbers.get("halt_max_ns", 0):
            self.until = now + self.numbers["halt_ns"]
            self.since = now if self.since < 0 else self.since
        return self.until > 0


class Expected(NamedTuple):
    """A step that the valves ask for; side and lots of an order that is sent again."""

    kind: StepKind
    market: int
    side: int = -1
    size: int = -1

    def __str__(self) -> str:
        lots = f" for {self.size} lots" if self.size >= 0 else ""
        return f"{self.kind.name} of market {self.market}{lots}"


@dataclass
class Valve:
    """What stands before one market's book."""

    memories: list[Memory]
    action: str = "free"  # hold, stop
    low: int = 0
    high: int = 0
    everybody: bool = False
    halted: bool = False
    calling: bool = False  # reopened in this round by an auction
    longest: Mapping[str, int] = field(default_factory=dict)  # breaker: how it reopens
    step: int = -1  # of its last halt or resume
    halt: int = -1  # the halt before its last resume
    due: int = 0  # orders that wait which may be tried again
    dripping: bool = False
    slice: int = 0  # lots that may still go
    size: int = 0
    slice_at: int = 0
    cut: bool = False  # a slice held somebody back ...
    unsure: bool = False  # ... perhaps

    @property
    def shut(self) -> bool:
        return self.halted or self.calling

    def tightened(self, side: int, limit: int) -> int:
        """Return a limit inside the band; 0 is any price."""
        if side == Side.ASK and self.low and (limit == 0 or limit < self.low):
            return self.low
        if side == Side.BID and self.high and (limit == 0 or limit > self.high):
            return self.high
        return limit


class Valves:
    """All valves of a venue; `begin` and `next` go through a round's steps."""

    def __init__(
        self, stage: Stage, breakers: Collection[Mapping[str, int]], options: Collection[int]
    ) -> None:
        self.stage = stage
        self.valves = [
            Valve([Memory(each) for each in breakers if market.terms.id not in options])
            for market in stage.markets
        ]
        self.waiting: list[tuple[int, int, int]] = []  # market, side, lots
        self.cursor, self.now = len(self.valves), 0
        self.halts: Collection[int] = ()  # markets that the tape halts in this round
        gas = [b for b in breakers if b["kind"] == BreakerKind.GAS and b.get("gas_ppm", 0)]
        stops = [b for b in breakers if b["kind"] != BreakerKind.BAND]
        bands = any(b["kind"] == BreakerKind.BAND and b["everybody"] for b in breakers)
        # The tape's word is taken for what is sent again, and for halts.
        self.word = bool(gas) and len(stops) > 1
        self.doubt = bands or self.word
        if bands:
            stage.findings.gap("valves", UNTOLD)
        if gas:
            stage.findings.gap("valves", GAS_QUEUE)

    def open(self) -> None:
        """Ask once on the opening marks."""
        for number in range(len(self.valves)):
            self._verdict(number)

    # A round.

    def begin(self, now: int, halts: Collection[int] = ()) -> None:
        """The marks of a round stand; `halts` are the markets that the tape halts in it."""
        self.now, self.cursor, self.halts = now, 0, halts

    def next(self) -> Expected | None:
        """Return the next step that the valves ask for; it is taken as done."""
        while True:
            for place, (market, side, lots) in enumerate(self.waiting):
                valve = self.valves[market]
                if market < self.cursor and valve.due > 0 and not valve.shut:
                    valve.due -= 1
                    del self.waiting[place]
                    return Expected(StepKind.SHOCK, market, side, lots)
            if self.cursor == len(self.valves):
                return None
            self.cursor += 1
            kind = self._move(self.cursor - 1)
            if kind is not None:
                return Expected(kind, self.cursor - 1)

    def may_release(self, step: Step, sent: Order | None) -> bool:
        """Say if a round that begins with this order could be one that sends it again."""
        if sent is None or self.waits(step.market) == 0:
            return False
        kept = self._kept()
        self.begin(step.time_ns)
        wanted = self.next()
        self.__dict__.update(kept)
        return wanted == Expected(StepKind.SHOCK, step.market, sent.side, sent.size)

    def _kept(self) -> dict[str, object]:
        return deepcopy({k: v for k, v in self.__dict__.items() if k != "stage"})

    def quiet(self, now: int) -> None:
        """A round that wrote nothing: what it changed, if it was one."""
        if not any(valve.halted or valve.dripping for valve in self.valves):
            return
        kept = self._kept()
        self.begin(now)
        if self.next() is not None:
            self.__dict__.update(kept)

    def sleep(self, until: int) -> None:
        """Between two settlements: rounds at the ends of pauses and slices that wrote nothing."""
        for _ in range(1000):
            times = [
                v.slice_at for v in self.valves if v.dripping
            ]  # Of a halt only its latest end wakes.
            times += [max(m.until for m in v.memories) for v in self.valves if v.halted]
            times = [time for time in times if self.now < time < until]
            if not times:
                return
            before = self.now
            self.quiet(min(times))
            if self.now == before:
                return

    def _verdict(self, number: int) -> tuple[str, int, int, bool, Mapping[str, int]]:
        """Ask every breaker: action, low, high, if it is for everybody, who stops it longest."""
        market, valve = self.stage.markets[number], self.valves[number]
        action, low, high, everybody = "free", 0, 0, False
        until = 0
        longest: Mapping[str, int] = {}
        for memory in valve.memories:
            numbers = memory.numbers
            if numbers["kind"] == BreakerKind.BAND:
                memory.see(self.now, market.mark)
                bottom, top = memory.band(self.now)
                low, high = max(low, bottom), min(high or top, top)
                action = "hold" if action == "free" else action
            elif memory.moves(self.now, market.mark, market.last, told=number in self.halts):
                action = "stop"
                if memory.until > until:
                    until, longest = memory.until, numbers
            else:
                continue
            everybody = everybody or bool(numbers["everybody"])
        return action, low, high, everybody, longest

    def _move(self, number: int) -> StepKind | None:
        valve = self.valves[number]
        action, low, high, everybody, longest = self._verdict(number)
        valve.calling = False
        if valve.dripping and self.now >= valve.slice_at:
            if not valve.cut or valve.slice == valve.size:
                valve.dripping = False
            self._new_slice(valve, number)
        if action == "stop":
            valve.longest, valve.everybody, valve.action = longest, everybody, action
            if valve.halted:
                return None
            valve.halted, valve.dripping = True, False
            return StepKind.HALT
        if (low, high) != (valve.low, valve.high) or action != valve.action:
            valve.due = self.waits(number)
        valve.action, valve.everybody, valve.low, valve.high = action, everybody, low, high
        if not valve.halted:
            return None
        valve.halted = False
        valve.due = self.waits(number)
        valve.calling = valve.longest.get("release") == ReleaseRule.AUCTION
        return StepKind.RESUME

    def _new_slice(self, valve: Valve, number: int) -> None:
        valve.slice, valve.cut = valve.size, False
        valve.slice_at = self.now + max(1, valve.longest.get("drip_ns", 0))
        valve.due = self.waits(number)

    def waits(self, market: int) -> int:
        return sum(each[0] == market for each in self.waiting)

    # Steps.

    def meet(self, step: Step, wanted: Expected | None, sent: Order | None) -> None:
        """Hold a step of the valves' phase against the one that they ask for."""
        findings = self.stage.findings
        findings.rows["valves"] += 1
        got: tuple[int, ...] = (step.kind, step.market)
        if wanted is not None and wanted.size >= 0 and step.kind == StepKind.SHOCK:
            got += (sent.side, sent.size) if sent else (-1, -1)
        if wanted is not None and got == tuple(cell for cell in wanted if cell >= 0):
            return
        if self.doubt:
            self._follow(step, wanted)
            return
        want = f"be that of a {wanted}" if wanted else "not come: no breaker asks for it"
        findings.fail("valves", "steps", step.step, "kind", want, step.kind)
        self._follow(step, wanted)

    def _follow(self, step: Step, wanted: Expected | None) -> None:
        """Let the valve stand as the tape says."""
        if wanted is not None and wanted.kind in (StepKind.HALT, StepKind.RESUME):
            self.valves[wanted.market].halted ^= True
        if step.kind in (StepKind.HALT, StepKind.RESUME):
            self.valves[step.market].halted = step.kind == StepKind.HALT

    def notes(self, step: Step, sent: Order | None, told: Sequence[Note]) -> list[Note]:
        """Return the notes of a halt, a resume, or an outside order; and remember who waits."""
        findings = self.stage.findings
        if step.kind == StepKind.HALT:
            self.valves[step.market].step = step.step
            return []
        if step.kind == StepKind.RESUME:
            valve = self.valves[step.market]
            valve.halt, valve.step = valve.step, step.step
            back = max([0, *(n.a for n in told if n.kind == NoteKind.RELEASED)])
            if back:
                findings.gap("valves", BACK)
            if valve.longest.get("release") == ReleaseRule.DRIP and back:
                valve.dripping = True
                valve.size = max(1, -(-back * valve.longest["drip_ppm"] // PPM))
                self._new_slice(valve, step.market)
            waits = self.waits(step.market)
            if self.doubt:
                waits = max([0, *(n.b for n in told if n.kind == NoteKind.RELEASED)])
            kind = int(NoteKind.RELEASED)
            return [Note(step.step, kind, step.market, -1, back, waits)]
        if step.kind == StepKind.AUCTION:
            self.valves[step.market].calling = False
            self.valves[step.market].due = 0
            return []
        if sent is None:
            return []
        valve, left = self.valves[sent.market], sent.size - sent.filled
        holds = valve.everybody and (valve.halted or valve.action == "hold")
        if self.doubt:
            holds = any(note.kind == NoteKind.HELD for note in told)
        if not holds or left <= 0 or sent.market in self.stage.ended:
            return []
        self.waiting.append((sent.market, sent.side, left))
        return [Note(step.step, int(NoteKind.HELD), sent.market, -1, left, sent.side)]

    # Orders.

    def forced(self, order: Liquidation, lots: int, limit: int) -> tuple[int, int]:
        """Return lots and limit of a forced order as far as it may go; 0 lots: not at all."""
        valve = self.valves[order.market]
        if self.word:  # Which of several breakers stops it is not told.
            return min(lots, order.lots_asked), order.limit_price or limit
        limit = valve.tightened(order.side, limit)
        if valve.shut:
            return 0, limit
        if valve.dripping and valve.unsure and order.lots_asked == lots > valve.slice:
            valve.dripping = False  # Nobody had been held back, so the valve was open.
        if valve.dripping and lots > valve.slice:
            valve.cut, valve.unsure = True, False
            return valve.slice, limit
        return lots, limit

    def sent(self, market: int, filled: int) -> None:
        """A forced order was filled: so much of the slice is gone."""
        valve = self.valves[market]
        if valve.dripping:
            valve.slice -= filled
            if valve.slice == 0 and not valve.cut:  # Others may have had nothing left.
                valve.cut = valve.unsure = True

    def outside(self, market: int, side: int) -> tuple[bool, int]:
        """Say if an outside order may go now, and the band's edge (0: none) it may go to."""
        valve = self.valves[market]
        if not valve.everybody:
            return True, 0
        if valve.shut:
            return False, 0
        return True, valve.tightened(side, 0) if valve.action == "hold" else 0

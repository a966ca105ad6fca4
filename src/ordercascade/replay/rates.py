"""Surcharges worked out again: what stands on top of each market's rates. MECHANISMS §10, §12.

Volatility at grid times in whole numbers, margin and fee from it, and the buffer for clustered
liquidations from who would fall and what rests. ADR 17. What stands is put into the brackets of
the market's terms, so who is liquidatable follows; `as_before` puts back what stood at a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, Any, NamedTuple

from ordercascade.enums import NoteKind, Side
from ordercascade.replay.margins import liquidatable
from ordercascade.replay.rows import Note, Step
from ordercascade.replay.schedules import Schedule
from ordercascade.replay.terms import PPM

if TYPE_CHECKING:
    from ordercascade.replay.stage import Stage

PPB = 10**9
HOUR, DAY = 3_600 * 10**9, 86_400 * 10**9
MARGIN, FEE, BUFFER = "volatility_margin", "volatility_fee", "contagion_buffer"
USUAL = {
    "decay_ppm": 940_000, "sample_ns": 60 * 10**9, "start_ppb": 0, "step_ppm": 0, "floor_ppm": 0,
    "buffer_ppm": 0, "stressed_ppm": 0, "new_only": 0, "every_ns": 60 * 10**9, "to_fund_ppm": 0,
}  # fmt: skip
MOVED = ("tiers", "flat", "slab", "steps", "interest", "size")


class Added(NamedTuple):
    """What is added to all maintenance rates, all initial rates and the taker fee, in ppm."""

    maintenance: int = 0
    initial: int = 0
    fee: int = 0


@dataclass
class Gauge:
    """What one surcharge knows of one market; `period` is the latest grid time, or look."""

    period: int = -1
    sampled: int = 0
    seen: int = 0
    variance: int = 0
    wanted: int = 0
    now: int = 0
    later: bool = False


def unrated(venue: Mapping[str, Any], markets: Sequence[Mapping[str, Any]]) -> str:
    """Return why a venue's surcharges cannot be worked out again, or nothing."""
    if not venue.get("surcharges"):
        return ""
    classes = {str(each.get("class")) for each in venue.get("surcharges", ())}
    if classes - {MARGIN, FEE, BUFFER}:
        return "surcharges of a kind of its own"
    kinds = {str(m["schedule"]["kind"]) for m in markets if m.get("schedule")}
    return "surcharges over another schedule" if kinds - set(MOVED) else ""


class Rates:
    """All surcharges of a venue; `begin` and `next` go through a round's markets."""

    def __init__(self, stage: Stage, said: Sequence[Mapping[str, Any]]) -> None:
        self.stage = stage
        weights = {FEE: 0, MARGIN: 0, BUFFER: PPM}
        self.said = [USUAL | {"weight_ppm": weights[each["class"]]} | dict(each) for each in said]
        self.gauges = [[Gauge() for _ in stage.markets] for _ in said]
        self.standing = [Added() for _ in stage.markets]
        self.to_fund_ppm = max((int(each["to_fund_ppm"]) for each in self.said), default=0)
        self.bare = [_rows(market.terms.brackets) for market in stage.markets]
        self.history: list[tuple[int, int, Added]] = []  # step, market, what stands from then on
        self.now = self.settled = 0
        self.cursor = len(stage.markets)

    def open(self) -> None:
        """Ask once on the opening marks."""
        for market in range(len(self.standing)):
            self._asked(market)

    # A round.

    def begin(self, now: int) -> None:
        """The marks of a round stand."""
        self.now, self.cursor = now, 0

    def next(self) -> int | None:
        """Return the next market whose rates change now; they stand then."""
        while self.cursor < len(self.standing):
            market, self.cursor = self.cursor, self.cursor + 1
            found = self._bounded(market, self._asked(market))
            if found != self.standing[market]:
                self.before = self.standing[market]
                self.standing[market] = found
                return market
        return None

    def notes(self, step: Step) -> list[Note]:
        """The rates that a step moved stand from now on; return its notes."""
        now = self.standing[step.market]
        self._put(step.market, now)
        self.history.append((step.step, step.market, now))
        kind = int(NoteKind.RATE)
        return [
            Note(step.step, kind, step.market, -1, after, which)
            for which, (before, after) in enumerate(zip(self.before, now, strict=True))
            if before != after
        ]

    def follow(self, step: Step, told: Sequence[Note]) -> None:
        """Let the rates stand as the tape says, after it was found wrong."""
        cells = list(self.standing[step.market])
        for note in told:
            if note.kind == NoteKind.RATE and 0 <= note.b < len(cells):
                cells[note.b] = note.a
        self.before = self.standing[step.market]
        self.standing[step.market] = Added(*cells)

    def rest(self, until: int) -> None:
        """Between settlements: rounds that wrote nothing, where one was due."""
        for _ in range(10_000):
            times = [time for time in self._wakes() if self.settled < time < until]
            if not times:
                return
            kept = deepcopy((self.gauges, self.standing))
            self.begin(min(times))
            if self.next() is not None:
                self.gauges, self.standing = kept
                return
            self.settled = self.now

    def _wakes(self) -> list[int]:
        """When something may rise though nothing happens, and when cooldowns end."""
        times = [p.cooldown for p in self.stage.progress.values() if p.pending]
        for each, gauges in zip(self.said, self.gauges, strict=True):
            span = each["every_ns"] if each["class"] == BUFFER else each["sample_ns"]
            for gauge in gauges:
                moving = gauge.later
                if each["class"] != BUFFER:
                    moving = gauge.seen != gauge.sampled or gauge.wanted > gauge.now
                if moving:
                    times.append(max(self.settled + 1, (gauge.period + 1) * span))
        return times

    # What stands.

    def as_before(self, at: int) -> None:
        """Put back the maintenance rates as they stood before a step."""
        found = [Added() for _ in self.standing]
        for step, market, added in self.history:
            if step < at:
                found[market] = added
        for market, added in enumerate(found):
            self._put(market, added)

    def as_now(self) -> None:
        for market, added in enumerate(self.standing):
            self._put(market, added)

    def _put(self, market: int, added: Added) -> None:
        margin, bare = self.stage.markets[market].terms.brackets, self.bare[market]
        if margin is None:
            return
        if isinstance(margin, Schedule) and margin.kind == "size":
            (_, maintenance, _, initial) = bare[0]
            margin.numbers["maintenance_ppm"] = maintenance + added.maintenance
            margin.numbers["initial_ppm"] = initial + added.initial
            return
        margin.rows = [
            (floor, rate + added.maintenance, amount, min(PPM, initial + added.initial))
            for floor, rate, amount, initial in bare
        ]

    # What is asked.

    def _asked(self, market: int) -> Added:
        maintenance = initial = fee = 0
        if market in self.stage.terms.options:
            return Added()
        for each, gauges in zip(self.said, self.gauges, strict=True):
            if each["class"] == BUFFER:
                more = self._looked(each, gauges[market], market)
            else:
                base = _base(each, market)
                more = self._followed(each, gauges[market], market) - base
            more = max(0, min(PPM, more))
            if each["class"] == FEE:
                fee += more
                continue
            initial += more
            maintenance += 0 if each["new_only"] else more
        return Added(maintenance, initial, fee)

    def _bounded(self, market: int, asked: Added) -> Added:
        """No rate passes 100 %, none falls below the market's own."""
        maintenance, initial, fee = asked
        for _, rate, _, _ in self.bare[market]:
            maintenance = max(0, min(maintenance, PPM - rate))
        initial = max(0, min(initial, PPM))
        margin = self.stage.markets[market].terms.brackets
        if isinstance(margin, Schedule) and margin.kind == "size":
            initial = min(initial, max(0, PPM - self.bare[market][0][3]))
        fees = self.stage.markets[market].terms.fees
        return Added(maintenance, initial, max(0, min(fee, PPM - (fees.taker if fees else 0))))

    # Volatility.

    def _followed(self, each: Mapping[str, Any], gauge: Gauge, market: int) -> int:
        mark, sample = self.stage.markets[market].mark, each["sample_ns"]
        if gauge.seen == 0:
            variance = min(PPB**2, each["start_ppb"] ** 2 * sample // DAY)
            gauge.period, gauge.variance = self.now // sample, variance
            gauge.sampled = gauge.seen = mark
            gauge.now = gauge.wanted = self._formula(each, gauge, market)
        while gauge.period < self.now // sample:
            before = gauge.period
            if gauge.variance == 0 and gauge.sampled == gauge.seen:
                gauge.period = self.now // sample  # Nothing moves any more.
            else:
                moved = min(PPB, abs(gauge.seen - gauge.sampled) * PPB // gauge.sampled)
                decay = each["decay_ppm"]
                gauge.variance = (gauge.variance * decay + moved**2 * (PPM - decay)) // PPM
                gauge.sampled = gauge.seen
                gauge.period += 1
            gauge.wanted = self._formula(each, gauge, market)
            times = gauge.period * sample, before * sample
            step = each["step_ppm"]
            allowed = step * times[0] // HOUR - step * times[1] // HOUR if step else PPM
            gauge.now = max(gauge.now - allowed, min(gauge.now + allowed, gauge.wanted))
        gauge.seen = mark
        return gauge.now

    def _formula(self, each: Mapping[str, Any], gauge: Gauge, market: int) -> int:
        base, sample = _base(each, market), each["sample_ns"]
        if each["class"] == FEE:
            beyond = isqrt(gauge.variance * DAY // sample) - each["reference_ppb"]
            more = -(-max(0, beyond) * each["slope_ppm"] // each["reference_ppb"])
            return int(base + min(more, each["cap_ppm"] - base))
        sigma = isqrt(gauge.variance * each["mpor_ns"] // sample)
        rate = min(PPM, -(-sigma * each["k_ppm"] // PPB))
        buffered = -(-rate * (PPM + each["buffer_ppm"]) // PPM)
        stressed, weight = each["stressed_ppm"], each["weight_ppm"]
        rate = max(rate, min(buffered, stressed))
        rate = -(-(rate * (PPM - weight) + stressed * weight) // PPM)
        return int(max(base, each["floor_ppm"], min(rate, each["cap_ppm"])))

    # Contagion.

    def _looked(self, each: Mapping[str, Any], gauge: Gauge, market: int) -> int:
        period = self.now // each["every_ns"]
        gauge.later = gauge.period == period
        if not gauge.later:
            gauge.period = period
            sides = self._near(market, each["reach_ppm"])
            gauge.now = max(_priced(each, lots, depth) for lots, depth in sides)
        return gauge.now

    def _near(self, number: int, reach: int) -> list[tuple[int, int]]:
        """Lots that a fall, and a rise, would liquidate; and what rests there to take them."""
        stage, market = self.stage, self.stage.markets[number]
        ends = (
            max(1, -(-market.mark * (PPM - reach) // PPM)),
            min(market.terms.price_max, market.mark * (PPM + reach) // PPM),
        )
        found = []
        for side, end in zip((Side.BID, Side.ASK), ends, strict=True):
            marks = stage.marks
            marks[number] = end
            holders = (stage.ledger.longs, stage.ledger.shorts)[side].get(number, set())
            lots = sum(
                abs(stage.ledger.size(scope, number))
                for scope in holders & stage.ledger.scopes
                if liquidatable(stage.ledger.held(scope), marks, stage.terms)
            )
            levels = market.book.sizes[side].items()
            way = 1 if side == Side.BID else -1
            found.append((lots, sum(size for price, size in levels if (price - end) * way >= 0)))
        return found


def _priced(each: Mapping[str, Any], lots: int, depth: int) -> int:
    """min(cap, weight reach L / (D - L)), rounded up; the cap where L >= D."""
    if not lots or not each["weight_ppm"]:
        return 0
    if lots >= depth:
        return int(each["cap_ppm"])
    more = each["reach_ppm"] * each["weight_ppm"] * lots
    return int(min(each["cap_ppm"], -(-more // ((depth - lots) * PPM))))


def _base(each: Mapping[str, Any], market: int) -> int:
    """Return what a market asks anyway."""
    if each["class"] == FEE:
        return int(each["base_ppm"])
    bases = each["bases_ppm"]
    return int(bases[min(market, len(bases) - 1)])


def _rows(margin: Any) -> list[tuple[int, int, int, int]]:
    if isinstance(margin, Schedule) and margin.kind == "size":
        return [(0, margin.numbers["maintenance_ppm"], 0, margin.numbers["initial_ppm"])]
    return list(margin.rows) if margin is not None else []

"""Circuit breakers, held against the tape: halts begin and end, bands hold, what waited is sent.

Read off the steps, marks, fills, orders and notes alone; the references of bands and halts are
worked out again from the marks. spec/MECHANISMS.md §9, docs/adr/0015. Left to `replay/valves`:
pauses for lag and gas, and orders that wait at a band of `scope = all`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from ordercascade.enums import BreakerKind, NoteKind, ReleaseRule, Side, StepKind
from ordercascade.replay.findings import Findings
from ordercascade.tables import OUTSIDE_KINDS, Table

PPM = 1_000_000


class Row(NamedTuple):
    """A row of `steps`, as far as it matters here."""

    step: int
    time: int
    round: int
    kind: int
    market: int
    parent: int


class Round(NamedTuple):
    """The steps of one venue in one round; `over`: the settlement ended with it."""

    time: int
    rows: list[Row]
    over: bool


@dataclass
class Watch:
    """What one breaker knows of one market: marks as seen, and when its halt ends."""

    numbers: Mapping[str, int]
    seen: list[tuple[int, int]] = field(default_factory=list)
    until: int = 0

    def see(self, time: int, mark: int) -> None:
        if self.until and time >= self.until:
            self.seen, self.until = [], 0
        if self.seen and not self.numbers.get("window_ns", 0):
            return
        if len(self.seen) > 1 and self.seen[-1][0] == time:
            self.seen.pop()
        if not self.seen or self.seen[-1][1] != mark:
            self.seen.append((time, mark))

    def reference(self, now: int) -> int:
        """The mean of the marks over the window, to the nearest tick; or the first mark."""
        span = self.numbers.get("window_ns", 0)
        if not span:
            return self.seen[0][1]
        stood = [(now - span, self.seen[0][1]), *self.seen[1:]]
        total = 0
        for (begin, mark), (end, _) in pairwise([*stood, (now, 0)]):
            total += max(0, end - max(begin, now - span)) * mark
        return (2 * total + span) // (2 * span)

    def band(self, now: int) -> tuple[int, int]:
        middle, share = self.reference(now), self.numbers["band_ppm"]
        return max(1, -(-middle * (PPM - share) // PPM)), middle * (PPM + share) // PPM

    def stops(self, now: int, mark: int) -> bool:
        """A halt: does it stand now? It begins where the mark is at the band or beyond."""
        middle = self.reference(now)
        if not self.until and abs(mark - middle) * PPM >= self.numbers["band_ppm"] * middle:
            self.until = now + self.numbers["halt_ns"]
        return self.until > 0


@dataclass
class Door:
    """One market of a venue with breakers."""

    watches: list[Watch]
    halted: int = -1  # the HALT step that stands
    halted_at: int = 0
    traded: int = -1  # the latest step with trades
    mark: int = 0
    low: int = 0
    high: int = 0
    stop: bool | None = None  # must it stand still in this round? None: not known
    waiting: deque[tuple[int, int]] = field(default_factory=deque)  # side, lots
    slice: tuple[int, int] = (0, 0)  # of a reopening by slices: until when, lots left

    def judge(self, now: int) -> None:
        """The verdicts of a round on the mark that stands."""
        self.low, self.high, self.stop = 0, 0, False
        for watch in self.watches:
            kind = watch.numbers["kind"]
            if kind not in (BreakerKind.BAND, BreakerKind.HALT):
                self.stop = None
                continue
            watch.see(now, self.mark)
            if kind == BreakerKind.BAND:
                low, high = watch.band(now)
                self.low, self.high = max(self.low, low), min(self.high or high, high)
            elif watch.stops(now, self.mark) and self.stop is not None:
                self.stop = True

    @property
    def stopping(self) -> list[Mapping[str, int]]:
        return [w.numbers for w in self.watches if w.numbers["kind"] != BreakerKind.BAND]


class Halts:
    """All markets of one venue."""

    def __init__(
        self,
        tables: Mapping[str, Table],
        venue: Mapping[str, Any],
        findings: Findings,
        options: Container[int] = (),
    ) -> None:
        self.findings, self.breakers = findings, venue["breakers"]
        self.pace = venue.get("rules", {}).get("round_ns", 0)
        self.doors: dict[int, Door] = {}
        self.rows = _by_step(tables, venue["id"])
        for _, cells in self.rows["marks"].get(-1, []):
            self.doors[cells["market"]] = Door(
                # An option has no book to stop: ADR 22.
                [Watch(each) for each in self.breakers if cells["market"] not in options],
                mark=cells["mark"],
            )
            self.doors[cells["market"]].judge(cells["time_ns"])
        self.waits = not any(
            numbers["kind"] == BreakerKind.BAND and numbers["everybody"]
            for numbers in self.breakers
        )

    def play(self, steps: Sequence[Row], *, whole: bool) -> None:
        """Go through the venue's steps; `whole`: the tape does not end in the middle."""
        due: deque[tuple[int, int, int]] = deque()  # what must be sent now: market, side, lots
        for each in rounds_of(steps, self.pace):
            judged = False
            halts: set[int] = set()
            for row in each.rows:
                self.findings.step = row.step
                self.findings.rows["halts"] += 1
                if not judged and row.kind not in (*OUTSIDE_KINDS, StepKind.MARK):
                    judged = True
                    self._judge(each.time)
                self._sent_again(row, due)
                self._row(row, due)
                if row.kind == StepKind.HALT:
                    halts.add(row.market)
            if not judged:
                self._judge(each.time)
            if whole or each.rows[-1].step != steps[-1].step:
                self._all_stand(each.rows[-1].step)
                if each.over and each.rows[-1].kind != StepKind.BOUND:
                    # A round that wrote nothing came after this one: it saw these marks.
                    self._judge(each.time + self.pace)
                    self._all_stand(each.rows[-1].step)

    def _judge(self, now: int) -> None:
        for door in self.doors.values():
            door.judge(now)

    def _all_stand(self, step: int) -> None:
        """Who must stand still does, and nobody else."""
        for number, door in self.doors.items():
            if door.stop is not None and door.stop != (door.halted >= 0):
                want = f"{'be halted' if door.stop else 'not be halted'} after this step"
                self.findings.fail("halts", "steps", step, "market", want, number)

    # A step.

    def _row(self, row: Row, due: deque[tuple[int, int, int]]) -> None:
        for _, cells in self.rows["marks"].get(row.step, []):
            self.doors[cells["market"]].mark = cells["mark"]
        door = self.doors.get(row.market)
        if door is not None:
            self._of_market(row, door, due)
        for number, cells in self.rows["fills"].get(row.step, []):
            self._fill(row, self.doors[cells["market"]], number, cells)

    def _of_market(self, row: Row, door: Door, due: deque[tuple[int, int, int]]) -> None:
        if row.kind == StepKind.HALT:
            self.findings.same("halts", "steps", row.step, parent=(door.traded, row.parent))
            self._is(row, "kind", door.halted < 0, "not follow a halt that stands")
            door.halted, door.halted_at, door.slice = row.step, row.time, (0, 0)
        elif row.kind == StepKind.RESUME:
            self._resume(row, door, due)
        elif row.kind == StepKind.AUCTION:
            self._auction(row, door)
        elif row.kind == StepKind.SHOCK:
            self._shock(row, door)
        elif row.kind == StepKind.LIQUIDATION:
            self._is(row, "kind", door.halted < 0, "not be in a halted market")

    def _is(self, row: Row, name: str, good: bool, want: str) -> None:
        if not good:
            self.findings.fail("halts", "steps", row.step, name, want, getattr(row, name))

    def _resume(self, row: Row, door: Door, due: deque[tuple[int, int, int]]) -> None:
        same = self.findings.same
        same("halts", "steps", row.step, parent=(door.halted, row.parent))
        least = door.halted_at + min((b["halt_ns"] for b in door.stopping), default=0)
        self._is(row, "time", row.time >= least, f"be {least} or later: the halt lasts so long")
        door.halted = -1
        notes = [(n, c) for n, c in self.rows["notes"].get(row.step, [])
                 if c["kind"] == NoteKind.RELEASED]  # fmt: skip
        for number, cells in notes:
            if self.waits:
                same("halts", "notes", number, b=(len(door.waiting), cells["b"]))
            rules = {b["release"] for b in door.stopping}
            if rules == {ReleaseRule.DRIP} and len(door.stopping) == 1 and cells["a"]:
                one = door.stopping[0]
                lots = max(1, -(-cells["a"] * one["drip_ppm"] // PPM))
                door.slice = row.time + one["drip_ns"], lots
        self._is(row, "kind", len(notes) == 1, "have one note of what it released")
        if ReleaseRule.AUCTION not in {b["release"] for b in door.stopping} and self.waits:
            due.extend((row.market, *each) for each in door.waiting)
            door.waiting.clear()

    def _sent_again(self, row: Row, due: deque[tuple[int, int, int]]) -> None:
        """After a market reopens, what waited there is sent, in order and whole."""
        if not due or row.kind == StepKind.BOUND:
            return
        orders = self.rows["orders"].get(row.step, [])
        if row.kind != StepKind.SHOCK or len(orders) != 1:
            self._is(row, "kind", False, "send what waited for the end of the halt")
            due.clear()
            return
        number, cells = orders[0]
        market, side, lots = due.popleft()
        self.findings.same("halts", "orders", number, market=(market, cells["market"]),
                           side=(side, cells["side"]), size=(lots, cells["size"]))  # fmt: skip

    def _shock(self, row: Row, door: Door) -> None:
        """What could not be done in a halt waits: all of it."""
        for (_, order), (number, note) in zip(
            self.rows["orders"].get(row.step, []),
            [(n, c) for n, c in self.rows["notes"].get(row.step, []) if c["kind"] == NoteKind.HELD],
            strict=False,
        ):
            left = order["size"] - order["filled"]
            self.findings.same("halts", "notes", number, a=(left, note["a"]),
                               b=(order["side"], note["b"]))  # fmt: skip
            door.waiting.append((order["side"], left))

    def _auction(self, row: Row, door: Door) -> None:
        """All that waited takes part, behind what is forced."""
        orders = [cells for _, cells in self.rows["orders"].get(row.step, [])]
        outside = [(c["side"], c["size"]) for c in orders if c["account"] == 0]
        if self.waits and outside != list(door.waiting):
            self._is(row, "kind", False, f"have the orders that waited: {list(door.waiting)}")
        door.waiting.clear()

    def _fill(self, row: Row, door: Door, number: int, cells: Mapping[str, int]) -> None:
        """Not in a halt of everybody's; a forced one inside the band, and inside the slice."""
        forced = row.kind == StepKind.LIQUIDATION
        price, sells = cells["price"], cells["taker_side"] == Side.ASK
        fail = self.findings.fail
        everybody = all(b["everybody"] for b in door.stopping)
        if door.halted >= 0 and (everybody or row.kind == StepKind.DISPOSAL):
            fail("halts", "fills", number, "step", "not be in a halted market", row.step)
        if forced and sells and door.low and price < door.low:
            fail("halts", "fills", number, "price", f"be {door.low} or more: the band", price)
        if forced and not sells and door.high and price > door.high:
            fail("halts", "fills", number, "price", f"be {door.high} or less: the band", price)
        if forced and row.time < door.slice[0]:
            left = door.slice[1] - cells["size"]
            door.slice = door.slice[0], left
            if left < 0:
                want = f"leave {-left} lots for the next slice"
                fail("halts", "fills", number, "size", want, cells["size"])
        door.traded = row.step


def rounds_of(steps: Sequence[Row], pace: int) -> Iterator[Round]:
    """Cut a venue's steps into rounds. Where two rounds of one instant look like one, it is one."""
    start, instant = 0, 0
    for k, row in enumerate(steps):
        if row.round == 0 and (k == start):
            instant = row.time
        after = steps[k + 1] if k + 1 < len(steps) else None
        same = after is not None and after.round == row.round
        if same and after is not None and after.time != row.time:
            # Agenda items keep their own time inside a round.
            same = row.kind in OUTSIDE_KINDS and row.round > 0
        if not same:
            inside = row.kind not in OUTSIDE_KINDS
            time = row.time if inside or row.round == 0 else instant + row.round * pace
            over = after is None or after.round != row.round + 1
            yield Round(time, list(steps[start : k + 1]), over)
            start = k + 1


def _by_step(
    tables: Mapping[str, Table], venue: int
) -> dict[str, dict[int, list[tuple[int, dict[str, int]]]]]:
    """Table -> step -> its rows, each with its number."""
    wanted = {
        "marks": ("venue", "market", "mark", "time_ns"),
        "fills": ("venue", "market", "price", "size", "taker_side"),
        "orders": ("venue", "market", "account", "side", "size", "filled"),
        "notes": ("kind", "market", "a", "b"),
    }
    found: dict[str, dict[int, list[tuple[int, dict[str, int]]]]] = {}
    for name, columns in wanted.items():
        made = found[name] = {}
        cells = [tables[name][column].tolist() for column in columns]
        steps = tables[name]["step"].tolist()
        for number, (step, *values) in enumerate(zip(steps, *cells, strict=True)):
            row = dict(zip(columns, values, strict=True))
            if row.get("venue", venue) == venue:
                made.setdefault(step, []).append((number, row))
    return found


def check_halts(
    tables: Mapping[str, Table],
    meta: Mapping[str, Any],
    findings: Findings,
    *,
    whole: bool,
    played: bool = False,
) -> None:
    """Hold every venue that has breakers against its own steps; `played`: valves are as well."""
    options = {(m["venue"], m["id"]) for m in meta.get("markets", ()) if "option" in m}
    names = ("step", "time_ns", "round", "kind", "market", "parent")
    columns = [tables["steps"][name].tolist() for name in names]
    owners = tables["steps"]["venue"].tolist()
    rows = [Row(*cells) for cells in zip(*columns, strict=True)]
    for venue in meta["venues"]:
        if "breakers" not in venue:
            continue
        mine = [row for row, owner in zip(rows, owners, strict=True) if owner == venue["id"]]
        halts = Halts(tables, venue, findings, {m for of, m in options if of == venue["id"]})
        halts.play(mine, whole=whole)
        if played:
            continue
        odd = {b["kind"] for b in venue["breakers"]} - {BreakerKind.BAND, BreakerKind.HALT}
        if odd:
            findings.gap("halts", "whether a pause for lag or gas had to be (steps)", len(mine))
        if not halts.waits:
            findings.gap("halts", "orders that wait at a band of scope all (steps)", len(mine))

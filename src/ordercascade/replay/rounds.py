"""Settlements and rounds, read off the step table: where each begins, and what the clock shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ordercascade.enums import NoteKind, PostReason, StepKind
from ordercascade.replay.findings import Findings
from ordercascade.replay.terms import VenueTerms
from ordercascade.tables import OUTSIDE_KINDS, Table

# After these nothing that waited for a valve is sent again in the same round.
AFTER = (
    *(StepKind.LIQUIDATION, StepKind.WATERFALL, StepKind.ADL, StepKind.TAKEOVER),
    *(StepKind.AUCTION, StepKind.BOUND),
)
USERS_ONLY = (PostReason.TRANSFER,)


class Settlement(NamedTuple):
    """Steps [first, end). Its window opens somewhere in [low, high].

    In front of what a settlement itself writes stand rows of the agenda, calls of users before it,
    and earlier settlements that wrote nothing else; they look alike. Only where there is no doubt
    is low = high.
    """

    first: int
    end: int
    low: int
    high: int


def settlements_of(
    tables: Mapping[str, Table], *, scripted: bool, valved: Collection[int] = ()
) -> list[Settlement]:
    """Cut the steps into settlements; `scripted`: no user could call between them.

    At the venues `valved` an outside order may come inside a round: one that waited.
    """
    rounds, kinds, times, venues = (
        tables["steps"][name].tolist() for name in ("round", "kind", "time_ns", "venue")
    )
    starts: list[int] = []
    begun = -1  # the time of the settlement's round 0, once known
    valves = sent = False  # valves may still act in this round; the last order was theirs
    for k, (number, kind, time) in enumerate(zip(rounds, kinds, times, strict=True)):
        outside = kind in OUTSIDE_KINDS
        alike = k > 0 and (times[k - 1], venues[k - 1]) == (time, venues[k])
        before = kinds[k - 1] not in OUTSIDE_KINDS or sent
        sent = valves and alike and before and kind == StepKind.SHOCK and venues[k] in valved
        outside = outside and not sent
        valves = kind not in AFTER and (valves or not alike or rounds[k - 1] != number)
        again = number == 0 and (
            k == 0
            or rounds[k - 1] > 0
            or (outside and before)
            or (not outside and begun not in (-1, time))
            or (kinds[k - 1] == StepKind.BOUND and venues[k] == venues[k - 1])
        )
        if again:
            starts.append(k)
            begun, valves = -1, kind not in AFTER
        if not outside and number == 0:
            begun = time
    ends = [*starts[1:], len(rounds)]
    user = set() if scripted else _calls_of_users(tables)
    found = []
    for first, end in zip(starts, ends, strict=True):
        own = first  # the first row that no agenda and no user wrote
        while own < end and kinds[own] in OUTSIDE_KINDS:
            own += 1
        low, high = max((k + 1 for k in range(first, own) if k in user), default=first), own
        if scripted and own < end:
            # Nobody called, and what the agenda has for this very instant is done in it.
            high = next((k for k in range(first, own) if times[k] == times[own]), own)
        found.append(Settlement(first, end, low, high))
    return found


def _calls_of_users(tables: Mapping[str, Table]) -> set[int]:
    """Return the steps that only a user's own call can have written.

    Answers have a scope; what borrowers close after an interest payment is on the agenda, too."""
    kinds = np.where(tables["steps"]["scope"] < 0, tables["steps"]["kind"], -1)
    notes = tables["notes"]
    kinds[notes["step"][notes["kind"] == NoteKind.RELIEF]] = -1
    found = {s for s in tables["orders"]["step"].tolist() if kinds[s] == StepKind.AGENTS}
    postings = tables["postings"]
    for step, reason in zip(postings["step"].tolist(), postings["reason"].tolist(), strict=True):
        if reason in USERS_ONLY and kinds[step] == StepKind.AGENTS:
            found.add(step)
    return found


def check_time(
    tables: Mapping[str, Table],
    settlements: Sequence[Settlement],
    terms: Mapping[int, VenueTerms],
    findings: Findings,
) -> None:
    """Times and rounds of each settlement and of each venue in it."""
    names = ("time_ns", "venue", "round", "kind")
    rows = list(zip(*(tables["steps"][name].tolist() for name in names), strict=True))
    for k in sorted(_calls_of_users(tables)):
        findings.step = k
        findings.same("time", "steps", k, round=(0, rows[k][2]))
    latest: dict[int, int] = {}
    for settlement in settlements:
        _check_settlement(rows, settlement, latest, terms, findings)
    findings.rows["time"] += len(rows)
    unruled = sum(terms[venue].rules is None for venue in latest)
    if unruled:
        findings.gap("time", "the tape does not say how long a round is (venues)", unruled)


def _check_settlement(
    rows: Sequence[tuple[int, ...]],
    settlement: Settlement,
    latest: dict[int, int],
    terms: Mapping[int, VenueTerms],
    findings: Findings,
) -> None:
    starts: dict[int, int] = {}  # venue -> t0, by its rounds
    clock: dict[int, int] = {}  # round -> time, of venues whose round length is not known
    for k in range(settlement.first, settlement.end):
        time, venue, number, kind = rows[k]
        findings.step = k
        before = rows[k - 1][2] if k > settlement.first else 0
        if not 0 <= number - before <= 1 or (k == settlement.first and number):
            findings.fail("time", "steps", k, "round", "follow the round before", number)
        if time < latest.get(venue, 0):
            findings.fail("time", "steps", k, "time_ns", "not fall", time)
        latest[venue] = time
        if kind in OUTSIDE_KINDS:
            continue
        rules = terms[venue].rules
        if rules is not None:
            start = time - number * rules.round_ns
            first = next(iter(starts.values()), start)
            starts.setdefault(venue, start)
            if start != first:
                want = first + number * rules.round_ns
                findings.fail("time", "steps", k, "time_ns", want, time)
        elif clock.setdefault(_pair(venue, number), time) != time:
            want = clock[_pair(venue, number)]
            findings.fail("time", "steps", k, "time_ns", want, time)
    for k in range(settlement.first, settlement.end):
        time, venue, number, kind = rows[k]
        rules = terms[venue].rules
        if kind in OUTSIDE_KINDS and rules is not None and starts:
            due = next(iter(starts.values())) + number * rules.round_ns
            if time > due:
                findings.step = k
                findings.fail("time", "steps", k, "time_ns", f"be at most {due}", time)
    findings.step = -1


def _pair(venue: int, number: int) -> int:
    return venue << 32 | number

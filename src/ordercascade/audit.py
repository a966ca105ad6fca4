"""Audit a tape: play it again from its opening, in plain Python, and hold every row against it.

>>> tape = oc.run(oc.scenarios.load("t2a"))                                     # doctest: +SKIP
>>> print(oc.audit(tape))                                                       # doctest: +SKIP

Nothing here asks the engine: the rules are written a second time (`ordercascade.replay`), from
SEMANTICS. The opening is taken as it is; everything after it must follow from it and from what
came from outside: orders, deposits, prices of the index.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

from ordercascade.enums import HolderKind, Stop
from ordercascade.legs import hedged
from ordercascade.replay.ahead import check_all_called
from ordercascade.replay.backing import check_backing
from ordercascade.replay.findings import CHECKS, Check, Failure, Findings, Gap
from ordercascade.replay.halts import check_halts
from ordercascade.replay.lending import lending_of
from ordercascade.replay.parents import check_parents
from ordercascade.replay.player import Player
from ordercascade.replay.rates import unrated
from ordercascade.replay.rounds import check_time, settlements_of
from ordercascade.replay.slicing import check_table
from ordercascade.replay.structure import check_structure
from ordercascade.replay.terms import VenueTerms, terms_of
from ordercascade.tables import OUTSIDE_KINDS, Table
from ordercascade.tape import Tape

UNEXPLAINED = (
    *("collaterals",),
    *("portfolio", "plugins"),
)
ENDED = (Stop.NOBODY_AT_RISK, Stop.NOTHING_TO_FILL, Stop.NO_ORDER)
SHOWN = 5  # failures of one check in a text


class Audit(NamedTuple):
    """What was checked, what was wrong, and what could not be checked; frozen.

    `checks` are all checks by name, with the rows that each looked at; `gaps` say for how many
    rows the tape lacks what a check needs, and why. `ok` means that nothing was wrong.
    """

    tape: str
    steps: int
    checks: tuple[Check, ...]
    gaps: tuple[Gap, ...]

    @property
    def ok(self) -> bool:
        return not any(check.failed for check in self.checks)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The first failures of every check, each with step, table, row, field and values."""
        return tuple(failure for check in self.checks for failure in check.failures)

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "ok": self.ok,
            "steps": self.steps,
            "checks": [
                {
                    "name": check.name,
                    "about": check.about,
                    "rows": check.rows,
                    "failed": check.failed,
                    "failures": [str(failure) for failure in check.failures],
                }
                for check in self.checks
            ],
            "gaps": [gap._asdict() for gap in self.gaps],
        }

    def __str__(self) -> str:
        """Return the table that `ordercascade run --check` prints."""
        wide = max(len(check.name) for check in self.checks)
        digits = max(len(f"{check.rows:,}") for check in self.checks)
        lines = [f"Audit of {self.tape}: {self.steps:,} steps played again from the opening"]
        for check in self.checks:
            result = "ok" if check.rows else "-"
            result = f"{check.failed:,} WRONG" if check.failed else result
            lines.append(
                f"  {check.name:<{wide}}  {check.rows:>{digits},}  {result:<8}  {check.about}"
            )
            lines += [f"    {failure}" for failure in check.failures[:SHOWN]]
            if check.failed > SHOWN:
                lines.append(f"    ... and {check.failed - SHOWN:,} more")
        if self.gaps:
            lines.append("Not checked")
            lines += [
                f"  {gap.check:<{wide}}  {gap.rows:>{digits},}  {gap.reason}" for gap in self.gaps
            ]
        wrong = sum(check.failed for check in self.checks)
        lines.append("Everything follows." if self.ok else f"{wrong:,} cells do not follow.")
        return "\n".join(lines)

    def __repr__(self) -> str:
        state = "ok" if self.ok else f"{sum(check.failed for check in self.checks)} wrong"
        return f"<Audit of {self.tape}: {self.steps} steps, {state}, {len(self.gaps)} gaps>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(check.name)}</th><td>{check.rows:,}</td><td>"
            + (escape("; ".join(map(str, check.failures[:SHOWN]))) if check.failed else "ok")
            + f"</td><td>{escape(check.about)}</td></tr>"
            for check in self.checks
        )
        rows += "".join(
            f"<tr><th>{escape(gap.check)}</th><td>{gap.rows:,}</td><td>not checked</td>"
            f"<td>{escape(gap.reason)}</td></tr>"
            for gap in self.gaps
        )
        return f"<table><caption>{escape(repr(self))}</caption><tbody>{rows}</tbody></table>"


def audit(tape: Tape) -> Audit:
    """Check every row of a tape against all the others; raises nothing, says what it found.

    Time is linear in the rows: some 25 s for 10^5 liquidations. A tape of a scenario, or of
    `Venue`, carries the rules of its venues; for one that does not, the `gaps` of the result name
    what could not be recomputed.
    """
    findings = Findings()
    terms = terms_of(tape.meta)
    if check_structure(tape.tables, findings):
        unnamed = _unnamed(tape.tables, terms)
        if unnamed:
            for check in list(CHECKS)[1:]:
                findings.gap(check, f"the tape's metadata does not name {unnamed} (steps)",
                             len(tape))  # fmt: skip
        else:
            _play_or_say_why_not(tape, terms, findings)
    else:
        for check in list(CHECKS)[1:]:
            findings.gap(check, "rows point nowhere, so the tape was not played (steps)", len(tape))
    name = str(tape.meta["name"]) or "tape"
    return Audit(name, len(tape), findings.checks(), findings.gaps())


def _play_or_say_why_not(tape: Tape, terms: Mapping[int, VenueTerms], findings: Findings) -> None:
    """Play the tape, unless a venue has rules whose decisions the tape does not explain."""
    if hedged(tape.tables):
        for check in list(CHECKS)[1:]:
            findings.gap(check, "accounts are in hedge mode: legs are not played again (steps)",
                         len(tape))  # fmt: skip
        return
    unexplained = [key for key in UNEXPLAINED if any(key in v for v in tape.meta["venues"])]
    if any("slices" in v and terms[int(v["id"])].slicing is None for v in tape.meta["venues"]):
        unexplained.append("slices without their numbers")
    if any("interest" in v and lending_of(v) is None for v in tape.meta["venues"]):
        unexplained.append("interest without its terms")
    if any(_elastic(v) for v in tape.meta["venues"]):
        unexplained.append("interest whose borrowers close a share")
    for venue in tape.meta["venues"]:
        mine = [market for market in tape.meta["markets"] if market["venue"] == venue["id"]]
        unexplained += [why] if (why := unrated(venue, mine)) else []
    whole = tape.meta["stop"] in ENDED
    check_halts(tape.tables, tape.meta, findings, whole=whole, played=not unexplained)
    if not unexplained:
        _play(tape, terms, findings)
        return
    check_backing(tape.tables, tape.meta, findings)
    for check in list(CHECKS)[1:]:
        if check in ("halts", "collateral") and findings.rows[check]:
            continue
        why = f"a venue has {' and '.join(unexplained)}: its rounds are not played again (steps)"
        findings.gap(check, why, len(tape))


def _elastic(venue: Mapping[str, Any]) -> bool:
    """Return whether borrowers of a venue answer to what interest costs."""
    said = venue.get("interest")
    return isinstance(said, Mapping) and bool(said.get("elasticity_ppm"))


def _unnamed(tables: Mapping[str, Table], terms: Mapping[int, VenueTerms]) -> str:
    """Return a market or venue of the tape that its metadata says nothing of, or nothing."""
    accounts = tables["accounts"]
    for venue in sorted(set(accounts["venue"].tolist())):
        if venue not in terms:
            return f"venue {venue}"
        mine = (accounts["venue"] == venue) & (accounts["kind"] == HolderKind.CLEARING)
        named = [(market.id, market.asset) for market in terms[venue].markets]
        there = zip(
            accounts["market"][mine].tolist(), accounts["asset"][mine].tolist(), strict=True
        )
        if named != sorted(there):
            return f"the markets of venue {venue} as they are"
    return ""


def _play(tape: Tape, terms: Mapping[int, VenueTerms], findings: Findings) -> None:
    valved = {number for number, each in terms.items() if each.breakers}
    scripted = bool(tape.meta["scenario"])
    settlements = settlements_of(tape.tables, scripted=scripted, valved=valved)
    check_time(tape.tables, settlements, terms, findings)
    player = Player(tape.tables, terms, settlements, findings)
    for stage in player.stages:
        check_table(stage)
    player.play()
    kinds = tape.steps["kind"]
    if tape.meta["stop"] in ENDED and (
        tape.meta["scenario"] or (len(kinds) and kinds[-1] not in OUTSIDE_KINDS)
    ):
        player.check_nobody_left()
        for stage in player.stages:
            check_all_called(stage)
    for stage, turn, *_ in player.cast.values():
        check_parents(stage, turn)

"""Planned slices, written a second time: the tables of the formulas, and each slice's lots.

MECHANISMS §4, §4a; ADR 15. The table of a named law is worked out in decimals of fifty digits and
held against the one that ran, which came from doubles.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import NamedTuple

from ordercascade.replay.findings import Findings
from ordercascade.replay.margins import Held, equity_of
from ordercascade.replay.stage import Market, Stage
from ordercascade.replay.staging import Slicing
from ordercascade.replay.terms import PPM

PPB = 10**9
EPSILON = Decimal("1e-12")  # what is left then is nothing: all goes
DOUBLE = Decimal("3e-16")  # of the whole: how far a slice may take doubles astray


def depths_of(stage: Stage, marks: Sequence[int]) -> list[tuple[int, int]]:
    """Return the lots near the middle of each book, bids and asks; nothing where nobody asks."""
    slicing = stage.terms.slicing
    if slicing is None or not slicing.depth_ppm:
        return []
    return [_near(market, marks[market.terms.id], slicing.depth_ppm) for market in stage.markets]


def _near(market: Market, mark: int, depth_ppm: int) -> tuple[int, int]:
    bid, ask = market.book.best(0), market.book.best(1)
    twice = bid + ask if bid and ask else 2 * mark
    bids, asks = (
        sum(
            size
            for price, size in side.items()
            if abs(2 * price - twice) * PPM <= twice * depth_ppm
        )
        for side in market.book.sizes
    )
    return bids, asks


class Leg(NamedTuple):
    """A leg when its slice was planned: what the scope held, on which marks, the book's depth."""

    held: Held
    market: int
    marks: Sequence[int]
    sent: int  # orders since it was last healthy
    depths: Sequence[tuple[int, int]]  # by market: bids, asks


def slice_of(stage: Stage, slicing: Slicing, leg: Leg) -> int:
    """Return the lots of a slice as planned."""
    size = next(size for market, size, _ in leg.held.legs if market == leg.market)
    lots = held = abs(size)
    value = abs(stage.plain[leg.market].worth(size, leg.marks[leg.market]))
    if value > slicing.min_value:
        if slicing.target_ppm > slicing.cost_ppm:
            # f* = (m N - E) / (N (m - c)), of the lots held, rounded up.
            equity = equity_of(leg.held, leg.marks, stage.plain)
            missing = slicing.target_ppm * value - equity * PPM
            lots = -(-held * missing // (value * (slicing.target_ppm - slicing.cost_ppm)))
        elif not slicing.target_ppm and leg.sent < len(slicing.parts):
            lots = held * slicing.parts[leg.sent] // PPB
        lots = min(max(1, lots), held)
    if slicing.share_ppm:
        depth = leg.depths[leg.market][size < 0]
        lots = min(lots, max(1, depth * slicing.share_ppm // PPM))
    return lots


# The tables.


def check_table(stage: Stage) -> None:
    """Hold the table that ran against its law's formula."""
    slicing, findings = stage.terms.slicing, stage.findings
    if slicing is None:
        return
    if not slicing.law:
        if slicing.parts:
            findings.gap("slices", "the tape does not name the law of a table of slices (venues)")
        return
    check_parts(slicing, findings)


def check_parts(slicing: Slicing, findings: Findings) -> None:
    """Each part is what its formula gives, up to a unit and to what doubles lose."""
    with localcontext() as context:
        context.prec = 50
        shares = shares_of(slicing.law, slicing.slices, slicing.wait)
        left, want = Decimal(1), []
        for number, share in enumerate(shares, 1):
            part = share / left * PPB if left > EPSILON else Decimal(PPB)
            slack = 1 + number * DOUBLE * PPB / max(left, EPSILON)
            want.append((min(Decimal(PPB), part), slack))
            left -= share
        if want:
            want[-1] = Decimal(PPB), Decimal(0)
    findings.rows["slices"] += len(slicing.parts)
    if len(want) != len(slicing.parts):
        findings.same("slices", "venues", -1, slices=(len(want), len(slicing.parts)))
    for number, ((part, slack), got) in enumerate(zip(want, slicing.parts, strict=False)):
        if abs(part - got) > slack:
            findings.fail("slices", "venues", number, "slices", round(part), got)


def shares_of(law: str, count: int, wait: Decimal) -> list[Decimal]:
    """Return the shares of the whole that each slice sells."""
    if law == "almgren_chriss" and wait > 0:
        # x_j = X sinh(k (T - t_j)) / sinh(k T)
        held = [_sinh(wait * (count - j)) / _sinh(wait * count) for j in range(count + 1)]
        return [before - after for before, after in pairwise(held)]
    if law == "obizhaeva_wang" and count > 1:
        # X / ((N - 1)(1 - a) + 2) at both ends, with N waits; between them 1 - a of that.
        gap = 1 - (-wait).exp()
        block = 1 / ((count - 2) * gap + 2)
        return [block, *[block * gap] * (count - 2), block]
    return [Decimal(1) / count] * count


def _sinh(x: Decimal) -> Decimal:
    return (x.exp() - (-x).exp()) / 2

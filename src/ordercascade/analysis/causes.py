"""What made the forced volume of a run forced: a price, a raised margin, or money that went.

A liquidation's parent is the step that made its account liquidatable (SEMANTICS §4), so what that
step did is the cause. `margin` are the `rates` steps of surcharges: the margin spiral, R_margin of
MECHANISMS §10. An order that is followed by a takeover or an ADL of its own account has one cause
with them.

| cause | the parent |
|---|---|
| price | a shock, a forced sale, an auction, an outside price: whatever moved a mark |
| margin | what moving margins ask has risen |
| collateral | what backs accounts has another price or peg, or was converted |
| funding, interest | a payment of it |
| call | a margin call, or an answer to one |
| other | what the venue did itself: a reopening, an expiry, an ADL of others; a withdrawal |
| none | no step: liquidatable as it opened |
"""

from __future__ import annotations

import numpy as np

from ordercascade.analysis.state import Ints
from ordercascade.enums import NoteKind, PostReason, StepKind
from ordercascade.tape import Tape

CAUSES = ("price", "margin", "collateral", "funding", "interest", "call", "other", "none")
OTHER, NONE = CAUSES.index("other"), CAUSES.index("none")
KINDS = {
    StepKind.SHOCK: "price",
    StepKind.MARK: "price",
    StepKind.LIQUIDATION: "price",
    StepKind.DISPOSAL: "price",
    StepKind.AUCTION: "price",
    StepKind.RATES: "margin",
    StepKind.FUNDING: "funding",
    StepKind.INTEREST: "interest",
    StepKind.MARGIN_CALL: "call",
}
NOTES = {
    NoteKind.COLLATERAL: "collateral",
    NoteKind.MARGIN_CALL: "call",
    NoteKind.ANSWER: "call",
}
MONEY = (PostReason.TRANSFER, PostReason.DEPOSIT, PostReason.WITHDRAWAL)


def causes(tape: Tape) -> Ints:
    """Return for every step of a tape what it came of, as a place in CAUSES."""
    steps = tape.steps
    kind, parent = steps["kind"].astype(np.int64), steps["parent"].astype(np.int64)
    found = np.append(_done(tape, kind), NONE)[parent]  # a parent of -1 is the last: none
    scope, venue = steps["scope"].astype(np.int64), steps["venue"].astype(np.int64)
    own = (parent >= 0) & (scope >= 0) & (scope == np.append(scope, -1)[parent])
    own &= (venue == np.append(venue, -1)[parent]) & (
        np.append(kind, -1)[parent] == StepKind.LIQUIDATION
    )
    for step in np.flatnonzero(own).tolist():  # ascending: the order's own cause is known
        found[step] = found[parent[step]]
    return found


def _done(tape: Tape, kind: Ints) -> Ints:
    """Return for every step what it would be as a cause."""
    done = np.full(len(kind), OTHER, dtype=np.int64)
    for each, cause in KINDS.items():
        done[kind == each] = CAUSES.index(cause)
    notes, postings = tape.tables["notes"], tape.tables["postings"]
    outside = np.isin(kind, (StepKind.SHOCK, StepKind.PAYMENT))
    for reasons, cause in ((MONEY, "other"), ((PostReason.CONVERSION,), "collateral")):
        paid = np.zeros(len(kind), dtype=bool)
        paid[_within(postings["step"][np.isin(postings["reason"], reasons)])] = True
        done[paid & outside] = CAUSES.index(cause)
    for note, cause in NOTES.items():
        done[_within(notes["step"][notes["kind"] == note])] = CAUSES.index(cause)
    return done


def _within(steps: Ints) -> Ints:
    """Return the steps, but not the opening's -1."""
    return steps[steps >= 0].astype(np.int64)

"""Borrowers that close a part of what they hold, since what it costs them a day has become dear.

MECHANISMS §13: a demand elasticity turns the rate into a slow, negative feedback on what can be
liquidated. With an elasticity of e (share for each per cent a year and day), a rate of R per cent
a year and a payment for so many days, whoever then owes money (core/interest: collateral less the
cost of all positions below zero) sells or buys back

    floor(|q| min(1, e R days))     lots of each of its legs,

the share itself floored to 10^-9; of several payments since the last time it is their sum. All
of one payment's are orders of one `agents` step, by scope and market, reduce-only and at the
market, as an answer to a margin call (SEMANTICS §5.9): what the
book does not take stays, a halted market refuses. They come behind the payment, in the place that
the agenda has for users' orders, so nobody who brought money in that instant closes anything. Each
leg closes the same share, so a hedge stays one. The RELIEF note tells the share and the lots.
"""

from libc.stdint cimport int32_t, int64_t
from ordercascade.core.calls cimport close_lots
from ordercascade.core.interest cimport cash_of
from ordercascade.core.ledger cimport SCOPE
from ordercascade.core.rates cimport Rates
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport NOTE_RELIEF, STEP_AGENTS, State, step_begin
from ordercascade.core.steps cimport finish, note
from ordercascade.core.units cimport Lot, Wide, absolute, div_floor

cdef enum:
    BILLION = 1_000_000_000


cdef Lot _close(State* s, int32_t scope, int64_t share_ppb, int64_t step) except? -1 nogil:
    """The same share of every leg; the lots filled."""
    cdef int32_t p = s.ledger.holders[scope].first
    cdef Lot filled = 0
    cdef Lot lots
    while p != NIL:
        lots = div_floor(<Wide>absolute(s.ledger.positions[p].size) * share_ppb, BILLION)
        if lots > 0:
            filled += close_lots(s, p, lots, step)
        p = s.ledger.positions[p].next
    return filled


cdef int relief_step(State* s, int32_t asset) except -1 nogil:
    cdef Rates* r = <Rates*>s.rates
    cdef int64_t share = r.shares[asset] if asset < r.share_count else 0
    cdef int64_t step = step_begin(s, STEP_AGENTS, NIL, NIL, NIL, 0, NIL)
    cdef Lot filled = 0
    cdef int64_t i
    for i in range(s.ledger.holder_count if share else 0):
        if (s.ledger.holders[i].kind == SCOPE and s.ledger.holders[i].asset == asset
                and cash_of(s, <int32_t>i) < 0):
            filled += _close(s, <int32_t>i, share, step)
    if share:
        r.shares[asset] = 0     # Paid for once: series that end at different times share nothing.
    note(s, step, NOTE_RELIEF, NIL, NIL, share, filled)
    return finish(s, step)

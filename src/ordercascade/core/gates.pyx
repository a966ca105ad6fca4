"""What stands before money that leaves a venue: stops, rates, a share that stays.

Gates judge withdrawals by users, at once or from the agenda, after margin has allowed them. A
refused one changes nothing. spec/MARGIN.md §6.9; docs/adr/0011-gates-stand-before-withdrawals.md.
"""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from ordercascade.core.collateral cimport pledge_lost, pledge_owner
from ordercascade.core.ledger cimport ledger_flat
from ordercascade.core.records cimport REJECT_GATED
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.state cimport Gates, LIMITERS, Limiter, Margin, Room, State, margin_of
from ordercascade.core.units cimport (
    Cash, PPM as PARTS, Wide, absolute, div_floor, larger, mul_ppm_up, smaller,
)

from types import MappingProxyType

from ordercascade.checks import SPAN_NS_MAX, whole
from ordercascade.errors import ConfigError, InputTypeError

PPM = 10**6
MOST = 2**60

# Every key with its default: a venue with only these has no gates.
GATES = MappingProxyType({"stop_ns": 0, "stays_ppm": 0, "rates": ()})


cdef int set_gates(State* s, object given) except -1:
    """Judge the keys, then take them over; what the rates have left is kept if they stay."""
    cdef Gates made
    cdef Gates* old = &s.gates
    cdef int64_t i
    cdef int32_t j
    cdef bint same
    memset(&made, 0, sizeof(Gates))
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise InputTypeError("gates", "a dict", type(given).__name__)
    for key in given:
        if key not in GATES:
            raise ConfigError(f"gates.{key}", f"must be one of {', '.join(GATES)}")
    of = dict(GATES)
    of.update(given)
    made.stop_ns = whole("gates.stop_ns", of["stop_ns"], 0, SPAN_NS_MAX)
    made.stays_ppm = whole("gates.stays_ppm", of["stays_ppm"], 0, PPM)
    _set_rates(&made, of["rates"])
    made.on = made.stop_ns > 0 or made.stays_ppm > 0 or made.limiter_count > 0
    same = made.limiter_count == old.limiter_count
    for j in range(made.limiter_count):
        same = (same and made.limiters[j].window_ns == old.limiters[j].window_ns
                and made.limiters[j].share_ppm == old.limiters[j].share_ppm
                and made.limiters[j].least == old.limiters[j].least)
    if made.limiter_count:
        s.rooms = <Room*>slab_grow(
            s.rooms, &s.room_capacity, s.ledger.asset_count, sizeof(Room))
    for i in range(s.room_capacity):
        s.rooms[i].known = s.rooms[i].known and same
    made.troubled = old.troubled
    made.troubled_at = old.troubled_at
    s.gates = made
    return 0


cdef int _set_rates(Gates* made, object rates) except -1:
    if not isinstance(rates, (tuple, list)):
        raise InputTypeError("gates.rates", "a list", type(rates).__name__)
    if len(rates) > LIMITERS:
        raise ConfigError("gates.rates", f"must be at most {LIMITERS}", len(rates))
    for index, row in enumerate(rates):
        place = f"gates.rates[{index}]"
        if not isinstance(row, (tuple, list)) or len(row) != 3:
            raise ConfigError(place, "must be (window_ns, share_ppm, least)")
        made.limiters[index].window_ns = whole(f"{place}.window_ns", row[0], 1, SPAN_NS_MAX)
        made.limiters[index].share_ppm = whole(f"{place}.share_ppm", row[1], 0, PPM)
        made.limiters[index].least = whole(f"{place}.least", row[2], 0, MOST)
    made.limiter_count = len(rates)
    return 0


cdef void gates_trouble(State* s) noexcept nogil:
    s.gates.troubled = 1
    s.gates.troubled_at = s.time_ns


cdef bint _stopped(const State* s) noexcept nogil:
    """A scope below zero was seen less than `stop_ns` ago, or is still there."""
    cdef int64_t i
    cdef Margin m
    if s.gates.stop_ns == 0:
        return False
    if s.gates.troubled and s.time_ns - s.gates.troubled_at < s.gates.stop_ns:
        return True
    for i in range(s.pending_count):
        if s.scopes[s.pending[i]].pending and not ledger_flat(&s.ledger, s.pending[i]):
            m = margin_of(s, s.pending[i], False)
            if m.equity < 0:
                return True
    return False


cdef Cash _left(const State* s, int32_t asset, int32_t rate) noexcept nogil:
    """What may leave by a rate now: it goes back to its baseline in one window. [D6]

    baseline = max(least, share of what users and the venue have deposited). Below it and up to
    twice it in a line, from above that by the same share of the surplus; rounded towards staying.
    """
    cdef const Limiter* l = &s.gates.limiters[rate]
    cdef const Room* r = &s.rooms[asset]
    cdef Cash baseline = larger(
        l.least, div_floor(<Wide>s.ledger.deposited[asset] * <Wide>l.share_ppm, PARTS))
    cdef Cash surplus, change
    if not r.known:
        return baseline
    surplus = r.left[rate] - baseline
    change = div_floor(<Wide>larger(baseline, surplus)
                       * <Wide>smaller(l.window_ns, s.time_ns - r.at), l.window_ns)
    if absolute(surplus) <= change:
        return baseline
    return r.left[rate] + change if surplus < 0 else r.left[rate] - change


cdef int64_t gates_refuse(const State* s, int32_t scope, Cash amount) noexcept nogil:
    cdef int32_t i
    cdef int32_t owner = scope
    cdef Cash lost = amount
    cdef Margin m
    if not s.gates.on or not s.running:
        return 0
    if _stopped(s):
        return REJECT_GATED
    if s.pledges != NULL and pledge_owner(s, scope) not in (NIL, scope):
        owner = pledge_owner(s, scope)      # What is in a purse backs another scope's exposure.
        lost = pledge_lost(s, scope, amount)
    if s.gates.stays_ppm:
        m = margin_of(s, owner, False)
        if m.equity - lost < mul_ppm_up(m.exposure, s.gates.stays_ppm):
            return REJECT_GATED
    for i in range(s.gates.limiter_count):
        if amount > _left(s, s.ledger.holders[scope].asset, i):
            return REJECT_GATED
    return 0


cdef void gates_move(State* s, int32_t asset, Cash amount) noexcept nogil:
    """Deposits make room as withdrawals take it."""
    cdef int32_t i
    cdef Cash left[4]
    if s.gates.limiter_count == 0 or not s.running:
        return
    for i in range(s.gates.limiter_count):
        left[i] = _left(s, asset, i)
    for i in range(s.gates.limiter_count):
        s.rooms[asset].left[i] = left[i] + amount
    s.rooms[asset].at = s.time_ns
    s.rooms[asset].known = 1

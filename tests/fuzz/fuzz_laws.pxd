# What must hold in every world after every step: the laws by which the fuzzer judges.
#
# The engine's own full scans come first; then what it cannot know of itself: that the tape alone
# tells who owns what, that each kind of step changes only what it may, that equity is conserved.
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from ordercascade.core.digest cimport Digest, digest_start, digest_word
from ordercascade.core.events cimport (
    ADL_LOTS, ADL_MARKET, ADL_SCOPE_FROM, ADL_SCOPE_TO, ADL_STEP, FILL_MAKER_ACCOUNT,
    FILL_MARKET, FILL_SIZE, FILL_STEP, FILL_TAKER_ACCOUNT, FILL_TAKER_SIDE, LIQ_EQUITY_AFTER,
    LIQ_FEE, LIQ_VALUE, Log, POSTING_AMOUNT, POSTING_FROM_HOLDER, POSTING_STEP,
    POSTING_TO_HOLDER, STEP_EVENT_FROM, STEP_EVENT_TO, STEP_FILL_FROM, STEP_FILL_TO,
    STEP_GENERATION, STEP_KIND, STEP_PARENT, STEP_SCOPE, STEP_VENUE, TABLES, T_ADL, T_FILLS,
    T_LEVELS, T_LIQUIDATIONS, T_POSTINGS, T_STEPS, log_get, log_rows,
)
from ordercascade.core.ledger cimport (
    BAD_DEBT, CLEARING, EXTERNAL, FUND, SCOPE, ledger_find, ledger_flat, ledger_holder,
    ledger_scope,
)
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport (
    HOT, LOOSE, Margin, PARKED, Scope, State, STEP_ADL, STEP_LIQUIDATION, STEP_WATERFALL,
    liquidatable, margin_of,
)
from ordercascade.core.statecopy cimport state_check, state_digest
from ordercascade.core.units cimport Cash, Lot, Wide, absolute, mul_ppm_up
from ordercascade.core.venue cimport Venue
from ordercascade.core.world cimport World

cdef enum:
    HOLDERS = 40            # more than two assets, two markets and four accounts can have

ctypedef struct Shadow:     # one venue as its tape tells it
    int64_t steps           # rows read so far
    int64_t postings
    int64_t fills
    int64_t adl
    Cash cash[40]
    Cash equity[40]         # on the standing marks, after the step before
    Lot size[80]            # holder * 2 + market


cdef inline int broken(int64_t number, const char* what) except -1 nogil:
    with gil:
        raise AssertionError(f"{what.decode()} ({number})")


cdef inline State* state_of(World w, int64_t venue) noexcept nogil:
    return &(<Venue>w.members[venue]).s


cdef inline bint same(const Digest* a, const Digest* b) noexcept nogil:
    return a.a == b.a and a.b == b.b


cdef inline int digest_world(World w, Digest* d) except -1 nogil:
    """Fold what World.state_hash() folds, short of what these inputs cannot change."""
    cdef int64_t i
    digest_start(d)
    digest_word(d, w.sequence)
    digest_word(d, w.instant)
    digest_word(d, w.now)
    digest_word(d, w.round)
    digest_word(d, w.phase)
    digest_word(d, w.turn)
    digest_word(d, w.bound << 2 | w.wrote << 1 | w.bounded)
    for i in range(TABLES):
        digest_word(d, log_rows(&w.events.log, <int>i))
    for i in range(w.agenda_count):
        digest_word(d, w.agenda[i].time_ns)
        digest_word(d, w.agenda[i].sequence)
        digest_word(d, w.agenda[i].a)
    for i in range(w.venue_count):
        state_digest(state_of(w, i), d)
    return 0


# --- the tape alone tells who owns what --------------------------------------------------------

cdef inline int _equities(const State* s, Cash* out) except -1 nogil:
    """Every holder's equity on the standing marks; their sum is what was paid in."""
    cdef Cash sums[2]
    cdef int32_t i
    sums[0] = sums[1] = 0
    for i in range(<int32_t>s.ledger.holder_count):
        out[i] = s.ledger.holders[i].collateral
        if s.ledger.holders[i].kind == SCOPE or s.ledger.holders[i].kind == EXTERNAL:
            out[i] = margin_of(s, i, False).equity
        if s.ledger.holders[i].kind != CLEARING:
            sums[s.ledger.holders[i].asset] += out[i]
    for i in range(<int32_t>s.ledger.asset_count):
        if sums[i] != s.ledger.deposited[i]:
            return broken(720, b"equity was made or lost")
    return 0


cdef inline Lot _held(const State* s, int32_t scope, int32_t market) noexcept nogil:
    cdef int32_t p = ledger_find(&s.ledger, scope, market)
    return 0 if p == NIL else s.ledger.positions[p].size


cdef inline int shadow_open(Shadow* h, const State* s) except -1 nogil:
    """Begin with the opening."""
    cdef int32_t i, m
    memset(h, 0, sizeof(Shadow))
    if s.ledger.holder_count > HOLDERS:
        return broken(799, b"more holders than the harness has room for")
    for i in range(<int32_t>s.ledger.holder_count):
        h.cash[i] = s.ledger.holders[i].collateral
        for m in range(<int32_t>s.market_count):
            h.size[2 * i + m] = _held(s, i, m)
    return _equities(s, h.equity)


cdef inline void _read_fills(Shadow* h, const State* s, const Log* log) noexcept nogil:
    cdef int64_t row, lots
    cdef int32_t market, taker, maker
    for row in range(h.fills, log_rows(log, T_FILLS)):
        if log_get(log, T_STEPS, log_get(log, T_FILLS, row, FILL_STEP), STEP_VENUE) != s.venue:
            continue
        market = <int32_t>log_get(log, T_FILLS, row, FILL_MARKET)
        taker = <int32_t>log_get(log, T_FILLS, row, FILL_TAKER_ACCOUNT)
        maker = <int32_t>log_get(log, T_FILLS, row, FILL_MAKER_ACCOUNT)
        if taker == maker:
            continue
        lots = log_get(log, T_FILLS, row, FILL_SIZE)
        if log_get(log, T_FILLS, row, FILL_TAKER_SIDE) == 1:
            lots = -lots
        h.size[2 * ledger_scope(&s.ledger, taker, market, s.markets[market].asset) + market] += lots
        h.size[2 * ledger_scope(&s.ledger, maker, market, s.markets[market].asset) + market] -= lots


cdef inline int _read_rest(Shadow* h, const State* s, const Log* log) except -1 nogil:
    """Postings, and the lots that a deleveraging hands over."""
    cdef int64_t row, amount, source, target
    for row in range(h.postings, log_rows(log, T_POSTINGS)):
        if log_get(log, T_STEPS, log_get(log, T_POSTINGS, row, POSTING_STEP),
                   STEP_VENUE) != s.venue:
            continue
        amount = log_get(log, T_POSTINGS, row, POSTING_AMOUNT)
        source = log_get(log, T_POSTINGS, row, POSTING_FROM_HOLDER)
        target = log_get(log, T_POSTINGS, row, POSTING_TO_HOLDER)
        if source != NIL:
            h.cash[source] -= amount
        if target != NIL:
            h.cash[target] += amount
    for row in range(h.adl, log_rows(log, T_ADL)):
        if log_get(log, T_STEPS, log_get(log, T_ADL, row, ADL_STEP), STEP_VENUE) != s.venue:
            continue
        amount = log_get(log, T_ADL, row, ADL_LOTS)
        source = 2 * log_get(log, T_ADL, row, ADL_SCOPE_FROM) + log_get(log, T_ADL, row, ADL_MARKET)
        target = 2 * log_get(log, T_ADL, row, ADL_SCOPE_TO) + log_get(log, T_ADL, row, ADL_MARKET)
        if amount <= 0 or amount > absolute(h.size[source]):
            return broken(721, b"a deleveraging hands over lots that were not there")
        if h.size[source] < 0:
            amount = -amount
        h.size[source] -= amount
        h.size[target] += amount
    return 0


cdef inline int _follow(Shadow* h, const State* s, const Log* log) except -1 nogil:
    """Play the new rows; then the tape and the ledger must agree."""
    cdef int32_t i, m
    if s.ledger.holder_count > HOLDERS:
        return broken(799, b"more holders than the harness has room for")
    _read_fills(h, s, log)
    _read_rest(h, s, log)
    for i in range(<int32_t>s.ledger.holder_count):
        if h.cash[i] != s.ledger.holders[i].collateral:
            return broken(722, b"a balance that the postings do not tell")
        for m in range(<int32_t>s.market_count):
            if h.size[2 * i + m] != _held(s, i, m):
                return broken(723, b"a position that the fills do not tell")
            if s.ledger.holders[i].kind == SCOPE and (
                    absolute(h.size[2 * i + m]) > s.markets[m].size_max):
                return broken(724, b"a position beyond size_max")
    return 0


# --- what a step may do ------------------------------------------------------------------------

cdef inline int _judge_row(const Log* log, int64_t step) except -1 nogil:
    """A row of the step table by itself: ranges that join, a parent before it, its generation."""
    cdef int64_t parent = log_get(log, T_STEPS, step, STEP_PARENT)
    cdef int64_t generation = log_get(log, T_STEPS, step, STEP_GENERATION)
    if parent < NIL or parent >= step:
        return broken(730, b"a parent that is not before its step")
    if parent == NIL and generation != 0:
        return broken(731, b"a generation without a parent")
    if parent != NIL:
        generation -= log_get(log, T_STEPS, parent, STEP_GENERATION)
        if generation != 0 and generation != 1:
            return broken(732, b"a generation that does not follow its parent's")
    if step > 0 and (
            log_get(log, T_STEPS, step, STEP_FILL_FROM)
            != log_get(log, T_STEPS, step - 1, STEP_FILL_TO)
            or log_get(log, T_STEPS, step, STEP_EVENT_FROM)
            != log_get(log, T_STEPS, step - 1, STEP_EVENT_TO)):
        return broken(733, b"rows between two steps")
    if (log_get(log, T_STEPS, step, STEP_FILL_TO) != log_rows(log, T_FILLS)
            or log_get(log, T_STEPS, step, STEP_EVENT_TO) != log_rows(log, T_LEVELS)):
        return broken(734, b"a step that is not closed")
    return 0


cdef inline int _judge_adl(const Shadow* h, const State* s, const Log* log, int64_t step,
                           const Cash* equity) except -1 nogil:
    """Only the bankrupt and who took its lots over are touched; flat, it has exactly nothing."""
    cdef int32_t bankrupt = <int32_t>log_get(log, T_STEPS, step, STEP_SCOPE)
    cdef bint named[40]
    cdef int64_t i
    memset(named, 0, sizeof(named))
    named[bankrupt] = True
    for i in range(h.adl, log_rows(log, T_ADL)):
        named[log_get(log, T_ADL, i, ADL_SCOPE_TO)] = True
    for i in range(s.ledger.holder_count):
        if not named[i] and s.ledger.holders[i].kind != CLEARING and equity[i] != h.equity[i]:
            return broken(740, b"a deleveraging touched somebody else's equity")
    if ledger_flat(&s.ledger, bankrupt) and s.ledger.holders[bankrupt].collateral != 0:
        return broken(741, b"a deleveraged scope is not at zero")
    return 0


cdef inline int _judge_waterfall(const Shadow* h, const State* s, const Log* log, int64_t step,
                                 const Cash* equity) except -1 nogil:
    """The scope ends at nothing; debt only after the fund; nobody is charged into a deficit."""
    cdef int32_t scope = <int32_t>log_get(log, T_STEPS, step, STEP_SCOPE)
    cdef int32_t asset = s.ledger.holders[scope].asset
    cdef int32_t fund = ledger_holder(&s.ledger, FUND, asset)
    cdef int32_t debt = ledger_holder(&s.ledger, BAD_DEBT, asset)
    cdef int64_t i
    if s.ledger.holders[scope].collateral != 0:
        return broken(750, b"a waterfall left something")
    if equity[debt] < h.equity[debt] and equity[fund] != 0:
        return broken(751, b"bad debt beside money in the fund")
    for i in range(s.ledger.holder_count):
        if i == scope or i == debt or i == fund or s.ledger.holders[i].kind == CLEARING:
            continue
        if equity[i] > h.equity[i]:
            return broken(752, b"somebody gained by a loss")
        if equity[i] < h.equity[i] and (equity[i] < 0 or not s.rules.social):
            return broken(753, b"somebody was charged who could not be")
    return 0


cdef inline int _judge_kind(const Shadow* h, const State* s, const Log* log, int64_t step,
                            const Cash* equity) except -1 nogil:
    cdef int64_t kind = log_get(log, T_STEPS, step, STEP_KIND)
    cdef int64_t row = log_rows(log, T_LIQUIDATIONS) - 1
    cdef Cash fee
    if kind == STEP_ADL:
        return _judge_adl(h, s, log, step, equity)
    if kind == STEP_WATERFALL:
        return _judge_waterfall(h, s, log, step, equity)
    if kind == STEP_LIQUIDATION:
        fee = log_get(log, T_LIQUIDATIONS, row, LIQ_FEE)
        if fee < 0 or fee > mul_ppm_up(log_get(log, T_LIQUIDATIONS, row, LIQ_VALUE),
                                       s.rules.liquidation_fee_ppm):
            return broken(760, b"a liquidation fee beyond its rate")
        if fee > 0 and log_get(log, T_LIQUIDATIONS, row, LIQ_EQUITY_AFTER) < 0:
            return broken(761, b"a liquidation fee that makes a deficit")
    return 0


# --- everything together -----------------------------------------------------------------------

cdef inline int _judge_lists(const State* s) except -1 nogil:
    """Each scope stands in the lists that its flags say, once."""
    cdef int64_t found[3][40]
    cdef int64_t i
    cdef const Scope* sc
    memset(found, 0, sizeof(found))
    for i in range(s.loose_count):
        found[0][s.loose[i]] += 1
    for i in range(s.hot_count):
        found[1][s.hot[i]] += 1
    for i in range(s.pending_count):
        found[2][s.pending[i]] += 1
    for i in range(s.ledger.holder_count):
        sc = &s.scopes[i]
        if found[0][i] != (sc.watch == LOOSE) or found[1][i] != (sc.watch == HOT):
            return broken(770, b"a scope in the wrong list of the watch")
        if found[2][i] != (sc.listed != 0) or (sc.pending and not sc.listed):
            return broken(771, b"a pending scope that is not listed once")
        if sc.watch == PARKED and not sc.pending:
            return broken(772, b"a scope is parked that is not pending")
    for i in range(s.market_count):
        if s.markets[i].book.fill_count or s.markets[i].book.change_count:
            return broken(773, b"fills or changes of a book that nobody wrote down")
        if s.markets[i].book.count > s.markets[i].book.order_max:
            return broken(774, b"more orders than a book may hold")
    return 0


cdef inline int judge(World w, Shadow* shadows, int wrote) except -1 nogil:
    """Judge all venues; `wrote` new steps are expected, -1: one or none."""
    cdef const Log* log = &w.events.log
    cdef int64_t step = log_rows(log, T_STEPS) - 1
    cdef int64_t added = step + 1 - shadows[0].steps
    cdef int64_t number, i
    cdef State* s
    cdef Shadow* h
    cdef Cash equity[40]
    if added > 1 or (wrote >= 0 and added != wrote):
        return broken(710, b"another number of steps than one call writes")
    if added == 1:
        _judge_row(log, step)
    for i in range(w.venue_count):
        s = state_of(w, i)
        h = &shadows[i]
        number = state_check(s)
        if number:
            return broken(number, b"state_check()")
        _judge_lists(s)
        _equities(s, equity)
        if added == 1 and log_get(log, T_STEPS, step, STEP_VENUE) == i:
            _judge_kind(h, s, log, step, equity)
        _follow(h, s, log)
        for number in range(s.ledger.holder_count):
            h.equity[number] = equity[number]
        h.steps = step + 1
        h.postings = log_rows(log, T_POSTINGS)
        h.fills = log_rows(log, T_FILLS)
        h.adl = log_rows(log, T_ADL)
    return 0


cdef inline int judge_quiet(World w) except -1 nogil:
    """After a settlement that came to its end: nobody is left who should have been closed."""
    cdef int64_t v, i
    cdef State* s
    cdef Margin m
    for v in range(w.venue_count):
        s = state_of(w, v)
        if s.settling:
            return broken(780, b"a settlement that is over and goes on")
        if w.bound or w.bounded:
            continue
        for i in range(s.ledger.holder_count):
            if s.ledger.holders[i].kind != SCOPE:
                continue
            m = margin_of(s, <int32_t>i, False)
            if liquidatable(s, &m) and not s.scopes[i].pending:
                return broken(781, b"a liquidatable scope was left alone")
            if m.flat and s.ledger.holders[i].collateral < 0:
                return broken(782, b"a flat scope was left with a deficit")
    return 0

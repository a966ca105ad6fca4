"""A venue's State as one value: copied slab by slab, hashed field by field, checked by a scan."""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memset
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.contracts cimport LINEAR
from ordercascade.core.book cimport (
    book_best, book_check, book_copy, book_digest, book_free,
)
from ordercascade.core.brakes cimport Brakes, brakes_copy, brakes_digest, brakes_free
from ordercascade.core.called cimport called_copy, called_digest, called_free
from ordercascade.core.collateral cimport pledges_digest
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.ending cimport endings_copy, endings_digest, endings_free
from ordercascade.core.grids cimport grids_copy, grids_digest, grids_free
from ordercascade.core.events cimport (
    LIQ_SCOPE, Log, STEP_GENERATION, STEP_MARKET, T_LIQUIDATIONS, T_STEPS, log_get,
)
from ordercascade.core.funds cimport funds_digest, highs_copy, highs_free
from ordercascade.core.ledger cimport (
    SCOPE, ledger_check, ledger_copy, ledger_digest, ledger_free, ledger_init,
)
from ordercascade.core.mechanism cimport (
    Backstop, CircuitBreaker, LiquidationPolicy, Oracle, Surcharge,
)
from ordercascade.core.pledges cimport Pledge
from ordercascade.core.rates cimport Rates, rates_copy, rates_digest, rates_free
from ordercascade.core.records cimport AtRisk, Bracket, Candidate, Intent
from ordercascade.core.schedule cimport Plan
from ordercascade.core.slab cimport NIL, slab_copy, slab_grow
from ordercascade.core.state cimport (
    ARMED, Entry, Gates, LEG_PRO_RATA, Margin, Market, Room, SUB_ADL, SUB_TAKEOVER, Scope, Stages,
    State, liquidatable, margin_of,
)
from ordercascade.core.triggers cimport (
    triggers_armed, triggers_check, triggers_copy, triggers_free, triggers_init, triggers_tick,
)
from ordercascade.core.units cimport Cash, TimeNs


cdef int state_init(State* s, int64_t assets) except -1 nogil:
    """A venue with its own holders and no markets; `s` is zeroed."""
    ledger_init(&s.ledger, assets)
    triggers_init(&s.triggers, 0)
    s.written = <Cash*>slab_grow(NULL, &s.written_capacity, 3 * assets, sizeof(Cash))
    return scopes_reserve(s)


cdef int scopes_reserve(State* s) except -1 nogil:
    """A Scope row for every holder; new ones blank."""
    cdef int64_t i
    cdef int64_t old = s.scope_capacity
    s.scopes = <Scope*>slab_grow(s.scopes, &s.scope_capacity, s.ledger.holder_count, sizeof(Scope))
    for i in range(old, s.scope_capacity):
        s.scopes[i].parent = NIL
        s.scopes[i].hit = NIL
        s.scopes[i].hit_before = NIL
        s.scopes[i].retry_ns = NIL
        s.scopes[i].order_step = NIL
        s.scopes[i].moved_step = NIL
        s.scopes[i].moved_market = NIL
    return 0


cdef void state_free(State* s) noexcept nogil:
    cdef int64_t i
    for i in range(s.market_count):
        book_free(&s.markets[i].book)
        PyMem_RawFree(s.markets[i].brackets)
    PyMem_RawFree(s.markets)
    ledger_free(&s.ledger)
    triggers_free(&s.triggers)
    PyMem_RawFree(s.scopes)
    PyMem_RawFree(s.loose)
    PyMem_RawFree(s.hot)
    PyMem_RawFree(s.restless)
    PyMem_RawFree(s.pending)
    PyMem_RawFree(s.broke)
    PyMem_RawFree(s.work)
    PyMem_RawFree(s.rows)
    PyMem_RawFree(s.queue)
    PyMem_RawFree(s.written)
    PyMem_RawFree(s.variation)
    PyMem_RawFree(s.since)
    PyMem_RawFree(s.rooms)
    PyMem_RawFree(s.pledges)
    PyMem_RawFree(s.around)
    PyMem_RawFree(s.at_risk)
    PyMem_RawFree(s.intents)
    PyMem_RawFree(s.candidates)
    PyMem_RawFree(s.cells)
    brakes_free(s.brakes)
    called_free(s.calls)
    endings_free(s.endings)
    highs_free(s.highs)
    PyMem_RawFree(s.day_base)
    grids_free(s.grids)
    rates_free(s.rates)
    memset(s, 0, sizeof(State))


cdef void _forget_buffers(State* s) noexcept nogil:
    """Take every pointer out of a memcpy of another State, so that it may be freed."""
    memset(&s.ledger, 0, sizeof(s.ledger))
    memset(&s.triggers, 0, sizeof(s.triggers))
    s.markets = NULL
    s.market_count = 0
    s.scopes = NULL
    s.loose = NULL
    s.hot = NULL
    s.restless = NULL
    s.pending = NULL
    s.broke = NULL
    s.work = NULL
    s.rows = NULL
    s.queue = NULL
    s.written = NULL
    s.variation = NULL
    s.since = NULL
    s.rooms = NULL
    s.pledges = NULL
    s.around = NULL
    s.around_capacity = 0
    s.at_risk = NULL
    s.at_risk_capacity = 0
    s.intents = NULL
    s.intent_capacity = 0
    s.candidates = NULL
    s.candidate_capacity = 0
    s.cells = NULL
    s.cell_capacity = 0
    s.brakes = NULL
    s.calls = NULL
    s.endings = NULL
    s.highs = NULL
    s.day_base = NULL
    s.grids = NULL
    s.rates = NULL


cdef int _copy_markets(State* to, const State* s) except -1 nogil:
    cdef int64_t i
    cdef Market* m
    to.markets = <Market*>slab_copy(s.markets, s.market_capacity, sizeof(Market))
    for i in range(s.market_count):
        memset(&to.markets[i].book, 0, sizeof(to.markets[i].book))
        to.markets[i].brackets = NULL
    to.market_count = s.market_count
    for i in range(s.market_count):
        m = &to.markets[i]
        book_copy(&m.book, &s.markets[i].book)
        m.brackets = <Bracket*>slab_copy(s.markets[i].brackets, m.bracket_count, sizeof(Bracket))
    return 0


cdef int state_copy(State* to, const State* s) except -1 nogil:
    """Make `to` an independent copy; the caller frees it even after a failure."""
    to[0] = s[0]
    _forget_buffers(to)
    ledger_copy(&to.ledger, &s.ledger)
    triggers_copy(&to.triggers, &s.triggers)
    _copy_markets(to, s)
    to.scopes = <Scope*>slab_copy(s.scopes, s.scope_capacity, sizeof(Scope))
    to.loose = <int32_t*>slab_copy(s.loose, s.loose_capacity, sizeof(int32_t))
    to.hot = <int32_t*>slab_copy(s.hot, s.hot_capacity, sizeof(int32_t))
    if s.restless != NULL:
        to.restless = <int32_t*>slab_copy(s.restless, s.restless_capacity, sizeof(int32_t))
    to.pending = <int32_t*>slab_copy(s.pending, s.pending_capacity, sizeof(int32_t))
    to.broke = <int32_t*>slab_copy(s.broke, s.broke_capacity, sizeof(int32_t))
    to.work = <int32_t*>slab_copy(s.work, s.work_capacity, sizeof(int32_t))
    to.rows = <int64_t*>slab_copy(s.rows, s.row_capacity, sizeof(int64_t))
    to.queue = <Entry*>slab_copy(s.queue, s.queue_capacity, sizeof(Entry))
    to.written = <Cash*>slab_copy(s.written, s.written_capacity, sizeof(Cash))
    if s.since != NULL:
        to.since = <TimeNs*>slab_copy(s.since, s.since_capacity, sizeof(TimeNs))
    if s.rooms != NULL:
        to.rooms = <Room*>slab_copy(s.rooms, s.room_capacity, sizeof(Room))
    if s.pledges != NULL:
        to.pledges = <Pledge*>slab_copy(s.pledges, s.pledge_capacity, sizeof(Pledge))
    brakes_copy(&to.brakes, s.brakes)
    called_copy(&to.calls, s.calls)
    endings_copy(&to.endings, s.endings)
    highs_copy(&to.highs, s.highs)
    if s.day_base != NULL:
        to.day_base = <Cash*>slab_copy(s.day_base, s.day_capacity, sizeof(Cash))
    grids_copy(&to.grids, s.grids)
    rates_copy(&to.rates, s.rates)
    if s.variation != NULL:
        to.variation = <Cash*>slab_copy(s.variation, s.variation_capacity, sizeof(Cash))
    return 0


# --- hash --------------------------------------------------------------------------------------

cdef void _digest_rules(const State* s, Digest* d) noexcept nogil:
    digest_word(d, s.rules.round_ns)
    digest_word(d, s.rules.round_max)
    digest_word(d, s.rules.buffer_ppm)
    digest_word(d, s.rules.liquidation_fee_ppm)
    digest_word(d, s.rules.mark_refresh)
    digest_word(d, s.rules.queue)
    digest_word(d, s.rules.shortfall_at)
    digest_word(d, s.rules.trigger_strict)
    digest_word(d, s.rules.leg)
    digest_word(d, s.rules.cancel)
    digest_word(d, s.rules.residual)
    digest_word(d, s.rules.social)
    digest_word(d, s.rules.liquidation_fee_to)
    digest_word(d, s.rules.liquidation_pays_taker)
    digest_word(d, s.rules.adl_trigger)
    digest_word(d, (s.rules.pairs << 8) | s.rules.adl_rule)


cdef void _digest_stages(const State* s, Digest* d) noexcept nogil:
    """Only where a venue has any, so that the others hash as ever."""
    cdef const Stages* g = &s.stages
    cdef int64_t i
    if not g.on:
        return
    digest_word(d, (g.takeover << 16) | (g.takeover_when << 8) | g.takeover_price)
    digest_word(d, (g.takeover_collateral << 16) | (g.insured << 8) | g.adl_price)
    digest_word(d, (g.adl_when << 24) | (g.adl_overlap << 16) | (g.social_rule << 8) | g.variation)
    digest_word(d, g.takeover_ppm)
    digest_word(d, g.takeover_cap_ppm)
    digest_word(d, g.insured_fee_ppm)
    digest_word(d, g.insured_most)
    digest_word(d, g.social_step)
    digest_word(d, g.order_ppm)
    digest_word(d, g.search_ppm)
    digest_word(d, g.initial_ppm)
    digest_word(d, g.release_ppm)
    digest_word(d, g.dispose_ns)
    digest_word(d, g.dispose_ppm)
    digest_word(d, g.dispose_full)
    digest_word(d, g.dispose_share_ppm)
    digest_word(d, g.dispose_range_ppm)
    if g.fund_market or g.social_side or g.day_ns or g.day_at_ns or g.drawdown_ppm or g.drawdown_ns:
        digest_word(d, (g.social_side << 8) | g.fund_market)
        digest_word(d, g.day_ns)
        digest_word(d, g.day_at_ns)
        digest_word(d, g.drawdown_ppm)
        digest_word(d, g.drawdown_ns)
    for i in range(s.market_count):
        digest_word(d, s.markets[i].dispose_at)
    for i in range(s.ledger.holder_count):
        digest_word(d, s.since[i] if i < s.since_capacity else 0)
    for i in range(s.ledger.position_count):
        digest_word(d, s.variation[i] if i < s.variation_capacity else 0)


cdef void _digest_gates(const State* s, Digest* d) noexcept nogil:
    """Only where a venue has any, as with stages."""
    cdef const Gates* g = &s.gates
    cdef int64_t i
    cdef int32_t j
    if not g.on:
        return
    digest_word(d, g.troubled)
    digest_word(d, g.troubled_at)
    digest_word(d, g.stop_ns)
    digest_word(d, g.stays_ppm)
    digest_word(d, g.limiter_count)
    for j in range(g.limiter_count):
        digest_word(d, g.limiters[j].window_ns)
        digest_word(d, g.limiters[j].share_ppm)
        digest_word(d, g.limiters[j].least)
        for i in range(s.ledger.asset_count):
            digest_word(d, s.rooms[i].known)
            digest_word(d, s.rooms[i].at)
            digest_word(d, s.rooms[i].left[j])


cdef void _digest_step(const Log* log, int64_t step, Digest* d) noexcept nogil:
    """A step that later rows may have as parent: its number, and what they will read of it."""
    digest_word(d, step)
    if step >= 0:
        digest_word(d, log_get(log, T_STEPS, step, STEP_GENERATION))
        digest_word(d, log_get(log, T_STEPS, step, STEP_MARKET))


cdef void _digest_plan(const Plan* p, Digest* d) noexcept nogil:
    """A schedule's own numbers; what is computed from them follows."""
    cdef int32_t i
    digest_word(d, (p.kind << 16) | (p.base << 8) | p.fee_base)
    digest_word(d, (p.strict << 1) | p.jumps)
    digest_word(d, p.fee_ppm)
    digest_word(d, p.rate_long)
    digest_word(d, p.rate_short)
    digest_word(d, p.initial)
    digest_word(d, p.increment)
    digest_word(d, p.scale)
    digest_word(d, p.fraction_ppm)
    digest_word(d, p.minimum_ppm)
    digest_word(d, p.scalar_ppm)
    digest_word(d, p.fixed)
    digest_word(d, p.interest_low)
    digest_word(d, p.interest_high)
    for i in range(p.count):
        digest_word(d, p.rows[i].floor)
        digest_word(d, p.rows[i].amount)
        digest_word(d, p.rows[i].maintenance_ppm)
        digest_word(d, p.rows[i].initial_ppm)


cdef void _digest_market(const Log* log, const Market* m, Digest* d) noexcept nogil:
    cdef int32_t i
    book_digest(&m.book, d)
    (<Oracle>m.oracle).digest(d)
    for i in range(m.bracket_count):
        digest_word(d, m.brackets[i].floor)
        digest_word(d, m.brackets[i].amount)
        digest_word(d, m.brackets[i].maintenance_ppm)
        digest_word(d, m.brackets[i].initial_ppm)
    if m.plan != NULL:
        _digest_plan(m.plan, d)
    digest_word(d, m.asset)
    digest_word(d, m.multiplier)
    if m.kind != LINEAR:        # A linear market's hash is what it was before there were others.
        digest_word(d, m.kind)
    if m.funding.rule or m.funding.at_index:
        digest_word(d, (m.funding.rule << 1) | m.funding.at_index)
        digest_word(d, m.funding.interest_ppb)
        digest_word(d, m.funding.clamp_ppb)
        digest_word(d, m.funding.cap_ppb)
        digest_word(d, m.funding.share)
    digest_word(d, m.price_max)
    digest_word(d, m.size_max)
    digest_word(d, m.maker_fee_ppm)
    digest_word(d, m.taker_fee_ppm)
    digest_word(d, m.external_maker_fee_ppm)
    digest_word(d, m.external_taker_fee_ppm)
    digest_word(d, m.last)
    digest_word(d, m.index)
    digest_word(d, m.mark)
    digest_word(d, m.mark_before)
    digest_word(d, m.mark_written)
    digest_word(d, m.changed_at)
    digest_word(d, m.peek)
    digest_word(d, (m.stale << 1) | m.noted)
    if m.tilt_index or m.tilt_own:
        digest_word(d, m.tilt_index)
        digest_word(d, m.tilt_own)
    _digest_step(log, m.trade_step, d)
    _digest_step(log, m.mark_trade_step, d)


cdef void _digest_scope(const Log* log, const Scope* sc, Digest* d) noexcept nogil:
    _digest_step(log, sc.parent, d)
    digest_word(d, sc.generation)
    _digest_step(log, sc.hit, d)
    _digest_step(log, sc.hit_before, d)
    digest_word(d, sc.tranche)
    digest_word(d, sc.retry_ns)
    _digest_step(log, sc.order_step, d)
    digest_word(d, sc.order_clock)
    _digest_step(log, sc.moved_step, d)
    digest_word(d, sc.adl_event)
    digest_word(d, sc.adl_equity)
    digest_word(d, (sc.watch << 2) | (sc.pending << 1) | sc.listed)


cdef void _digest_ids(const int32_t* list, int64_t count, Digest* d) noexcept nogil:
    cdef int64_t i
    digest_word(d, count)
    for i in range(count):
        digest_word(d, list[i])


cdef void _digest_set(const int32_t* list, int64_t count, Digest* d) noexcept nogil:
    """The same for every order of the list."""
    cdef int64_t i
    cdef uint64_t each
    cdef uint64_t total = 0
    digest_word(d, count)
    for i in range(count):
        each = (<uint64_t>list[i] + 1) * <uint64_t>0x9E3779B97F4A7C15
        total += each ^ (each >> 29)
    if count:
        digest_word(d, <int64_t>(total >> 1))


cdef void _digest_progress(const State* s, Digest* d) noexcept nogil:
    """Where the cascade stands: phase, cursors, lists, queue."""
    cdef int64_t i
    cdef const Entry* e
    digest_word(d, s.time_ns)
    digest_word(d, s.round)
    digest_word(d, s.clock)
    digest_word(d, s.phase)
    digest_word(d, s.cursor)
    digest_word(d, s.sub)
    digest_word(d, s.sub_cursor)
    digest_word(d, s.sub_scope)
    digest_word(d, s.sub_parent)
    digest_word(d, s.sub_row)
    digest_word(d, (s.settling << 4) | (s.sub_unfilled << 3) | (s.muted << 2)
                | (s.running << 1) | s.wrote)
    if s.sub == SUB_ADL or s.sub == SUB_TAKEOVER:
        i = s.ledger.holders[s.sub_scope].first
        while i != NIL:
            digest_word(d, s.ledger.positions[i].handover)
            i = s.ledger.positions[i].next
    digest_word(d, s.adl_event)
    digest_word(d, s.settled_ns)
    if s.fed:
        digest_word(d, s.backlog)
    if s.rules.leg == LEG_PRO_RATA:
        digest_word(d, s.plan_step)
    # Triggers fire in no promised order, and the order of these two decides nothing. ADR 7.
    _digest_set(s.loose, s.loose_count, d)
    _digest_set(s.hot, s.hot_count, d)
    if s.restless_count:
        _digest_set(s.restless, s.restless_count, d)
    _digest_ids(s.pending, s.pending_count, d)
    _digest_ids(s.broke, s.broke_count, d)
    digest_word(d, s.row_count)
    for i in range(s.row_count):
        digest_word(d, s.rows[i])
        digest_word(d, log_get(s.log, T_LIQUIDATIONS, s.rows[i] >> 1, LIQ_SCOPE))
    digest_word(d, s.queue_count)
    for i in range(s.queue_count):
        e = &s.queue[i]
        digest_word(d, (<int64_t>e.scope << 32) | <int64_t>e.market)
        digest_word(d, e.lots)
        digest_word(d, e.limit)
        digest_word(d, e.trigger)
        digest_word(d, e.cooldown_ns)
        digest_word(d, (e.side << 2) | (e.at_market << 1) | e.last)


cdef void _digest_brakes(const State* s, Digest* d) noexcept nogil:
    """Only where a venue has breakers, so that the others hash as ever."""
    cdef const Brakes* b = <const Brakes*>s.brakes
    cdef int64_t i
    if b == NULL:
        return
    brakes_digest(b, d)
    for i in range(b.breaker_count):
        (<CircuitBreaker>b.breakers[i]).digest(d)


cdef void _digest_rates(const State* s, Digest* d) noexcept nogil:
    """Only where a venue has surcharges."""
    cdef const Rates* r = <const Rates*>s.rates
    cdef int64_t i
    if r == NULL:
        return
    rates_digest(r, d)
    for i in range(r.surcharge_count):
        (<Surcharge>r.surcharges[i]).digest(d)


cdef void state_digest(const State* s, Digest* d) noexcept nogil:
    """Fold everything that decides what happens next."""
    cdef int64_t i
    digest_word(d, s.venue)
    _digest_rules(s, d)
    _digest_stages(s, d)
    _digest_gates(s, d)
    pledges_digest(s, d)
    ledger_digest(&s.ledger, d)
    for i in range(s.market_count):
        _digest_market(s.log, &s.markets[i], d)
    for i in range(s.ledger.holder_count):
        _digest_scope(s.log, &s.scopes[i], d)
        if s.sub == SUB_ADL and s.scopes[i].adl_event == s.adl_event:
            digest_word(d, s.scopes[i].adl_maintenance)
            digest_word(d, s.scopes[i].adl_money)
    for i in range(s.ledger.position_count):
        digest_word(d, triggers_tick(&s.triggers, <int32_t>i)
                    if triggers_armed(&s.triggers, <int32_t>i) else NIL)
    for i in range(3 * s.ledger.asset_count + s.stages.fund_market * s.market_count):
        digest_word(d, s.written[i])
    (<LiquidationPolicy>s.policy).digest(d)
    (<Backstop>s.backstop).digest(d)
    _digest_brakes(s, d)
    called_digest(s.calls, s.ledger.holder_count, d)
    endings_digest(s.endings, d)
    funds_digest(s, d)
    grids_digest(s, d)
    _digest_rates(s, d)
    _digest_progress(s, d)


# --- check -------------------------------------------------------------------------------------

cdef int64_t state_check(State* s) noexcept nogil:
    """Everything by full scan: 0, or 100 + ledger, 200 + triggers, 1000 + book rule broken;
    300: a scope that is liquidatable at a peek is not being watched; 400: a crossed book."""
    cdef int64_t i, broken
    cdef Margin m
    cdef Market* market
    broken = ledger_check(&s.ledger)
    if broken:
        return 100 + broken
    broken = triggers_check(&s.triggers)
    if broken:
        return 200 + broken
    for i in range(s.market_count):
        market = &s.markets[i]
        broken = book_check(&market.book)
        if broken:
            return 1000 + broken
        if (book_best(&market.book, 0) >= book_best(&market.book, 1)
                and book_best(&market.book, 1) > 0):
            return 400
    if not s.running:
        return 0
    for i in range(s.ledger.holder_count):
        if s.ledger.holders[i].kind != SCOPE or s.scopes[i].watch != ARMED:
            continue
        m = margin_of(s, <int32_t>i, True)
        if liquidatable(s, &m):
            return 300
    return 0

"""Margin calls: who fell below the warning level, and what users answer after a while.

Once a round, on the standing marks, before anybody is liquidated: a scope whose equity is below
`call_ppm` of its maintenance gets a `margin_call` step, and no second one before it was at
`release_ppm` again. Its account's answer goes to the world's agenda. SEMANTICS §5.9; ADR 19.

Who must be looked at says a trigger index of the calls' own, so a round costs what has moved and
not what exists. A leg is armed at the tick at which it alone could have used up its share of the
scope's distance to the level, found by bisection on value - level * maintenance, which grows with
the price for a long and falls for a short as long as level * rate is at most 1. Scopes with a leg
whose requirement jumps or is steeper are looked at every round.
"""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from ordercascade.core.book cimport book_submit
from ordercascade.core.bounds cimport fills_fit, money_fits
from ordercascade.core.called cimport (
    ANSWER_ADD, ANSWER_NOTHING, ANSWER_REDUCE, Answer, Calls, FROM_CROSS, Posted, called_new,
    called_touch,
)
from ordercascade.core.collateral cimport pledge_moves
from ordercascade.core.due cimport ANSWER as BY_ANSWER, Item, ORDER, TRANSFER
from ordercascade.core.events cimport ORDER_COLUMNS, T_ORDERS, log_append
from ordercascade.core.gates cimport gates_move
from ordercascade.core.halting cimport valve_refuses
from ordercascade.core.initial cimport free_collateral
from ordercascade.core.ledger cimport (
    Position, SCOPE, ledger_deposit, ledger_post, ledger_scope,
)
from ordercascade.core.records cimport (
    Bracket, IOC, MARKET, Message, REJECT_HALTED, REJECT_POSITION_LIMIT,
)
from ordercascade.core.schedule cimport sloped
from ordercascade.core.slab cimport NIL, slab_grow, push
from ordercascade.core.state cimport (
    Margin, Market, NOTE_ANSWER, NOTE_MARGIN_CALL, REASON_TRANSFER, STEP_AGENTS, STEP_MARGIN_CALL,
    State, margin_of, need_in, step_begin, value_of, write_outside, write_posting,
)
from ordercascade.core.steps cimport (
    Executed, apply_fills, book_touched, finish, generation_of, note,
)
from ordercascade.core.triggers cimport (
    FALLS, RISES, triggers_add_market, triggers_arm, triggers_armed, triggers_clear_fired,
    triggers_disarm, triggers_fire, triggers_init,
)
from ordercascade.core.units cimport (
    CASH_MAX, Cash, Lot, PPM, Ppm, Tick, Wide, absolute, div_floor, larger, mul_ppm_up, oc_quotient,
    smaller,
)
from ordercascade.core.watch cimport sort_ids, touch

from types import MappingProxyType

from ordercascade.checks import SPAN_NS_MAX, member, whole
from ordercascade.duties import CallAction, CallSource
from ordercascade.errors import ConfigError, InputError, InputTypeError

LEVEL_MAX = 10**9           # a thousand times maintenance

# Every key with its default: 0 means no calls.
CALLS = MappingProxyType({"call_ppm": 0, "release_ppm": 0})
ANSWER = MappingProxyType({
    "action": CallAction.NOTHING, "delay_ns": 0, "target_ppm": 0, "wallet": 2**60,
    "share_ppm": 10**6, "source": CallSource.OUTSIDE})


# --- set-up ------------------------------------------------------------------------------------

cdef dict _keys(str place, object given, object known):
    if not isinstance(given, dict):
        raise InputTypeError(place, "a dict", type(given).__name__)
    for key in given:
        if key not in known:
            raise ConfigError(f"{place}.{key}", f"must be one of {', '.join(known)}")
    of = dict(known)
    of.update(given)
    return of


cdef int set_calls(State* s, object given) except -1:
    """Take other levels; who is called stays so, and everybody is looked at anew."""
    cdef Calls* c = <Calls*>s.calls
    cdef int64_t i
    of = _keys("calls", {} if given is None else given, CALLS)
    call = whole("calls.call_ppm", of["call_ppm"], 0, LEVEL_MAX)
    release = whole("calls.release_ppm", of["release_ppm"] or call, 0, LEVEL_MAX)
    if 0 < call < 10**6:
        raise ConfigError("calls.call_ppm", "must be 10**6, maintenance, or more", call)
    if release < call or (release and not call):
        raise ConfigError("calls.release_ppm", "must be at least call_ppm, and not alone", release)
    if c == NULL and not call:
        return 0
    if c == NULL:
        c = called_new()
        s.calls = c
        triggers_init(&c.triggers, 0)
    c.call_ppm = call
    c.release_ppm = release
    c.on = call > 0
    if not c.on:                # Who is below when they come back is called then.
        c.gathered = c.due_count = c.cursor = 0
        for i in range(c.called_capacity):
            c.called[i] = 0
    for i in range(s.ledger.holder_count):
        if s.ledger.holders[i].kind == SCOPE:
            called_touch(c, <int32_t>i)
    return 0


cdef int set_answers(State* s, int64_t first, int64_t count, object given) except -1:
    """Judge all, then write the rows."""
    cdef Calls* c = <Calls*>s.calls
    cdef Answer made
    cdef int64_t i
    of = _keys("answer", given, ANSWER)
    if c == NULL:
        raise ConfigError("calls", "must be given to add_venue() before somebody can answer")
    memset(&made, 0, sizeof(Answer))
    made.action = member("action", CallAction, of["action"])
    made.source = member("source", CallSource, of["source"])
    made.delay_ns = whole("delay_ns", of["delay_ns"], 0, SPAN_NS_MAX)
    made.wallet = whole("wallet", of["wallet"], 1, 2**60)
    target = whole("target_ppm", of["target_ppm"], 0, LEVEL_MAX)
    share = whole("share_ppm", of["share_ppm"], 1, 10**6)
    if target and target < 10**6:
        raise InputError("target_ppm", target, "must be 0 (all of the wallet), or 10**6 or more")
    if made.action != ANSWER_NOTHING:
        made.ppm = target if made.action == ANSWER_ADD else share
    c.answers = <Answer*>slab_grow(
        c.answers, &c.answer_capacity, first + count, sizeof(Answer))
    c.answer_count = larger(c.answer_count, first + count)
    for i in range(first, first + count):
        c.answers[i] = made
    return 0


# --- who is called -----------------------------------------------------------------------------

cdef inline bint _below(const Margin* m, Ppm level) noexcept nogil:
    """Margin ratio below a level, exactly."""
    return <Wide>m.equity * PPM < <Wide>level * larger(1, m.maintenance)


cdef inline Wide _spare(const Market* m, const Position* p, Tick price, Ppm level) noexcept nogil:
    """What the leg adds to equity - level * maintenance, in millionths of a unit."""
    cdef Cash value = value_of(m, p.size, price)
    return <Wide>value * PPM - <Wide>level * need_in(m, p.size, value, p.cost)


cdef Tick _turn(const Market* m, const Position* p, Ppm level, Wide room, bint up) noexcept nogil:
    """The nearest tick where the leg has used up its room, to the worse or (up) to the better."""
    cdef Tick near = m.mark
    cdef Tick far = m.price_max if (p.size > 0) == up else 1
    cdef Tick middle
    cdef Wide start = _spare(m, p, near, level)
    cdef int sign = 1 if up else -1
    if near == far or sign * (_spare(m, p, far, level) - start) <= room:
        return NIL
    while absolute(far - near) > 1:
        middle = near + (far - near) / 2
        if sign * (_spare(m, p, middle, level) - start) > room:
            far = middle
        else:
            near = middle
    return far


cdef bint _steady(const Market* m, Ppm level) noexcept nogil:
    """Value - level * maintenance moves one way with the price."""
    cdef const Bracket* rows = m.brackets
    cdef int32_t count = m.bracket_count
    cdef int32_t i
    if m.plan != NULL:
        if not sloped(m.plan):
            return False
        rows = m.plan.trigger
        count = m.plan.count
    for i in range(count):
        if <Wide>level * rows[i].maintenance_ppm > <Wide>PPM * PPM:
            return False
    return True


cdef int _arm(State* s, Calls* c, int32_t scope, const Margin* at) except -1 nogil:
    """Wait for the level that would change the flag, on the side where it is."""
    cdef bint up = c.called[scope]
    cdef Ppm level = c.release_ppm if up else c.call_ppm
    cdef int32_t first = s.ledger.holders[scope].first
    cdef int32_t p = first
    cdef int32_t legs = 0
    cdef const Position* position
    cdef const Market* m
    cdef Wide room = <Wide>at.equity * PPM - <Wide>level * larger(1, at.maintenance)
    cdef Tick tick
    if s.pledges != NULL and pledge_moves(s, scope, NIL):   # The mark moves more than its legs.
        return called_touch(c, scope)
    while p != NIL:
        position = &s.ledger.positions[p]
        if position.size != 0:
            legs += 1
            if not _steady(&s.markets[position.market], level):
                return called_touch(c, scope)
        p = position.next
    # Requirements are rounded to the unit, at both ends of a move and at their sum's least of one.
    room = oc_quotient(-room if up else room, legs) - 3 * level - 1
    p = first
    while p != NIL:
        position = &s.ledger.positions[p]
        if position.size != 0:
            m = &s.markets[position.market]
            tick = _turn(m, position, level, room, up)
            if tick != NIL:
                triggers_arm(&c.triggers, p, position.market,
                             RISES if (position.size > 0) == up else FALLS, tick)
        p = position.next
    return 0


cdef int _judge(State* s, Calls* c, int32_t scope) except -1 nogil:
    """Let go, call, or leave; then wait for the next change."""
    cdef Margin m = margin_of(s, scope, False)
    cdef int32_t p = s.ledger.holders[scope].first
    while p != NIL:
        triggers_disarm(&c.triggers, p)
        p = s.ledger.positions[p].next
    if m.flat or (c.called[scope] and not _below(&m, c.release_ppm)):
        c.called[scope] = 0
    if m.flat:
        return 0
    if not c.called[scope] and _below(&m, c.call_ppm):
        c.called[scope] = 1
        push(&c.due, &c.due_count, &c.due_capacity, scope)
    return _arm(s, c, scope, &m)


cdef int _gather(State* s, Calls* c) except -1 nogil:
    """Whoever a mark or a change of its own may have taken over a level, by id."""
    cdef int64_t i, count
    cdef int32_t scope
    while c.triggers.market_count < s.market_count:
        triggers_add_market(&c.triggers, s.markets[c.triggers.market_count].price_max)
    for i in range(s.market_count):
        while triggers_fire(&c.triggers, <int32_t>i, s.markets[i].mark, CASH_MAX):
            pass
    for i in range(c.triggers.fired_count):
        called_touch(c, s.ledger.positions[c.triggers.fired[i]].scope)
    triggers_clear_fired(&c.triggers)
    c.called = <signed char*>slab_grow(
        c.called, &c.called_capacity, s.ledger.holder_count, sizeof(signed char))
    sort_ids(c.loose, c.loose_count)
    count = c.loose_count
    for i in range(count):          # who must be looked at again joins behind
        scope = c.loose[i]
        c.listed[scope] = 0
        _judge(s, c, scope)
    for i in range(count, c.loose_count):
        c.loose[i - count] = c.loose[i]
    c.loose_count -= count
    c.gathered = 1
    return 0


cdef void calls_begin(State* s) noexcept nogil:
    cdef Calls* c = <Calls*>s.calls
    if c != NULL:
        c.gathered = 0
        c.due_count = 0
        c.cursor = 0


cdef int calls_advance(State* s) except -1 nogil:
    cdef Calls* c = <Calls*>s.calls
    if not c.on:
        return 0
    if not c.gathered:
        _gather(s, c)
    if c.cursor == c.due_count:
        return 0
    c.cursor += 1
    _call(s, c, c.due[c.cursor - 1])
    return 1


cdef int64_t _cause(const State* s, int32_t scope) noexcept nogil:
    """The latest step with trades, before the marks were taken, where the scope lost most."""
    cdef int32_t p = s.ledger.holders[scope].first
    cdef const Position* position
    cdef const Market* m
    cdef int64_t found = NIL
    cdef Cash loss
    cdef Cash worst = -CASH_MAX * 4
    while p != NIL:
        position = &s.ledger.positions[p]
        m = &s.markets[position.market]
        if position.size != 0:
            loss = (value_of(m, position.size, m.mark_before)
                    - value_of(m, position.size, m.mark))
            if loss > worst:
                worst = loss
                found = m.mark_trade_step
        p = position.next
    return found


cdef int _call(State* s, Calls* c, int32_t scope) except -1 nogil:
    """The row of one call; its account's answer is on its way."""
    cdef int32_t account = s.ledger.holders[scope].account
    cdef int64_t parent = _cause(s, scope)
    cdef Margin m = margin_of(s, scope, False)
    cdef Posted* posted
    cdef int64_t step = step_begin(
        s, STEP_MARGIN_CALL, NIL, scope, parent, generation_of(s, parent), NIL)
    note(s, step, NOTE_MARGIN_CALL, NIL, scope, m.equity, m.maintenance)
    finish(s, step)
    if account >= c.answer_count or c.answers[account].action == ANSWER_NOTHING:
        return 0
    c.posted = <Posted*>slab_grow(
        c.posted, &c.posted_capacity, c.posted_count + 1, sizeof(Posted))
    posted = &c.posted[c.posted_count]
    posted.time_ns = s.time_ns + c.answers[account].delay_ns
    posted.step = step
    posted.scope = scope
    posted.account = account
    posted.action = c.answers[account].action
    c.posted_count += 1
    return 0


cdef bint calls_next(State* s, Item* item) noexcept nogil:
    """Money by the agenda's rank of transfers, orders by that of orders."""
    cdef Calls* c = <Calls*>s.calls
    cdef const Posted* posted
    if c.posted_count == 0:
        return False
    c.posted_count -= 1
    posted = &c.posted[c.posted_count]
    memset(item, 0, sizeof(Item))
    item.kind = TRANSFER if posted.action == ANSWER_ADD else ORDER
    item.side = BY_ANSWER
    item.venue = s.venue
    item.market = NIL
    item.account = posted.account
    item.time_ns = posted.time_ns
    item.a = posted.scope
    item.b = posted.step
    item.c = posted.action
    return True


# --- answers -----------------------------------------------------------------------------------

cdef int answer_step(State* s, int32_t scope, int64_t step, int64_t action) except -1 nogil:
    """A step in any case; who is at the release level again, or flat, lets it be."""
    cdef Calls* c = <Calls*>s.calls
    cdef Margin m = margin_of(s, scope, False)
    cdef int32_t account = s.ledger.holders[scope].account
    cdef int64_t row = step_begin(s, STEP_AGENTS, NIL, scope, NIL, 0, NIL)
    cdef int64_t done = 0
    cdef int32_t market = NIL
    cdef bint meant = c.answers[account].action == action   # Another answer since: then none.
    if c.on and meant and not m.flat and _below(&m, c.release_ppm):
        if action == ANSWER_ADD:
            done = _add(s, &c.answers[account], scope, &m, row)
        else:
            done = _reduce(s, &c.answers[account], scope, row, &market)
    note(s, row, NOTE_ANSWER, market, scope, step, done)
    return finish(s, row)


cdef Cash _add(State* s, Answer* answer, int32_t scope, const Margin* m,
               int64_t step) except? -1 nogil:
    """Money up to the target or to the bottom of the wallet; how much it was."""
    cdef int32_t asset = s.ledger.holders[scope].asset
    cdef int32_t cross = ledger_scope(&s.ledger, s.ledger.holders[scope].account, NIL, asset)
    cdef Cash amount = answer.wallet
    if answer.ppm:
        amount = smaller(amount, mul_ppm_up(m.maintenance, answer.ppm) - m.equity)
    if answer.source == FROM_CROSS:
        if cross == NIL or cross == scope:
            return 0
        amount = smaller(amount, free_collateral(s, cross))
    if amount <= 0:
        return 0
    if answer.source == FROM_CROSS:
        ledger_post(&s.ledger, cross, scope, amount)
        write_posting(s, step, cross, scope, amount, REASON_TRANSFER)
        touch(s, cross)
    elif not money_fits(s, scope, amount):
        return 0
    else:
        gates_move(s, asset, amount)
        ledger_deposit(&s.ledger, scope, amount)
        write_outside(s, step, scope, amount)
    answer.wallet -= amount
    touch(s, scope)
    return amount


cdef int32_t _heaviest(const State* s, int32_t scope) noexcept nogil:
    """The leg of most maintenance; ties to the lower market."""
    cdef int32_t p = s.ledger.holders[scope].first
    cdef int32_t best = NIL
    cdef const Position* position
    cdef const Market* m
    cdef Cash need
    cdef Cash most = -1
    while p != NIL:
        position = &s.ledger.positions[p]
        if position.size != 0:
            m = &s.markets[position.market]
            need = need_in(m, position.size, value_of(m, position.size, m.mark), position.cost)
            if need > most:
                most = need
                best = p
        p = position.next
    return best


cdef Lot _reduce(State* s, const Answer* answer, int32_t scope, int64_t step,
                 int32_t* where) except? -1 nogil:
    """A market order for a share of the heaviest leg, never more than it; lots filled."""
    cdef int32_t handle = _heaviest(s, scope)
    cdef const Position* p = &s.ledger.positions[handle]
    where[0] = p.market
    return close_lots(s, handle, larger(1, smaller(
        absolute(p.size), div_floor(<Wide>absolute(p.size) * <Wide>answer.ppm, PPM))), step)


cdef Lot close_lots(State* s, int32_t position, Lot lots, int64_t step) except? -1 nogil:
    cdef const Position* p = &s.ledger.positions[position]
    cdef int32_t market = p.market
    cdef Message order
    cdef Executed done
    cdef int64_t row[ORDER_COLUMNS]
    cdef int64_t result = 0
    memset(&order, 0, sizeof(Message))
    order.type = MARKET
    order.tif = IOC
    order.side = 1 if p.size > 0 else 0
    order.account = s.ledger.holders[p.scope].account
    order.size = lots
    if valve_refuses(s, market, &order):
        result = REJECT_HALTED
    elif not fills_fit(s, market, &order):
        result = REJECT_POSITION_LIMIT
    else:
        result = book_submit(&s.markets[market].book, MARKET, order.side, 1, order.size,
                             order.account, IOC, 0)
    book_touched(s, market, step)
    apply_fills(s, market, step, False, &done)
    row[0] = step
    row[1] = 0
    row[2] = s.venue
    row[3] = market
    row[4] = order.account
    row[5] = order.side
    row[6] = MARKET
    row[7] = IOC
    row[8] = 0
    row[9] = 0
    row[10] = order.size
    row[11] = done.lots
    row[12] = result
    log_append(s.log, T_ORDERS, row)
    return done.lots


# --- check -------------------------------------------------------------------------------------

cdef bint _waits(const State* s, const Calls* c, int32_t scope) noexcept nogil:
    """It will be looked at when a round begins on these marks: listed, or a trigger fires."""
    cdef int32_t p = s.ledger.holders[scope].first
    cdef Tick tick, mark
    if scope < c.listed_capacity and c.listed[scope]:
        return True
    while p != NIL:
        if triggers_armed(&c.triggers, p):
            tick = c.triggers.nodes[p].tick
            mark = s.markets[s.ledger.positions[p].market].mark
            if (mark >= tick) if c.triggers.nodes[p].place % 2 == RISES else (mark <= tick):
                return True
        p = s.ledger.positions[p].next
    return False


cdef int64_t calls_check(const State* s) noexcept nogil:
    cdef const Calls* c = <const Calls*>s.calls
    cdef int64_t i
    cdef bint called
    cdef Margin m
    if c == NULL or not c.on or not s.running:
        return 0
    for i in range(s.ledger.holder_count):
        if s.ledger.holders[i].kind != SCOPE or _waits(s, c, <int32_t>i):
            continue
        called = i < c.called_capacity and c.called[i]
        m = margin_of(s, <int32_t>i, False)
        if m.flat:
            if called:
                return 500
        elif called != _below(&m, c.release_ppm if called else c.call_ppm):
            return 500
    return 0

"""Bytes to operations on a world: the entry of the fuzzer, and of the replay of what it found.

The first HEAD bytes set up one or two venues of two markets and four accounts: bounds, rules,
oracles, fees, books, positions. Every four bytes after them are one operation. After each one, and
after each step of a settlement, fuzz_laws.pxd judges the whole state. `one()` needs no GIL; `play()`
is its Python door. A broken law raises AssertionError; a broken oc_check() aborts.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memset
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.book cimport book_clear, book_submit
from ordercascade.core.digest cimport Digest
from ordercascade.core.events cimport TABLES, log_digest, log_fork, log_free, log_truncate
from ordercascade.core.ledger cimport (
    EXTERNAL, FUND, ledger_add_account, ledger_deposit, ledger_holder, ledger_place,
    ledger_position, ledger_scope,
)
from ordercascade.core.opening cimport has_price, opening
from ordercascade.core.outside cimport index_tick, new_scope
from ordercascade.core.records cimport AMEND, CANCEL, FOK, GTC, IOC, LIMIT, MARKET, Message
from ordercascade.core.slab cimport NIL, slab_copy
from ordercascade.core.state cimport HOT, Market, Rules, STEP_AGENTS, State, step_begin
from ordercascade.core.statecopy cimport state_copy, state_free
from ordercascade.core.units cimport CASH_MAX, Cash, Lot, Tick
from ordercascade.core.users cimport (
    user_deposit, user_isolate, user_message, user_move, user_withdraw,
)
from ordercascade.core.venue cimport Venue
from ordercascade.core.world cimport Item, World
from fuzz_laws cimport (
    Shadow, broken, digest_world, judge, judge_quiet, same, shadow_open, state_of,
)

from ordercascade.core.mechanism import Backstop
from ordercascade.enums import AdlRule, PriceSource
from ordercascade.errors import RangeError
from ordercascade.mechanisms.closing import Deleverage, Tranche
from ordercascade.mechanisms.prices import OwnBook

cdef enum:
    HEAD = 24               # bytes of set-up
    ACCOUNTS = 4
    ORDERS = 8              # resting orders a book
    KEPT = 8                # orders that cancel and amend may name
    GEOMETRIES = 4
    HUGE = 3                # the geometry whose sums may come near 2**60
    STEPS_MAX = 20_000      # a settlement of so small a world is over long before
    SHOCK = 3               # agenda ranks of core.world
    TRANSFER = 2
    PRICE_TICK = 0

ctypedef struct Geometry:
    Tick price_max
    Tick base               # where markets start
    Tick spread             # ticks between two neighbouring prices of a byte
    Lot unit                # lots of a size of 1
    int64_t multiplier
    Cash money              # units of an amount of 1

ctypedef struct Kept:
    int64_t order_id
    int32_t account
    int32_t market
    int32_t venue

ctypedef struct Play:       # one of the two runs that an input makes
    Kept kept[KEPT]
    Shadow shadow[2]        # by venue

cdef Geometry geometries[GEOMETRIES]
cdef State templates[2 * GEOMETRIES]    # without accounts; one asset, two assets
cdef void* oracles[8 * GEOMETRIES]
cdef void* policies[16]
cdef void* backstops[3]
cdef void* worlds[4]        # of one venue, of two; and the forks of these
cdef Play plays[2]          # of the world and of its fork
cdef Geometry g             # of the input being played
cdef int64_t operations
kept_alive = []             # what the pointers above borrow


# --- set-up ------------------------------------------------------------------------------------

cdef Tick _tick(int byte) noexcept nogil:
    """A price near the start: 64 of them, of which most lie inside a small ladder."""
    cdef Tick price = g.base + ((byte & 63) - 32) * g.spread
    return 1 if price < 1 else (g.price_max if price > g.price_max else price)


cdef void _rules(Rules* r, const uint8_t* h) noexcept nogil:
    r.queue = h[1] & 3 if h[1] & 3 < 3 else 0
    r.mark_refresh = h[1] >> 2 & 1
    r.shortfall_at = h[1] >> 3 & 1
    r.trigger_strict = not h[1] >> 4 & 1
    r.leg = h[1] >> 5 & 1
    r.residual = h[1] >> 6 & 1
    r.social = h[1] >> 7
    r.cancel = h[2] & 3 if h[2] & 3 < 3 else 0
    r.liquidation_fee_to = h[2] >> 2 & 1
    r.liquidation_pays_taker = h[2] >> 3 & 1
    r.adl_trigger = h[2] >> 4 & 1
    r.buffer_ppm = 20_000 if h[2] & 32 else 0
    r.liquidation_fee_ppm = (h[2] >> 6) * 12_500
    r.round_ns = h[3] >> 6 & 1
    r.round_max = 3 if h[3] & 128 else 100_000


cdef int _market(State* s, Market* m, const uint8_t* h, int which) except -1 nogil:
    """Oracle, fees, index and a book of up to seven levels a side, with gaps."""
    cdef int k
    cdef int levels = h[11] & 7
    cdef Lot size = (1 + (h[11] >> 3)) * g.unit
    m.book.order_max = ORDERS
    m.oracle = oracles[8 * (h[0] & 3) + (h[4 + which] & 7)]
    m.taker_fee_ppm = (h[6 + which] & 7) * 1000
    m.maker_fee_ppm = (h[6 + which] >> 3 & 7) * 700 - m.taker_fee_ppm
    m.external_taker_fee_ppm = (h[6 + which] >> 6) * 500
    m.external_maker_fee_ppm = (h[6 + which] >> 6) * 300 - 600
    m.index = _tick(h[9 + which]) if h[9 + which] else 0
    for k in range(levels):
        if k * 2 + 1 < ORDERS:
            book_submit(&m.book, LIMIT, 0, _tick(31 - k * (1 + which)), size, 0, GTC, 0)
            book_submit(&m.book, LIMIT, 1, _tick(33 + k * (2 - which)), size, 0, GTC, 0)
    book_clear(&m.book)
    if not has_price(m) or h[4 + which] & 8:
        m.last = g.base
    return 0


cdef int _account(State* s, int32_t account, const uint8_t* h) except -1 nogil:
    """An account with cross scopes, perhaps an isolated one, and a position in each market."""
    cdef int32_t i, scope, outside, asset
    cdef Lot size
    cdef Cash cost
    ledger_add_account(&s.ledger)
    for i in range(<int32_t>s.ledger.asset_count):
        scope = new_scope(s, account, i, NIL)
        ledger_deposit(&s.ledger, scope, (1 + (h[2] & 31)) * g.money * 2)
    if h[2] & 64:
        scope = new_scope(s, account, s.markets[h[2] >> 7].asset, h[2] >> 7)
        ledger_deposit(&s.ledger, scope, (1 + (h[2] & 31)) * g.money)
    for i in range(<int32_t>s.market_count):
        size = (<int>h[i] - 128) // 8 * g.unit
        if h[i] == 0 or size == 0:
            continue
        asset = s.markets[i].asset
        cost = size * _tick(28 + (h[i] & 7)) * g.multiplier
        scope = ledger_scope(&s.ledger, account, i, asset)
        outside = ledger_holder(&s.ledger, EXTERNAL, asset)
        ledger_place(&s.ledger, ledger_position(&s.ledger, scope, i), size, cost)
        ledger_place(&s.ledger, ledger_position(&s.ledger, outside, i), -size, -cost)
    return 0


cdef int _open_venue(World w, int32_t venue, const uint8_t* head) except -1 nogil:
    """A venue as the first bytes say; the second one reads them from elsewhere."""
    cdef State* s = state_of(w, venue)
    cdef uint8_t h[2 * HEAD]
    cdef int i
    for i in range(2 * HEAD):
        h[i] = head[(i + 5 * venue) % HEAD]
    h[0] = head[0]              # The same bounds on both.
    state_free(s)
    state_copy(s, &templates[2 * (h[0] & 3) + (h[0] >> 2 & 1)])
    s.venue = venue
    s.log = &w.events.log
    s.policy = policies[h[3] & 15]
    s.backstop = backstops[h[3] >> 4 & 3 if h[3] >> 4 & 3 < 3 else 0]
    _rules(&s.rules, h)
    s.rules.adl_rule = 1 if h[3] >> 4 & 3 == 1 else 0
    for i in range(s.market_count):
        _market(s, &s.markets[i], h, i)
    for i in range(s.ledger.asset_count):
        ledger_deposit(&s.ledger, ledger_holder(&s.ledger, FUND, i), (h[8] >> i & 63) * g.money)
    for i in range(ACCOUNTS):
        _account(s, i + 1, h + 12 + 3 * i)
    opening(s)
    shadow_open(&plays[0].shadow[venue], s)
    return 0


cdef int _open(World w, const uint8_t* head) except -1 nogil:
    """The world as after its start()."""
    cdef int32_t i
    for i in range(TABLES):
        log_truncate(&w.events.log, i, 0)
    memset(&plays[0], 0, sizeof(Play))
    w.agenda_count = w.sequence = w.instant = w.now = w.round = w.phase = w.turn = 0
    w.wrote = w.bound = w.opened = w.bounded = w.torn = False
    w.started = True
    for i in range(<int32_t>w.venue_count):
        _open_venue(w, i, head)
    return 0


cdef int _fork(World w, World other) except -1 nogil:
    """What World.fork() does, into a world that is there already."""
    cdef int64_t i
    log_free(&other.events.log)
    log_fork(&other.events.log, &w.events.log)
    for i in range(w.venue_count):
        state_free(state_of(other, i))
        state_copy(state_of(other, i), state_of(w, i))
        state_of(other, i).log = &other.events.log
    PyMem_RawFree(other.agenda)
    other.agenda = NULL
    other.agenda = <Item*>slab_copy(w.agenda, w.agenda_capacity, sizeof(Item))
    other.agenda_capacity = w.agenda_capacity
    other.agenda_count = w.agenda_count
    other.sequence, other.instant, other.now = w.sequence, w.instant, w.now
    other.round, other.phase, other.turn = w.round, w.phase, w.turn
    other.wrote, other.bound, other.opened = w.wrote, w.bound, w.opened
    other.bounded, other.started, other.torn = w.bounded, w.started, w.torn
    plays[1] = plays[0]
    return 0


# --- operations --------------------------------------------------------------------------------

cdef int64_t _order(State* s, Play* p, const uint8_t* op, int32_t account,
                    int32_t market, bint* torn) except -1 nogil:
    cdef Message m
    cdef int64_t result
    cdef int how = op[1] >> 5 & 3
    memset(&m, 0, sizeof(Message))
    m.type = MARKET if op[0] & 15 == 5 else LIMIT
    m.side = op[1] >> 4 & 1
    m.tif = IOC if how == 2 else (FOK if how == 3 else GTC)
    m.flags = op[1] >> 7 if m.type == LIMIT and m.tif == GTC else 0
    m.account = account
    m.price = _tick(op[2]) if m.type == LIMIT else 1
    m.size = (1 + (op[3] & 31)) * g.unit
    result = user_message(s, market, &m, torn)
    if result > 0:
        p.kept[op[3] >> 5].order_id = result
        p.kept[op[3] >> 5].account = account
        p.kept[op[3] >> 5].market = market
        p.kept[op[3] >> 5].venue = s.venue
    return result


cdef int64_t _change(World w, Play* p, const uint8_t* op, int32_t account,
                     bint* torn) except -1 nogil:
    """Cancel or amend an order that rested once; sometimes by somebody else."""
    cdef const Kept* kept = &p.kept[op[3] >> 5]
    cdef Message m
    memset(&m, 0, sizeof(Message))
    if kept.order_id == 0:
        return -2
    m.type = CANCEL if op[0] & 15 == 6 else AMEND
    m.account = account if op[1] >> 5 == 7 else kept.account
    m.order_id = kept.order_id
    m.price = 0 if op[2] & 64 else _tick(op[2])
    m.size = (op[3] & 31) * g.unit
    return user_message(state_of(w, kept.venue), kept.market, &m, torn)


cdef int64_t _money(State* s, const uint8_t* op, int32_t account, int32_t market,
                    bint* torn) except -1 nogil:
    """Deposits, withdrawals, isolated scopes; what the door refuses by an exception is left out."""
    cdef int32_t asset = s.markets[market].asset
    cdef int32_t scope = ledger_scope(&s.ledger, account, market, asset)
    cdef int kind = op[0] & 15
    cdef Cash amount = (1 + op[2]) * g.money / 4
    if kind == 8:
        if s.ledger.deposited[asset] + amount > CASH_MAX:
            return -2
        return user_deposit(s, account, asset, amount, torn)
    if kind == 9:
        return user_withdraw(s, account, asset, amount, torn)
    if scope == NIL or s.ledger.holders[scope].market != market:
        return user_isolate(s, account, market, torn)
    if amount == 0:
        return -2
    return user_move(s, account, market, amount if op[3] & 1 else -amount, torn)


cdef int _plan(World w, State* s, const uint8_t* op, int32_t account,
               int32_t market) except -1 nogil:
    """Something for the agenda, now or a little later."""
    cdef Item item
    memset(&item, 0, sizeof(Item))
    item.time_ns = w.now + (op[3] & 3)
    item.venue = s.venue
    item.market = market
    item.side = op[1] >> 4 & 1
    item.kind = SHOCK
    if op[3] >> 2 & 3 == 0:
        item.kind = PRICE_TICK
        item.a = _tick(op[2])
    elif op[3] >> 2 & 3 == 1:
        item.kind = TRANSFER
        item.account = account
        item.market = NIL
        item.b = s.markets[market].asset
        item.a = (<int64_t>op[2] - 128) * g.money / 4
        if item.a == 0 or s.ledger.deposited[item.b] + item.a > CASH_MAX / 2:
            return 0
    elif op[3] >> 2 & 3 == 2:
        item.b = (1 + op[2]) * g.base * g.unit * g.multiplier / 4
    else:
        item.a = (1 + (op[2] >> 1)) * g.unit
    if item.kind == SHOCK:
        item.c = _tick(op[3] >> 4 << 2) if op[1] >> 5 & 1 else 0
    w._schedule(&item)
    return 0


cdef int _advance(World w, Play* p, bint here) except -1 nogil:
    """One step of the world, judged; 0 when there is none."""
    cdef int wrote
    w.torn = True
    wrote = w.advance(here)
    w.torn = False
    return judge(w, p.shadow, wrote) + wrote


cdef int _settle(World w, Play* p, const uint8_t* op) except -1 nogil:
    """A settlement now or later, in one go, or begun only; or all that is due."""
    cdef int64_t steps = 0
    cdef bint here = not op[2] & 4
    if here:
        w._instant(w.now + (op[3] & 7 if op[2] & 1 else 0))
        if op[2] & 2:
            return 0
    while _advance(w, p, here):
        steps += 1
        if steps > STEPS_MAX:
            return broken(700, "a settlement that does not end")
    return judge_quiet(w) if here or steps else 0


cdef int64_t _act(World w, Play* p, const uint8_t* op, bint* torn) except -1 nogil:
    """One operation; what it answered, <= -2 where it was refused."""
    cdef int kind = op[0] & 15
    cdef int32_t venue = op[1] >> 3 & 1 if w.venue_count > 1 else 0
    cdef int32_t account = 1 + (op[1] & 3)
    cdef int32_t market = op[1] >> 2 & 1
    cdef State* s = state_of(w, venue)
    if s.settling:              # The doors are closed; a settlement goes on step by step.
        return _advance(w, p, False)
    if kind < 6:
        return _order(s, p, op, account, market, torn)
    if kind < 8:
        return _change(w, p, op, account, torn)
    if kind < 11:
        return _money(s, op, account, market, torn)
    if kind == 11:
        return index_tick(s, market, _tick(op[2]))
    if kind < 14:
        return _plan(w, s, op, account, market)
    return _settle(w, p, op)


cdef int _operate(World w, Play* p, const uint8_t* op, int64_t* answer) except -1 nogil:
    """An operation, judged; one that was refused must have changed nothing."""
    cdef bint torn = False
    cdef bint settling = state_of(w, 0).settling
    cdef Digest before, after
    if not settling:
        digest_world(w, &before)
    answer[0] = _act(w, p, op, &torn)
    if torn:
        return broken(701, "a call that returned half done")
    if not settling and answer[0] <= -2:
        digest_world(w, &after)
        if not same(&before, &after):
            return broken(702, "a refused call that changed something")
        return 0
    return judge(w, p.shadow, -1)


cdef int _run(World w, World other, const uint8_t* data, size_t size) except -1 nogil:
    """All operations of an input; from a fork on, both worlds make them and stay the same."""
    global operations
    cdef size_t at = HEAD
    cdef bint forked = False
    cdef int64_t mine, its
    cdef Digest here, there
    operations = 0
    _open(w, data)
    judge(w, plays[0].shadow, -1)
    while at + 4 <= size:
        operations += 1
        if data[at] & 15 == 14:
            _fork(w, other)
            forked = True
        else:
            _operate(w, &plays[0], data + at, &mine)
            if forked:
                _operate(other, &plays[1], data + at, &its)
                if mine != its:
                    return broken(703, "a fork that answers otherwise")
        if forked:
            digest_world(w, &here)
            digest_world(other, &there)
            if not same(&here, &there):
                return broken(704, "a fork that went another way")
        at += 4
    if forked:
        log_digest(&w.events.log, &here)
        log_digest(&other.events.log, &there)
        if not same(&here, &there):
            return broken(705, "a fork whose tape differs")
    return 0


cdef int _played(const uint8_t* data, size_t size) except -1 nogil:
    return _run(<World>worlds[data[0] >> 3 & 1], <World>worlds[2 + (data[0] >> 3 & 1)], data, size)


cdef int _huge(const uint8_t* data, size_t size) except -1 with gil:
    """Near 2**60 a sum may be refused in the middle of a settlement: then the input is over."""
    try:
        return _played(data, size)
    except RangeError:
        return 0


cdef int one(const uint8_t* data, size_t size) except -1 nogil:
    """Play an input; raises AssertionError where a law is broken."""
    global g
    if size < HEAD + 4:
        return 0
    g = geometries[data[0] & 3]
    return _huge(data, size) if data[0] & 3 == HUGE else _played(data, size)


# --- the Python door ---------------------------------------------------------------------------

def _geometry(int k, Tick price_max, Tick base, Tick spread, Lot unit, int64_t multiplier):
    """One of the bounds that markets may have: templates with one asset and with two."""
    cdef Geometry* made = &geometries[k]
    cdef Venue venue
    made.price_max, made.base, made.spread = price_max, base, spread
    made.unit, made.multiplier = unit, multiplier
    made.money = base * multiplier * unit / 8
    floor = 40 * base * multiplier * unit
    brackets = [(0, 50_000, 0, 100_000), (floor, 100_000, floor // 20, 200_000)]
    for assets in (1, 2):
        world = World()
        world.add_venue(assets)
        venue = world.venue(0)
        for market in range(2):
            venue.add_market(market % assets, multiplier, price_max=price_max,
                             size_max=255 * unit, brackets=brackets)
        kept_alive.append(venue)
        state_copy(&templates[2 * k + assets - 1], &venue.s)
    for i in range(8):
        oracle = OwnBook(PriceSource(i % 3), own_weight_ppm=(10**6, 400_000, 0)[i // 3],
                         price_max=price_max)
        kept_alive.append(oracle)
        oracles[8 * k + i] = <void*>oracle


def prepare():
    """Make what inputs choose from; once a process."""
    if kept_alive:
        return
    _geometry(0, 63, 32, 1, 1, 1)
    _geometry(1, 200, 100, 2, 1, 7)
    _geometry(2, 5_000, 2_500, 70, 3, 10**6 + 3)
    _geometry(HUGE, 63, 32, 1, 2**30, 2**14)
    for i in range(16):
        policy = Tranche(
            fraction_ppm=(10**6, 500_000, 250_000, 100_000)[i & 3], min_value=600 * (i >> 3),
            cooldown_ns=2 * (i >> 3), then_all=i & 3 == 1, at_bankruptcy=bool(i & 4))
        kept_alive.append(policy)
        policies[i] = <void*>policy
    for i, backstop in enumerate((Deleverage(), Deleverage(AdlRule.PRO_RATA), Backstop())):
        kept_alive.append(backstop)
        backstops[i] = <void*>backstop
    for i in range(4):
        world = World()
        for _ in range(1 + i % 2):
            world.add_venue()
        kept_alive.append(world)
        worlds[i] = <void*>world


def play(bytes data not None):
    """Play an input from Python; returns how many operations it had."""
    global operations
    cdef const uint8_t* cells = data
    cdef size_t size = len(data)
    prepare()
    operations = 0
    try:
        with nogil:
            one(cells, size)
    except AssertionError as error:
        raise AssertionError(f"{error}, operation {operations}") from None
    return operations


def world(bytes data not None):
    """The world in which an input was played last: its log tells how far it came."""
    return <World>worlds[data[0] >> 3 & 1]


def spoil(bytes data not None, str how):
    """Play an input, put one number wrong, and judge: what a law says, or nothing."""
    cdef World w
    cdef State* s
    cdef int64_t i
    play(data)
    w = world(data)
    s = state_of(w, 0)
    i = s.ledger.holder_count - 1
    if how == "money from nowhere":
        s.ledger.holders[i].collateral += 1
    elif how == "money moved without a posting":
        s.ledger.holders[i].collateral += 1
        s.ledger.holders[i - 1].collateral -= 1
    elif how == "a scope taken off the watch":
        s.scopes[i].watch = HOT
    elif how == "a scope pending in no list":
        s.scopes[i].listed = 1 - s.scopes[i].listed
    elif how == "a fill forgotten":
        s.markets[0].book.fill_count = 1
    elif how == "an order too many":
        s.markets[0].book.order_max = s.markets[0].book.count - 1
    elif how == "a step without a call":
        step_begin(s, STEP_AGENTS, NIL, NIL, NIL, 0, NIL)
    else:
        raise ValueError(how)
    judge(w, plays[0].shadow, 0)

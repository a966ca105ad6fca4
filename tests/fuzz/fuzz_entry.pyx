"""Bytes to operations on a venue: the entry of the fuzzer, and of the replay of what it found.

The first byte chooses one of 64 small venues (two markets of 63 ticks, four accounts, twelve orders
a book); every four bytes after it are one operation. After each one, and after each step of a
settlement, everything is checked by full scan. `one()` needs no GIL; `play()` is its Python door.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport abort
from libc.stdio cimport fprintf, stderr
from libc.string cimport memset
from cpython.exc cimport PyErr_Occurred
from ordercascade.core.book cimport (
    Book, Order, book_amend, book_cancel, book_clear, book_find, book_submit,
)
from ordercascade.core.digest cimport Digest, digest_start
from ordercascade.core.events cimport Log, TABLES, log_init, log_truncate
from ordercascade.core.initial cimport free_collateral, open_orders, refusal
from ordercascade.core.ledger cimport (
    SCOPE, ledger_deposit, ledger_find, ledger_flat, ledger_post, ledger_scope,
)
from ordercascade.core.outside cimport index_tick, new_scope, shock, transfer
from ordercascade.core.records cimport LIMIT, MARKET
from ordercascade.core.settle cimport bound_row, marks_advance, round_advance, round_begin
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport (
    REASON_TRANSFER, STEP_AGENTS, State, step_begin, write_posting,
)
from ordercascade.core.statecopy cimport state_check, state_copy, state_digest, state_free
from ordercascade.core.steps cimport Executed, apply_fills, book_touched, finish
from ordercascade.core.venue cimport Venue
from ordercascade.core.watch cimport touch, window_open

from ordercascade.core.world import World
from ordercascade.enums import AdlRule, PriceSource, QueueOrder

cdef enum:
    VENUES = 64
    ACCOUNTS = 4
    TICKS = 63
    ORDERS = 12
    KEPT = 8                # order ids that cancel and amend may name
    ROUNDS = 40

cdef State venues[VENUES]
cdef Log log
cdef bint ready = False
cdef int64_t ids[KEPT]
cdef int64_t operations
kept = []                   # the worlds own the mechanisms that the copies borrow


cdef int _broken(const State* s, int64_t number, int where) noexcept nogil:
    fprintf(stderr, "ordercascade: invariant %lld broken after operation %lld (kind %d)\n",
            <long long>number, <long long>operations, where)
    abort()
    return 0


cdef int _check(State* s, int where) except -1 nogil:
    """Everything by full scan."""
    cdef int64_t number = state_check(s)
    if number:
        _broken(s, number, where)
    return 0


# --- operations --------------------------------------------------------------------------------

cdef int _ordered(State* s, int32_t market, int64_t result) except -1 nogil:
    """What the door does with an order that the book took."""
    cdef Executed done
    cdef int64_t step
    if result <= -2:
        book_clear(&s.markets[market].book)
        return 0
    step = step_begin(s, STEP_AGENTS, NIL, NIL, NIL, 0, NIL)
    book_touched(s, market, step)
    apply_fills(s, market, step, False, &done)
    return finish(s, step)


cdef int _submit(State* s, int32_t account, int32_t market, int kind, int a, int b) except -1 nogil:
    cdef int side = a & 1
    cdef int tif = (a >> 1) % 3 if kind == LIMIT else 1
    cdef int flags = 1 if kind == LIMIT and tif == 0 and a & 64 else 0
    cdef int64_t price = 1 + (a >> 3 & 7) * 8 + (b & 7) if kind == LIMIT else 1
    cdef int64_t size = 1 + (b >> 3)
    cdef int64_t result
    if price > TICKS:
        price = TICKS
    if refusal(s, account, market, side, size):
        return 0
    result = book_submit(&s.markets[market].book, kind, side, price, size, account, tif, flags)
    if result > 0:
        ids[a & 7] = result
    return _ordered(s, market, result)


cdef int _cancel(State* s, int32_t account, int32_t market, int a) except -1 nogil:
    cdef int64_t result = book_cancel(&s.markets[market].book, ids[a & 7], account)
    return _ordered(s, market, 0) if result > 0 else 0


cdef int _amend(State* s, int32_t account, int32_t market, int a, int b) except -1 nogil:
    cdef Book* book = &s.markets[market].book
    cdef const Order* order = book_find(book, ids[a & 7])
    cdef int64_t price = b & 63
    cdef int64_t size = a >> 3 & 15
    if order == NULL or order.account != account:
        return 0
    if size > order.size or (size > 0 and price and price != order.price):
        if refusal(s, account, market, order.side, size - order.size):
            return 0
    return _ordered(s, market, book_amend(book, ids[a & 7], account, price, size))


cdef int _isolate(State* s, int32_t account, int32_t market, int a) except -1 nogil:
    """Isolate, or move money between the account's two scopes."""
    cdef int32_t asset = s.markets[market].asset
    cdef int32_t scope = ledger_scope(&s.ledger, account, market, asset)
    cdef int32_t cross = ledger_scope(&s.ledger, account, -1, asset)
    cdef int64_t step, amount
    if scope == NIL or s.ledger.holders[scope].market != market:
        if open_orders(s, account, market):
            return 0
        if scope != NIL and ledger_find(&s.ledger, scope, market) != NIL and (
                s.ledger.positions[ledger_find(&s.ledger, scope, market)].size != 0):
            return 0
        new_scope(s, account, asset, market)
        return finish(s, step_begin(s, STEP_AGENTS, NIL, NIL, NIL, 0, NIL))
    amount = a - 128
    if amount == 0 or cross == NIL or free_collateral(s, cross if amount > 0 else scope) < (
            amount if amount > 0 else -amount):
        return 0
    ledger_post(&s.ledger, cross, scope, amount)
    step = step_begin(s, STEP_AGENTS, NIL, NIL, NIL, 0, NIL)
    write_posting(s, step, cross, scope, amount, REASON_TRANSFER)
    touch(s, cross)
    touch(s, scope)
    return finish(s, step)


cdef int _settle(State* s) except -1 nogil:
    """A settlement as a world of one venue runs it, checked after every step."""
    cdef int64_t round
    cdef bint wrote
    s.time_ns += 1000
    s.muted = False
    s.settling = True
    window_open(s)
    for round in range(ROUNDS):
        wrote = False
        round_begin(s, s.time_ns, round)
        while marks_advance(s):
            wrote = True
        while round_advance(s):
            wrote = True
            _check(s, 20)
        if not wrote:
            break
        if round + 1 == ROUNDS:
            bound_row(s)
    s.round = 0
    s.settling = False
    return _settled(s) if round + 1 < ROUNDS else 0


cdef int _settled(State* s) except -1 nogil:
    """After a cascade no flat scope of a user owes money."""
    cdef int64_t i
    for i in range(s.ledger.holder_count):
        if s.ledger.holders[i].kind == SCOPE and s.ledger.holders[i].account > 0 and (
                s.ledger.holders[i].collateral < 0 and ledger_flat(&s.ledger, <int32_t>i)):
            _broken(s, 500, 20)
    return 0


cdef int _fork(State* s) except -1 nogil:
    """A copy has the same digest, and going on with it is going on."""
    cdef State other
    cdef Digest here, there
    state_copy(&other, s)
    digest_start(&here)
    digest_start(&there)
    state_digest(s, &here)
    state_digest(&other, &there)
    if here.a != there.a or here.b != there.b:
        _broken(s, 600, 21)
    state_free(s)
    s[0] = other
    return 0


cdef int _act(State* s, int kind, int who, int a, int b) except -1 nogil:
    cdef int32_t account = 1 + (who & 3)
    cdef int32_t market = who >> 2 & 1
    if kind < 6:
        return _submit(s, account, market, LIMIT, a, b)
    if kind == 6:
        return _submit(s, account, market, MARKET, a, b)
    if kind == 7:
        return _cancel(s, account, market, a)
    if kind == 8:
        return _amend(s, account, market, a, b)
    if kind == 9:
        return transfer(s, account, 0, (a - 128) * (1 + (b & 7)))
    if kind == 10:
        return _isolate(s, account, market, a)
    if kind == 11:
        return index_tick(s, market, 1 + a % TICKS)
    if kind == 12:
        return shock(s, market, a & 1, 1 + (b & 63), 0, (a >> 1) % TICKS)
    if kind == 13:
        return _fork(s)
    return _settle(s)


cdef int one(const uint8_t* data, size_t size) except -1 nogil:
    """Play an input; abort where an invariant breaks or a call raises."""
    global operations
    cdef State s
    cdef size_t at = 1
    cdef int table
    if size < 5:
        return 0
    for table in range(TABLES):
        log_truncate(&log, table, 0)
    memset(ids, 0, sizeof(ids))
    operations = 0
    state_copy(&s, &venues[data[0] % VENUES])
    s.log = &log
    while at + 4 <= size:
        operations += 1
        _act(&s, data[at] & 15, data[at + 1], data[at + 2], data[at + 3])
        _check(&s, data[at] & 15)
        at += 4
    state_free(&s)
    return 0


# --- set-up and the Python door ----------------------------------------------------------------

BRACKETS = [(0, 50_000, 0, 100_000), (200, 100_000, 10, 200_000)]


def _venue(int number):
    """One of the small venues: each bit of the number is a rule."""
    world = World(number)
    bit = [bool(number >> k & 1) for k in range(6)]
    venue = world.venue(world.add_venue(
        mark_refresh=int(bit[0]), queue=QueueOrder(number % 3), shortfall_at=int(bit[1]),
        residual=int(bit[2]), social=bit[3], adl_rule=AdlRule(int(bit[4])),
        adl_trigger=int(bit[5]), trigger_strict=not bit[2], leg=int(bit[3]), limit=int(bit[5]),
        fraction_ppm=250_000 if bit[1] else 10**6, cooldown_ns=1500 if bit[4] else 0,
        liquidation_fee_ppm=10_000 if bit[0] else 0, buffer_ppm=5_000 if bit[2] else 0,
        then_all=bit[5] and bit[1]))
    for m in range(2):
        venue.add_market(
            0, 1 + m, price_max=TICKS, size_max=1 << 20, brackets=BRACKETS, last=32,
            index=30 if bit[m] else 0, own_weight_ppm=500_000 if bit[m] else 10**6,
            source=PriceSource.MID if bit[4] else PriceSource.LAST, maker_fee_ppm=-1_000,
            taker_fee_ppm=3_000, external_taker_fee_ppm=1_000)
        for k in range(4):
            venue.seed_level(m, 0, 31 - 2 * k, 6)
            venue.seed_level(m, 1, 33 + 2 * k, 6)
    venue.fund_deposit(0, 40)
    for k in range(ACCOUNTS):
        account = venue.open_account()
        venue.deposit(account, 0, 120 + 60 * k)
        venue.open_position(account, k & 1, 20 if k < 2 else -15, (20 if k < 2 else -15) * 32)
    world.start()
    return world


def prepare():
    """Make the small venues; once a process."""
    global ready
    cdef Venue venue
    if ready:
        return
    log_init(&log)
    for number in range(VENUES):
        world = _venue(number)
        kept.append(world)
        venue = world.venue(0)
        kept.append(venue)
        state_copy(&venues[number], &venue.s)
        for m in range(2):
            venues[number].markets[m].book.order_max = ORDERS
    ready = True


def play(bytes data not None):
    """Play an input from Python; what would abort the fuzzer aborts here too."""
    cdef const uint8_t* cells = data
    cdef size_t size = len(data)
    prepare()
    with nogil:
        one(cells, size)
    return operations

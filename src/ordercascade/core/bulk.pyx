"""Accounts by the array: a population opened in one call, judged before anything changes."""

from libc.stdint cimport int32_t, int64_t
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from ordercascade.core.bounds cimport open_most, opened
from ordercascade.core.ledger cimport (
    EXTERNAL, SCOPE, ledger_add_account, ledger_deposit, ledger_find, ledger_holder, ledger_place,
    ledger_leg, ledger_leg_made, ledger_position, leg_held,
)
from ordercascade.core.outside cimport new_scope
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport Margin, State, margin_of
from ordercascade.core.units cimport CASH_MAX, Cash, Lot, Wide, absolute

import numpy as np

from ordercascade.core.laws import OPENING_DTYPE
from ordercascade.errors import ConfigError, InputError, InputTypeError, RangeError

ctypedef struct Opening:        # one row of OPENING_DTYPE
    int32_t account
    int32_t market
    Lot size
    Cash cost
    Cash collateral
    int64_t isolated

ctypedef struct Sum:            # of one market: lots by side of all users, and the new rows' sums
    Wide side[2]
    Wide size
    Wide cost

ACCOUNTS_MAX = 2**24

cdef enum:
    FINE = 0
    BAD_DEPOSIT = 1
    BAD_ACCOUNT = 2
    BAD_ORDER = 3
    BAD_MARKET = 4
    BAD_SIZE = 5
    BAD_COST = 6
    BAD_COLLATERAL = 7
    BAD_CROSS_COLLATERAL = 8
    BAD_ISOLATED = 9
    BAD_ASSET = 10

RULES = {
    BAD_DEPOSIT: ("deposits", "must be in [0, 2**60]"),
    BAD_ACCOUNT: ("account", "must count from 0 and lie within the deposits"),
    BAD_ORDER: ("account", "rows must be sorted by account, then market, each pair once"),
    BAD_MARKET: ("market", "must be a market of the venue"),
    BAD_SIZE: ("size", "must not be 0, and within the market's size_max"),
    BAD_COST: ("cost", "must be in [-2**60, 2**60]"),
    BAD_COLLATERAL: ("collateral", "must be in [0, 2**60]"),
    BAD_CROSS_COLLATERAL: ("collateral", "of a cross position belongs to the account's deposit"),
    BAD_ISOLATED: ("isolated", "must be 0 or 1"),
    BAD_ASSET: ("market", "must settle in the asset of the deposits"),
}


cdef int _judge_row(const State* s, const Opening* row, const Opening* before, int64_t accounts,
                    int32_t asset) noexcept nogil:
    if not 0 <= row.account < accounts:
        return BAD_ACCOUNT
    if not 0 <= row.market < s.market_count:
        return BAD_MARKET
    if before != NULL and (row.account < before.account or (
            row.account == before.account and row.market <= before.market)):
        return BAD_ORDER
    if s.markets[row.market].asset != asset:
        return BAD_ASSET
    if row.size == 0 or row.size > s.markets[row.market].size_max or (
            row.size < -s.markets[row.market].size_max):
        return BAD_SIZE
    if row.cost > CASH_MAX or row.cost < -CASH_MAX:
        return BAD_COST
    if not 0 <= row.collateral <= CASH_MAX:
        return BAD_COLLATERAL
    if row.isolated != 0 and row.isolated != 1:
        return BAD_ISOLATED
    return BAD_CROSS_COLLATERAL if row.collateral and not row.isolated else FINE


cdef int _judge(const State* s, const Cash* deposits, int64_t accounts, const Opening* rows,
                int64_t count, int32_t asset, int64_t* at, Wide* money) noexcept nogil:
    """The rule that a row breaks and its place; adds the money to `money`."""
    cdef int64_t i
    cdef int wrong
    for i in range(accounts):
        at[0] = i
        if not 0 <= deposits[i] <= CASH_MAX:
            return BAD_DEPOSIT
        money[0] = money[0] + deposits[i]
    for i in range(count):
        at[0] = i
        wrong = _judge_row(s, &rows[i], &rows[i - 1] if i else NULL, accounts, asset)
        if wrong:
            return wrong
        money[0] = money[0] + rows[i].collateral
    return FINE


cdef int _judge_sums(const State* s, const Opening* rows, int64_t count, int32_t asset,
                     Sum* sums, int32_t* market) noexcept nogil:
    """1: a side of `market` would hold more than size_max; 2: the cost of `external` is too much.

    Adds the rows to `sums`, one zeroed cell a market.
    """
    cdef int64_t i
    cdef Wide total
    cdef int32_t outside = ledger_holder(&s.ledger, EXTERNAL, asset)
    for i in range(s.ledger.position_count):
        if s.ledger.holders[s.ledger.positions[i].scope].kind == SCOPE:
            sums[s.ledger.positions[i].market].side[s.ledger.positions[i].size < 0] += absolute(
                s.ledger.positions[i].size)
    for i in range(count):
        sums[rows[i].market].side[rows[i].size < 0] += absolute(rows[i].size)
        sums[rows[i].market].size += rows[i].size
        sums[rows[i].market].cost += rows[i].cost
    for i in range(s.market_count):
        market[0] = <int32_t>i
        if sums[i].side[0] > s.markets[i].size_max or sums[i].side[1] > s.markets[i].size_max:
            return 1
        total = sums[i].cost
        if ledger_find(&s.ledger, outside, <int32_t>i) != NIL:
            total = total - s.ledger.positions[ledger_find(&s.ledger, outside, <int32_t>i)].cost
        if total > CASH_MAX or total < -CASH_MAX:
            return 2
    return 0


cdef int _open(State* s, const Cash* deposits, int64_t accounts, const Opening* rows,
               int64_t count, int32_t asset, const Sum* sums) except -1 nogil:
    """Open what was judged: accounts, cross deposits, scopes, positions; `external` opposite."""
    cdef int64_t i
    cdef int64_t row = 0
    cdef int32_t account, cross, scope
    cdef int32_t outside = ledger_holder(&s.ledger, EXTERNAL, asset)
    for i in range(accounts):
        account = ledger_add_account(&s.ledger)
        cross = NIL
        if deposits[i]:
            cross = new_scope(s, account, asset, NIL)
            ledger_deposit(&s.ledger, cross, deposits[i])
        while row < count and rows[row].account == i:
            if rows[row].isolated:
                scope = new_scope(s, account, asset, rows[row].market)
                ledger_deposit(&s.ledger, scope, rows[row].collateral)
            else:
                if cross == NIL:
                    cross = new_scope(s, account, asset, NIL)
                scope = cross
            ledger_place(&s.ledger, ledger_position(&s.ledger, scope, rows[row].market),
                         rows[row].size, rows[row].cost)
            # Made where single calls would make it, so that handles and hash are theirs.
            ledger_position(&s.ledger, outside, rows[row].market)
            row += 1
    for i in range(s.market_count):
        if sums[i].size != 0 or sums[i].cost != 0:
            ledger_place(&s.ledger, ledger_position(&s.ledger, outside, <int32_t>i),
                         -<Lot>sums[i].size, -<Cash>sums[i].cost)
    return 0


cdef object open_many(State* s, deposits, openings, int32_t asset, bint* torn):
    """Open an account for each deposit, with the positions of `openings`; the first id.

    All rows are judged first: an error names rule and row, and nothing has changed.
    """
    cdef const Cash[::1] paid = _array("deposits", deposits, np.dtype(np.int64))
    cdef const Opening[::1] rows = _array("openings", openings, OPENING_DTYPE)
    cdef const Cash* first_paid = &paid[0] if paid.shape[0] else NULL
    cdef const Opening* first_row = &rows[0] if rows.shape[0] else NULL
    cdef Sum* sums
    cdef Wide money = s.ledger.deposited[asset]
    cdef int64_t at = 0
    cdef int32_t market = 0
    cdef int wrong
    if s.ledger.account_count + paid.shape[0] > ACCOUNTS_MAX:
        raise ConfigError("accounts", "must be at most 2**24")
    wrong = _judge(s, first_paid, paid.shape[0], first_row, rows.shape[0], asset, &at, &money)
    if wrong:
        field, rule = RULES[wrong]
        value = deposits[at] if wrong == BAD_DEPOSIT else openings[field][at]
        raise InputError(field, int(value), rule, row=int(at))
    if money > CASH_MAX:
        raise RangeError("deposits", "must sum to at most 2**60 units", bits=60)
    sums = <Sum*>PyMem_Calloc(<size_t>(s.market_count + 1), sizeof(Sum))
    if sums == NULL:
        raise MemoryError()
    try:
        wrong = _judge_sums(s, first_row, rows.shape[0], asset, sums, &market)
        if wrong == 1:
            raise ConfigError(f"market[{market}]", "the positions on one side must sum to at most "
                              "size_max", s.markets[market].size_max)
        if wrong == 2:
            raise RangeError(f"market[{market}]", "the sum of costs would pass 2**60", bits=60)
        account = s.ledger.account_count
        s.busy = True
        torn[0] = True
        try:
            with nogil:
                _open(s, first_paid, paid.shape[0], first_row, rows.shape[0], asset, sums)
            torn[0] = False
        finally:
            s.busy = False
    finally:
        PyMem_Free(sums)
    return account


def _array(field, value, dtype):
    """A copy of an array of this layout, or a refusal by name: nobody changes what was judged."""
    if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
        raise InputTypeError(field, "a numpy array", type(value).__name__)
    if value.dtype != dtype:
        wanted = "int64" if dtype.names is None else f"OPENING_DTYPE ({', '.join(dtype.names)})"
        raise InputTypeError(field, wanted, str(value.dtype))
    if value.ndim != 1:
        raise InputError(field, value.shape, "must have shape (n,)")
    return np.array(value, order="C", subok=False)


cdef int _fits(const State* s, int32_t scope, int32_t market, Lot size, Cash cost,
               Lot most) except -1:
    cdef int32_t p = NIL
    if scope != NIL:
        p = ledger_leg(&s.ledger, scope, market, leg_held(&s.ledger, scope, size))
    if p != NIL:
        size += s.ledger.positions[p].size
        cost += s.ledger.positions[p].cost
    if absolute(size) > most:
        raise RangeError("size", f"would make a position of market {market} pass {most} lots",
                         bits=40)
    if absolute(cost) > CASH_MAX:
        raise RangeError("cost", f"would make a cost of market {market} pass 2**60", bits=60)
    return 0


cdef int judge_one(const State* s, int32_t scope, int32_t outside, int32_t market, Lot size,
                   Cash cost) except -1:
    cdef Lot room = open_most(s, market)
    cdef Lot raised
    _fits(s, scope, market, size, cost, s.markets[market].size_max)
    _fits(s, outside, market, -size, -cost, room)
    raised = opened(s, scope, market, size) + opened(s, outside, market, -size)
    if s.ledger.sided[market].open + raised > room:
        raise RangeError("size", f"would make the open interest of market {market} pass {room} "
                         "lots", bits=40)
    return 0


cdef int place_one(State* s, int32_t scope, int32_t outside, int32_t market, Lot size,
                   Cash cost) except -1:
    ledger_place(&s.ledger, ledger_leg_made(
        &s.ledger, scope, market, leg_held(&s.ledger, scope, size)), size, cost)
    ledger_place(&s.ledger, ledger_position(&s.ledger, outside, market), -size, -cost)
    return 0


cdef list below_zero(const State* s):
    """Scopes of users with negative equity on the standing marks, by id, with that equity."""
    cdef int64_t i
    cdef Margin m
    cdef list out = []
    for i in range(s.ledger.holder_count):
        if s.ledger.holders[i].kind == SCOPE and s.ledger.holders[i].account > 0:
            m = margin_of(s, <int32_t>i, False)
            if m.equity < 0:
                out.append((i, s.ledger.holders[i].account, m.equity))
    return out

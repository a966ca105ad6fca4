# Surcharges of a venue as plain memory: what stands on top of each market's rates.
#
# A venue without surcharges has no Rates: `State.rates` is NULL. What stands is in the market's own
# brackets (or its schedule's rows) and taker fee already, so nothing that reads them asks here.
# What surcharges do: core/rating.*; what they decide: mechanisms/surcharges.*. ADR 17.
from libc.stdint cimport int8_t, int32_t, int64_t
from libc.string cimport memset
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.slab cimport slab_copy, slab_grow
from ordercascade.core.units cimport CASH_MAX, Cash, PPM, Ppm, Wide, div_floor

cdef enum:
    SURCHARGES_MAX = 16     # of one venue

ctypedef struct RateRow:    # one market: what was added to ...
    Ppm maintenance_ppm     # every maintenance rate
    Ppm initial_ppm         # every initial rate
    Ppm fee_ppm             # the taker fee

ctypedef struct Lending:        # two-slope interest, core/interest; `on` 0: none
    int8_t on
    int64_t base_ppb        # a year
    int64_t slope_ppb       # up to the optimum ...
    int64_t steep_ppb       # ... and beyond it
    int64_t optimum_ppb     # of the utilisation
    Ppm reserve_ppm         # share of what is paid that goes to the fund
    Ppm elasticity_ppm      # share that borrowers close for 1 % a year and a day; core/relief

ctypedef struct Rates:
    Lending lending
    void* surcharges[16]    # borrowed Surcharges; the venue object owns them
    int64_t surcharge_count
    int64_t cursor          # market that is asked next in this round
    Ppm to_fund_ppm         # share of positive trading fees
    int64_t* shares         # by asset: what borrowers are to close after payments, ppb
    int64_t share_count
    int64_t share_capacity
    RateRow* rows           # by market
    int64_t row_count
    int64_t row_capacity


cdef inline Rates* rates_new() except NULL nogil:
    cdef Rates* r = <Rates*>PyMem_RawCalloc(1, sizeof(Rates))
    if r == NULL:
        with gil:
            raise MemoryError()
    return r


cdef inline void rates_free(void* rates) noexcept nogil:
    cdef Rates* r = <Rates*>rates
    if r != NULL:
        PyMem_RawFree(r.rows)
        PyMem_RawFree(r.shares)
        PyMem_RawFree(r)


cdef inline int rates_copy(void** to, const void* rates) except -1 nogil:
    """Copy all but the surcharges themselves, which their owner clones; NULL stays NULL."""
    cdef const Rates* r = <const Rates*>rates
    cdef Rates* made
    if r == NULL:
        to[0] = NULL
        return 0
    made = rates_new()
    to[0] = made
    made[0] = r[0]
    made.rows = NULL
    made.shares = NULL
    made.shares = <int64_t*>slab_copy(r.shares, r.share_capacity, sizeof(int64_t))
    made.rows = <RateRow*>slab_copy(r.rows, r.row_capacity, sizeof(RateRow))
    return 0


cdef inline int rates_reserve(Rates* r, int64_t markets) except -1 nogil:
    cdef int64_t i
    r.rows = <RateRow*>slab_grow(r.rows, &r.row_capacity, markets, sizeof(RateRow))
    for i in range(r.row_count, markets):
        memset(&r.rows[i], 0, sizeof(RateRow))
    r.row_count = markets
    return 0


cdef inline void rates_digest(const Rates* r, Digest* d) noexcept nogil:
    cdef int64_t i
    digest_word(d, r.surcharge_count)
    digest_word(d, r.cursor)
    digest_word(d, r.to_fund_ppm)
    if r.lending.on:
        digest_word(d, r.lending.base_ppb)
        digest_word(d, r.lending.slope_ppb)
        digest_word(d, r.lending.steep_ppb)
        digest_word(d, r.lending.optimum_ppb)
        digest_word(d, r.lending.reserve_ppm)
        digest_word(d, r.lending.elasticity_ppm)
    for i in range(r.share_count):
        digest_word(d, r.shares[i])
    for i in range(r.row_count):
        digest_word(d, r.rows[i].maintenance_ppm)
        digest_word(d, r.rows[i].initial_ppm)
        digest_word(d, r.rows[i].fee_ppm)


cdef inline Cash fund_part(const void* rates, Cash fee, Cash held) noexcept nogil:
    """How much of a trading fee goes to the fund that holds so much: its share, floored; nothing
    of a rebate, nor where the fund's cell would pass its bound."""
    cdef Cash part
    if rates == NULL or fee <= 0:
        return 0
    part = div_floor(<Wide>fee * (<const Rates*>rates).to_fund_ppm, PPM)
    return part if held <= CASH_MAX - part else 0

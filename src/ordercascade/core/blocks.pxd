# What happens to options besides time and prices: another volatility, and lots that change hands.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Lot, Ppm, Tick

cdef enum:                  # what an agenda item of a price tick says, beside Told
    VOLATILITY = 16         # of one option, ppm
    VOLATILITIES = 17       # of all on a market: a factor, ppm

cdef int volatility_tick(State* s, int32_t market, Ppm value, int64_t what) except -1 nogil
# Between two accounts (0: external) at a price: 0, or a reject code and nothing has changed.
cdef int64_t user_block(State* s, int32_t buyer, int32_t seller, int32_t market, Lot lots,
                        Tick price, bint* torn) except -1 nogil

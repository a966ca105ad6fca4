from libc.stdint cimport int32_t, int64_t
from ordercascade.core.records cimport Bracket
from ordercascade.core.units cimport Cash, Lot, Tick

# One row of OPENING_DTYPE (core/laws.py).
ctypedef struct Opening:
    int32_t account
    int32_t market
    Lot size
    Cash cost
    Cash collateral
    int64_t isolated

ctypedef struct CLaw:
    int kind
    double a
    double b
    double low
    double high
    const double* values
    const double* reached       # running share of the weights; NULL: all alike
    int64_t count

ctypedef struct CTerms:
    Tick mark
    int32_t kind                # LINEAR, INVERSE
    int64_t multiplier
    Tick price_max
    Lot size_max
    Bracket* brackets
    int32_t bracket_count
    double held

# The numbers of the engine: whole, signed, 64 bits wide, with 128-bit products inside.
from libc.stdint cimport int64_t

ctypedef int64_t Tick       # price, in ticks
ctypedef int64_t Lot        # size, in lots; signed in a position (long > 0)
ctypedef int64_t Cash       # money, in the settlement asset's smallest unit
ctypedef int64_t Ppm        # parts per million
ctypedef int64_t TimeNs     # simulated nanoseconds

cdef extern from *:
    """
    #include <stdint.h>
    typedef __int128 oc_wide;
    #define OC_TICK_MAX ((int64_t)2147483647)
    #define OC_LOT_MAX ((int64_t)1 << 40)
    #define OC_CASH_MAX ((int64_t)1 << 60)
    #define OC_PPM ((int64_t)1000000)
    #ifndef OC_LEVEL_MAX        /* Less in the fuzzer's build, so that levels fill. */
    #define OC_LEVEL_MAX ((int64_t)1 << 62)
    #endif
    /* C's own division, whatever the directives of the module that cimports this. */
    #define oc_quotient(a, b) ((a) / (b))
    #define oc_remainder(a, b) ((a) % (b))
    """
    ctypedef long long oc_wide      # __int128; Cython only needs to know it is an integer
    const int64_t TICK_MAX "OC_TICK_MAX"
    const int64_t LOT_MAX "OC_LOT_MAX"
    const int64_t CASH_MAX "OC_CASH_MAX"
    const int64_t PPM "OC_PPM"
    const int64_t LEVEL_MAX "OC_LEVEL_MAX"
    oc_wide oc_quotient(oc_wide a, oc_wide b) noexcept nogil
    oc_wide oc_remainder(oc_wide a, oc_wide b) noexcept nogil

ctypedef oc_wide Wide


cdef inline int64_t div_floor(Wide a, Wide b) noexcept nogil:
    """a/b toward minus infinity; b > 0."""
    cdef Wide q = oc_quotient(a, b)
    if oc_remainder(a, b) < 0:
        q = q - 1
    return <int64_t>q


cdef inline int64_t div_ceil(Wide a, Wide b) noexcept nogil:
    """a/b toward plus infinity; b > 0."""
    cdef Wide q = oc_quotient(a, b)
    if oc_remainder(a, b) > 0:
        q = q + 1
    return <int64_t>q


cdef inline Cash mul_ppm_up(Cash amount, Ppm rate) noexcept nogil:
    """A share of an amount, rounded up: against whoever pays it."""
    return div_ceil(<Wide>amount * <Wide>rate, PPM)


cdef inline int64_t absolute(int64_t a) noexcept nogil:
    return -a if a < 0 else a


cdef inline int64_t smaller(int64_t a, int64_t b) noexcept nogil:
    return a if a < b else b


cdef inline int64_t larger(int64_t a, int64_t b) noexcept nogil:
    return a if a > b else b

# How much a mark moves: the exponentially weighted variance of its returns, in whole numbers.
#
# Grid times are the multiples of the sample's length, counted from time 0. The sample of a grid
# time is the mark as the latest round before it took it, so what an instant does is seen by
# the samples after it, and rounds of one instant do not count twice. r = |p / p' - 1| in ppb,
# floored, at most 10^9; variance = floor(lambda variance + (1 - lambda) r^2). RiskMetrics,
# spec/MECHANISMS.md §10.
from libc.stdint cimport int64_t
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.units cimport PPM, Ppm, Tick, TimeNs, Wide, absolute, div_floor, smaller

cdef enum:
    PPB = 1_000_000_000

ctypedef struct Sigma:      # one market
    int64_t period          # the latest grid time that was sampled, as a multiple
    Tick sampled            # the mark then
    Tick seen               # the mark as the latest round took it; 0: none did
    int64_t variance        # ppb^2 a sample


cdef inline int64_t root(Wide square) noexcept nogil:
    """floor(sqrt(square)), exact, of 0 .. 2**124."""
    cdef Wide low = 0
    cdef Wide high = 1
    cdef Wide next
    if square <= 0:
        return 0
    while high * high <= square:
        high = high * 2
    # Newton from above falls until it is there.
    while True:
        next = (high + square / high) / 2
        if next >= high:
            return <int64_t>high
        high = next


cdef inline void sigma_open(Sigma* s, Tick mark, TimeNs time_ns, TimeNs sample_ns,
                            int64_t variance) noexcept nogil:
    s.period = time_ns / sample_ns
    s.sampled = mark
    s.seen = mark
    s.variance = variance


cdef inline void sigma_sample(Sigma* s, Ppm decay_ppm) noexcept nogil:
    """The next grid time passes."""
    cdef int64_t moved = smaller(
        PPB, div_floor(<Wide>absolute(s.seen - s.sampled) * PPB, s.sampled))
    s.variance = div_floor(<Wide>s.variance * decay_ppm
                           + <Wide>moved * moved * (PPM - decay_ppm), PPM)
    s.sampled = s.seen
    s.period += 1


cdef inline bint sigma_still(const Sigma* s) noexcept nogil:
    """Further samples would change nothing but their number."""
    return s.variance == 0 and s.sampled == s.seen


cdef inline int64_t sigma_over(const Sigma* s, TimeNs span_ns, TimeNs sample_ns) noexcept nogil:
    """Standard deviation over a span, in ppb: floor(sqrt(floor(variance * span / sample)))."""
    return root(<Wide>s.variance * span_ns / sample_ns)


cdef inline int64_t variance_of(int64_t sigma_ppb, TimeNs span_ns, TimeNs sample_ns) noexcept nogil:
    """The variance a sample of a standard deviation over a span, floored; at most 10^18."""
    cdef Wide variance = <Wide>sigma_ppb * sigma_ppb * sample_ns / span_ns
    cdef Wide most = <Wide>PPB * PPB
    return <int64_t>(variance if variance < most else most)


cdef inline void sigma_digest(const Sigma* s, Digest* d) noexcept nogil:
    digest_word(d, s.period)
    digest_word(d, s.sampled)
    digest_word(d, s.seen)
    digest_word(d, s.variance)

# A 128-bit digest of a walk over state: two multiply-rotate lanes. Finds accidents, not forgery.
from libc.stdint cimport int64_t, uint64_t

ctypedef struct Digest:
    uint64_t a
    uint64_t b


cdef inline void digest_start(Digest* d) noexcept nogil:
    d.a = <uint64_t>0x9E3779B97F4A7C15
    d.b = <uint64_t>0xC2B2AE3D27D4EB4F


cdef inline void digest_word(Digest* d, int64_t word) noexcept nogil:
    """Fold one word into both lanes; the order of words matters."""
    cdef uint64_t w = <uint64_t>word
    d.a = (d.a ^ w) * <uint64_t>0xFF51AFD7ED558CCD
    d.a = d.a ^ (d.a >> 32)
    d.b = ((d.b << 27) | (d.b >> 37)) + w
    d.b = d.b * <uint64_t>0xC4CEB9FE1A85EC53
    d.b = d.b ^ (d.b >> 29)


cdef inline str digest_hex(const Digest* d):
    """The digest as 32 hexadecimal digits."""
    return f"{d.a:016x}{d.b:016x}"

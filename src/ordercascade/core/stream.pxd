# A stream of random words: Philox4x64-10, counter based, so its whole state is five words.
#
# Key = blake2b(seed, name), so a new stream does not change another's draws (SEMANTICS §7). The
# words are those of numpy.random.Philox(key=...).
from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    #define oc_high(a, b) ((uint64_t)(((unsigned __int128)(a) * (b)) >> 64))
    """
    uint64_t oc_high(uint64_t a, uint64_t b) noexcept nogil

ctypedef struct Stream:
    uint64_t key[2]
    uint64_t block          # blocks of four words drawn so far
    int64_t next            # word of the current block to hand out; 4 = draw a new block
    uint64_t words[4]


cdef inline void stream_open(Stream* s, uint64_t key0, uint64_t key1) noexcept nogil:
    s.key[0] = key0
    s.key[1] = key1
    s.block = 0
    s.next = 4


cdef inline void _philox(Stream* s) noexcept nogil:
    """Fill `words` from the counter: ten rounds of Philox4x64."""
    cdef uint64_t c0 = s.block
    cdef uint64_t c1 = 0
    cdef uint64_t c2 = 0
    cdef uint64_t c3 = 0
    cdef uint64_t k0 = s.key[0]
    cdef uint64_t k1 = s.key[1]
    cdef uint64_t m0 = <uint64_t>0xD2E7470EE14C6C93
    cdef uint64_t m1 = <uint64_t>0xCA5A826395121157
    cdef uint64_t h0, h1, l0, l1
    cdef int i
    for i in range(10):
        h0 = oc_high(m0, c0)
        l0 = m0 * c0
        h1 = oc_high(m1, c2)
        l1 = m1 * c2
        c0 = h1 ^ c1 ^ k0
        c1 = l1
        c2 = h0 ^ c3 ^ k1
        c3 = l0
        k0 = k0 + <uint64_t>0x9E3779B97F4A7C15
        k1 = k1 + <uint64_t>0xBB67AE8584CAA73B
    s.words[0] = c0
    s.words[1] = c1
    s.words[2] = c2
    s.words[3] = c3


cdef inline uint64_t stream_word(Stream* s) noexcept nogil:
    """The next 64 random bits."""
    if s.next == 4:
        s.block += 1
        s.next = 0
        _philox(s)
    s.next += 1
    return s.words[s.next - 1]

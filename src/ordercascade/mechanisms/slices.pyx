"""A position sold in planned slices: by a table, back to a margin, or by what the book holds.

Table: slice k sells parts[k] * 10**-9 of the lots held then, rounded down, at least one; after the
last, all. The tables of equal slices, Almgren-Chriss and Obizhaeva-Wang: ordercascade.slices.
Restore (§4): from E - c x = m (N - x) the value to be sold is f* N with
f* = (m N - E) / (N (m - c)), lots rounded up; where m <= c a sale never heals, and all is sold.
Share of the book: at most share_ppm of the lots that rest on the other side within depth_ppm of
the middle, rounded down, at least one. N, E in the settlement asset's units; m, c, shares in ppm.
"""

from libc.stdint cimport int64_t
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.mechanism cimport LiquidationPolicy
from ordercascade.core.records cimport AtRisk, Intent
from ordercascade.core.units cimport (
    Lot, PPM, Wide, absolute, div_ceil, div_floor, larger, smaller,
)

from ordercascade.checks import SPAN_NS_MAX, whole
from ordercascade.errors import ConfigError

cdef enum:
    PPB = 1_000_000_000
    PARTS_MAX = 1000


cdef class Slices(LiquidationPolicy):
    """Planned slices at the market; see the module."""

    def __cinit__(self, parts=(), *, target_ppm=0, cost_ppm=0, min_value=0, cooldown_ns=0,
                  depth_ppm=0, share_ppm=0):
        self.target_ppm = whole("target_ppm", target_ppm, 0, 10**6)
        self.cost_ppm = whole("cost_ppm", cost_ppm, 0, 10**6)
        self.min_value = whole("min_value", min_value, 0, 2**60)
        self.cooldown_ns = whole("cooldown_ns", cooldown_ns, 0, SPAN_NS_MAX)
        self.depth_ppm = whole("depth_ppm", depth_ppm, 0, 10**6)
        self.share_ppm = whole("share_ppm", share_ppm, 0, 10**6)
        if (self.depth_ppm > 0) != (self.share_ppm > 0):
            raise ConfigError("share_ppm", "and depth_ppm must be given together", share_ppm)
        self.parts = tuple(whole("parts", each, 0, PPB) for each in parts)
        if len(self.parts) > PARTS_MAX:
            raise ConfigError("parts", f"must be at most {PARTS_MAX}", len(self.parts))
        if self.parts and self.target_ppm:
            raise ConfigError("target_ppm", "must be 0 beside a table of parts", target_ppm)
        if self.cost_ppm and not self.target_ppm:
            raise ConfigError("cost_ppm", "must be 0 without a target", cost_ppm)
        self.part = <int64_t*>PyMem_RawCalloc(len(self.parts) + 1, sizeof(int64_t))
        if self.part == NULL:
            raise MemoryError()
        self.part_count = len(self.parts)
        for i, each in enumerate(self.parts):
            self.part[i] = each

    def __dealloc__(self):
        PyMem_RawFree(self.part)

    def __repr__(self):
        return f"<Slices {len(self.parts)}, target {self.target_ppm} ppm>"

    cdef int plan(self, const AtRisk* rows, int64_t count, Intent* out) except -1 nogil:
        cdef int64_t i
        for i in range(count):
            out[i].scope = rows[i].scope
            out[i].market = rows[i].market
            out[i].lots = _lots(self, &rows[i])
            out[i].limit = 0
            out[i].cooldown_ns = self.cooldown_ns
            out[i].at_market = True
        return 0

    cdef void digest(self, Digest* d) noexcept nogil:
        cdef int64_t i
        digest_word(d, self.target_ppm)
        digest_word(d, self.cost_ppm)
        digest_word(d, self.min_value)
        digest_word(d, self.cooldown_ns)
        digest_word(d, self.depth_ppm)
        digest_word(d, self.share_ppm)
        digest_word(d, self.part_count)
        for i in range(self.part_count):
            digest_word(d, self.part[i])


cdef Lot _lots(Slices policy, const AtRisk* row) noexcept nogil:
    cdef Lot held = absolute(row.size)
    cdef Lot lots = held
    cdef Wide value = absolute(row.value)
    cdef Wide missing
    if value > policy.min_value:
        if policy.target_ppm > policy.cost_ppm:
            missing = policy.target_ppm * value - <Wide>row.equity * PPM
            lots = div_ceil(held * missing, value * (policy.target_ppm - policy.cost_ppm))
        elif policy.target_ppm == 0 and row.tranche < policy.part_count:
            lots = div_floor(<Wide>held * policy.part[row.tranche], PPB)
        lots = smaller(larger(1, lots), held)
    if policy.share_ppm and row.around != NULL:
        lots = smaller(lots, larger(1, div_floor(
            <Wide>row.around.depth * policy.share_ppm, PPM)))
    return lots

"""Oracles: where a mark comes from."""

from libc.stdint cimport int32_t
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.mechanism cimport Oracle
from ordercascade.core.records cimport MarketView
from ordercascade.core.units cimport PPM, Ppm, Tick, TimeNs, Wide, div_floor

from ordercascade.checks import member, whole
from ordercascade.enums import PriceSource

cdef enum:
    LAST = 0
    MID = 1
    INDEX = 2


cdef class OwnBook(Oracle):
    """A mark from the venue's own last or mid price, mixed with the outside index.

    mark = floor((w * own2 + 2 * (10**6 - w) * index + 10**6) / (2 * 10**6)) with own2 twice the
    own price and w = `own_weight_ppm`: the nearest tick, halves up, held inside 1 .. price_max.
    A one-sided or empty book has no mid and gives the last price; a market that never traded
    gives the index; without an index the own price counts alone. spec/MECHANISMS.md §7.
    """

    def __cinit__(self, source=PriceSource.LAST, *, own_weight_ppm=1_000_000, price_max=2**31 - 1):
        self.source = member("source", PriceSource, source)
        self.own_weight_ppm = whole("own_weight_ppm", own_weight_ppm, 0, 10**6)
        self.price_max = whole("price_max", price_max, 1, 2**31 - 1)

    def __repr__(self):
        name = PriceSource(self.source).name.lower()
        return f"<OwnBook {name}, weight {self.own_weight_ppm} ppm>"

    cdef Tick peek(self, const MarketView* view, TimeNs time_ns) noexcept nogil:
        cdef Tick own2 = 2 * view.last
        cdef Ppm weight = self.own_weight_ppm
        cdef Tick index = view.index
        cdef Tick mark
        if self.source == MID and view.best_bid > 0 and view.best_ask > 0:
            own2 = view.best_bid + view.best_ask
        if own2 == 0:
            own2 = 2 * index
        if index == 0:
            weight = PPM
        elif self.source == INDEX:
            weight = 0
        mark = div_floor(<Wide>weight * own2 + <Wide>(PPM - weight) * (2 * index) + PPM, 2 * PPM)
        if mark > self.price_max:
            mark = self.price_max
        return mark if mark > 0 else 1

    cdef void digest(self, Digest* d) noexcept nogil:
        digest_word(d, self.source)
        digest_word(d, self.own_weight_ppm)
        digest_word(d, self.price_max)


cdef class Held(Oracle):
    """The mark stays what it is: somebody else sets it, as core/options does for options."""

    def __repr__(self):
        return "<Held>"

    cdef Tick peek(self, const MarketView* view, TimeNs time_ns) noexcept nogil:
        return view.mark if view.mark > 0 else 1

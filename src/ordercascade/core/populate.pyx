"""Populations from a seed: draws reals, hands on whole numbers.

Account i of a population has a part of the random stream to itself, so that it is the same
whatever the number of accounts, and the draws of one population do not move another's. Same seed,
same integers, on every platform (core/real.pxd).
"""

from hashlib import blake2b
from libc.stdint cimport int32_t, int64_t, uint64_t
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from ordercascade.core.contracts cimport LINEAR, cost_in, value_in
from ordercascade.core.margin cimport initial_of, maintenance_of
from ordercascade.core.real cimport (
    normal_quantile, normal_share, real_exp, real_log, real_power, real_uniform, to_int,
)
from ordercascade.core.records cimport Bracket
from ordercascade.core.stream cimport Stream, stream_open
from ordercascade.core.units cimport (
    Cash, Lot, PPM, Tick, Wide, absolute, div_ceil, larger, smaller,
)

import numpy as np

from ordercascade.core.laws import OPENING_DTYPE, Drawn, LawKind
from ordercascade.errors import InputError

cdef enum:
    MARKETS_MAX = 64
    TRIES = 32              # entries drawn for an account until it is healthy; then at the mark
    BLOCKS = 24             # bits of the stream's counter that belong to one account
    UNIFORM = 1
    NORMAL = 2
    LOGNORMAL = 3
    PARETO = 4
    PARETO_BOTH = 5
    VALUES = 6

ctypedef struct Plan:
    double long_share
    double long_z               # of the standard normal, so much lies below
    double cross_share
    CLaw leverage
    CLaw size
    CLaw entry
    CTerms markets[MARKETS_MAX]
    const double* root          # lower triangle of the correlation, row by row; NULL: none
    const int64_t* levels       # liquidation prices; NULL: none
    int32_t market_count
    bint size_is_value
    bint entry_in_ticks
    bint insolvent

ctypedef struct Leg:            # one market of one account while it is drawn
    double u                    # uniform; with a correlation, instead:
    double z                    # normal, correlated over the account's markets
    Lot size
    Cash cost
    Cash collateral
    bint held


# --- laws --------------------------------------------------------------------------------------

cdef double at_normal(const CLaw* law, double z) noexcept nogil:
    """The number below which as much of the law lies as of the standard normal below z."""
    if law.kind == NORMAL:
        return _clipped(law, law.a + law.b * z)
    if law.kind == LOGNORMAL:
        return _clipped(law, law.a * real_exp(law.b * z))
    return quantile(law, normal_share(z))


cdef double quantile(const CLaw* law, double u) noexcept nogil:
    """The number below which a share u of the law lies."""
    cdef double x = law.a
    if law.kind == NORMAL or law.kind == LOGNORMAL:
        return at_normal(law, normal_quantile(u))
    if law.kind == UNIFORM:
        x = law.a + (law.b - law.a) * u
    elif law.kind == PARETO:
        x = law.a * real_exp(-real_log(1.0 - u) / law.b)
    elif law.kind == PARETO_BOTH:
        x = law.a * real_exp(-real_log(1.0 - 2.0 * u if u < 0.5 else 2.0 * u - 1.0) / law.b)
        x = 1.0 - x if u < 0.5 else 1.0 + x
    elif law.kind == VALUES:
        x = law.values[_place(law, u)]
    return _clipped(law, x)


cdef double _clipped(const CLaw* law, double x) noexcept nogil:
    if x < law.low:
        return law.low
    return law.high if x > law.high else x


cdef int64_t _place(const CLaw* law, double u) noexcept nogil:
    """The first value whose running share passes u."""
    cdef int64_t low = 0
    cdef int64_t high = law.count - 1
    cdef int64_t middle
    if law.reached == NULL:
        return to_int(u * <double>law.count)
    while low < high:
        middle = (low + high) / 2
        if law.reached[middle] > u:
            high = middle
        else:
            low = middle + 1
    return low


cdef void _next(const Plan* p, Stream* s, Leg* legs) noexcept nogil:
    """One uniform a market; where a correlation is given, those of a Gaussian copula."""
    cdef double z[MARKETS_MAX]
    cdef double sum
    cdef int32_t i, k
    cdef const double* row = p.root
    for k in range(p.market_count):
        legs[k].u = real_uniform(s)
    if p.root == NULL:
        return
    for k in range(p.market_count):
        z[k] = normal_quantile(legs[k].u)
    for k in range(p.market_count):
        sum = 0.0
        for i in range(k + 1):
            sum = sum + row[i] * z[i]
        row += k + 1
        legs[k].z = sum


cdef double _taken(const Plan* p, const CLaw* law, const Leg* leg) noexcept nogil:
    return quantile(law, leg.u) if p.root == NULL else at_normal(law, leg.z)


# --- one account -------------------------------------------------------------------------------

cdef void _hold(const Plan* p, Stream* s, Leg* legs) noexcept nogil:
    """Which markets the account holds: each by its chance, one by the chances if none."""
    cdef int32_t k
    cdef double sum = 0.0
    cdef double u
    cdef bint any = False
    for k in range(p.market_count):
        legs[k].held = p.market_count == 1 or real_uniform(s) < p.markets[k].held
        any = any or legs[k].held
        sum = sum + p.markets[k].held
    if any:
        return
    u = real_uniform(s) * sum
    for k in range(p.market_count):
        u = u - p.markets[k].held
        if u < 0.0 or k == p.market_count - 1:
            legs[k].held = True
            return


cdef void _sizes(const Plan* p, Stream* s, Leg* legs, Tick level) noexcept nogil:
    """Sides and lots. With a liquidation price the side is the one it lies on."""
    cdef const CTerms* m
    cdef int32_t k
    cdef double x
    cdef bint long_one
    cdef Lot lots
    _next(p, s, legs)
    for k in range(p.market_count):
        long_one = legs[k].u < p.long_share if p.root == NULL else legs[k].z < p.long_z
        legs[k].size = 1 if long_one else -1
        if p.levels != NULL:
            legs[k].size = 1 if level < p.markets[k].mark else -1
    _next(p, s, legs)
    for k in range(p.market_count):
        m = &p.markets[k]
        x = _taken(p, &p.size, &legs[k])
        if p.size_is_value:
            if m.kind == LINEAR:
                x = x / (<double>m.mark * <double>m.multiplier)
            else:
                x = x * <double>m.mark / <double>m.multiplier
        lots = smaller(larger(1, to_int(x)), m.size_max)
        legs[k].size = legs[k].size * lots


cdef Tick _entry(const Plan* p, const CTerms* m, const Leg* leg) noexcept nogil:
    cdef double x = _taken(p, &p.entry, leg)
    if not p.entry_in_ticks:
        x = x * <double>m.mark
    return smaller(larger(1, to_int(x + 0.5)), m.price_max)


cdef Cash _for_level(const CTerms* m, Lot size, Cash cost, Tick level) noexcept nogil:
    """The collateral with which a scope of this leg alone is liquidatable from `level` on, and
    healthy one tick before."""
    cdef Tick safe = level + 1 if size > 0 else level - 1
    cdef Cash value = value_in(m.kind, m.multiplier, size, safe)
    return maintenance_of(m.brackets, m.bracket_count, absolute(value)) - (value - cost)


cdef bint _enter(const Plan* p, Leg* legs, bint cross, int64_t leverage_ppm, Tick level,
                 bint at_mark) noexcept nogil:
    """Entry prices and collateral; True if the account is healthy at the opening marks."""
    cdef const CTerms* m
    cdef Leg* leg
    cdef int32_t k
    cdef Cash value, own, needed
    cdef Cash equity = 0
    cdef Cash maintenance = 0
    cdef bint sound = True
    for k in range(p.market_count):
        leg = &legs[k]
        if not leg.held:
            continue
        m = &p.markets[k]
        leg.cost = cost_in(m.kind, m.multiplier, leg.size, m.mark if at_mark else _entry(p, m, leg))
        value = absolute(leg.cost)
        if p.levels != NULL:
            leg.collateral = _for_level(m, leg.size, leg.cost, level)
            sound = sound and leg.collateral > 0
            leg.collateral = larger(0, leg.collateral)
        else:
            leg.collateral = larger(div_ceil(<Wide>value * PPM, leverage_ppm),
                                    initial_of(m.brackets, m.bracket_count, value))
        value = value_in(m.kind, m.multiplier, leg.size, m.mark)
        own = leg.collateral + value - leg.cost
        needed = maintenance_of(m.brackets, m.bracket_count, absolute(value))
        sound = sound and (cross or own > needed)
        equity += own
        maintenance += needed
    return sound and (not cross or equity > maintenance)


cdef int64_t _account(const Plan* p, Stream* s, int32_t account, Cash* deposit,
                      Opening* out) noexcept nogil:
    """Draw one account; return how many positions it has."""
    cdef Leg legs[MARKETS_MAX]
    cdef int32_t k
    cdef int32_t tries = 1
    cdef int64_t made = 0
    cdef bint cross = real_uniform(s) < p.cross_share
    cdef int64_t leverage_ppm = larger(PPM, to_int(quantile(&p.leverage, real_uniform(s)) * 1e6))
    cdef Tick level = p.levels[account] if p.levels != NULL else 0
    _hold(p, s, legs)
    _sizes(p, s, legs, level)
    _next(p, s, legs)
    while not _enter(p, legs, cross, leverage_ppm, level, tries == TRIES):
        if tries == TRIES or p.insolvent:
            break
        tries += 1
        _next(p, s, legs)
    deposit[0] = 0
    for k in range(p.market_count):
        if not legs[k].held:
            continue
        out[made].account = account
        out[made].market = k
        out[made].size = legs[k].size
        out[made].cost = legs[k].cost
        out[made].isolated = not cross
        out[made].collateral = 0 if cross else legs[k].collateral
        deposit[0] += legs[k].collateral if cross else 0
        made += 1
    return made


cdef int64_t _all(const Plan* p, Stream* s, int32_t accounts, Cash* deposits,
                  Opening* out) noexcept nogil:
    """Draw every account, each from its own part of the stream; return the positions."""
    cdef int32_t i
    cdef int64_t made = 0
    for i in range(accounts):
        s.block = <uint64_t>i << BLOCKS
        s.next = 4
        made += _account(p, s, i, &deposits[i], &out[made])
    return made


# --- the Python doors --------------------------------------------------------------------------

cdef class _Memory:
    """Arrays that a plan points into, for as long as it is used."""
    cdef list kept

    def __cinit__(self):
        self.kept = []

    cdef const double* reals(self, values) except? NULL:
        cdef double[::1] view = np.array(values, dtype=np.float64)
        self.kept.append(view)
        return &view[0]

    cdef const int64_t* wholes(self, values) except? NULL:
        cdef int64_t[::1] view = np.ascontiguousarray(values, dtype=np.int64)
        self.kept.append(view)
        return &view[0]

    cdef int law(self, CLaw* to, law) except -1:
        to.kind = LawKind(law.kind)
        to.a, to.b, to.low, to.high = law.a, law.b, law.low, law.high
        to.values = NULL
        to.reached = NULL
        to.count = len(law.values)
        if to.kind == VALUES:
            to.values = self.reals(law.values)
            if law.weights:
                shares = np.cumsum(np.array(law.weights, dtype=np.float64))
                to.reached = self.reals(shares / shares.max())
        return 0

    cdef int terms(self, CTerms* to, terms, double held) except -1:
        cdef int64_t[:, ::1] rows = np.array(terms.brackets, dtype=np.int64)
        cdef Bracket* made = <Bracket*>PyMem_Malloc(rows.shape[0] * sizeof(Bracket))
        if made == NULL:
            raise MemoryError()
        to.mark, to.multiplier, to.kind = terms.mark, terms.multiplier, terms.kind
        to.price_max, to.size_max, to.held = terms.price_max, terms.size_max, held
        to.brackets, to.bracket_count = made, rows.shape[0]
        for i in range(rows.shape[0]):
            made[i].floor, made[i].maintenance_ppm = rows[i, 0], rows[i, 1]
            made[i].amount, made[i].initial_ppm = rows[i, 2], rows[i, 3]
        return 0


cdef int _open_stream(Stream* s, seed, name) except -1:
    """The stream of a population, keyed as `World.draw` keys its own."""
    key = blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
    stream_open(s, int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little"))
    return 0


def draw(crowd, markets, seed, name):
    """Draw a population: deposits of the cross scopes, and positions in account order.

    An entry that would leave its account liquidatable at the opening marks is drawn again, at most
    31 times; then the account enters at the mark. Leverage is at most what the bracket of the
    position allows: the collateral covers the initial margin of the cost.
    Raises InputError for more than 64 markets.
    """
    cdef Plan p
    cdef Stream s
    cdef _Memory memory = _Memory()
    cdef int32_t accounts = crowd.accounts
    cdef int32_t k
    cdef int64_t made = 0
    cdef int64_t[::1] deposits
    cdef Opening[::1] rows
    p.market_count = len(markets)
    if not 1 <= p.market_count <= MARKETS_MAX:
        raise InputError("market", p.market_count, f"must be 1 to {MARKETS_MAX} markets")
    drawn = Drawn(np.zeros(accounts, dtype=np.int64),
                  np.zeros(accounts * p.market_count, dtype=OPENING_DTYPE))
    if accounts == 0:
        return drawn
    p.long_share, p.cross_share = crowd.long_share, crowd.cross_share
    p.size_is_value, p.entry_in_ticks = crowd.size_is_value, crowd.entry_in_ticks
    p.insolvent = crowd.insolvent
    memory.law(&p.leverage, crowd.leverage)
    memory.law(&p.size, crowd.size)
    memory.law(&p.entry, crowd.entry)
    p.root = memory.reals(crowd.root) if crowd.root else NULL
    p.levels = NULL
    if crowd.levels is not None:
        p.levels = memory.wholes(crowd.levels)
    p.long_z = -40.0 if p.long_share <= 0.0 else 40.0
    if 0.0 < p.long_share < 1.0:
        p.long_z = normal_quantile(p.long_share)
    _open_stream(&s, seed, name)
    deposits, rows = drawn
    for k in range(p.market_count):
        p.markets[k].brackets = NULL
    try:
        for k in range(p.market_count):
            memory.terms(&p.markets[k], markets[k], crowd.held[k])
        with nogil:
            made = _all(&p, &s, accounts, &deposits[0], &rows[0])
    finally:
        for k in range(p.market_count):
            PyMem_Free(p.markets[k].brackets)
    return Drawn(drawn.deposits, drawn.openings[:made])


def sample(law, count, seed, name):
    """Draw `count` reals from a law, as an array."""
    cdef CLaw c
    cdef Stream s
    cdef _Memory memory = _Memory()
    cdef double[::1] out
    cdef int64_t i
    made = np.zeros(count)
    memory.law(&c, law)
    _open_stream(&s, seed, name)
    out = made
    for i in range(out.shape[0]):
        out[i] = quantile(&c, real_uniform(&s))
    return made


def poisson_levels(start, gap, sign, count, seed, name):
    """The first `count` points of a Poisson process that leaves `start` downward (sign -1) or
    upward (1) with mean gap `gap`, all in ticks; rounded away from safety: a long is liquidatable
    from the tick at or below its level on, a short from the one at or above."""
    cdef Stream s
    cdef int64_t[::1] out
    cdef double at = start
    cdef double mean = gap
    cdef int toward = sign
    cdef int64_t i
    made = np.zeros(count, dtype=np.int64)
    _open_stream(&s, seed, name)
    out = made
    for i in range(out.shape[0]):
        at = at - <double>toward * mean * real_log(real_uniform(&s))
        out[i] = to_int(at) if toward < 0 else -to_int(-at)
    return made


def curve(kind, distances, total, scale, power):
    """The value within each distance (half ticks) of the mid, in whole units, floored.

    power: total (distance / scale) ** power; exponential: total (1 - e ** (-distance / scale)).
    """
    cdef const int64_t[::1] at = np.ascontiguousarray(distances, dtype=np.int64)
    cdef int64_t[::1] out
    cdef double all_of_it = total
    cdef double reach = scale
    cdef double exponent = power
    cdef bint is_power = kind == "power"
    cdef int64_t i
    made = np.zeros(at.shape[0], dtype=np.int64)
    out = made
    for i in range(at.shape[0]):
        if is_power:
            out[i] = to_int(all_of_it * real_power(<double>at[i] / reach, exponent))
        else:
            out[i] = to_int(all_of_it * (1.0 - real_exp(-<double>at[i] / reach)))
    return made

"""Options: valued positions in markets without a book. SEMANTICS §1; docs/adr/0022.

An option market is linear, with lots that cost and are worth money as any other's. Its mark is the
Black–Scholes price on the mark of its underlying, a market of the same venue, at its volatility
and the time that is left, to the nearest of its own ticks, one at least. It is worked out whenever
marks are taken, after the others; a peek sees at once what its underlying's would be.
"""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from ordercascade.core.book cimport book_best
from ordercascade.core.contracts cimport LINEAR
from ordercascade.core.ending cimport Endings
from ordercascade.core.grids cimport (
    Contract, GRIDS_MAX, Grid, Grids, Offset, ROWS_MAX, Seen, grid_of, grids_new, is_option,
)
from ordercascade.core.portfolio cimport portfolio_maintenance
from ordercascade.core.rates cimport Rates
from ordercascade.core.slab cimport slab_grow
from ordercascade.core.state cimport (
    LEG_MOST_LIQUID, LEG_PRO_RATA, Market, QUEUE_TRIGGER_PRICE, State,
)
from ordercascade.core.units cimport Ppm, Tick, TimeNs, smaller
from ordercascade.mechanisms.options cimport option_price, option_ticks

from types import MappingProxyType

from ordercascade.checks import member, whole
from ordercascade.duties import OptionKind, VolMove
from ordercascade.errors import ConfigError, InputError, InputTypeError

PPM = 10**6
MOST = 2**60
NS_MAX = 2**62
TICK_MOST = 2**31 - 1
VOL_MOST = 100 * PPM

# Every key of an option, and of one underlying of a portfolio margin, with its default.
CONTRACT = MappingProxyType({
    "kind": OptionKind.CALL, "underlying": 0, "strike": 0, "expires_ns": 0, "vol_ppm": 0,
    "rate_ppm": 0, "coin": False, "per": 1, "of": 1,
})
GRID = MappingProxyType({
    "reference": 0, "markets": (), "rows": (), "up_ppm": 0, "down_ppm": 0, "power_short_ppm": 0,
    "power_long_ppm": 0, "floor_ppm": 0, "short_ppm": 0, "contingency_ppm": 0, "option_ppm": 0,
    "concentration_ppm": 0, "concentration_from": 0,
})


# --- marks -------------------------------------------------------------------------------------

cdef inline Tick _price(const Market* m, const Contract* c, Tick spot, TimeNs now,
                        Ppm vol_ppm) noexcept nogil:
    return smaller(m.price_max, option_price(&c.terms, spot, c.expires_ns - now, vol_ppm))


cdef void options_take(State* s) noexcept nogil:
    cdef Grids* g = <Grids*>s.grids
    cdef Contract* c
    cdef Market* m
    cdef int64_t i
    g.marked_ns = s.time_ns
    for i in range(s.market_count):
        if not is_option(s, i):
            continue
        c = &g.contracts[i]
        m = &s.markets[i]
        c.stood_ppm = c.vol_ppm
        m.mark = _price(m, c, s.markets[c.market].mark, s.time_ns, c.stood_ppm)
        if m.mark != m.mark_before:
            s.clock += 1
            m.changed_at = s.clock


cdef void options_peek(State* s) noexcept nogil:
    cdef Grids* g = <Grids*>s.grids
    cdef const Contract* c
    cdef int64_t i
    g.peeked_ns = s.time_ns
    for i in range(s.market_count):
        if is_option(s, i):
            c = &g.contracts[i]
            s.markets[i].peek = _price(&s.markets[i], c, s.markets[c.market].peek, s.time_ns,
                                       c.vol_ppm)


cdef void options_open(State* s) noexcept nogil:
    """The first marks; an option's last price is that, until it changes hands."""
    cdef int64_t i
    cdef Market* m
    options_take(s)
    for i in range(s.market_count):
        if is_option(s, i):
            m = &s.markets[i]
            m.mark_before = m.mark_written = m.last = m.mark


cdef Tick option_end(const State* s, int32_t market, Tick spot) noexcept nogil:
    """What it is settled at: its value when exercised, which may be nothing."""
    cdef const Contract* c = &(<const Grids*>s.grids).contracts[market]
    return smaller(s.markets[market].price_max, option_ticks(&c.terms, spot, 0, 0))


cdef Tick option_under(const State* s, int32_t market, Tick spot) noexcept nogil:
    """Its mark, were this its underlying's."""
    cdef const Grids* g = <const Grids*>s.grids
    return _price(&s.markets[market], &g.contracts[market], spot, g.marked_ns,
                  g.contracts[market].stood_ppm)


# --- set-up ------------------------------------------------------------------------------------

cdef Grids* _grids(State* s) except NULL:
    """The venue's block, with a row for each market so far."""
    cdef Grids* g = <Grids*>s.grids
    if g == NULL:
        g = grids_new()
        g.maintenance = portfolio_maintenance
        g.maintenance_ppm = PPM
        s.grids = g
    g.contracts = <Contract*>slab_grow(
        g.contracts, &g.contract_capacity, s.market_count, sizeof(Contract))
    g.seen = <Seen*>slab_grow(g.seen, &g.seen_capacity, 2 * s.market_count, sizeof(Seen))
    return g


def _known(str name, terms, defaults):
    """The terms with their defaults; a key that there is not is refused."""
    for key in terms:
        if key not in defaults:
            raise ConfigError(f"{name}.{key}", f"must be one of {', '.join(defaults)}")
    return {**defaults, **terms}


cdef int set_contract(State* s, int32_t market, dict terms) except -1:
    """Judge the keys of CONTRACT, then make the market an option."""
    cdef Contract made
    cdef const Market* under
    cdef Grids* g
    name = f"option[{market}]"
    of = _known(name, terms, CONTRACT)
    memset(&made, 0, sizeof(Contract))
    try:
        made.known = 1
        made.terms.kind = member(f"{name}.kind", OptionKind, of["kind"])
        made.terms.coin = bool(of["coin"])
        made.market = whole(f"{name}.underlying", of["underlying"], 0, s.market_count - 1)
        made.terms.strike = whole(f"{name}.strike", of["strike"], 1, TICK_MOST)
        made.expires_ns = whole(f"{name}.expires_ns", of["expires_ns"], 1, NS_MAX)
        made.vol_ppm = whole(f"{name}.vol_ppm", of["vol_ppm"], 0, VOL_MOST)
        made.terms.rate_ppm = whole(f"{name}.rate_ppm", of["rate_ppm"], -PPM, PPM)
        made.terms.per = whole(f"{name}.per", of["per"], 1, 2**31)
        made.terms.of = whole(f"{name}.of", of["of"], 1, 2**31)
    except InputError as error:
        raise ConfigError(error.field, error.rule, error.value) from None
    made.stood_ppm = made.vol_ppm
    under = &s.markets[made.market]
    if made.market == market or is_option(s, made.market):
        raise ConfigError(f"{name}.underlying", "must be a market with a book of its own",
                          made.market)
    if s.markets[market].kind != LINEAR or s.markets[market].plan != NULL:
        raise ConfigError(name, "must be a linear market without a schedule")
    if under.asset != s.markets[market].asset:
        raise ConfigError(f"{name}.underlying", "must settle in the same asset", made.market)
    if book_best(&s.markets[market].book, 0) or book_best(&s.markets[market].book, 1):
        raise ConfigError(name, "must have no book: an option takes no orders")
    if is_option(s, market) or grid_of(s, market) >= 0:
        raise ConfigError(name, "has its terms already")
    g = _grids(s)
    g.contracts[market] = made
    s.markets[market].last = 1      # Until the start, which gives the first marks.
    return 0


cdef int _set_rows(Grid* made, str name, rows) except -1:
    """Scenarios: (move_ppm, VolMove, counted_ppm) each."""
    if not isinstance(rows, (tuple, list)) or not 1 <= len(rows) <= ROWS_MAX:
        raise ConfigError(f"{name}.rows", f"must be 1 to {ROWS_MAX} scenarios")
    for i, row in enumerate(rows):
        place = f"{name}.rows[{i}]"
        if not isinstance(row, (tuple, list)) or len(row) != 3:
            raise ConfigError(place, "must be (move_ppm, vol, counted_ppm)")
        made.rows[i].move_ppm = whole(f"{place}.move_ppm", row[0], 1 - PPM, 10 * PPM)
        made.rows[i].vol = member(f"{place}.vol", VolMove, row[1])
        made.rows[i].counted_ppm = whole(f"{place}.counted_ppm", row[2], 0, PPM)
    made.row_count = len(rows)
    return 0


cdef int _set_grid(const State* s, Grid* made, str name, dict of) except -1:
    memset(made, 0, sizeof(Grid))
    made.reference = whole(f"{name}.reference", of["reference"], 0, s.market_count - 1)
    if is_option(s, made.reference):
        raise ConfigError(f"{name}.reference", "must have a book of its own", made.reference)
    _set_rows(made, name, of["rows"])
    made.up_ppm = whole(f"{name}.up_ppm", of["up_ppm"], 0, 10 * PPM)
    made.down_ppm = whole(f"{name}.down_ppm", of["down_ppm"], 0, PPM)
    made.power_short_ppm = whole(f"{name}.power_short_ppm", of["power_short_ppm"], 0, PPM)
    made.power_long_ppm = whole(f"{name}.power_long_ppm", of["power_long_ppm"], 0, PPM)
    made.floor_ppm = whole(f"{name}.floor_ppm", of["floor_ppm"], 0, VOL_MOST)
    for key in ("short_ppm", "contingency_ppm", "option_ppm", "concentration_ppm"):
        whole(f"{name}.{key}", of[key], 0, PPM)
    made.short_ppm, made.contingency_ppm = of["short_ppm"], of["contingency_ppm"]
    made.option_ppm, made.concentration_ppm = of["option_ppm"], of["concentration_ppm"]
    made.concentration_from = whole(
        f"{name}.concentration_from", of["concentration_from"], 0, MOST)
    return 0


cdef list _members(const State* s, str name, given, int32_t reference, set taken):
    """The markets of one underlying, in their order."""
    if not isinstance(given, (tuple, list)):
        raise InputTypeError(f"{name}.markets", "a list", type(given).__name__)
    found = [whole(f"{name}.markets[{i}]", m, 0, s.market_count - 1) for i, m in enumerate(given)]
    if len(set(found)) < len(found) or taken & set(found):
        raise ConfigError(f"{name}.markets", "must each be named once")
    if reference not in found:
        raise ConfigError(f"{name}.markets", f"must have the reference, {reference}, among them")
    for m in found:
        if s.markets[m].asset != s.markets[reference].asset:
            raise ConfigError(f"{name}.markets", "must settle in one asset", m)
    taken |= set(found)
    return found


cdef int set_grids(State* s, dict terms) except -1:
    """Judge a portfolio margin (`underlyings`: dicts of GRID; `offsets`: (first, second,
    credit_ppm); `maintenance_ppm`), then margin its markets by it."""
    cdef Grids* g
    cdef Grid* rows
    cdef Offset* offsets
    cdef int64_t held = 0, kept = 0
    cdef set taken = set()
    of = _known("portfolio", terms, {"underlyings": (), "offsets": (), "maintenance_ppm": PPM})
    count = len(of["underlyings"])
    if not 1 <= count <= GRIDS_MAX:
        raise ConfigError("portfolio.underlyings", f"must be 1 to {GRIDS_MAX}", count)
    if s.grids != NULL and (<Grids*>s.grids).grid_count:
        raise ConfigError("portfolio", "has its terms already")
    g = _grids(s)
    rows = <Grid*>slab_grow(NULL, &held, count, sizeof(Grid))
    g.grids = rows              # Not in use before it is counted; freed with the block.
    g.grid_capacity = held
    members = []
    try:
        for i, given in enumerate(of["underlyings"]):
            name = f"portfolio.underlyings[{i}]"
            one = _known(name, given, GRID)
            _set_grid(s, &rows[i], name, one)
            members.append(_members(s, name, one["markets"], rows[i].reference, taken))
        pairs = [_offset(i, each, count) for i, each in enumerate(of["offsets"])]
        maintenance = whole("portfolio.maintenance_ppm", of["maintenance_ppm"], 1, PPM)
    except InputError as error:
        raise ConfigError(error.field, error.rule, error.value) from None
    offsets = <Offset*>slab_grow(NULL, &kept, len(pairs), sizeof(Offset)) if pairs else NULL
    g.offsets, g.offset_capacity = offsets, kept
    for i, (first, second, credit) in enumerate(pairs):
        offsets[i].first, offsets[i].second, offsets[i].credit_ppm = first, second, credit
    g.offset_count, g.grid_count, g.maintenance_ppm = len(pairs), count, maintenance
    for i, found in enumerate(members):
        for m in found:
            _join(s, g, m, i + 1)
    return 0


def _offset(int i, given, int count):
    name = f"portfolio.offsets[{i}]"
    if not isinstance(given, (tuple, list)) or len(given) != 3:
        raise ConfigError(name, "must be (first, second, credit_ppm)")
    first, second = (whole(f"{name}[{k}]", given[k], 0, count - 1) for k in (0, 1))
    if first == second:
        raise ConfigError(name, "must be of two underlyings", first)
    return first, second, whole(f"{name}.credit_ppm", given[2], 0, PPM)


cdef int _join(State* s, Grids* g, int32_t market, int32_t group) except -1:
    """From now on the market itself asks nothing: the scenarios do."""
    cdef Market* m = &s.markets[market]
    g.contracts[market].group = group
    m.plan = NULL
    m.bracket_count = 1
    memset(&m.brackets[0], 0, sizeof(m.brackets[0]))
    return 0


# --- what cannot be together -------------------------------------------------------------------

cdef int grids_refuse(const State* s, str what) except -1:
    if s.grids != NULL:
        raise ConfigError("portfolio", f"cannot be run with {what} yet")
    return 0


cdef int grids_judge_rules(const State* s, const State* rules) except -1:
    """Refuse rules of a venue that ask single markets what only a whole scope can say."""
    if s.grids == NULL:
        return 0
    if rules.stages.insured or rules.stages.adl_overlap:
        grids_refuse(s, "insured fills or an overlap check")
    if rules.stages.variation or rules.stages.search_ppm:
        grids_refuse(s, "variation or margin levels")
    if rules.rates != NULL and (<const Rates*>rules.rates).lending.on:
        grids_refuse(s, "interest")
    if rules.rules.leg == LEG_MOST_LIQUID or rules.rules.leg == LEG_PRO_RATA:
        grids_refuse(s, "leg = most_liquid or pro_rata: legs are chosen by what the whole scope "
                     "is relieved of")
    if rules.rules.queue == QUEUE_TRIGGER_PRICE:
        grids_refuse(s, "queue = trigger_price: a portfolio has no liquidation price to sort by; "
                     "use margin_ratio or scope_id")
    return 0


cdef int grids_judge(const State* s) except -1:
    cdef const Grids* g = <const Grids*>s.grids
    cdef const Contract* c
    cdef const Endings* e = <const Endings*>s.endings
    cdef int32_t i
    if g == NULL:
        return 0
    grids_judge_rules(s, s)
    if s.calls != NULL:
        grids_refuse(s, "margin calls")
    if s.pledges != NULL:
        grids_refuse(s, "collaterals")
    for i in range(<int32_t>s.market_count):
        if not is_option(s, i):
            continue
        c = &g.contracts[i]
        if c.group == 0 or c.group != g.contracts[c.market].group:
            raise ConfigError(f"option[{i}]", "must be margined in one portfolio with its "
                              "underlying: no rate of its own value covers an option that was sold",
                              c.market)
        if e != NULL and c.market < e.capacity and e.rows[c.market].known and (
                e.rows[c.market].at < c.expires_ns):
            raise ConfigError(f"option[{i}].expires_ns", "must not be after its underlying's end",
                              c.expires_ns)
    return 0

"""Other assets as margin: a balance counts, after its haircut, for the scope it backs.

The balance of a collateral is that of the account's cross scope of the asset, its purse: money as
any other, moved by the same postings and under the same invariants. A purse has no margin of its
own. spec/MECHANISMS.md §14, §15; docs/adr/0018-other-assets-as-margin.md.
"""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from ordercascade.core.contracts cimport LINEAR
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.ledger cimport Holder, Position, SCOPE, ledger_scope
from ordercascade.core.options cimport grids_judge
from ordercascade.core.pledges cimport (
    FROM_INDEX, FROM_MARK, FROM_RATE, HAIRCUT_TIERS, PEG_MOST, Pledge, WORTH_MOST, pledge_followed,
    pledge_seen, pledge_weighted, pledge_worth,
)
from ordercascade.core.schedule cimport AT_BANKRUPTCY as FEE_AT_BANKRUPTCY
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.state cimport (
    Market, Stages, State, need_in, pledge_tick, pledged, tick_in, value_of,
)
from ordercascade.core.units cimport Cash, TICK_MAX, Tick, Wide

from math import gcd
from types import MappingProxyType

from ordercascade.checks import member, whole
from ordercascade.duties import CollateralSource
from ordercascade.errors import ConfigError, InputError, InputTypeError

PPM = 10**6
MOST = 2**60
BETA_MOST = 10 * PPM

# Every key with its default. ADR 18 says what they mean.
TERMS = MappingProxyType({
    "backs": 0, "source": CollateralSource.RATE, "market": -1, "price": 0, "multiplier": 1,
    "per": 1, "haircut_ppm": 0, "tiers": (), "impact_ppm": 0, "volume": 0, "floor_ppm": 0,
    "discount_ppm": 0, "peg_ppm": PPM, "spot": False, "beta_ppm": None, "stress_beta_ppm": None,
    "stress_ppm": 0, "addon_ppm": 0, "addon_from": 0, "traded": 0,
})


# --- set-up ------------------------------------------------------------------------------------

cdef int set_collateral(State* s, int32_t asset, dict terms) except -1:
    """Judge the keys of TERMS, then keep them; nothing has changed after an error."""
    cdef Pledge made
    name = f"collateral[{asset}]"
    for key in terms:
        if key not in TERMS:
            raise ConfigError(f"{name}.{key}", f"must be one of {', '.join(TERMS)}")
    of = dict(TERMS)
    of.update(terms)
    memset(&made, 0, sizeof(Pledge))
    made.on = 1
    try:
        _set_price(s, &made, name, of)
        _set_beta(&made, name, of)
        _set_haircut(&made, name, of)
        _set_addon(&made, name, of)
        _set_place(s, &made, name, asset, of)
        _set_spot(s, &made, name, asset, of)
    except InputError as error:
        raise ConfigError(error.field, error.rule, error.value) from None
    s.pledges = <Pledge*>slab_grow(
        s.pledges, &s.pledge_capacity, s.ledger.asset_count, sizeof(Pledge))
    s.pledges[asset] = made
    if made.spot != NIL:
        s.markets[made.spot].size_max = 0       # Nobody holds a position there.
    return 0


cdef int _set_price(const State* s, Pledge* made, str name, dict of) except -1:
    """Where the price comes from, and what a tick of it is worth."""
    cdef int64_t shared
    made.source = member(f"{name}.source", CollateralSource, of["source"])
    made.market = whole(f"{name}.market", of["market"], -1, s.market_count - 1)
    made.spot = NIL
    made.multiplier = whole(f"{name}.multiplier", of["multiplier"], 1, MOST)
    made.per = whole(f"{name}.per", of["per"], 1, MOST)
    shared = gcd(made.multiplier, made.per)
    made.multiplier //= shared
    made.per //= shared
    made.price = whole(f"{name}.price", of["price"], 0, TICK_MAX)
    made.peg_ppm = whole(f"{name}.peg_ppm", of["peg_ppm"], 0, PEG_MOST)
    if (made.source == FROM_RATE) != (made.market == NIL):
        raise ConfigError(f"{name}.market", "must be given just where the source is one of its "
                          "prices", made.market)
    if made.source == FROM_RATE and made.price == 0:
        raise ConfigError(f"{name}.price", "must be at least 1: it is the rate")
    if of["beta_ppm"] is not None and (made.source == FROM_RATE or made.price == 0):
        raise ConfigError(f"{name}.beta_ppm", "must be of the mark or index of a market, and of a "
                          "price, the rate at the opening")
    if made.source == FROM_RATE or of["beta_ppm"] is not None:
        most = made.price
    else:
        most = s.markets[made.market].price_max
    if most * made.multiplier > WORTH_MOST:
        raise ConfigError(f"{name}.multiplier", f"times the highest price, {most}, must be at most "
                          "2**44; use a coarser unit or tick", made.multiplier)
    made.stood = made.price
    made.stood_ppm = made.peg_ppm
    return 0


cdef int _set_beta(Pledge* made, str name, dict of) except -1:
    """What of its market's moves it takes part in, and in a fall."""
    if of["beta_ppm"] is None:
        if of["stress_beta_ppm"] is not None or of["stress_ppm"]:
            raise ConfigError(f"{name}.stress_beta_ppm", "needs a beta_ppm to begin with")
        return 0
    made.follows = 1
    made.beta_ppm = whole(f"{name}.beta_ppm", of["beta_ppm"], 0, BETA_MOST)
    made.stress_ppm = whole(f"{name}.stress_ppm", of["stress_ppm"], 0, PPM)
    if (made.stress_ppm > 0) != (of["stress_beta_ppm"] is not None):
        raise ConfigError(f"{name}.stress_ppm", "must be given just where stress_beta_ppm is")
    made.stress_beta_ppm = made.beta_ppm
    if made.stress_ppm:
        made.stress_beta_ppm = whole(
            f"{name}.stress_beta_ppm", of["stress_beta_ppm"], made.beta_ppm, BETA_MOST)
    if of["spot"]:
        raise ConfigError(f"{name}.spot", "must be of a collateral that is what its market trades, "
                          "not of one that follows it by a beta")
    return 0


cdef int _set_addon(Pledge* made, str name, dict of) except -1:
    """The addon, and the amount from which it would take all that is added."""
    made.addon_ppm = whole(f"{name}.addon_ppm", of["addon_ppm"], 0, 10 * PPM)
    made.addon_from = whole(f"{name}.addon_from", of["addon_from"], 0, MOST)
    made.traded = whole(f"{name}.traded", of["traded"], 0, MOST)
    made.counts = MOST
    if (made.addon_ppm > 0) != (made.traded > 0):
        raise ConfigError(f"{name}.traded", "must be given just where addon_ppm is")
    if made.addon_from and not made.addon_ppm:
        raise ConfigError(f"{name}.addon_from", "needs an addon_ppm")
    low, high = -1, MOST        # concave: a unit more adds less than the one before
    while made.addon_ppm and high - low > 1:
        middle = (low + high) // 2
        if _left(made, middle + 1) > _left(made, middle):
            low = middle
        else:
            high = middle
    made.counts = high
    return 0


cdef object _left(const Pledge* p, object amount):
    """What tiers and addon leave of an amount, times `traded`: exact, unbounded."""
    cdef int32_t i
    left, top = 0, amount
    for i in range(p.tier_count - 1, -1, -1):
        left += max(0, top - p.tiers[i].floor) * (PPM - p.tiers[i].haircut_ppm)
        top = min(top, p.tiers[i].floor)
    return left * p.traded - amount * p.addon_ppm * max(0, amount - p.addon_from)


cdef int _set_haircut(Pledge* made, str name, dict of) except -1:
    """Tiers by amount, one of them where only a haircut is given; impact, floor, discount."""
    haircut = whole(f"{name}.haircut_ppm", of["haircut_ppm"], 0, PPM)
    rows = of["tiers"] or ((0, haircut),)
    if of["tiers"] and of["haircut_ppm"]:
        raise ConfigError(f"{name}.tiers", "say the haircut already; give one of the two")
    if not isinstance(rows, (tuple, list)):
        raise InputTypeError(f"{name}.tiers", "a list", type(rows).__name__)
    if len(rows) > HAIRCUT_TIERS:
        raise ConfigError(f"{name}.tiers", f"must be at most {HAIRCUT_TIERS}", len(rows))
    for i, row in enumerate(rows):
        place = f"{name}.tiers[{i}]"
        if not isinstance(row, (tuple, list)) or len(row) != 2:
            raise ConfigError(place, "must be (floor, haircut_ppm)")
        made.tiers[i].floor = whole(f"{place}.floor", row[0], 0, MOST)
        made.tiers[i].haircut_ppm = whole(f"{place}.haircut_ppm", row[1], 0, PPM)
        if (made.tiers[i].floor > 0) != (i > 0) or (
                i and made.tiers[i].floor <= made.tiers[i - 1].floor):
            raise ConfigError(f"{place}.floor", "must be 0 for the first tier and rise from there",
                              row[0])
        if i and made.tiers[i].haircut_ppm < made.tiers[i - 1].haircut_ppm:
            raise ConfigError(f"{place}.haircut_ppm", "must not fall: a larger amount is worth "
                              "less", row[1])
    made.tier_count = len(rows)
    made.impact_ppm = whole(f"{name}.impact_ppm", of["impact_ppm"], 0, 10 * PPM)
    made.volume = whole(f"{name}.volume", of["volume"], 0, MOST)
    if (made.impact_ppm > 0) != (made.volume > 0):
        raise ConfigError(f"{name}.volume", "must be given just where impact_ppm is")
    made.floor_ppm = whole(f"{name}.floor_ppm", of["floor_ppm"], 0, PPM)
    made.discount_ppm = whole(f"{name}.discount_ppm", of["discount_ppm"], 0, PPM)
    return 0


cdef int _set_place(const State* s, Pledge* made, str name, int32_t asset, dict of) except -1:
    """Which asset backs which: no market settles in a collateral, so no price is its own."""
    cdef int32_t i
    made.backs = whole(f"{name}.backs", of["backs"], 0, s.ledger.asset_count - 1)
    if made.market != NIL and s.markets[made.market].asset == asset:
        i = made.market
        raise ConfigError(f"{name}.market", "must not settle in the collateral that it values: "
                          f"cycle: asset {asset} -> market {i} -> asset {asset}", i)
    _settles(s, name, asset)
    if made.backs == asset:
        raise ConfigError(f"{name}.backs", "must be another asset: a settlement asset is margin at "
                          "its full amount", asset)
    if made.source != FROM_RATE and s.markets[made.market].kind != LINEAR:
        raise ConfigError(f"{name}.market", "must be linear: the price of an inverse one counts "
                          "the other way", made.market)
    if made.source != FROM_RATE and s.markets[made.market].asset != made.backs:
        raise ConfigError(f"{name}.market", f"must settle in asset {made.backs}, which the "
                          "collateral backs: its prices are in that", made.market)
    for i in range(<int32_t>(s.ledger.asset_count if s.pledges != NULL else 0)):
        if s.pledges[i].on and (i == made.backs or s.pledges[i].backs == asset):
            raise ConfigError(f"{name}.backs", f"must not be a collateral itself: asset {asset} -> "
                              f"asset {made.backs}")
    return 0


cdef int _set_spot(const State* s, Pledge* made, str name, int32_t asset, dict of) except -1:
    """The book of the market that values it takes what is converted: a lot is so many units."""
    cdef int64_t i
    if not of["spot"]:
        return 0
    if made.source == FROM_RATE:
        raise ConfigError(f"{name}.spot", "must be of the market that values it, not of a rate")
    if (<Wide>s.markets[made.market].multiplier * made.per) % made.multiplier:
        raise ConfigError(f"{name}.multiplier", "must make a lot of the spot market a whole number "
                          "of units", made.multiplier)
    for i in range(s.ledger.position_count):
        if s.ledger.positions[i].market == made.market and s.ledger.positions[i].size != 0:
            raise ConfigError(f"{name}.spot", "must be a market without positions", made.market)
    for i in range(s.ledger.asset_count if s.pledges != NULL else 0):
        if s.pledges[i].on and s.pledges[i].spot == made.market and i != asset:
            raise ConfigError(f"{name}.spot", "must be a market of its own", made.market)
    made.spot = made.market
    return 0


cdef int _settles(const State* s, str name, int32_t asset) except -1:
    cdef int32_t i
    for i in range(<int32_t>s.market_count):
        if s.markets[i].asset == asset:
            raise ConfigError(name, f"must not be what market {i} settles in: its scopes have "
                              "positions of their own")
    return 0


cdef int stages_convert(const State* s, const Stages* g) except -1:
    if s.pledges != NULL and g.day_ns:
        raise ConfigError("collateral", "cannot be run with losses shared by the day's winners: "
                          "its worth would count as profit")
    if s.pledges != NULL and g.variation:
        raise ConfigError("collateral", "cannot be run with variation: who owes a settlement to "
                          "the mark would have to convert in the middle of it")
    return 0


cdef int collateral_priced(const State* s) except -1:
    cdef int32_t i
    grids_judge(s)
    for i in range(<int32_t>s.market_count if s.pledges != NULL or s.grids != NULL else 0):
        if s.markets[i].plan != NULL and s.markets[i].plan.fee_base == FEE_AT_BANKRUPTCY:
            raise ConfigError(f"market[{i}].schedule", "must take its fee at the mark where other "
                              "assets are margin, or scenarios say what is needed: what is there "
                              "at bankruptcy nobody says")
    if s.pledges == NULL:
        return 0
    for i in range(<int32_t>s.ledger.asset_count):
        if s.pledges[i].on:
            _settles(s, f"collateral[{i}]", i)
        if s.pledges[i].on and s.pledges[i].source == FROM_INDEX and (
                s.markets[s.pledges[i].market].index == 0):
            raise ConfigError(f"collateral[{i}].market", "index not set: it needs one to be valued",
                              s.pledges[i].market)
    return stages_convert(s, &s.stages)


# --- prices ------------------------------------------------------------------------------------

cdef void pledges_take(State* s) noexcept nogil:
    cdef int64_t i
    cdef Pledge* p
    for i in range(s.ledger.asset_count):
        p = &s.pledges[i]
        p.stood_ppm = p.peg_ppm
        p.stood = s.markets[p.market].index if p.source == FROM_INDEX else p.price
        if p.follows and p.anchor == 0:         # The opening.
            p.anchor = s.markets[p.market].mark if p.source == FROM_MARK else p.stood
        if p.follows and p.source == FROM_INDEX:
            p.stood = pledge_followed(p, p.price, p.stood)


# --- purses ------------------------------------------------------------------------------------

cdef int32_t pledge_owner(const State* s, int32_t holder) noexcept nogil:
    cdef const Holder* h = &s.ledger.holders[holder]
    cdef int32_t owner
    if h.kind != SCOPE or not s.pledges[h.asset].on:
        return holder
    owner = ledger_scope(&s.ledger, h.account, NIL, s.pledges[h.asset].backs)
    return owner


cdef bint pledge_held(const State* s, int32_t scope) noexcept nogil:
    cdef const Holder* h = &s.ledger.holders[scope]
    cdef const Holder* purse
    cdef int32_t i
    if h.kind != SCOPE or h.market != NIL:
        return False
    i = s.ledger.accounts[h.account]
    while i != NIL:
        purse = &s.ledger.holders[i]
        if (purse.collateral > 0 and s.pledges[purse.asset].on
                and s.pledges[purse.asset].backs == h.asset):
            return True
        i = purse.next
    return False


cdef Cash pledge_lost(const State* s, int32_t purse, Cash amount) noexcept nogil:
    cdef const Holder* h = &s.ledger.holders[purse]
    cdef const Pledge* p = &s.pledges[h.asset]
    cdef Tick price = pledge_tick(s, p, False)
    return (pledge_worth(p, pledge_weighted(p, h.collateral), price, p.stood_ppm)
            - pledge_worth(p, pledge_weighted(p, h.collateral - amount), price, p.stood_ppm))


# --- the trigger of a scope whose collateral moves with its market -----------------------------

cdef Wide pledged_under(const State* s, int32_t scope, int32_t market, Tick price) noexcept nogil:
    """pledged(), were this the market's mark."""
    cdef const Holder* h = &s.ledger.holders[scope]
    cdef const Holder* purse
    cdef const Pledge* p
    cdef Wide sum = 0
    cdef int32_t i = s.ledger.accounts[h.account]
    while i != NIL:
        purse = &s.ledger.holders[i]
        p = &s.pledges[purse.asset]
        if p.on and p.backs == h.asset and purse.collateral > 0:
            sum = sum + pledge_worth(
                p, pledge_weighted(p, purse.collateral),
                pledge_seen(p, price) if p.source == FROM_MARK and p.market == market
                else pledge_tick(s, p, False), p.stood_ppm)
        i = purse.next
    return sum


cdef Wide _slack(const State* s, int32_t scope, const Position* position, const Market* m,
                 Wide base, Tick price) noexcept nogil:
    """Equity less maintenance, were this the market's mark; `base` is without collateral."""
    cdef Cash value = value_of(m, position.size, price)
    return (base + pledged_under(s, scope, position.market, price) + value
            - need_in(m, position.size, value, position.cost))


cdef bint pledge_moves(const State* s, int32_t scope, int32_t market) noexcept nogil:
    cdef const Holder* h = &s.ledger.holders[scope]
    cdef const Holder* purse
    cdef const Pledge* p
    cdef int32_t i
    if h.kind != SCOPE or h.market != NIL:
        return False
    i = s.ledger.accounts[h.account]
    while i != NIL:
        purse = &s.ledger.holders[i]
        p = &s.pledges[purse.asset]
        if (p.on and p.backs == h.asset and purse.collateral > 0 and p.source == FROM_MARK
                and (market == NIL or p.market == market)):
            return True
        i = purse.next
    return False


cdef Tick pledge_trigger(const State* s, int32_t scope, const Position* position,
                         Wide base) noexcept nogil:
    """By halves, from the mark where that is safe: a short whose coins fall has two boundaries.

    `base` as for tick_in(), the collateral of the moment in it."""
    cdef const Market* m = &s.markets[position.market]
    cdef Wide floor = 0 if s.rules.trigger_strict else 1
    cdef Tick low = 0
    cdef Tick high = m.price_max + 1
    cdef Tick middle
    cdef bint below
    if not pledge_moves(s, scope, position.market):
        return tick_in(m, base, position.size, position.cost, s.rules.trigger_strict)
    base = base - pledged(s, scope, False)
    if _slack(s, scope, position, m, base, m.mark) >= floor:
        low = 0 if position.size > 0 else m.mark
        high = m.mark if position.size > 0 else high
    while high - low > 1:
        middle = low + (high - low) / 2
        below = _slack(s, scope, position, m, base, middle) < floor
        if below == (position.size > 0):
            low = middle
        else:
            high = middle
    if position.size > 0:
        return low
    return high if high <= m.price_max else TICK_MAX + 1


cdef object pledged_at(const State* s, int32_t scope, dict marks):
    cdef const Holder* h = &s.ledger.holders[scope]
    cdef const Holder* purse
    cdef const Pledge* p
    cdef int32_t i
    cdef Tick price
    found = 0
    if h.kind != SCOPE or h.market != NIL:
        return 0
    i = s.ledger.accounts[h.account]
    while i != NIL:
        purse = &s.ledger.holders[i]
        p = &s.pledges[purse.asset]
        if p.on and p.backs == h.asset and purse.collateral > 0:
            price = pledge_tick(s, p, False)
            if p.source == FROM_MARK and p.market in marks:
                price = pledge_seen(p, marks[p.market])
            if price * p.multiplier > WORTH_MOST:
                raise InputError("mark", price, "is beyond the market's range")
            found += pledge_worth(p, pledge_weighted(p, purse.collateral), price, p.stood_ppm)
        i = purse.next
    return min(found, MOST)


# --- hash --------------------------------------------------------------------------------------

cdef void pledges_digest(const State* s, Digest* d) noexcept nogil:
    """Only where a venue has any, so that the others hash as ever."""
    cdef int64_t i
    cdef int32_t j
    cdef const Pledge* p
    if s.pledges == NULL:
        return
    for i in range(s.ledger.asset_count):
        p = &s.pledges[i]
        digest_word(d, (p.follows << 3) | (p.source << 1) | p.on)
        digest_word(d, p.beta_ppm)
        digest_word(d, p.stress_beta_ppm)
        digest_word(d, p.stress_ppm)
        digest_word(d, p.anchor)
        digest_word(d, p.backs)
        digest_word(d, p.market)
        digest_word(d, p.spot)
        digest_word(d, p.multiplier)
        digest_word(d, p.per)
        digest_word(d, p.tier_count)
        for j in range(p.tier_count):
            digest_word(d, p.tiers[j].floor)
            digest_word(d, p.tiers[j].haircut_ppm)
        digest_word(d, p.impact_ppm)
        digest_word(d, p.volume)
        digest_word(d, p.addon_ppm)
        digest_word(d, p.addon_from)
        digest_word(d, p.traded)
        digest_word(d, p.counts)
        digest_word(d, p.floor_ppm)
        digest_word(d, p.discount_ppm)
        digest_word(d, p.price)
        digest_word(d, p.peg_ppm)
        digest_word(d, p.stood)
        digest_word(d, p.stood_ppm)

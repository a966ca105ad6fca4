"""Closing a position: how large the order is and at which limit, and who takes over the rest."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint64_t
from libc.stdlib cimport qsort
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from ordercascade.core.digest cimport Digest, digest_start, digest_word
from ordercascade.core.ledger cimport split_shares
from ordercascade.core.mechanism cimport Backstop, LiquidationPolicy
from ordercascade.core.records cimport AtRisk, Candidate, Intent
from ordercascade.core.units cimport (
    Cash, Lot, PPM, Ppm, TimeNs, Wide, absolute, div_floor, larger, smaller,
)

from ordercascade.checks import SPAN_NS_MAX, member, whole
from ordercascade.enums import AdlRule, LimitRule
from ordercascade.errors import ConfigError

cdef enum:
    QUEUE = 0
    PRO_RATA = 1
    SCOPE_ID = 2
    SCORES = 3
    ACCOUNT_RISK = 4
    MARGIN_RATIO = 5
    GROWTH = 6
    RANDOM = 7


cdef class Tranche(LiquidationPolicy):
    """Sell a fraction of the current position, or all of it. SEMANTICS §5.2, §5.3.

    Size: max(1, floor(|q| * fraction)) while the position's value at the mark exceeds
    `min_value`, else all of it; with `then_all` every order after the first is for the rest.
    """

    def __cinit__(self, *, fraction_ppm=1_000_000, min_value=0, cooldown_ns=0, then_all=False,
                  at_bankruptcy=False):
        self.fraction_ppm = whole("fraction_ppm", fraction_ppm, 1, 10**6)
        self.min_value = whole("min_value", min_value, 0, 2**60)
        self.cooldown_ns = whole("cooldown_ns", cooldown_ns, 0, SPAN_NS_MAX)
        self.then_all = bool(then_all)
        self.at_bankruptcy = bool(at_bankruptcy)

    def __repr__(self):
        return f"<Tranche {self.fraction_ppm} ppm, cooldown {self.cooldown_ns} ns>"

    cdef int plan(self, const AtRisk* rows, int64_t count, Intent* out) except -1 nogil:
        cdef int64_t i
        for i in range(count):
            out[i].scope = rows[i].scope
            out[i].market = rows[i].market
            out[i].lots = _lots(self, &rows[i])
            out[i].limit = rows[i].bankruptcy_limit
            out[i].cooldown_ns = self.cooldown_ns
            out[i].at_market = not self.at_bankruptcy
        return 0

    cdef void digest(self, Digest* d) noexcept nogil:
        digest_word(d, self.fraction_ppm)
        digest_word(d, self.min_value)
        digest_word(d, self.cooldown_ns)
        digest_word(d, self.then_all)
        digest_word(d, self.at_bankruptcy)


cdef Lot _lots(Tranche policy, const AtRisk* row) noexcept nogil:
    cdef Lot held = absolute(row.size)
    if policy.fraction_ppm >= PPM or absolute(row.value) <= policy.min_value:
        return held
    if policy.then_all and row.tranche > 0:
        return held
    return larger(1, div_floor(<Wide>held * <Wide>policy.fraction_ppm, PPM))


ctypedef struct Ranked:
    Wide above              # rank = above / below, an exact rational
    Wide below
    int64_t row
    int32_t scope
    int8_t group            # 0 solvent, 1 equity at or below zero, 2 external


cdef int _compare_ratios(Wide a, Wide b, Wide c, Wide d) noexcept nogil:
    """Sign of a/b - c/d for non-negative a, c and positive b, d, without a 256-bit product."""
    cdef Wide whole, other
    cdef int sign = 1
    while True:
        whole = a / b
        other = c / d
        if whole != other:
            return sign if whole > other else -sign
        a = a - whole * b
        c = c - other * d
        if a == 0 or c == 0:
            if a == 0 and c == 0:
                return 0
            return -sign if a == 0 else sign
        # a/b against c/d with both below one is d/c against b/a.
        whole = a
        a = b
        b = whole
        other = c
        c = d
        d = other
        sign = -sign


cdef int _first(const void* left, const void* right) noexcept nogil:
    """Order of the queue: solvent before insolvent before external; rank; scope id."""
    cdef const Ranked* x = <const Ranked*>left
    cdef const Ranked* y = <const Ranked*>right
    cdef int sign
    if x.group != y.group:
        return -1 if x.group < y.group else 1
    if x.group == 0:
        if (x.above < 0) != (y.above < 0):
            return 1 if x.above < 0 else -1
        if x.above < 0:
            sign = _compare_ratios(-x.above, x.below, -y.above, y.below)
        else:
            sign = -_compare_ratios(x.above, x.below, y.above, y.below)
        if sign:
            return sign
    if x.scope != y.scope:
        return -1 if x.scope < y.scope else 1
    return 0


cdef void _rank(Ranked* r, const Candidate* c, int64_t row, int32_t rule) noexcept nogil:
    """A candidate's rank by its rule, as one exact rational; nobody without equity has one."""
    r.row = row
    r.scope = c.scope
    r.group = 2 if c.external else (1 if c.equity <= 0 else 0)
    r.above = 0
    r.below = 1
    if r.group:
        return
    if rule == ACCOUNT_RISK:
        _by_account_risk(r, c)
    elif rule == MARGIN_RATIO:
        _by_margin_ratio(r, c)
    elif rule == GROWTH:
        _by_growth(r, c)
    else:
        _by_leverage(r, c)


cdef void _by_account_risk(Ranked* r, const Candidate* c) noexcept nogil:
    """(open profit of the scope / its money) (maintenance / equity); 0 without profit. [BN3]"""
    cdef Wide profit = <Wide>c.equity - <Wide>c.money
    if profit > 0:
        r.above = profit * <Wide>c.maintenance
        r.below = <Wide>larger(1, c.money) * <Wide>c.equity


cdef void _by_margin_ratio(Ranked* r, const Candidate* c) noexcept nogil:
    """(pnl/|cost|) over the scope's equity/maintenance; a loss times it. MARGIN §6.7, OKX."""
    cdef Wide pnl = c.value - c.cost
    cdef Wide cost = larger(1, absolute(c.cost))
    r.above = pnl * <Wide>(c.maintenance if pnl > 0 else c.equity)
    r.below = cost * <Wide>(c.equity if pnl > 0 else larger(1, c.maintenance))


cdef void _by_growth(Ranked* r, const Candidate* c) noexcept nogil:
    """(mark/entry, or entry/mark of a short) (|value|/equity). MARGIN §6.7, Hyperliquid."""
    cdef Wide value = absolute(c.value)
    if c.value > 0:
        r.above = value * value
        r.below = <Wide>larger(1, absolute(c.cost)) * <Wide>c.equity
    else:
        r.above = absolute(c.cost)
        r.below = c.equity


cdef void _by_leverage(Ranked* r, const Candidate* c) noexcept nogil:
    """(pnl/|cost|) times, or of a loss divided by, (|value|/equity). SEMANTICS §5.7."""
    cdef Wide pnl = c.value - c.cost
    cdef Wide cost = larger(1, absolute(c.cost))
    if pnl > 0:
        r.above = pnl * <Wide>absolute(c.value)
        r.below = cost * <Wide>c.equity
    else:
        r.above = pnl * <Wide>c.equity
        r.below = cost * <Wide>absolute(c.value)


cdef int _deal_queue(Candidate* rows, int64_t count, Lot lots, int32_t rule) except -1 nogil:
    cdef Ranked* ranked = <Ranked*>PyMem_RawMalloc(<size_t>((count + 1) * sizeof(Ranked)))
    cdef int64_t i
    cdef Candidate* c
    if ranked == NULL:
        with gil:
            raise MemoryError()
    for i in range(count):
        _rank(&ranked[i], &rows[i], i, rule)
    qsort(ranked, <size_t>count, sizeof(Ranked), &_first)
    for i in range(count):
        c = &rows[ranked[i].row]
        c.rank = i
        c.taken = smaller(lots, c.lots)
        lots -= c.taken
    PyMem_RawFree(ranked)
    return 0


cdef int _deal_pro_rata(Candidate* rows, int64_t count, Lot lots) except -1 nogil:
    cdef int64_t users = count - 1 if count > 0 and rows[count - 1].external else count
    cdef int64_t* weights
    cdef Lot held = 0
    cdef int64_t i
    weights = <int64_t*>PyMem_RawMalloc(<size_t>((2 * count + 2) * sizeof(int64_t)))
    if weights == NULL:
        with gil:
            raise MemoryError()
    for i in range(users):
        weights[i] = rows[i].lots
        held += rows[i].lots
    try:
        split_shares(smaller(lots, held), weights, users, weights + count)
    finally:
        for i in range(users):
            rows[i].rank = i
            rows[i].taken = weights[count + i]
        PyMem_RawFree(weights)
    if users < count:
        rows[users].rank = users
        rows[users].taken = lots - smaller(lots, held)
    return 0


cdef int64_t _score_of(const Score* scores, int64_t count, int32_t scope) noexcept nogil:
    """The score of a scope, by bisection; the lowest of all without one."""
    cdef int64_t low = 0
    cdef int64_t high = count
    cdef int64_t middle
    while low < high:
        middle = (low + high) / 2
        if scores[middle].scope < scope:
            low = middle + 1
        else:
            high = middle
    return scores[low].score if low < count and scores[low].scope == scope else (
        -(<int64_t>1 << 62) - 1)


cdef int _deal_scores(Deleverage self, Candidate* rows, int64_t count, Lot lots) except -1 nogil:
    """The same queue with given ranks."""
    cdef Ranked* ranked = <Ranked*>PyMem_RawMalloc(<size_t>((count + 1) * sizeof(Ranked)))
    cdef int64_t i
    cdef Candidate* c
    if ranked == NULL:
        with gil:
            raise MemoryError()
    for i in range(count):
        ranked[i].row = i
        ranked[i].scope = rows[i].scope
        ranked[i].group = 2 if rows[i].external else 0
        ranked[i].above = _score_of(self.score, self.score_count, rows[i].scope)
        ranked[i].below = 1
    qsort(ranked, <size_t>count, sizeof(Ranked), &_first)
    for i in range(count):
        c = &rows[ranked[i].row]
        c.rank = i
        c.taken = smaller(lots, c.lots)
        lots -= c.taken
    PyMem_RawFree(ranked)
    return 0


cdef int _deal_random(int64_t seed, Candidate* rows, int64_t count, Lot lots) except -1 nogil:
    """By scope id, round from a start drawn by the seed, the lots and who holds what. [D4]"""
    cdef int64_t users = count - 1 if count > 0 and rows[count - 1].external else count
    cdef int64_t i, start
    cdef Digest drawn
    cdef Candidate* c
    digest_start(&drawn)
    digest_word(&drawn, seed)
    digest_word(&drawn, lots)
    for i in range(users):
        digest_word(&drawn, rows[i].scope)
        digest_word(&drawn, rows[i].lots)
    start = <int64_t>(drawn.a % <uint64_t>larger(1, users))
    for i in range(count):
        c = &rows[(start + i) % users] if i < users else &rows[i]
        c.rank = i
        c.taken = smaller(lots, c.lots)
        lots -= c.taken
    return 0


cdef class Deleverage(Backstop):
    """Deal the lots of a bankrupt scope, first rank first. Ties go by scope id.

    `rule`, an AdlRule:
    * QUEUE: profit over cost, times leverage; losers by loss over cost, over leverage;
    * ACCOUNT_RISK: open profit of the scope over its money, times maintenance over equity;
    * MARGIN_RATIO: profit over cost, over equity/maintenance of the scope;
    * GROWTH: mark over entry (a short: entry over mark), times value over equity;
    * PRO_RATA by lots; SCOPE_ID; RANDOM: by id, round from a start drawn by `seed`;
    * SCORES: {scope: score}, highest first; who has none comes after them by id.

    Values are of the position, other amounts of its scope, at the mark; all in settlement units.
    spec/MARGIN.md §6.7, SEMANTICS §5.7.
    """

    def __cinit__(self, rule=AdlRule.QUEUE, *, scores=None, seed=0):
        self.rule = member("rule", AdlRule, rule)
        self.seed = whole("seed", seed, 0, 2**62)
        if (self.rule == SCORES) != (scores is not None):
            raise ConfigError("scores", "must be given for the rule SCORES, and only for it")
        self.scores = ()
        if scores is not None:
            self.scores = tuple(sorted(
                (whole("scores.scope", scope, 0, 2**31 - 1),
                 whole("scores.score", score, -2**62, 2**62)) for scope, score in scores.items()))
        self.score_count = len(self.scores)
        if self.score_count:
            self.score = <Score*>PyMem_RawMalloc(<size_t>(self.score_count * sizeof(Score)))
            if self.score == NULL:
                raise MemoryError()
        for i, (scope, score) in enumerate(self.scores):
            self.score[i].scope = scope
            self.score[i].score = score

    def __dealloc__(self):
        PyMem_RawFree(self.score)

    def __repr__(self):
        return f"<Deleverage {AdlRule(self.rule).name.lower()}>"

    cdef int deal(self, Candidate* rows, int64_t count, Lot lots) except -1 nogil:
        if self.rule == PRO_RATA:
            return _deal_pro_rata(rows, count, lots)
        if self.rule == SCOPE_ID:
            return Backstop.deal(self, rows, count, lots)
        if self.rule == SCORES:
            return _deal_scores(self, rows, count, lots)
        if self.rule == RANDOM:
            return _deal_random(self.seed, rows, count, lots)
        return _deal_queue(rows, count, lots, self.rule)

    cdef void digest(self, Digest* d) noexcept nogil:
        cdef int64_t i
        digest_word(d, self.rule)
        if self.seed:
            digest_word(d, self.seed)
        for i in range(self.score_count):
            digest_word(d, self.score[i].scope)
            digest_word(d, self.score[i].score)


def by_numbers(rules, limit, adl_rule, fraction_ppm, min_value, cooldown_ns, then_all):
    """Rules with the policy and the backstop that numbers stand for."""
    rules = dict(rules)
    chosen = member("limit", LimitRule, limit)
    if chosen not in (LimitRule.MARKET, LimitRule.BANKRUPTCY):
        raise ConfigError("limit", "must be MARKET or BANKRUPTCY; others need policy=Tranches")
    rules.setdefault("policy", Tranche(
        fraction_ppm=fraction_ppm, min_value=min_value, cooldown_ns=cooldown_ns,
        then_all=then_all, at_bankruptcy=chosen == LimitRule.BANKRUPTCY))
    rules.setdefault("backstop", Deleverage(member("adl_rule", AdlRule, adl_rule)))
    return rules

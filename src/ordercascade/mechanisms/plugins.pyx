"""Python objects as mechanisms: the third door. DESIGN §7, SEMANTICS §8.

An object is a plug-in if it has its hook and `state() -> bytes`, which is hashed with the world;
`fork()`, else copy.deepcopy, makes the copy of a forked world.

* oracle: `mark(view, time_ns) -> int` ticks, once a round and market (or after each order);
* breaker: `judge(market, view, time_ns) -> None | (action, low, high, until_ns)`, once a round and
  market: BreakerAction, a band in ticks (0: none), and the end of a STOP in nanoseconds;
* policy: `plan(rows) -> one (lots, limit | None, cooldown_ns) a row`, once a round with anybody
  at risk: at most the lots held, a limit in ticks;
* backstop: `order(rows, lots) -> scopes`, each once, who is deleveraged first;
* surcharge: `addon(market, view, nearby, time_ns) -> int` ppm to be added to a rate, once a
  round and market; `nearby` is zeros but for a `reach_ppm` above 0.

Views are named tuples, so copies: what is kept of them changes nothing. Whatever raises or answers
rubbish becomes a MechanismError that names the object, its hook and the time. A peek at an oracle
is its last answer. The world is busy meanwhile, so it refuses calls from inside with BusyError.
After an error the world is as it was (docs/adr/0016): try again, or use another mechanism.
"""

from libc.stdint cimport int32_t, int64_t
from collections import namedtuple
from copy import deepcopy
from hashlib import blake2b
from ordercascade.core.digest cimport Digest, digest_word
from ordercascade.core.mechanism cimport (
    Backstop, CircuitBreaker, LiquidationPolicy, Oracle, Surcharge,
)
from ordercascade.core.records cimport (
    AtRisk, Candidate, Crowd, Intent, MarketView, Verdict,
)
from ordercascade.core.units cimport Lot, PPM, Ppm, TICK_MAX, Tick, TimeNs, absolute, smaller

from ordercascade.checks import SPAN_NS_MAX, member, whole
from ordercascade.duties import RateKind
from ordercascade.enums import BreakerAction
from ordercascade.errors import ConfigError, MechanismError

View = namedtuple("View", "last outside mark best_bid best_ask queue")
Risk = namedtuple("Risk", "scope market size value equity maintenance bankruptcy_limit tranche")
Rival = namedtuple("Rival", "scope external lots cost value equity maintenance money")
Nearby = namedtuple("Nearby", "longs shorts bids asks")


def _judged(plugin, hook):
    """Refuse an object without its hook and its state."""
    for name in (hook, "state"):
        if not callable(getattr(plugin, name, None)):
            raise ConfigError(f"{type(plugin).__name__}.{name}", "must be a method of a plug-in")
    return plugin


cdef class Journal:
    """What the plug-ins of a world said, in order, since it was kept. core/undo."""

    cdef int begin(self) except -1:
        self.said = []
        self.at = 0
        return 0

    cdef int again(self) except -1:
        """Give the same answers once more."""
        self.at = 0
        return 0

    cdef int over(self) except -1:
        """Forget the answers that were not given again."""
        del self.said[self.at:]
        return 0

    cdef object next(self):
        """The next answer where it was given before."""
        self.at += 1
        return self.said[self.at - 1]


cdef object _ask(Journal journal, plugin, hook, when, judge, arguments):
    """Call a hook and judge its answer; every failure names the plug-in."""
    if journal is None or journal.said is None:
        return _asked(plugin, hook, when, judge, arguments)
    if journal.at == len(journal.said):
        journal.said.append(_asked(plugin, hook, when, judge, arguments))
    return journal.next()


cdef object _asked(plugin, hook, when, judge, arguments):
    try:
        return judge(getattr(plugin, hook)(*arguments))
    except MemoryError:
        raise
    except Exception as error:      # The one place where whatever a user's code raises is met.
        said = f"{type(error).__name__}: {error}{when}"
        failed = MechanismError(type(plugin).__name__, hook, said)
        failed.hooked = getattr(plugin, hook, None)
        raise failed from error


cdef object _copied(plugin, Journal journal):
    """For a fork a copy of its own; the world that is kept asks the same object."""
    if journal is not None and journal.keeping:
        return plugin
    return plugin.fork() if callable(getattr(plugin, "fork", None)) else deepcopy(plugin)


cdef Journal _shared(Journal journal):
    return journal if journal is not None and journal.keeping else None


cdef object _view(const MarketView* view):
    return View(view.last, view.index, view.mark, view.best_bid, view.best_ask, view.queue)


cdef void _fold(object plugin, Digest* d) noexcept:
    """Its type's name and its state; a state that cannot be told is told apart from all others."""
    cdef int64_t i
    try:
        said = plugin.state()
        if not isinstance(said, bytes):
            said = b"state() gave no bytes"
    except Exception as error:
        said = f"state() raised {type(error).__name__}".encode()
    word = blake2b(type(plugin).__name__.encode() + b"/" + said, digest_size=16).digest()
    for i in range(2):
        digest_word(d, int.from_bytes(word[8 * i:8 * i + 8], "little", signed=True))


cdef class PluginOracle(Oracle):
    """An object with `mark(view, time_ns)`."""

    def __cinit__(self, plugin):
        self.plugin = _judged(plugin, "mark")

    cdef Tick peek(self, const MarketView* view, TimeNs time_ns) noexcept nogil:
        if self.stood:
            return self.stood
        return view.last if view.last > 0 else view.index

    cdef Tick take(self, const MarketView* view, TimeNs time_ns) except 0 nogil:
        with gil:
            self.stood = _ask(self.journal, self.plugin, "mark", f" (at {time_ns} ns)", _tick,
                              (_view(view), time_ns))
        return self.stood

    cdef Oracle clone(self):
        cdef PluginOracle other = PluginOracle.__new__(
            PluginOracle, _copied(self.plugin, self.journal))
        other.journal = _shared(self.journal)
        other.stood = self.stood
        return other

    cdef void digest(self, Digest* d) noexcept nogil:
        digest_word(d, self.stood)
        with gil:
            _fold(self.plugin, d)


def _tick(answer):
    return whole("mark", answer, 1, TICK_MAX)


cdef class PluginBreaker(CircuitBreaker):
    """An object with `judge(market, view, time_ns)`."""

    def __cinit__(self, plugin):
        self.plugin = _judged(plugin, "judge")

    cdef int judge(self, int32_t market, const MarketView* view, TimeNs time_ns,
                   Verdict* out) except -1 nogil:
        with gil:
            said = _ask(self.journal, self.plugin, "judge", f" (at {time_ns} ns)", _verdict,
                        (market, _view(view), time_ns))
            out.action, out.low, out.high, out.until_ns = said
        return 0

    cdef CircuitBreaker clone(self):
        cdef PluginBreaker other = PluginBreaker.__new__(
            PluginBreaker, _copied(self.plugin, self.journal))
        other.journal = _shared(self.journal)
        return other

    cdef void digest(self, Digest* d) noexcept nogil:
        with gil:
            _fold(self.plugin, d)


def _verdict(answer):
    if answer is None:
        return 0, 0, 0, 0
    action, low, high, until_ns = answer
    return (int(member("action", BreakerAction, action)), whole("low", low, 0, TICK_MAX),
            whole("high", high, 0, TICK_MAX), whole("until_ns", until_ns, 0, 2 * SPAN_NS_MAX))


cdef class PluginPolicy(LiquidationPolicy):
    """An object with `plan(rows)`."""

    def __cinit__(self, plugin):
        self.plugin = _judged(plugin, "plan")

    cdef int plan(self, const AtRisk* rows, int64_t count, Intent* out) except -1 nogil:
        cdef int64_t i
        with gil:
            seen = [Risk(rows[i].scope, rows[i].market, rows[i].size, rows[i].value,
                         rows[i].equity, rows[i].maintenance, rows[i].bankruptcy_limit,
                         rows[i].tranche) for i in range(count)]
            said = _ask(self.journal, self.plugin, "plan", "",
                        lambda answer: _intents(answer, seen), (seen,))
            for i in range(count):
                out[i].scope = rows[i].scope
                out[i].market = rows[i].market
                out[i].lots, limit, out[i].cooldown_ns = said[i]
                out[i].at_market = limit is None
                out[i].limit = 0 if limit is None else limit
        return 0

    cdef LiquidationPolicy clone(self):
        cdef PluginPolicy other = PluginPolicy.__new__(
            PluginPolicy, _copied(self.plugin, self.journal))
        other.journal = _shared(self.journal)
        return other

    cdef void digest(self, Digest* d) noexcept nogil:
        with gil:
            _fold(self.plugin, d)


def _intents(answer, seen):
    made = [
        (whole("lots", lots, 0, abs(row.size)),
         None if limit is None else whole("limit", limit, 1, TICK_MAX),
         whole("cooldown_ns", cooldown, 0, SPAN_NS_MAX))
        for row, (lots, limit, cooldown) in zip(seen, answer, strict=True)
    ]
    return made


cdef class PluginBackstop(Backstop):
    """An object with `order(rows, lots)`."""

    def __cinit__(self, plugin):
        self.plugin = _judged(plugin, "order")

    cdef int deal(self, Candidate* rows, int64_t count, Lot lots) except -1 nogil:
        cdef int64_t i, rank
        cdef Lot left = lots
        with gil:
            seen = [Rival(rows[i].scope, bool(rows[i].external), rows[i].lots, rows[i].cost,
                          rows[i].value, rows[i].equity, rows[i].maintenance, rows[i].money)
                    for i in range(count)]
            said = _ask(self.journal, self.plugin, "order", "",
                        lambda answer: _places(answer, seen), (seen, lots))
            for rank, i in enumerate(said):
                rows[i].rank = rank
                rows[i].taken = smaller(rows[i].lots, left)
                left -= rows[i].taken
        return 0

    cdef Backstop clone(self):
        cdef PluginBackstop other = PluginBackstop.__new__(
            PluginBackstop, _copied(self.plugin, self.journal))
        other.journal = _shared(self.journal)
        return other

    cdef void digest(self, Digest* d) noexcept nogil:
        with gil:
            _fold(self.plugin, d)


def _places(answer, seen):
    """Rows in the order of the scopes that were named; `external` comes last whatever is said."""
    place = {row.scope: at for at, row in enumerate(seen) if not row.external}
    named = [whole("scope", each, 0, 2**31 - 1) for each in answer]
    if sorted(named) != sorted(place):
        raise ValueError("must name each of the rows' scopes once, external apart")
    return [place[each] for each in named] + [
        at for at, row in enumerate(seen) if row.external]


cdef class PluginSurcharge(Surcharge):
    """An object with `addon(market, view, nearby, time_ns)`."""

    def __cinit__(self, plugin, *, rate=RateKind.MAINTENANCE, reach_ppm=0):
        self.plugin = _judged(plugin, "addon")
        self.rate = member("rate", RateKind, rate)
        self.reach_ppm = whole("reach_ppm", reach_ppm, 0, PPM - 1)

    cdef int target(self) noexcept nogil:
        return self.rate

    cdef Ppm reach(self, int32_t market, TimeNs time_ns) noexcept nogil:
        return self.reach_ppm

    cdef Ppm addon(self, int32_t market, const MarketView* view, const Crowd* crowd,
                   TimeNs time_ns) except -1 nogil:
        cdef Ppm found
        with gil:
            nearby = Nearby(crowd.near[0], crowd.near[1], crowd.depth[0], crowd.depth[1])
            found = _ask(self.journal, self.plugin, "addon", f" (at {time_ns} ns)", _share,
                         (market, _view(view), nearby, time_ns))
        return found

    cdef Surcharge clone(self):
        cdef PluginSurcharge made = PluginSurcharge.__new__(
            PluginSurcharge, _copied(self.plugin, self.journal), rate=self.rate,
            reach_ppm=self.reach_ppm)
        made.journal = _shared(self.journal)
        return made

    cdef void digest(self, Digest* d) noexcept nogil:
        digest_word(d, self.rate)
        digest_word(d, self.reach_ppm)
        with gil:
            _fold(self.plugin, d)


def _share(answer):
    return whole("addon", answer, 0, PPM)

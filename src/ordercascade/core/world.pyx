"""World: clock, agenda and venues; runs settlements round by round and step by step.

A world is a value: fork() copies it at any step, state_hash() names it, the same calls give the
same bytes anywhere. Only one call at a time; run() releases the GIL.
"""

from hashlib import blake2b

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcpy, memset
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_RawFree
from ordercascade.core.arguments cimport wanted
from ordercascade.core.arriving cimport sooner
from ordercascade.core.calls cimport calls_next
from ordercascade.core.collateral cimport collateral_priced, set_collateral
from ordercascade.core.digest cimport Digest, digest_hex, digest_start, digest_word
from ordercascade.core.due cimport (
    FUNDING, Item, ORDER, PRICE_TICK, TRANSFER, earlier, item_digest, item_out, item_up, repeats,
)
from ordercascade.core.events cimport EventLog, TABLES, T_STEPS, log_rows
from ordercascade.core.settle cimport bound_row, marks_advance, round_advance
from ordercascade.core.slab cimport NIL, slab_copy, slab_grow
from ordercascade.core.state cimport State
from ordercascade.core.statecopy cimport state_digest
from ordercascade.core.stream cimport Stream, stream_open, stream_word
from ordercascade.core.turns cimport (
    turns_awake, turns_close, turns_due, turns_marks, turns_open, turns_perform, turns_rest,
    turns_retry, turns_round, turns_rows,
)
from ordercascade.core.undo cimport journal_of, tape_back, tape_mark, venue_back
from ordercascade.core.units cimport TimeNs, larger
from ordercascade.core.venue cimport Venue

from ordercascade.checks import member, once, side_of, whole
from ordercascade.enums import AdlRule, LimitRule, Stop
from ordercascade.errors import (
    BusyError, InputError, InputTypeError, MechanismError, PoisonedError, RangeError,
)
from ordercascade.mechanisms.closing import by_numbers

cdef enum:
    QUIET = 0               # between settlements
    AGENDA = 1              # step 1 of a round: what is due
    TAKING = 2              # step 2: every venue's marks
    VENUES = 3              # steps 3 to 7, venue by venue
    BOUNDS = 4              # who reached its round_max

cdef enum:
    SIGNALS_STEPS = 1024    # steps, and rows of the tape, between looks for Ctrl-C
    SIGNALS_ROWS = 65536
    ANSWERS_MAX = 4096      # of plug-ins, before the world is kept anew

NS_MAX = 2**62
UNIX_NS = 10**17
INT64 = 2**63 - 1
cdef TimeNs NS_LAST = <TimeNs>1 << 62


cdef class World:
    """A world of venues. Make it, add venues, set them up, start(), then step() or run()."""

    def __cinit__(self, seed=0, *, steps_max=10**9):
        self.events = EventLog()
        self.events.owned = True
        self.venues = []
        self.stream_names = []
        self.seed = whole("seed", seed, 0, 2**63 - 1)
        self.steps_max = whole("steps_max", steps_max, 1, 2**62)
        self.asked = NIL

    def __init__(self, seed=0, *, steps_max=10**9):
        once(self, self.ready)
        self.ready = True

    def __dealloc__(self):
        PyMem_RawFree(self.agenda)
        PyMem_RawFree(self.members)
        PyMem_RawFree(self.streams)

    def __repr__(self):
        return (f"<World at {self.now} ns: {self.venue_count} venues, "
                f"{log_rows(&self.events.log, T_STEPS)} steps>")

    def __reduce__(self):
        raise TypeError("a World cannot be pickled; send the scenario and its seed, or fork() it")

    def __copy__(self):
        return self.fork()

    def __deepcopy__(self, memo):
        return self.fork()

    # --- set-up ---------------------------------------------------------------------------------

    def add_venue(self, asset_count=1, *, limit=LimitRule.MARKET, adl_rule=AdlRule.QUEUE,
                  fraction_ppm=10**6, min_value=0, cooldown_ns=0, then_all=False, **rules):
        """Add a venue and return its id; rules as keywords, see Venue.

        The tranche is given by `fraction_ppm`, `min_value`, `cooldown_ns`, `then_all`, or pass
        `policy=` and `backstop=` objects.
        """
        self._new()
        self._enter()
        try:
            rules = by_numbers(
                rules, limit, adl_rule, fraction_ppm, min_value, cooldown_ns, then_all)
            assets = whole("asset_count", asset_count, 1, 1024)
            made = Venue.__new__(Venue, self.events, len(self.venues), assets, rules)
        finally:
            self._leave()
        self.venues.append(made)
        self._link()
        return self.venue_count - 1

    def _link(self):
        cdef int64_t held = 0
        cdef int64_t i
        cdef void** grown = <void**>slab_grow(NULL, &held, len(self.venues), sizeof(void*))
        PyMem_RawFree(self.members)
        self.members = grown
        self.venue_count = len(self.venues)
        for i in range(self.venue_count):
            self.members[i] = <void*>self.venues[i]

    def venue(self, number=0):
        """The venue of this id."""
        return self.venues[self._int("venue", number, 0, self.venue_count - 1)]

    def add_collateral(self, venue, asset, **terms):
        """Let an asset of a venue back scopes of another, after a haircut (core/collateral.pyx)."""
        cdef Venue v = self.venue(venue)
        self._new()
        asset = self._int("asset", asset, 0, v.s.ledger.asset_count - 1)
        self._enter()
        try:
            set_collateral(&v.s, asset, terms)
        finally:
            self._leave()

    def start(self):
        """Take first marks, arm triggers, write the opening; nothing may be set up afterwards."""
        self._new()
        for venue in self.venues:
            (<Venue>venue).priced()
            collateral_priced(&(<Venue>venue).s)
        self._enter()
        try:
            self._keep()
            self.torn = True
            for venue in self.venues:
                (<Venue>venue).begin()
            self.torn = False
        except MechanismError as error:
            error.placed(self.round, self._back())
            raise
        finally:
            self._back()
            self._leave()
        self.started = True
        self.saved = None

    # --- agenda ---------------------------------------------------------------------------------

    def schedule_shock(self, time_ns, venue, market, side, *, size=0, notional=0, limit=0):
        """An order of `external` at a time: `size` lots, or `notional` units at the mark then.

        It takes what it finds at `limit` or better (0: at any price); the rest is dropped.
        """
        cdef Item item
        _place_checked(self, &item, time_ns, venue, market)
        item.kind = ORDER
        item.side = self._judged(side_of, side)
        item.a = self._int("size", size, 0, 2**40)
        item.b = self._int("notional", notional, 0, 2**60)
        item.c = self._int("limit", limit, 0, _price_max(self, &item))
        if bool(item.a) == bool(item.b):
            raise InputError("size", size, "or else notional must be given, one of the two")
        self._schedule(&item)

    def schedule_index(self, time_ns, venue, market, price):
        """The outside price of a market at a time."""
        cdef Item item
        _place_checked(self, &item, time_ns, venue, market)
        item.kind = PRICE_TICK
        item.a = self._int("price", price, 1, _price_max(self, &item))
        self._schedule(&item)

    def schedule_funding(self, time_ns, venue, market, *, rate_ppb=None, every_ns=0, times=1):
        """A funding payment at a time, and so many more, `every_ns` apart: at a rate that longs pay
        shorts, of the value, in parts per 10^9; None: by the market's rule (Venue.set_funding)."""
        cdef Item item
        _place_checked(self, &item, time_ns, venue, market)
        item.kind = FUNDING
        item.side = rate_ppb is None
        item.a = 0 if rate_ppb is None else self._int("rate_ppb", rate_ppb, -10**9, 10**9)
        item.c = self._int("times", times, 1, 10**6)
        item.b = self._int("every_ns", every_ns, item.c > 1, NS_MAX)
        self._schedule(&item)

    cdef int _again(self, const Item* paid) except -1 nogil:
        """The next of a series of payments; what would pass the end of time is not."""
        cdef Item item = paid[0]
        item.c -= 1
        item.time_ns += item.b
        return self._schedule(&item) if item.c > 0 and item.time_ns <= NS_LAST else 0

    def schedule_transfer(self, time_ns, venue, account, asset, amount):
        """A user's deposit (amount > 0) or withdrawal (< 0) at a time; refused ones do nothing."""
        cdef Item item
        cdef Venue v
        memset(&item, 0, sizeof(Item))
        v = self.venue(venue)
        item.time_ns = self._time(time_ns)
        item.venue = v.s.venue
        item.kind = TRANSFER
        item.account = v._account(account)
        item.market = NIL           # none: transfers of one instant go by account
        item.b = self._int("asset", asset, 0, v.s.ledger.asset_count - 1)
        item.a = self._int("amount", amount, -2**60, 2**60)
        if item.a == 0:
            raise InputError("amount", amount, "must not be 0")
        self._schedule(&item)

    cdef int _schedule(self, Item* item) except -1 nogil:
        self.agenda = <Item*>slab_grow(
            self.agenda, &self.agenda_capacity, self.agenda_count + 1, sizeof(Item))
        self.fresh = False
        item.sequence = self.sequence
        self.sequence += 1
        self.agenda[self.agenda_count] = item[0]
        self.agenda_count += 1
        item_up(self.agenda, self.agenda_count - 1)
        return 0

    # --- running --------------------------------------------------------------------------------

    def step(self):
        """Run to the end of the next step; its number, or -1 when nothing is left to do."""
        self._ready()
        return log_rows(&self.events.log, T_STEPS) - 1 if self._go(1, False) else -1

    def run(self, steps=None):
        """Run until nothing is left to do, or for so many steps; how many were written.

        Ctrl-C is answered between steps: `steps` says how far it came; run() goes on from there.
        """
        cdef int64_t most = self._int("steps", 2**62 if steps is None else steps, 0, 2**62)
        self._ready()
        return self._go(most, False)

    def settle(self, time_ns=None):
        """Run a settlement now, or later after what is planned before; how many steps it wrote."""
        self._ready()
        if self.phase != QUIET:
            raise InputError("call", "inside a settlement", "must wait until it is over")
        self.asked = self._time(self.now if time_ns is None else time_ns)
        self.fresh = False
        return self._go(2**62, True)

    cdef int64_t _go(self, int64_t most, bint here) except -1:
        """Write up to `most` steps without the GIL; return how many. See advance()."""
        cdef int64_t rows, done = 0, got = 1
        cdef int64_t looked = turns_rows(&self.events.log)
        self._enter()
        try:
            self._keep()
            self.torn = True
            with nogil:
                while done < most and got:
                    got = self.advance(here)
                    done += got == 1
                    rows = turns_rows(&self.events.log)
                    if got == 2 or done % SIGNALS_STEPS == 0 or rows - looked > SIGNALS_ROWS:
                        looked = rows
                        with gil:
                            self.torn = False       # whole between steps, whatever a handler raises
                            PyErr_CheckSignals()
                            self.torn = True
            self.torn = False
        except MechanismError as error:
            error.placed(self.round, self._back())
            raise
        finally:
            self._back()
            self.asked = NIL
            self._leave()
        return done

    cdef int _keep(self) except -1:
        """Where somebody else's mechanism takes part: a world to go back to. core/undo."""
        cdef bint fresh = self.fresh
        for venue in self.venues:
            fresh = fresh and (<Venue>venue).untouched
            (<Venue>venue).untouched = True
        if not fresh or (self.journal is not None and self.journal.lost):
            journal = journal_of(self.venues, self.journal)
            fresh = fresh and journal is self.journal
            self.journal = journal
        self.fresh = True
        if self.journal is None:
            self.saved = None
        elif not fresh or self.saved is None or self.journal.at > ANSWERS_MAX:
            self._save()
        self.mark = self.pieces
        self.called = log_rows(&self.events.log, T_STEPS)
        return 0

    cdef int _save(self) except -1:
        self.saved = None
        self.journal.begin()
        self.journal.keeping = True
        try:
            self.saved = self._twin(self.events)
        finally:
            self.journal.keeping = False
        self.mark = self.pieces = 0
        return tape_mark(&self.events.log)

    cdef int64_t _back(self) except -1:
        """After a failure: to where the round began, or the call inside it; the steps that stand.

        The kept world runs again; the plug-ins are not asked again for what they said.
        """
        cdef World saved = self.saved
        cdef int64_t left = self.mark
        if self.torn and saved is not None:
            self.saved = None
            tape_back(&self.events.log)
            for i in range(self.venue_count):
                venue_back(self.venues[i], saved.venues[i])
            self._follow(saved)
            self.journal.again()
            with nogil:
                while left > 0:
                    left -= 1
                    self._piece(False)
            self.journal.over()
            self.torn = False
        return log_rows(&self.events.log, T_STEPS)

    cdef int advance(self, bint here) except -1 nogil:
        """Do what comes next until a step is written (1), or long without one (2); 0 at the end.

        `here`: also 0 when the settlement in progress is over.
        """
        cdef int64_t steps = log_rows(&self.events.log, T_STEPS), left = SIGNALS_ROWS
        while not self.bounded and self.venue_count > 0:
            if steps >= self.steps_max:
                self.bounded = True
                bound_row(&(<Venue>self.members[self.turn % self.venue_count]).s)
                return 1
            if not self._piece(here):
                return 0
            left -= 1
            if log_rows(&self.events.log, T_STEPS) > steps or left == 0:
                return 1 if left else 2
        return 0

    cdef int _piece(self, bint here) except -1 nogil:
        """Do one thing (1), or find that nothing is left (0)."""
        cdef TimeNs at
        if self.phase == QUIET:
            at = self._next(here)
            if at == NIL:
                return 0
            if at > NS_LAST:
                return _too_late(self)
            self._begun()
            if at == self.asked:
                self.asked = NIL
            self._instant(at)
        elif self.phase == AGENDA:
            self._perform()
        elif self.phase == TAKING or self.phase == VENUES:
            self._round()
        else:
            self._bounds()
            if self.phase == AGENDA:
                self.pieces += 1
                return self._begun()
        self.pieces += 1
        return 1

    cdef int _begun(self) except -1 nogil:
        """A round begins: a place to go back to, once the call has written anything before it."""
        if log_rows(&self.events.log, T_STEPS) == self.called:
            return 1
        self.mark = self.pieces
        if self.saved is not None and self.journal.at > ANSWERS_MAX:
            with gil:
                self._save()
        return 1

    cdef TimeNs _next(self, bint here) noexcept nogil:
        """The start, the agenda's first, the end of a wait, what is asked (`here`: last); NIL."""
        cdef TimeNs at = self.asked
        if at == NIL and here:
            return NIL
        if not self.opened:
            return self.now
        at = sooner(at, turns_retry(self.members, self.venue_count))
        if self.agenda_count > 0:
            at = sooner(at, self.agenda[0].time_ns)
        return NIL if at == NIL else larger(at, self.now)

    cdef int _instant(self, TimeNs time_ns) except -1 nogil:
        """A settlement begins."""
        self.opened = True
        self.instant = time_ns
        self.now = time_ns
        self.round = 0
        self.wrote = False
        self.bound = False
        self.phase = AGENDA
        return turns_open(self.members, self.venue_count, time_ns)

    cdef int _perform(self) except -1 nogil:
        """Step 1: the next item that is due; without one the venues take their marks."""
        cdef Item item
        cdef int64_t i = turns_due(self.members, self.venue_count, self.agenda, self.agenda_count,
                                   self.instant, self.round)
        cdef State* s
        if i != NIL:
            item = self.agenda[i]
            item_out(self.agenda, &self.agenda_count, i)
            s = &(<Venue>self.members[item.venue]).s
            s.time_ns = item.time_ns
            s.wrote = True
            self.wrote = True
            if repeats(&item):
                self._again(&item)
            return turns_perform(s, &item)
        turns_marks(self.members, self.venue_count, self.instant, self.round)
        self.phase = TAKING
        self.turn = 0
        return 0

    cdef int _round(self) except -1 nogil:
        """Steps 2 to 7 of the venue whose turn it is; all marks are written before any step 3."""
        cdef State* s = &(<Venue>self.members[self.turn]).s
        cdef bint taking = self.phase == TAKING
        cdef Item item
        if not s.muted and (marks_advance(s) if taking else round_advance(s)):
            s.wrote = True
            self.wrote = True
            while taking and s.calls != NULL and calls_next(s, &item):
                self._schedule(&item)
            return 0
        self.turn += 1
        if self.turn == self.venue_count:
            self.phase = VENUES if taking else BOUNDS
            self.turn = 0
        return 0

    cdef int _bounds(self) except -1 nogil:
        """After a round: who reached its round_max rests; the next round, or quiet."""
        cdef State* s
        while self.turn < self.venue_count:
            s = &(<Venue>self.members[self.turn]).s
            self.turn += 1
            if not s.muted and self.round + 1 >= s.rules.round_max:
                s.muted = True
                if s.wrote:
                    s.wrote = False
                    self.bound = True
                    return bound_row(s)
            s.wrote = False
        self.turn = 0
        self.phase = QUIET
        if self.wrote and turns_awake(self.members, self.venue_count):
            self.wrote = False
            self.round += 1
            self.phase = AGENDA
            turns_round(self.members, self.venue_count, self.instant, self.round, &self.now)
            return 0
        turns_close(self.members, self.venue_count, self.now)
        return 0

    def draw(self, name):
        """The next 64 random bits of a named stream, opened on first use; part of the state.

        The key is blake2b(seed, name): the draws of one name never depend on another's.
        """
        cdef Stream stream          # moved on here, and put back once there is an answer
        cdef int64_t number
        if not isinstance(name, str):
            raise InputTypeError("name", "a str", type(name).__name__)
        self._idle()
        known = name in self.stream_names
        if known:
            number = self.stream_names.index(name)
            stream = self.streams[number]
        else:
            number = len(self.stream_names)
            key = blake2b(f"{self.seed}/{name}".encode(), digest_size=16).digest()
            self.streams = <Stream*>slab_grow(
                self.streams, &self.stream_capacity, number + 1, sizeof(Stream))
            stream_open(&stream, int.from_bytes(key[:8], "little"),
                        int.from_bytes(key[8:], "little"))
        answer = <object>stream_word(&stream)
        if not known:
            self.stream_names.append(name)
        self.streams[number] = stream
        return answer

    # --- a world as a value ---------------------------------------------------------------------

    def fork(self):
        """An independent copy at this step: run both, compare."""
        self._idle()
        other = self._twin(self.events.fork())
        (<World>other).events.owned = True
        return other

    cdef World _twin(self, EventLog events):
        # By place: CPython 3.11 miscounts a keyword's name where memory ends in the middle.
        cdef World other = World.__new__(type(self), self.seed)
        other.steps_max = self.steps_max
        other.ready = True
        other.events = events
        other.venues = [(<Venue>venue).copy(events) for venue in self.venues]
        other._link()
        other.streams = <Stream*>slab_copy(self.streams, self.stream_capacity, sizeof(Stream))
        other.stream_capacity = self.stream_capacity
        other.stream_names = list(self.stream_names)
        other._follow(self)
        return other

    cdef int _follow(self, World of) except -1:
        """The clock and the agenda of another."""
        cdef Item* agenda = <Item*>slab_copy(of.agenda, of.agenda_capacity, sizeof(Item))
        PyMem_RawFree(self.agenda)
        self.agenda = agenda
        self.agenda_capacity, self.agenda_count = of.agenda_capacity, of.agenda_count
        self.sequence, self.asked, self.bound = of.sequence, of.asked, of.bound
        self.instant, self.now, self.round = of.instant, of.now, of.round
        self.phase, self.turn, self.wrote = of.phase, of.turn, of.wrote
        self.started, self.opened, self.bounded = of.started, of.opened, of.bounded
        return 0

    def state_hash(self):
        """128 bits over everything that decides what happens next, as 32 hex digits."""
        cdef Digest d
        cdef int64_t i
        self._idle()
        digest_start(&d)
        digest_word(&d, self.seed)
        digest_word(&d, self.steps_max)
        digest_word(&d, self.sequence)
        digest_word(&d, self.instant)
        digest_word(&d, self.now)
        digest_word(&d, self.round)
        digest_word(&d, self.phase)
        digest_word(&d, self.turn)
        digest_word(&d, (self.bound << 4) | (self.wrote << 3) | (self.started << 2)
                    | (self.opened << 1) | self.bounded)
        for i in range(TABLES):         # numbers of rows to come, and the steps left
            digest_word(&d, log_rows(&self.events.log, i))
        for i in range(len(self.stream_names)):
            digest_word(&d, self.streams[i].key[0])
            digest_word(&d, self.streams[i].key[1])
            digest_word(&d, self.streams[i].block)
            digest_word(&d, self.streams[i].next)
        digest_word(&d, self.agenda_count)
        for i in range(self.agenda_count):
            item_digest(&self.agenda[i], &d)
        for i in range(self.venue_count):
            state_digest(&(<Venue>self.members[i]).s, &d)
        return digest_hex(&d)

    @property
    def log(self):
        """The event log: the world's only output."""
        return self.events

    @property
    def time_ns(self):
        return self.now

    @property
    def steps(self):
        """Steps written so far."""
        return log_rows(&self.events.log, T_STEPS)

    @property
    def settling(self):
        """True between the first and the last step of a settlement."""
        return self.phase != QUIET

    @property
    def stop(self):
        """Why the run ended (or RUNNING)."""
        self._idle()
        if self.bounded:
            return Stop.STEP_BOUND
        if self.phase != QUIET or not self.opened or self._next(False) != NIL:
            return Stop.RUNNING
        if self.bound:
            return Stop.ROUND_BOUND
        return Stop(turns_rest(self.members, self.venue_count))

    def _check(self):
        """Raise InvariantError unless every venue is sound."""
        self._idle()
        for venue in self.venues:
            venue._check()

    # --- guards ---------------------------------------------------------------------------------

    cdef int64_t _int(self, str field, value, int64_t low, int64_t high) except? -1:
        """An int argument; whoever its conversion calls back, or wakes, finds the world busy."""
        if type(value) is int:
            self._idle()
            return wanted(value, field, low, high)
        return self._judged(whole, field, value, low, high)

    def _judged(self, judge, *arguments):
        """Ask Python code about arguments; meanwhile the world is busy."""
        self._enter()
        try:
            return judge(*arguments)
        finally:
            self._leave()

    cdef TimeNs _time(self, value) except -1:
        """A time that is not over yet."""
        cdef int64_t number = self._int("time_ns", value, -INT64 - 1, INT64)
        if number > NS_MAX:
            raise RangeError("time_ns", "must be at most 2**62, so that a delay still fits int64",
                             bits=63)
        if number < self.now:
            # A world that counts from 1970, and a time that fits it a million times over.
            late = self.now > UNIX_NS and self.now <= int(number) * 10**6 <= NS_MAX
            hint = "; this looks like milliseconds" if late else ""
            raise InputError("time_ns", number, f"must be in [{self.now}, 2**62]{hint}")
        return number

    cdef int _enter(self) except -1:
        cdef int64_t i
        self._idle()
        self.busy = True
        self.events.busy = True
        for i in range(self.venue_count):
            (<Venue>self.members[i]).s.busy = True
        return 0

    cdef int _leave(self) except -1:
        cdef int64_t i
        self.busy = False
        self.events.busy = False
        for i in range(self.venue_count):
            (<Venue>self.members[i]).s.busy = False
            if self.torn:
                (<Venue>self.members[i]).torn = True
        return 0

    cdef int _idle(self) except -1:
        """Nobody is inside a call, here or at a venue, and none broke off half-way."""
        cdef int64_t i
        cdef bint busy = self.busy
        cdef bint torn = self.torn
        for i in range(self.venue_count):
            busy = busy or (<Venue>self.members[i]).s.busy
            torn = torn or (<Venue>self.members[i]).torn
        if busy:
            raise BusyError("the world")
        if torn:
            raise PoisonedError("the world")
        return 0

    def _new(self):
        self._idle()
        if self.started:
            raise InputError("call", "after the start", "must come before start()")

    def _ready(self):
        self._idle()
        if not self.started:
            raise InputError("call", "before the start", "must come after start()")


cdef int _place_checked(World world, Item* item, time_ns, venue, market) except -1:
    cdef Venue v = world.venue(venue)
    memset(item, 0, sizeof(Item))
    item.time_ns = world._time(time_ns)
    item.venue = v.s.venue
    item.market = v._market(market)
    return 0


cdef int _too_late(World world) except -1 nogil:
    """The next instant is 146 years on: refuse it while the world is whole."""
    with gil:
        world.torn = False
        raise RangeError("time_ns", "would pass 2**62 at the next instant", bits=63)


cdef int64_t _price_max(World world, const Item* item) noexcept:
    return (<Venue>world.members[item.venue]).s.markets[item.market].price_max

"""A venue while its tape is played: ledger, books, marks, and where each liquidation stands."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from ordercascade.enums import HolderKind, Told
from ordercascade.replay.book import Book
from ordercascade.replay.feeds import Feed
from ordercascade.replay.findings import Findings
from ordercascade.replay.funds import Past
from ordercascade.replay.ledger import Ledger
from ordercascade.replay.margins import healthy
from ordercascade.replay.rates import Rates
from ordercascade.replay.rows import Account, Mark, Note, Opened, Order
from ordercascade.replay.terms import PPM, MarketTerms, VenueTerms
from ordercascade.replay.valves import Valves


class Market:
    """One market; `mark` stands, `written` is that of the latest mark row."""

    def __init__(self, terms: MarketTerms) -> None:
        self.terms = terms
        self.book = Book()
        self.feed = None
        if terms.feed is not None:
            self.feed = Feed(terms.feed, terms.weight_ppm, terms.price_max)
        self.last = self.index = self.mark = self.written = 0
        self.noted = False  # the step changed the last price
        self.tilt = {Told.INDEX: 0, Told.OWN: 0}  # ppm too much that its oracle is told
        self.before = 0  # the mark that stood before the latest taking
        self.trade_step = self.trade_taken = -1  # latest step with trades; when marks were taken
        self.stood_steps: list[int] = []  # where the standing mark changed, and to what
        self.stood_marks: list[int] = []
        self.past: list[tuple[int, int, int]] = []  # time, mark, index; where the market expires
        self.peek_steps: list[int] = []  # where the peeked mark changed, and to what
        self.peek_marks: list[int] = []

    def open(self, row: Mark) -> None:
        self.last, self.index = row.last, row.outside
        self.written = self.before = row.mark
        self.stand(-1, row.mark)
        self.keep(row)

    def keep(self, row: Mark) -> None:
        """Remember what stands from a time on, for an average."""
        if self.terms.expiry:
            self.past.append((row.time_ns, row.mark, row.outside))

    def stand(self, step: int, mark: int) -> None:
        """Let a mark stand from a step on."""
        self.mark = mark
        self.stood_steps.append(step)
        self.stood_marks.append(mark)

    def stood(self, step: int) -> int:
        """Return the standing mark after a step."""
        return self.stood_marks[max(0, bisect_right(self.stood_steps, step) - 1)]

    def view(self) -> tuple[int, int, int, int]:
        """Return last, index, bid and ask as an oracle is told of them."""
        own = self.last, self.book.best(0), self.book.best(1)
        last, bid, ask = (_tilted(price, self.tilt[Told.OWN]) for price in own)
        return last, _tilted(self.index, self.tilt[Told.INDEX]), bid, ask

    def peek(self) -> int:
        """Return the mark that a taking would give now."""
        return self.terms.peek(*self.view())

    def look(self, step: int) -> None:
        """Note the peeked mark after a step, if it is another one."""
        mark = self.peek()
        if self.feed is not None:
            self.feed.see(*self.view())
        if not self.peek_marks or mark != self.peek_marks[-1]:
            self.peek_steps.append(step)
            self.peek_marks.append(mark)


def _tilted(price: int, ppm: int) -> int:
    """Return what an oracle sees of a price under a dislocation, to the nearest tick."""
    if ppm == 0 or price == 0:
        return price
    return max(1, (2 * price * (PPM + ppm) + PPM) // (2 * PPM))


class First(NamedTuple):
    """The first order of a scope's liquidation: its parent is to be found in its window."""

    step: int
    scope: int
    low: int  # the window opens at one of [low, high]
    high: int
    parent: int
    otherwise: int  # the parent if nothing in the window made the scope fall
    hint: int  # its trigger price


class Progress:
    """Where the liquidation of a scope stands; `pending` until it is healthy or flat."""

    __slots__ = (
        *(
            "cause",
            "cooldown",
            "generation",
            "orders",
            "first",
            "parent",
            "pending",
            "plan",
            "planned",
        ),
        *("rounds", "since", "step"),
    )

    def __init__(self) -> None:
        self.pending = False
        self.orders = 0  # sent since it was last healthy
        self.parent = self.cause = -1
        self.generation = 0
        self.step = -1  # of its last order
        self.rounds = 0  # rounds begun when it was sent
        self.cooldown = -1  # the time it ends, -1 without one
        self.since = 0  # the time of the first order
        self.plan = 0  # rounds begun when an order of its was last planned ...
        self.planned = 0  # ... and the orders sent by then
        self.first: First | None = None  # of an order in an auction, whose parent no row tells

    def end(self) -> None:
        self.pending = False
        self.orders = 0
        self.cooldown = -1


class Stage:
    """One venue. `steps` are its own steps so far."""

    def __init__(
        self,
        terms: VenueTerms,
        accounts: list[Account],
        positions: list[Opened],
        findings: Findings,
    ) -> None:
        self.id, self.terms, self.findings = terms.id, terms, findings
        self.ledger = Ledger(accounts, positions)
        self.markets = [Market(market) for market in terms.markets]
        self.plain: Sequence[MarketTerms] = terms.markets
        self.valves = Valves(self, terms.breakers, terms.options) if terms.breakers else None
        self.rates = Rates(self, terms.surcharges) if terms.surcharges else None
        self.progress: dict[int, Progress] = {}
        self.steps: list[int] = []
        self.count = 0  # steps of the whole tape
        self.order_row = -1  # of the step being played
        self.round_time = 0  # of the round of the latest step; the agenda's rows have their own
        self.sent: Order | None = None  # the first order of that step
        self.told: Sequence[Note] = ()  # its notes
        self.halts: dict[tuple[int, int], set[int]] = {}  # settlement, round -> markets halted
        self.assets = sorted({row.asset for row in accounts})
        self.paid_in = {
            asset: sum(row.collateral for row in accounts if row.asset == asset)
            for asset in self.assets
        }
        self.past = Past()
        self.broke: set[int] = set()  # flat scopes below zero
        self.ended: set[int] = set()  # markets that have expired
        self.called: set[int] = set()  # scopes between a margin call and their release
        self.call_steps: dict[int, tuple[int, int]] = {}  # step of a call -> scope, time
        self.surely_called: set[int] = set()  # the same, where no release could have been seen
        self.call_round, self.call_judged, self.call_time = (-1, -1), False, -1

    @property
    def marks(self) -> list[int]:
        """Return the standing marks, by market."""
        return [market.mark for market in self.markets]

    def was_healthy(self, scope: int, at: int, marks: Sequence[int]) -> bool:
        """Say if a scope was flat or healthy just before a step, on these marks."""
        held = self.ledger.held_before(scope, at)
        if self.rates is None or not held.legs:
            return not held.legs or healthy(held, marks, self.terms)
        self.rates.as_before(at)
        found = healthy(held, marks, self.terms)
        self.rates.as_now()
        return found

    def holder(self, kind: HolderKind, which: int) -> int:
        return self.ledger.named(kind, which)

    def balance(self, kind: HolderKind, asset: int) -> int:
        return self.ledger.collateral[self.holder(kind, asset)]

    def liquidation(self, scope: int) -> Progress:
        return self.progress.setdefault(scope, Progress())

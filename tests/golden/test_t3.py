"""T3 of spec/TARGETS.md: the five accounts of arXiv 2512.01112 §2, through the engine.

One lot is a unit of the paper, cash is in 1e-9 units, a tick is 0.0001. Longs A 1, B 1, D 1, shorts
C 4, E 1; `external` holds the balancing long 2. The index is the paper's oracle, the mark its mark:
the last trade of the venue's own book, one lot that `external` buys from itself. Printed figures
hold to half their last digit; the paper's slips that TARGETS lists are corrected here as there.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from ordercascade.core.world import World
from ordercascade.enums import (
    AdlRule,
    AdlWhen,
    FundingRule,
    HolderKind,
    NoteKind,
    PostReason,
    PriceSource,
    Side,
    StepKind,
)
from ordercascade.mechanisms.closing import Deleverage

UNIT = 10**9  # of cash
TICKS = 10**4  # of a price of 1
# name: (lots, collateral)
ACCOUNTS = {
    "A": (1, Fraction(2)),
    "B": (1, Fraction(2, 3)),
    "C": (-4, Fraction(8, 3)),
    "D": (1, Fraction(2, 19)),
    "E": (-1, Fraction(10, 99)),
}
HALF = 0.00005 + 1e-9  # of the last of four digits


def ticks(price: str) -> int:
    return int(Decimal(price) * TICKS)


class Book:
    """The accounts at the venue; nobody trades but the two makers of a price."""

    def __init__(self) -> None:
        self.world: Any = World()
        # Nobody is on the book, and nobody is deleveraged: who falls is pending, and may recover.
        self.world.add_venue(stages={"adl_when": AdlWhen.NEVER})
        self.venue = self.world.venue(0)
        self.venue.add_market(
            multiplier=UNIT // TICKS,
            price_max=10 * TICKS,
            size_max=1_000,
            brackets=[(0, 100_000, 0, 100_000)],
            index=TICKS,
            last=TICKS,
        )
        self.venue.set_funding(0, rule=FundingRule.SKEW)
        self.scope = {}
        for name, (lots, cash) in ACCOUNTS.items():
            account = self.venue.open_account()
            self.venue.deposit(account, 0, round(cash * UNIT))
            self.scope[name] = self.venue.open_position(account, 0, lots, lots * UNIT)
        self.makers = [self.venue.open_account() for _ in range(2)]
        for maker in self.makers:
            self.venue.deposit(maker, 0, 100 * UNIT)
        self.world.start()

    def move(self, oracle: str, mark: str) -> None:
        """The outside price, then a trade of the two makers, there and back, at the mark."""
        self.venue.set_index(0, ticks(oracle))
        one, other = self.makers
        for buyer, seller in ((one, other), (other, one)):
            self.venue.submit(buyer, 0, Side.BID, ticks(mark), 1)
            self.venue.submit(seller, 0, Side.ASK, ticks(mark), 1)
        self.world.settle()
        assert self.venue.marks() == [ticks(mark)]

    def fund(self) -> tuple[float, dict[str, float]]:
        """Pay funding at the standing mark; return the rate that longs get, and all the cash."""
        log = self.world.log
        first = log.rows("postings")
        self.world.schedule_funding(self.world.time_ns + 1, 0, 0)
        self.world.run()
        rows = [log.row("postings", n) for n in range(first, log.rows("postings"))]
        cash = {row[3]: row[4] / UNIT for row in rows if row[5] == PostReason.FUNDING}
        outside = self.venue.holder(HolderKind.EXTERNAL, 0)
        names = {scope: name for name, scope in self.scope.items()} | {outside: "external"}
        notes = [log.row("notes", n) for n in range(log.rows("notes"))]
        rate = [row[4] for row in notes if row[1] == NoteKind.FUNDING][-1]
        return -rate / UNIT, {names[scope]: amount for scope, amount in cash.items()}

    def equity(self) -> dict[str, float]:
        return {name: self.venue.equity(scope) / UNIT for name, scope in self.scope.items()}


def close(got: dict[str, float], *printed: float) -> None:
    assert list(got.values()) == [pytest.approx(value, abs=HALF) for value in printed]


@pytest.fixture
def book() -> Book:
    return Book()


def test_bankruptcy_prices_are_the_entry_based_ones_to_a_tick(book: Book) -> None:
    """A's own money would carry it below 0: the price is kept as it is, and printed as 0."""
    found = {name: book.venue.bankruptcy_price(scope, 0) for name, scope in book.scope.items()}
    assert found.pop("A") == -TICKS
    for price, printed in zip(found.values(), (0.3333, 1.6667, 0.8947, 1.1010), strict=True):
        assert abs(price / TICKS - printed) <= 1 / TICKS


def test_liquidation_prices_are_the_printed_ones_to_a_tick(book: Book) -> None:
    """E: 109 / 99 / 1.1 = 1.00092, printed 1.0010."""
    found = {name: book.venue.liquidation_price(scope, 0) for name, scope in book.scope.items()}
    assert found.pop("A") is None
    for price, printed in zip(found.values(), (0.3704, 1.5152, 0.9942, 1.0009), strict=True):
        assert abs(price / TICKS - printed) <= 1 / TICKS


def test_funding_cash_profits_and_equities_of_both_times(book: Book) -> None:
    users = tuple(ACCOUNTS)
    begun = book.equity()
    book.move("1.5", "1.4")
    rate, cash = book.fund()
    assert rate == pytest.approx(-0.3333, abs=HALF)
    assert sum(cash.values()) == pytest.approx(0.0, abs=1e-12)
    close({name: cash[name] for name in users}, -0.4667, -0.4667, 1.8667, -0.4667, 0.4667)
    first = book.equity()
    close(first, 1.9333, 0.6000, 2.9333, 0.0386, 0.1677)
    close({name: first[name] - begun[name] for name in users},
          -0.0667, -0.0667, 0.2667, -0.0667, 0.0667)  # fmt: skip
    mass = {name: 1.4 * abs(ACCOUNTS[name][0]) / abs(first[name]) for name in users}
    assert sum(mass.values()) == pytest.approx(49.59, abs=0.01)  # of rounded equities, as printed
    needs = {name: book.venue.maintenance(scope) / UNIT for name, scope in book.scope.items()}
    close(needs, 0.14, 0.14, 0.56, 0.14, 0.14)
    assert sum(needs.values()) / 0.1 == pytest.approx(11.2)
    assert book.venue.at_risk() == [book.scope["D"]]

    book.move("1.25", "1.3")
    rate, cash = book.fund()
    assert rate == pytest.approx(-0.44, abs=1e-9)
    close({name: cash[name] for name in users}, -0.5720, -0.5720, 2.2880, -0.5720, 0.5720)
    second = book.equity()
    close(second, 1.2613, -0.0720, 5.6213, -0.6334, 0.8397)
    close({name: second[name] - begun[name] for name in users},
          -0.7387, -0.7387, 2.9547, -0.7387, 0.7387)  # fmt: skip
    won = [1.3 * abs(ACCOUNTS[n][0]) / e for n, e in second.items() if e > 0]
    lost = [1.3 * abs(ACCOUNTS[n][0]) / -e for n, e in second.items() if e < 0]
    assert sum(won) == pytest.approx(3.504, abs=0.0005)
    assert sum(lost) == pytest.approx(20.108, abs=0.0005)  # printed 20.102, of rounded equities
    assert not any(book.venue.audit().values())


def test_external_holds_the_balancing_two_lots_and_pays_like_a_long(book: Book) -> None:
    outside = book.venue.holder(HolderKind.EXTERNAL, 0)
    assert book.venue.position(outside, 0) == (2, 2 * UNIT)
    book.move("1.5", "1.4")
    _, cash = book.fund()
    assert cash["external"] == pytest.approx(2 * -0.4667, abs=2 * HALF)


def test_five_lots_bought_into_three_levels_cost_1_1_on_average() -> None:
    world: Any = World()
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(price_max=100, last=10)
    for price, size in ((10, 1), (11, 3), (12, 10)):
        venue.seed_level(0, Side.ASK, price, size)
    world.schedule_shock(0, 0, 0, Side.BID, size=5)
    world.start()
    world.run()
    prices, sizes = (world.log.column("fills", c).tolist() for c in ("price", "size"))
    assert sum(p * s for p, s in zip(prices, sizes, strict=True)) / sum(sizes) == 11


def test_a_liquidation_fee_of_40_bps_on_half_a_lot_at_1_30() -> None:
    """A lot is half a unit: value 0.65, fee 0.0026."""
    world: Any = World()
    world.add_venue(liquidation_fee_ppm=4_000)
    venue = world.venue(0)
    venue.add_market(
        multiplier=UNIT // TICKS // 2, price_max=10 * TICKS, size_max=1_000,
        brackets=[(0, 100_000, 0, 100_000)], source=PriceSource.INDEX, index=13_500,
    )  # fmt: skip
    venue.seed_level(0, Side.BID, 13_000, 1)
    account = venue.open_account()
    venue.deposit(account, 0, 65 * UNIT // 1_000)
    venue.open_position(account, 0, 1, 675 * UNIT // 1_000)
    world.start()
    world.run()
    (fee,) = world.log.column("liquidations", "fee").tolist()
    assert fee == 26 * UNIT // 10_000


@pytest.mark.parametrize(
    ("rule", "scale", "left"),
    [
        (AdlRule.SCORES, 2, (15, 0, 2)),  # order 2, 1, 3: haircuts 0.25, 1, 0
        (AdlRule.PRO_RATA, 32, (170, 85, 17)),  # 15/32 of each
    ],
)
def test_half_of_the_loss_is_taken_from_winners_in_turn_or_alike(
    rule: AdlRule, scale: int, left: tuple[int, ...]
) -> None:
    """e = (10, 5, 1): 7.5 is taken, as lots handed to winners who hold so many."""
    world: Any = World()
    held = [10 * scale, 5 * scale, scale]
    # Ids: five of the asset, one clearing, then the scopes in the order of the accounts.
    scores = {6: 2, 7: 3, 8: 1}
    world.add_venue(backstop=Deleverage(rule, scores=scores if rule == AdlRule.SCORES else None))
    venue = world.venue(0)
    venue.add_market(size_max=10**4, source=PriceSource.INDEX, index=100)
    scopes = []
    for lots in held:
        account = venue.open_account()
        venue.deposit(account, 0, 100 * lots)
        scopes.append(venue.open_position(account, 0, lots, 100 * lots))
    bankrupt = venue.open_account()
    venue.deposit(bankrupt, 0, 1)
    short = venue.open_position(bankrupt, 0, -15 * scale // 2, -100 * 15 * scale // 2)
    world.schedule_index(1, 0, 0, 101)
    world.start()
    world.run()
    assert scopes == [6, 7, 8]
    assert StepKind.ADL in world.log.column("steps", "kind").tolist()
    assert venue.position(short, 0) == (0, 0)
    assert tuple(venue.position(scope, 0)[0] for scope in scopes) == left

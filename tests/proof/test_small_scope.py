"""Every sequence of four operations out of twenty: 160 000 on a world, 160 000 on a book.

A world of 3 accounts and 5 price levels, small enough that four operations lead to liquidations,
partial fills, trades with oneself, deleveraging, bad debt and cancelled orders; the test asserts
that they do. Sequences share their beginnings: a tree of forks, one operation an edge, so
20 + 400 + 8 000 + 160 000 operations are done on each side. After every one of them the results
and rows are the twin's, and the invariants of SEMANTICS §1 hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from ordercascade.core.book import OrderBook
from ordercascade.core.world import World
from ordercascade.enums import (
    MarkRefresh,
    OrderFlag,
    OrderType,
    PostReason,
    Reject,
    Side,
    StepKind,
    TimeInForce,
)
from ordercascade.errors import InputError
from proof.copies import copy_book, copy_twin
from reference.book import OrderBook as TwinBook
from reference.world import World as Twin
from swarm.same import Rows, rows_of, same_money, same_rows

LENGTH = 4

# What must have been reached by the last edges: half of what was, so that it cannot go idle.
WORLD_REACHED = {
    "step LIQUIDATION": 10_000,
    "step ADL": 6_500,
    "step WATERFALL": 1_700,
    "posted FUND_PAYS": 1_600,
    "posted SOCIALISED": 1_200,
    "posted BAD_DEBT": 240,
    "posted FEE_LIQUIDATION": 230,
    "posted TRANSFER": 460,
    "partial fills": 13_000,
    "partial liquidations": 6_800,
    "trades with oneself": 2_200,
    "orders cancelled by a liquidation": 1_500,
    "reject INSUFFICIENT": 11_000,
    "reject POSITION_OPEN": 1_700,
    "reject POST_ONLY_WOULD_CROSS": 360,
    "reject FOK_NOT_FILLABLE": 2_500,
    "reject NO_LIQUIDITY": 430,
    "reject UNKNOWN_ORDER": 7_200,
}
BOOK_REACHED = {
    "fills": 16_000,
    "partial fills": 5_700,
    "trades with oneself": 4_900,
    "reject POOL_FULL": 1_200,
    "reject NOT_OWNER": 1_900,
    "reject POST_ONLY_WOULD_CROSS": 2_500,
    "reject FOK_NOT_FILLABLE": 6_600,
    "reject NO_LIQUIDITY": 5_200,
}
BID, ASK = Side.BID, Side.ASK
IOC = {"tif": TimeInForce.IOC}
FOK = {"tif": TimeInForce.FOK}
POST = {"flags": OrderFlag.POST_ONLY}
MARKET = {"type": OrderType.MARKET}


# --- the world ----------------------------------------------------------------------------------


def opened(world: Any) -> Any:
    """A long and a short of 4 lots from 3, an account without lots; ticks 1 to 5, 10 units each.

    Maintenance 5 %, initial 10 %. The long has 25 units, so at 2 it owes 15; the fund has 7.
    """
    world.add_venue(
        1, mark_refresh=MarkRefresh.ORDER, social=True, liquidation_fee_ppm=10_000,
        fraction_ppm=500_000, min_value=30,
    )  # fmt: skip
    venue = world.venue(0)
    venue.add_market(
        multiplier=10,
        price_max=5,
        size_max=50,
        brackets=[(0, 50_000, 0, 100_000)],
        maker_fee_ppm=2_000,
        taker_fee_ppm=5_000,
        own_weight_ppm=700_000,
        index=3,
        last=3,
    )
    for side, price, size in ((BID, 2, 3), (BID, 1, 4), (ASK, 4, 3), (ASK, 5, 4)):
        venue.seed_level(0, side, price, size)
    venue.fund_deposit(0, 7)
    for lots, money in ((4, 25), (-4, 40), (0, 100)):
        account = venue.open_account()
        venue.deposit(account, 0, money)
        if lots:
            venue.open_position(account, 0, lots, lots * 30)
    world.start()
    world.settle()
    return world


def submit(account: int, side: Side, price: int, size: int, **how: Any) -> Callable[..., int]:
    return lambda world, oldest: world.venue(0).submit(account, 0, side, price, size, **how)


def shock(side: Side, size: int) -> Callable[..., int]:
    def do(world: Any, oldest: Any) -> int:
        world.schedule_shock(world.time_ns, 0, 0, side, size=size)
        return int(world.settle())

    return do


def tick(price: int) -> Callable[..., int]:
    def do(world: Any, oldest: Any) -> int:
        world.venue(0).set_index(0, price)
        return int(world.settle())

    return do


OPERATIONS: tuple[Callable[..., int], ...] = (
    submit(1, BID, 3, 2),
    submit(1, ASK, 3, 2),
    submit(2, BID, 2, 3),
    submit(2, ASK, 4, 3),
    submit(3, BID, 4, 2),
    submit(3, ASK, 2, 2),
    submit(3, BID, 3, 1, **POST),
    submit(1, ASK, 2, 4, **IOC),
    submit(2, BID, 4, 4, **FOK),
    submit(3, ASK, 1, 20, **MARKET),
    lambda world, oldest: world.venue(0).cancel(1, 0, oldest[1]),
    lambda world, oldest: world.venue(0).amend(3, 0, oldest[3], price=3, size=3),
    lambda world, oldest: world.venue(0).withdraw(3, 0, 60),
    lambda world, oldest: world.venue(0).deposit(1, 0, 20),
    lambda world, oldest: world.venue(0).isolate(3, 0),
    lambda world, oldest: world.venue(0).move_isolated(3, 0, 15),
    shock(ASK, 5),
    shock(BID, 6),
    tick(1),
    tick(5),
)


def outcome(operation: Callable[..., Any], *arguments: Any) -> Any:
    """What an operation returns, or the argument that it refuses."""
    try:
        return int(operation(*arguments))
    except InputError as error:
        return f"InputError: {error.field}"


class Worlds:
    """The tree below one node: `at` counts rows, `counts` what was reached."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.path: list[int] = []
        fast, twin = opened(World()), opened(Twin())
        rows = rows_of(fast, twin)
        self.shift = rows["levels"][0] - rows["levels"][1]
        self.below(fast, twin, rows)

    def below(self, fast: World, twin: Twin, at: Rows) -> None:
        book = twin.venues[0].markets[0].book
        oldest = {who: min((o.id for o in book.orders_of(who)), default=7) for who in (1, 2, 3)}
        deeper = len(self.path) + 1 < LENGTH
        for number, operation in enumerate(OPERATIONS):
            self.path.append(number)
            try:
                child, like = fast.fork(), copy_twin(twin)
                got, want = outcome(operation, child, oldest), outcome(operation, like, oldest)
                assert got == want, f"result (compiled, twin) = ({got}, {want})"
                rows = same_rows(child, like, at, self.shift)
                self.sound(child, like)
                self.reached(want, like, at)
                if deeper:
                    self.below(child, like, rows)
            except AssertionError as error:
                raise AssertionError(f"operations {self.path}: {error}") from error
            self.path.pop()

    def sound(self, fast: World, twin: Twin) -> None:
        """Invariants of the engine; what it holds against the twin."""
        venue, like = fast.venue(0), twin.venues[0]
        assert not any(venue.audit().values())
        venue._check()
        found = venue._equities()
        assert sum(found) - found[like.ledger.clearing[0]] == like.ledger.paid_in[0]
        same_money(venue, like)
        assert venue.marks() == like.marks()
        for scope in like.scopes:
            held = like.ledger.position(scope, 0)
            assert venue.position(scope, 0) == (held.size, held.cost)
        book = like.markets[0].book
        for side in (BID, ASK):
            assert venue.depth(0, side, 5) == [
                (p, book.size_at(side, p)) for p in book.prices(side)
            ]

    def reached(self, result: Any, twin: Twin, at: Rows) -> None:
        """Count what an edge has done."""
        counts, tables = self.counts, twin.tables
        counts["operations"] += 1
        counts["sequences"] += len(self.path) == LENGTH
        if isinstance(result, str):
            counts["refused arguments"] += 1
        elif result <= -2:
            counts[f"reject {Reject(result).name}"] += 1
        if len(self.path) < LENGTH:  # Rows of the last edges alone would say the same.
            return
        for row in tables.rows("steps")[at["steps"][1] :]:
            counts[f"step {StepKind(row['kind']).name}"] += 1
        for row in tables.rows("fills")[at["fills"][1] :]:
            counts["partial fills"] += row["maker_rest"] > 0
            own = row["maker_account"] == row["taker_account"]
            counts["trades with oneself"] += own and row["maker_account"] > 0
        for row in tables.rows("postings")[at["postings"][1] :]:
            counts[f"posted {PostReason(row['reason']).name}"] += 1
        for row in tables.rows("liquidations")[at["liquidations"][1] :]:
            counts["partial liquidations"] += 0 < row["lots_filled"] < row["lots_before"]
            step = tables.rows("steps")[row["step"]]
            gone = step["event_to"] - step["event_from"] - row["levels_eaten"]
            counts["orders cancelled by a liquidation"] += gone > 0


def test_every_sequence_of_four_operations_on_a_small_world() -> None:
    counts = Worlds().counts
    assert counts["sequences"] == len(OPERATIONS) ** LENGTH == 160_000
    for name, least in WORLD_REACHED.items():
        assert counts[name] >= least, f"{name}: {counts[name]} times, at least {least} expected"


# --- the book -----------------------------------------------------------------------------------

BOOK_OPERATIONS: tuple[Callable[..., Any], ...] = (
    lambda book, ids: book.submit(BID, 3, 2, account=1),
    lambda book, ids: book.submit(BID, 3, 1, account=2),
    lambda book, ids: book.submit(BID, 2, 3, account=1),
    lambda book, ids: book.submit(ASK, 3, 2, account=2),
    lambda book, ids: book.submit(ASK, 4, 1, account=1),
    lambda book, ids: book.submit(ASK, 3, 5, account=0),
    lambda book, ids: book.submit(BID, 4, 4, account=2),
    lambda book, ids: book.submit(BID, 3, 1, account=0, **POST),
    lambda book, ids: book.submit(ASK, 3, 1, account=0, **POST),
    lambda book, ids: book.submit(BID, 5, 3, account=0, **IOC),
    lambda book, ids: book.submit(ASK, 1, 2, account=1, **IOC),
    lambda book, ids: book.submit(BID, 4, 3, account=2, **FOK),
    lambda book, ids: book.submit(ASK, 2, 2, account=0, **FOK),
    lambda book, ids: book.market(BID, 2, account=1),
    lambda book, ids: book.market(ASK, 3, account=2),
    lambda book, ids: book.cancel(ids[0]),
    lambda book, ids: book.cancel(ids[-1], account=2),
    lambda book, ids: book.amend(ids[0], size=1),
    lambda book, ids: book.amend(ids[-1], price=3, size=4),
    lambda book, ids: book.cancel_all(1),
)
FIELDS = list(TwinBook.FILL_FIELDS)


class Books:
    """The tree of books: capacity for three orders, so that the pool is full in reach."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.path: list[int] = []
        self.below(OrderBook(5, order_max=3, account_max=2), TwinBook(5, order_max=3))

    def below(self, fast: OrderBook, twin: TwinBook) -> None:
        ids = sorted(twin.orders) or [7]
        for number, operation in enumerate(BOOK_OPERATIONS):
            self.path.append(number)
            try:
                child, like = fast.copy(), copy_book(twin)
                got, want = outcome(operation, child, ids), outcome(operation, like, ids)
                assert got == want, f"result (compiled, twin) = ({got}, {want})"
                self.same(child, like, want)
                if len(self.path) < LENGTH:
                    self.below(child, like)
            except AssertionError as error:
                raise AssertionError(f"operations {self.path}: {error}") from error
            self.path.pop()

    def same(self, fast: OrderBook, twin: TwinBook, result: Any) -> None:
        """The full dump: fills, levels, every order."""
        counts = self.counts
        counts["operations"] += 1
        counts["sequences"] += len(self.path) == LENGTH
        if isinstance(result, str):
            counts["refused arguments"] += 1
        elif result <= -2:
            counts[f"reject {Reject(result).name}"] += 1
        if not isinstance(result, str):
            fills = [dict(zip(FIELDS, row, strict=True)) for row in fast.fills[FIELDS].tolist()]
            assert fills == twin.fills
            counts["fills"] += len(fills)
            counts["partial fills"] += sum(fill["maker_rest"] > 0 for fill in fills)
            counts["trades with oneself"] += sum(fill["self_trade"] for fill in fills)
        fast._check()
        assert len(fast) == len(twin.orders)
        levels = [[tuple(row) for row in side.tolist()] for side in fast.depth(5)]
        assert levels == list(twin.depth(5))
        for order in twin.orders.values():
            expected = (order.side, order.price, order.size, order.account, order.flags)
            assert fast.order(order.id) == expected


def test_every_sequence_of_four_operations_on_a_small_book() -> None:
    counts = Books().counts
    assert counts["sequences"] == len(BOOK_OPERATIONS) ** LENGTH == 160_000
    for name, least in BOOK_REACHED.items():
        assert counts[name] >= least, f"{name}: {counts[name]} times, at least {least} expected"

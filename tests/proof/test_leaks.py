"""10^4 rounds of make, run and drop leave less than 64 bytes each: book, world, log, index.

Three meters, since each is blind somewhere. tracemalloc sees what goes through Python's allocators,
as ours does (PyMem_RawMalloc), and no `malloc`; mallinfo2 counts the bytes of the C heap in use and
not Python's own arenas; RSS is what the system gave, in pages. The seeded leaks at the end show
that the meters can fail, and which of them sees what. About 15 s of CPU.
ORDERCASCADE_PROOF_ROUNDS makes it smaller on your own machine.
"""

from __future__ import annotations

import ctypes
import gc
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from ordercascade.core.book import MESSAGE_DTYPE, OrderBook
from ordercascade.core.events import EventLog
from ordercascade.core.ledger import AccountLedger
from ordercascade.core.triggers import TriggerIndex
from ordercascade.core.world import World
from ordercascade.enums import OrderType, Side
from ordercascade.errors import InputError, RangeError
from ordercascade.tape import Tape
from unit.worlds import holding, make

ROUNDS = int(os.environ.get("ORDERCASCADE_PROOF_ROUNDS", 10**4))
LIMIT = 64  # bytes a round
PAGES = 2**21  # what RSS may move by itself, all rounds together: the arenas settle late


class Info(ctypes.Structure):
    """What mallinfo2() returns."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks"
        " keepcost".split()
    ]


LIBC = ctypes.CDLL(None)
if hasattr(LIBC, "mallinfo2"):
    LIBC.mallinfo2.restype = Info
LIBC.malloc.restype = ctypes.c_void_p
LIBC.malloc.argtypes = [ctypes.c_size_t]
RAW_MALLOC = ctypes.pythonapi.PyMem_RawMalloc
RAW_MALLOC.restype, RAW_MALLOC.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
needs_glibc = pytest.mark.skipif(
    not hasattr(LIBC, "mallinfo2") or not Path("/proc/self/statm").exists(),
    reason="mallinfo2() and /proc are glibc's and Linux's",
)


class Grown(NamedTuple):
    """Bytes a round that are still there after it, by meter."""

    traced: float
    heap: float
    resident: float


def reading() -> tuple[int, int, int]:
    gc.collect()
    info = LIBC.mallinfo2()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return (
        tracemalloc.get_traced_memory()[0],
        info.uordblks + info.hblkhd,
        pages * os.sysconf("SC_PAGE_SIZE"),
    )


def measure(work: Callable[[], object], rounds: int) -> Grown:
    """Do the work so often; return what is left of each time.

    Heap and RSS over all rounds, then tracemalloc over a fifth of them, as it makes them slower.
    """
    _, heap, resident = _grown(work, rounds)
    tracemalloc.start()
    try:
        traced = _grown(work, rounds // 5)[0]
    finally:
        tracemalloc.stop()
    return Grown(traced, heap, resident)


def _grown(work: Callable[[], object], rounds: int) -> list[float]:
    for _ in range(rounds // 10):  # Free lists, interned names and arenas settle first.
        work()
    before = reading()
    for _ in range(rounds):
        work()
    return [(b - a) / rounds for a, b in zip(before, reading(), strict=True)]


# What is made, run and dropped.

MESSAGES = np.array(
    [(OrderType.LIMIT, n % 2, 0, 0, n % 5, 0, 45 + n * 7 % 11, 1 + n % 4) for n in range(60)],
    dtype=MESSAGE_DTYPE,
)


def book_round() -> None:
    """Orders, fills, a copy, a batch, refusals."""
    book = OrderBook(100, order_max=200)
    order = book.submit(Side.BID, 40, 5, account=1)
    book.amend(order, price=41)
    book.apply(MESSAGES)
    other = book.copy()
    other.market(Side.ASK, 9, account=2)
    _ = other.fills, other.depth(5), other.order(order), other.state_hash()
    book.cancel_all(1)
    for arguments in ((2, 1, 1), (0, 0, 1), (0, 1, 0), (0, 2**70, 1)):
        try:
            book.submit(*arguments)
        except (InputError, RangeError):
            continue
        raise AssertionError("a wrong argument was taken")


def cascade() -> World:
    """Four longs fall one after the other; the last is handed over."""
    world, venue = make(
        bids={98: 5, 96: 20, 94: 20, 92: 5}, asks={102: 10}, social=True, fraction_ppm=500_000
    )
    venue.fund_deposit(0, 1_000)
    for money in (5_500, 5_800, 7_000, 9_000):
        holding(venue, 10, 100, money)
    holding(venue, -10, 100, 30_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=20)
    world.start()
    return world


def world_round() -> None:
    """A cascade with a fork half way, a user's order, a random draw, and the tape of it."""
    world = cascade()
    world.step()
    other = world.fork()
    world.run()
    other.run()
    assert other.state_hash() == world.state_hash()
    venue = world.venue(0)
    venue.submit(5, 0, Side.BID, 90, 1)
    venue.isolate(1, 0)
    _ = venue.audit(), venue.at_risk(), world.draw("noise")
    tape = Tape(world.log, {})
    assert len(tape) == world.steps
    assert world.log.rows("adl") > 0


def log_round() -> None:
    """Rows, a fork that goes its own way, views that outlive it, two streams that nobody reads."""
    log = EventLog()
    row = {"step": -1, "market": 0, "side": 0, "price": 5, "size_after": 1}
    for _ in range(70):
        log.append("levels", row)
    other = log.fork()
    other.set("levels", 3, "price", 7)
    view = other.column("levels", "price")
    log.truncate("levels", 10)
    tape = Tape(other, {})
    del log, other
    assert view[3] == 7
    for name in ("levels", "steps"):  # one with a row in it, one without
        tape.tables[name].__arrow_c_stream__()


def arrow_round() -> None:
    """A stream that somebody reads."""
    import nanoarrow

    log = EventLog()
    log.append("levels", {"step": -1, "market": 0, "side": 1, "price": 5, "size_after": 1})
    found = nanoarrow.c_array_stream(Tape(log, {}).levels)
    for array in found:
        assert array.length == 1


def trigger_round() -> None:
    """Armed, fired, asked, copied."""
    index = TriggerIndex((500, 2**16))
    for node in range(30):
        index.arm(node, node % 2, node % 3 % 2, 100 + node)
    other = index.copy()
    index.fire(0, 110)
    index.nearest(1, 0, 5)
    for node in range(30):
        if other.armed(node):
            other.disarm(node)


def ledger_round() -> None:
    """Trades, and one that is refused after its first entry."""
    ledger = AccountLedger(2)
    ledger.add_market()
    first, second = (ledger.add_scope(ledger.add_account()) for _ in range(2))
    ledger.deposit(first, 1_000)
    ledger.trade(first, second, 0, 3, 100)
    ledger.trade(second, first, 0, 5, 150)
    try:
        ledger.trade(0, first, 0, 1, 2**60)
    except RangeError:
        return
    raise AssertionError("2**60 + 60 units of cost were taken")


WORK = (book_round, world_round, log_round, arrow_round, trigger_round, ledger_round)


@needs_glibc
@pytest.mark.parametrize("work", WORK, ids=lambda work: work.__name__)
def test_ten_thousand_rounds_leave_nothing(work: Callable[[], object]) -> None:
    grown = measure(work, ROUNDS)
    assert grown.traced < LIMIT, grown
    assert grown.heap < LIMIT, grown
    assert grown.resident < LIMIT + PAGES / ROUNDS, grown


# The meters can fail.

KEPT: list[Any] = []


def leak_raw() -> None:
    """An un-freed block of the allocator that the core uses."""
    RAW_MALLOC(200)


def leak_malloc() -> None:
    """An un-freed block of C's own, which tracemalloc does not see."""
    LIBC.malloc(200)


def leak_copy() -> None:
    """A book's copy that nobody drops: one reference too many."""
    book = OrderBook(20, order_max=10)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(book.copy()))


def leak_fork() -> None:
    """A fork of a world that is remembered somewhere."""
    KEPT.append(cascade().fork())


@needs_glibc
@pytest.mark.parametrize(
    ("work", "seen"),
    [
        (leak_raw, (True, True)),
        (leak_malloc, (False, True)),
        (leak_copy, (True, True)),
        (leak_fork, (True, True)),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_a_seeded_leak_is_seen(work: Callable[[], object], seen: tuple[bool, bool]) -> None:
    grown = measure(work, 1_000)
    KEPT.clear()
    assert (grown.traced >= LIMIT, grown.heap >= LIMIT) == seen, grown

"""Row G11 of the bad-input catalogue: the n-th allocation fails, for every n.

CPython's own test module makes it fail. Each call runs in a child process on a fresh door: after
the MemoryError the state is what it was, or, where the call had begun to change it, the engine
refuses every later call by name. A batch keeps a whole prefix and says how long it is.

Views of the tape are left out: there numpy allocates and the engine does not.
"""

from __future__ import annotations

import functools
import gc
import os
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ordercascade as oc
from bad_inputs import doors
from bad_inputs.doors import ASK, BID, Door, messages
from bad_inputs.takers import FIRST
from ordercascade.core.laws import OPENING_DTYPE
from ordercascade.core.world import World

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a child process")
QUIET = 25  # calls in a row that meet no failure end the search: some are swallowed on the way


def in_child(work: Callable[[], None]) -> None:
    """Run `work` in a forked child; it must end by itself and without an error."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        code = 1
        try:
            os.close(reading)
            gc.collect()
            gc.disable()  # A collection allocates at moments of its own.
            work()
            code = 0
        except BaseException:
            os.write(writing, traceback.format_exc()[-4000:].encode())
        finally:
            os._exit(code)
    os.close(writing)
    said = b""
    while part := os.read(reading, 4096):
        said += part
    os.close(reading)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, said.decode() or f"status {status}"


def failing(call: Callable[[], Any], n: int) -> BaseException | None:
    """Run `call` with the n-th allocation refused; return what it raised."""
    import _testcapi  # type: ignore[import-not-found]

    raised = None
    try:
        _testcapi.set_nomemory(n, n + 1)
        call()
    except BaseException as error:
        raised = error
    finally:
        _testcapi.remove_mem_hooks()
    return raised


def every_allocation(
    make: Callable[[], Door], call: Callable[[Door], Any], judge: Callable[[Door, object], None]
) -> int:
    """Let each allocation of a call fail in its turn, judge what is left; return how many did."""
    failures = quiet = n = 0
    call(make())  # What is made once and kept is made here.
    while quiet < QUIET:
        door = make()
        before = door.state()
        raised = failing(functools.partial(call, door), n)
        n += 1
        if raised is None:
            quiet += 1
            continue
        quiet = 0
        failures += 1
        # Where numpy runs out of memory it sometimes says something else.
        if not isinstance(raised, MemoryError | SystemError | ValueError):
            raise AssertionError(f"allocation {n}") from raised
        judge(door, before)
    return failures


def untouched(door: Door, before: object) -> None:
    """The state is what it was, and the door is open."""
    if door.state() != before:
        raise AssertionError("the state changed")
    door.check()
    door.good()
    door.check()


def untouched_or_poisoned(door: Door, before: object) -> None:
    """The state is what it was, or every later call is refused by name."""
    try:
        door.state()
    except oc.PoisonedError:
        venue, world = door.at, door.world
        for ask in (
            venue._check,
            venue.state_hash,
            venue.audit,
            venue.marks,
            lambda: venue.deposit(1, 0, 5),
            lambda: venue.submit(1, 0, BID, 50, 1),
            lambda: venue.equity(0),
            world.step,
            world.run,
            world.settle,
            world.fork,
            world._check,
        ):
            with pytest.raises(oc.PoisonedError, match="failed half-way through an earlier call"):
                ask()
        repr(world)
        return
    untouched(door, before)


BOOK = {
    "submit": lambda d: d.at.submit(BID, 98, 1, account=70),
    "submit far": lambda d: d.at.submit(BID, 1, 1, account=5000),
    "cross": lambda d: d.at.submit(BID, 101, 7),
    "market": lambda d: d.at.market(BID, 3),
    "cancel": lambda d: d.at.cancel(FIRST),
    "cancel_all": lambda d: d.at.cancel_all(1),
    "amend": lambda d: d.at.amend(FIRST, price=101, size=9),
    "amend far": lambda d: d.at.amend(FIRST, price=1),
    "copy": lambda d: d.at.copy(),
    "state_hash": lambda d: d.at.state_hash(),
    "depth": lambda d: d.at.depth(5),
    "order": lambda d: d.at.order(FIRST),
}
ROWS = np.zeros(40, OPENING_DTYPE)
ROWS["account"], ROWS["size"], ROWS["isolated"] = np.arange(40), 5, np.arange(40) % 2
BUILD = {
    "open_account": lambda d: d.at.open_account(),
    "open_accounts": lambda d: d.at.open_accounts(np.full(40, 9), ROWS),
    "deposit": lambda d: d.at.deposit(1, 0, 5),
    "seed_level": lambda d: d.at.seed_level(0, BID, 1, 5),
    "open_position": lambda d: d.at.open_position(2, 0, 5, 500),
    "isolate": lambda d: d.at.isolate(1, 0),
    "add_venue": lambda d: d.world.add_venue(),
    "start": lambda d: d.world.start(),
}
VENUE = {
    "submit": lambda d: d.at.submit(1, 0, BID, 98, 1),
    "cross": lambda d: d.at.submit(1, 0, BID, 101, 1),
    "cancel": lambda d: d.at.cancel(1, 0, FIRST),
    "amend": lambda d: d.at.amend(1, 0, FIRST, price=101, size=3),
    "deposit": lambda d: d.at.deposit(1, 0, 5),
    "withdraw": lambda d: d.at.withdraw(1, 0, 5),
    "isolate": lambda d: d.at.isolate(1, 1),
    "set_index": lambda d: d.at.set_index(0, 90),
    "shock": lambda d: d.world.schedule_shock(5, 0, 0, ASK, size=1),
    "fork": lambda d: d.world.fork(),
    "state_hash": lambda d: d.world.state_hash(),
    "what_if": lambda d: d.at.what_if(d.at.cross_scope(1), {0: 50}),
    "bankruptcy_price": lambda d: d.at.bankruptcy_price(d.at.cross_scope(1), 0),
    "draw": lambda d: d.world.draw("x"),
}


def several() -> Door:
    """A core venue of two markets after its start."""
    return doors.venue(markets=2)


@pytest.mark.parametrize("call", BOOK.values(), ids=BOOK.keys())
def test_bad_G11_no_memory_in_a_call_of_a_book(call: Any) -> None:
    pytest.importorskip("_testcapi")
    in_child(lambda: _some(every_allocation(doors.book, call, untouched)))


@pytest.mark.parametrize("call", BUILD.values(), ids=BUILD.keys())
def test_bad_G11_no_memory_while_a_world_is_built(call: Any) -> None:
    pytest.importorskip("_testcapi")
    in_child(lambda: _some(every_allocation(doors.building, call, untouched_or_poisoned)))


@pytest.mark.parametrize("call", VENUE.values(), ids=VENUE.keys())
def test_bad_G11_no_memory_in_a_call_of_a_venue(call: Any) -> None:
    pytest.importorskip("_testcapi")
    in_child(lambda: _some(every_allocation(several, call, untouched_or_poisoned)))


def _some(failures: int) -> None:
    if failures < 0:
        raise AssertionError("no allocation failed")


def test_bad_G11_no_memory_while_markets_are_added() -> None:
    pytest.importorskip("_testcapi")

    def bare() -> Door:
        world = World(1)
        world.add_venue()
        venue = world.venue(0)

        def good() -> None:
            venue.add_market(index=5)

        return Door(venue, world.state_hash, world._check, good, world)

    def work() -> None:
        found = every_allocation(bare, lambda d: d.at.add_market(index=5), untouched_or_poisoned)
        if found < 5:
            raise AssertionError(f"only {found} allocations failed")

    in_child(work)


def test_bad_G11_no_memory_in_a_batch_leaves_a_whole_prefix() -> None:
    """`rows_done` rows have run, and their results stand; the rest can be run from there."""
    pytest.importorskip("_testcapi")
    rows = messages(300)
    rows["price"], rows["account"] = np.arange(300) % 900 + 1, np.arange(300) * 7
    rows["side"] = np.arange(300) % 3 == 2

    def prefix(door: Door, _: object) -> None:
        done = door.at.rows_done
        plain, whole = doors.book(), doors.book()
        plain.at.apply(rows[:done])
        whole.at.apply(rows)
        if plain.state() != door.state():
            raise AssertionError(f"not the state after {done} rows")
        if plain.at.results.tolist() != door.at.results.tolist():
            raise AssertionError("not their results")
        door.check()
        door.at.apply(rows[done:])
        if whole.state() != door.state():
            raise AssertionError("the rest came out otherwise")

    def work() -> None:
        found = every_allocation(doors.book, lambda d: d.at.apply(rows), prefix)
        if found < 10:
            raise AssertionError(f"only {found} allocations failed")

    in_child(work)


def test_bad_G11_no_memory_in_a_batch_of_named_orders() -> None:
    """The same where ids are the caller's: what rests has its name, what is gone has none."""
    pytest.importorskip("_testcapi")
    rows = messages(400)
    rows["order_id"] = np.arange(1, 401)
    rows["price"], rows["account"] = np.arange(400) % 900 + 1, np.arange(400) * 7
    rows["side"] = np.arange(400) % 3 == 2
    rows["type"][300:], rows["order_id"][300:], rows["account"][300:] = 2, np.arange(1, 300, 3), -1

    def named() -> Door:
        book = oc.OrderBook(1000, account_max=10**4, ids="external")

        def good() -> None:
            book.submit(BID, 1, 1, order_id=2**40)
            book.cancel(2**40)

        return Door(book, book.state_hash, book._check, good)

    def prefix(door: Door, _: object) -> None:
        done = door.at.rows_done
        plain = named()
        plain.at.apply(rows[:done])
        if plain.state() != door.state():
            raise AssertionError(f"not the state after {done} rows")
        door.check()
        door.at.apply(rows[done:])
        plain.at.apply(rows[done:])
        if plain.state() != door.state():
            raise AssertionError("the rest came out otherwise")

    def work() -> None:
        found = every_allocation(named, lambda d: d.at.apply(rows), prefix)
        if found < 10:
            raise AssertionError(f"only {found} allocations failed")

    in_child(work)


def test_bad_G11_no_memory_in_a_cascade() -> None:
    """The world is whole and goes on to the same end, or it refuses every later call."""
    pytest.importorskip("_testcapi")

    def falling() -> Door:
        door = doors.building(fraction_ppm=300_000, cooldown_ns=5, social=True)
        for account in (1, 2):
            door.at.open_position(account, 0, 5_000 if account == 1 else -900, 5_000 * 10_000)
        door.at.seed_level(0, BID, 90, 800)
        door.world.schedule_shock(1, 0, 0, ASK, size=500)
        door.world.schedule_index(2, 0, 0, 50)
        door.world.start()
        return door._replace(good=lambda: None)

    end = falling()
    end.world.run()
    ends = end.state()

    def resumes(door: Door, before: object) -> None:
        try:
            door.state()
        except oc.PoisonedError:
            untouched_or_poisoned(door, before)
            return
        door.check()
        door.world.run()
        if door.state() != ends:
            raise AssertionError("the rest came out otherwise")

    def work() -> None:
        found = every_allocation(falling, lambda d: d.world.run(), resumes)
        if found < 10:
            raise AssertionError(f"only {found} allocations failed")

    in_child(work)

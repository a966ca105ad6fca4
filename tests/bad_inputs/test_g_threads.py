"""Rows G of the bad-input catalogue: threads, signals, processes, copies, and odd interpreters."""

from __future__ import annotations

import copy
import gc
import importlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ordercascade as oc
from bad_inputs import doors
from bad_inputs.doors import ASK, BID, BTC, messages, refused
from ordercascade.core.laws import OPENING_DTYPE
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import PriceSource

CLONE = Path(__file__).resolve().parents[2]
# How long a Ctrl-C may take to be heard; a core under sanitizers is many times slower.
LATE_S = 0.5 if "libasan" in os.environ.get("LD_PRELOAD", "") else 0.05


def batch(count: int) -> np.ndarray:
    """Return orders of both sides over 500 prices that rest, trade and are cancelled."""
    random = np.random.default_rng(1)
    rows = messages(count)
    rows["type"] = random.choice([0, 0, 0, 1, 2], count)
    rows["side"], rows["account"] = random.integers(0, 2, (2, count))
    rows["price"], rows["size"] = random.integers(1, 500, count), random.integers(1, 9, count)
    rows["order_id"] = (1 << 32) + random.integers(0, 5000, count)
    return rows


def crash(accounts: int) -> World:
    """A world about to settle a fall of its index under many longs, each a step or two."""
    world = World(1)
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(
        multiplier=1,
        price_max=10_000,
        size_max=2**30,
        brackets=doors.BRACKETS,
        source=PriceSource.INDEX,
        index=1_000,
    )
    for price in range(1, 999):
        venue.seed_level(0, BID, price, 1_000)
    rows = np.zeros(accounts, OPENING_DTYPE)
    rows["account"], rows["size"], rows["cost"] = np.arange(accounts), 10, 10_000
    venue.open_accounts(np.full(accounts, 3_000), rows)
    world.schedule_index(1, 0, 0, 700)
    world.start()
    return world


# ------------------------------------------------------------------ G02: a number that lets go


@pytest.mark.parametrize("call", ["book", "venue", "world"])
def test_bad_G02_an_engine_whose_last_name_is_deleted_inside_its_call(call: str) -> None:
    held: list[Any] = []

    class Deleter:
        def __index__(self) -> int:
            held.clear()
            gc.collect()
            return 5

    if call == "book":
        held.append(doors.book().at)
        assert held[0].submit(BID, 50, Deleter()) > 0
    elif call == "venue":
        held.append(doors.venue().at)
        assert held[0].submit(1, 0, BID, 50, Deleter()) > 0
    else:
        held.append(doors.venue().world)
        held[0].schedule_shock(9, 0, 0, ASK, size=Deleter())
    assert held == []


def test_bad_G02_a_venue_and_a_tape_live_on_without_their_world() -> None:
    door = doors.venue()
    venue, log = door.at, door.world.log
    column = log.column("orders", "price")
    del door
    gc.collect()
    assert venue.submit(1, 0, BID, 98, 1) > 0
    assert column.tolist() == [99, 101]
    venue._check()
    del venue, log
    gc.collect()
    assert column.tolist() == [99, 101]


# ------------------------------------------------------------------ G07, G08: threads


def busy_meanwhile(work: Callable[[], Any], asked: list[Callable[[], Any]]) -> set[int]:
    """Ask from this thread while `work` runs in another; return which questions found it busy."""
    over = threading.Event()

    def run() -> None:
        try:
            work()
        finally:
            over.set()

    found: set[int] = set()
    thread = threading.Thread(target=run)
    thread.start()
    while not over.is_set():
        for number, ask in enumerate(asked):
            try:
                ask()
            except oc.BusyError as error:
                assert type(error) is oc.BusyError
                assert "running already; one call at a time" in str(error)
                found.add(number)
            except oc.InputError:
                pass  # Before the batch began or after it was over.
    thread.join()
    return found


def test_bad_G07_two_threads_and_one_book() -> None:
    """Whoever comes second is told so; the batch comes out as it does alone."""
    rows = batch(1_000_000)
    plain = oc.OrderBook(1000)
    plain.apply(rows)
    found: set[int] = set()
    for _ in range(10):
        book = oc.OrderBook(1000)
        asked: list[Callable[[], Any]] = [
            lambda b=book: b.best_bid,
            lambda b=book: b.fills,
            lambda b=book: b.results,
            lambda b=book: b.depth(1),
            lambda b=book: b.order(1),
            lambda b=book: b.state_hash(),
            lambda b=book: b.cancel(1),
            lambda b=book: b.copy(),
            lambda b=book: b._check(),
            lambda b=book: len(b),
            lambda b=book: b.apply(messages(0)),
        ]
        found |= busy_meanwhile(lambda b=book: b.apply(rows), asked)
        assert book.state_hash() == plain.state_hash()
        book._check()
        if len(found) == len(asked):
            break
    assert found == set(range(11))


CHANGING = range(8)  # the places of the calls that change something


def test_bad_G07_two_threads_and_one_world() -> None:
    plain = crash(20_000)
    plain.run()
    found: set[int] = set()
    for _ in range(10):
        world = crash(20_000)
        venue, log = world.venue(0), world.log
        asked: list[Callable[[], Any]] = [
            *[lambda: None] * len(CHANGING),
            lambda w=world: w.fork(),
            lambda w=world: w.state_hash(),
            lambda w=world: w.stop,
            lambda w=world: w._check(),
            lambda v=venue: v.equity(9),
            lambda v=venue: v.position(9, 0),
            lambda v=venue: v.at_risk(),
            lambda v=venue: v.marks(),
            lambda v=venue: v.prices(0),
            lambda v=venue: v.depth(0, BID),
            lambda v=venue: v.liquidation_price(9, 0),
            lambda v=venue: v.bankruptcy_price(9, 0),
            lambda v=venue: v.what_if(9, {}),
            lambda v=venue: v.fund,
            lambda v=venue: v.audit(),
            lambda v=venue: v._check(),
            lambda v=venue: v.state_hash(),
            lambda g=log: g.column("steps", "kind"),
            lambda g=log: g.digest(),
            lambda g=log: g.fork(),
            lambda g=log: g.rows("fills"),
        ]
        # What changes something may come before or after the run, so the rest goes first.
        calm = [number for number in range(len(asked)) if number not in CHANGING]
        seen = busy_meanwhile(world.run, [asked[number] for number in calm])
        found |= {calm[number] for number in seen}
        assert world.state_hash() == plain.state_hash()
        assert log.digest() == plain.log.digest()
        world = crash(20_000)
        venue = world.venue(0)
        asked[:2] = [lambda w=world: w.step(), lambda w=world: w.run(1)]
        asked[2:4] = [lambda w=world: w.settle(), lambda w=world: w.draw("x")]
        asked[4:6] = [
            lambda w=world: w.schedule_index(9, 0, 0, 5),
            lambda v=venue: v.set_index(0, 5),
        ]
        asked[6:8] = [lambda v=venue: v.deposit(1, 0, 5), lambda v=venue: v.submit(1, 0, BID, 5, 1)]
        found |= busy_meanwhile(world.run, asked[:8])
        world._check()
        if len(found) == len(asked):
            break
    assert found == set(range(29))


def test_bad_G08_two_threads_and_two_engines() -> None:
    """No state is shared: each comes out as it does alone."""
    rows = batch(300_000)
    plain, lone = oc.OrderBook(1000), crash(5_000)
    plain.apply(rows)
    lone.run()
    books = [oc.OrderBook(1000) for _ in range(2)]
    worlds = [crash(5_000) for _ in range(2)]
    threads = [threading.Thread(target=book.apply, args=(rows,)) for book in books]
    threads += [threading.Thread(target=world.run) for world in worlds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {book.state_hash() for book in books} == {plain.state_hash()}
    assert {(w.state_hash(), w.log.digest()) for w in worlds} == {
        (lone.state_hash(), lone.log.digest())
    }


# ------------------------------------------------------------------ G09, G10: signals


@contextmanager
def alarm(seconds: float, handler: Any) -> Iterator[None]:
    """Let a signal come after so many seconds of the processor's time, as Ctrl-C does.

    A busy machine makes everything late but that time.
    """
    before = signal.signal(signal.SIGPROF, handler)
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def interrupted(work: Callable[[], Any], after: float, handler: Any) -> tuple[type | None, float]:
    """Run `work` with a signal on its way; return what it raised, and how long after the signal."""
    raised: type | None = None
    with alarm(after, handler):
        start = time.process_time()
        try:
            work()
        except (KeyboardInterrupt, oc.BusyError) as error:
            raised = type(error)
        late = time.process_time() - start - after
    return raised, late


def test_bad_G09_ctrl_c_in_a_batch_leaves_a_whole_prefix() -> None:
    """`rows_done` rows have run, no more and no less; the rest can be run from there."""
    rows = batch(2_000_000)
    whole = oc.OrderBook(1000)
    whole.apply(rows)
    waits: list[float] = []
    most = 0
    for _ in range(3):
        book = oc.OrderBook(1000)
        raised, late = interrupted(lambda b=book: b.apply(rows), 0.02, signal.default_int_handler)
        assert raised is KeyboardInterrupt
        done = book.rows_done
        assert done < len(rows)
        assert len(book.results) == done
        book._check()
        plain = oc.OrderBook(1000)
        plain.apply(rows[:done])
        assert plain.state_hash() == book.state_hash()
        assert np.array_equal(plain.results, book.results)
        book.apply(rows[done:])
        assert book.state_hash() == whole.state_hash()
        waits.append(late)
        most = max(most, done)
    assert min(waits) < LATE_S
    assert most > 0, "no signal came in the middle of a batch"


@pytest.mark.parametrize("call", ["run", "settle"])
def test_bad_G09_ctrl_c_in_a_cascade_leaves_a_whole_world(call: str) -> None:
    """Between two steps: every invariant holds, and the run goes on to the same end."""
    whole = crash(60_000)
    if call == "settle":
        whole.settle(1)
    whole.run()
    waits = []
    for _ in range(3):
        world = crash(60_000)
        work = world.run if call == "run" else lambda w=world: w.settle(1)
        raised, late = interrupted(work, 0.02, signal.default_int_handler)
        assert raised is KeyboardInterrupt
        waits.append(late)
        assert 0 < world.steps < whole.steps
        assert world.settling
        world._check()
        assert not any(world.venue(0).audit().values())
        if call == "run":
            stepped = crash(60_000)
            stepped.run(world.steps)
            assert stepped.state_hash() == world.state_hash()
        world.run()
        assert world.state_hash() == whole.state_hash()
        assert world.log.digest() == whole.log.digest()
    assert min(waits) < LATE_S


def test_bad_G10_a_signal_handler_that_calls_the_engine() -> None:
    rows, most = batch(2_000_000), 0
    for _ in range(5):
        book = oc.OrderBook(1000)
        raised, _ = interrupted(
            lambda b=book: b.apply(rows), 0.02, lambda *_, b=book: b.submit(BID, 5, 1)
        )
        assert raised is oc.BusyError
        book._check()
        plain = oc.OrderBook(1000)
        plain.apply(rows[: book.rows_done])
        assert plain.state_hash() == book.state_hash()
        most = max(most, book.rows_done)
        if most:
            break
    assert 0 < most < len(rows), "no signal came in the middle of a batch"
    world = crash(60_000)
    raised, _ = interrupted(world.run, 0.02, lambda *_: world.step())
    assert raised is oc.BusyError
    world._check()
    whole = crash(60_000)
    whole.run()
    world.run()
    assert world.state_hash() == whole.state_hash()


# ------------------------------------------------------------------ G13 to G16: life of an engine


@pytest.mark.parametrize("make", [doors.book, doors.venue, doors.face])
def test_bad_G13_no_engine_is_pickled(make: Any) -> None:
    door = make()
    for thing, kind, words in (
        (door.at, TypeError if isinstance(door.at, Venue) else oc.InputTypeError, "send the"),
        (door.world, TypeError, "send the scenario and its seed, or fork() it"),
    ):
        if thing is not None:
            refused(door, kind, words, lambda t=thing: pickle.dumps(t))


def test_bad_G13_a_world_of_a_scenario_and_its_tape_are_not_pickled() -> None:
    door = doors.text()
    world = door.at()
    refused(door, oc.InputTypeError, "send the Scenario", lambda: pickle.dumps(world))
    refused(door, TypeError, "save a Tape", lambda: pickle.dumps(world._world.log))
    sent = pickle.loads(pickle.dumps(world.scenario))
    assert oc.World(sent).state_hash() == world.state_hash()


def test_bad_G14_a_copy_is_exact_or_refused() -> None:
    book, core, face = doors.book(), doors.venue(), doors.face()
    words = "OrderBook must be cloned with its copy() method"
    refused(book, oc.InputTypeError, words, lambda: copy.copy(book.at))
    refused(book, oc.InputTypeError, words, lambda: copy.deepcopy(book.at))
    refused(core, TypeError, "cannot be pickled", lambda: copy.copy(core.at))
    refused(face, oc.InputTypeError, "Venue must be rebuilt", lambda: copy.deepcopy(face.at))
    for made in (copy.copy(core.world), copy.deepcopy(core.world), core.world.fork()):
        assert made.state_hash() == core.world.state_hash()
        made.venue(0).deposit(1, 0, 5)
        made._check()
        assert made.state_hash() != core.world.state_hash()
    twin = book.at.copy()
    twin.submit(BID, 5, 1)
    assert twin.state_hash() != book.at.state_hash()
    core.check()
    core.good()


def test_bad_G15_a_second_init_is_refused() -> None:
    book, core, face, text = doors.book(), doors.venue(), doors.face(), doors.text()
    again = "made anew, not initialised again"
    refused(book, oc.InputTypeError, again, lambda: book.at.__init__(10))
    refused(core, oc.InputTypeError, again, lambda: core.world.__init__(2))
    fork = core.world.fork()
    refused(core, oc.InputTypeError, again, lambda: fork.__init__(2))
    refused(face, oc.InputTypeError, again, lambda: face.at.__init__("simple", [BTC]))
    world = text.at()
    refused(text, oc.InputTypeError, again, lambda: world.__init__(world.scenario))
    refused(text, oc.InputTypeError, again, lambda: world.scenario.__init__(None))
    before = repr(BTC), hash(BTC)
    with pytest.raises(oc.InputTypeError, match=again):
        BTC.__init__("X", tick_size=1, lot_size=1, settle="USD")  # type: ignore[misc]
    assert (repr(BTC), hash(BTC)) == before


def test_bad_G15_a_subclass_that_forgets_its_parent() -> None:
    class Careless(oc.OrderBook):
        def __init__(self, *_: Any) -> None:
            pass

    class Wild(World):
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

    book = Careless(1000)
    assert book.submit(BID, 5, 1) > 0
    book._check()
    with pytest.raises(TypeError):
        Careless()
    world = Wild(3)
    world.add_venue()
    assert world.fork().state_hash() == world.state_hash()
    with pytest.raises(oc.InputTypeError):
        Wild("3")
    with pytest.raises(TypeError):
        oc.OrderBook.__new__(oc.OrderBook)


def test_bad_G16_a_closed_world_refuses_everything() -> None:
    world = doors.text().at()
    world.step()
    world.close()
    for call in (
        world.step,
        world.run,
        world.fork,
        world.tape,
        world.state_hash,
        lambda: world.venue("perp"),
        lambda: world.time_ns,
        lambda: world.stop,
        lambda: copy.copy(world),
        world.__enter__,
    ):
        with pytest.raises(ValueError, match="engine is closed") as caught:
            call()
        assert type(caught.value) is ValueError
    world.close()
    assert "closed" in repr(world)


# ------------------------------------------------------------------ G17 to G19: interpreters


def alone(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own; it must not end by a signal."""
    path = os.pathsep.join([str(CLONE / "tests"), *sys.path])
    flags = ("-OO",) * (sys.flags.optimize == 2)
    done = subprocess.run(
        [sys.executable, *flags, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode >= 0, done.stderr
    return done


def test_bad_G17_the_interpreter_ends_with_live_engines() -> None:
    """One runs in another thread, one is held by a module, one by a cycle with a finalizer."""
    code = """
import sys, threading
from bad_inputs.test_g_threads import batch, crash
import ordercascade as oc
rows = batch(2_000_000)
book, world = oc.OrderBook(1000), crash(20_000)
sys.modules["ordercascade"].kept = (book, world)
class Cycle:
    def __init__(self): self.me, self.book = self, oc.OrderBook(10)
    def __del__(self): self.book.submit(0, 5, 1)
cycle = Cycle()
threading.Thread(target=lambda: book.apply(rows), daemon=True).start()
threading.Thread(target=world.run, daemon=True).start()
print("end")
"""
    done = alone(code)
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr


def test_bad_G18_another_interpreter_gets_a_clear_no_or_works() -> None:
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    code = f"""
import importlib
import ordercascade.core.book
interpreters = importlib.import_module("{name}")
one = interpreters.create()
try:
    failed = interpreters.run_string(one, "import ordercascade.core.book")
    print("no" if failed else "works", failed or "")
except Exception as error:
    print("no", error)
"""
    done = alone(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("works") or "ImportError" in done.stdout, done.stdout


def test_bad_G18_a_module_that_is_loaded_again() -> None:
    code = """
import importlib, sys
import ordercascade as oc
import ordercascade.core.book as first
book = oc.OrderBook(10)
book.submit(0, 5, 1)
try:
    again = importlib.reload(first)
    assert again.OrderBook(10).submit(0, 5, 1) > 0
    print("works")
except ImportError as error:
    print("ImportError", error)
for name in [name for name in sys.modules if name.startswith("ordercascade")]:
    del sys.modules[name]
try:
    import ordercascade as anew
    assert anew.OrderBook(10).submit(0, 5, 1) > 0
    print("works")
except ImportError as error:
    print("ImportError", error)
book._check()
print(book.best_bid)
"""
    done = alone(code)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all(line.startswith(("works", "ImportError")) for line in lines[:2]), lines
    assert lines[2] == "5"


def test_bad_G19_nobody_claims_to_run_without_the_lock() -> None:
    """The busy flag is a plain one, touched under the GIL alone: CPython must switch it on."""
    claims = "freethreading_compatible", "Py_MOD_GIL_NOT_USED"
    for file in [CLONE / "setup.py", *sorted((CLONE / "src").rglob("*.p[yx]*"))]:
        if file.suffix in (".py", ".pyx", ".pxd"):
            text = file.read_text(encoding="utf-8")
            assert not any(claim in text for claim in claims), file
    importlib.import_module("ordercascade.core.world")
    switched_on = getattr(sys, "_is_gil_enabled", lambda: True)
    assert switched_on()

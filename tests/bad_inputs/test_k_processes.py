"""Rows K14 and K16 of the bad-input catalogue: locales, and limits of memory, files and stack."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import ordercascade as oc
from bad_inputs import doors
from bad_inputs.test_g_memory import in_child
from bad_inputs.test_g_threads import batch, crash
from ordercascade.core.laws import OPENING_DTYPE

PACKAGE = Path(oc.__file__).resolve().parent.parent
resource = pytest.importorskip("resource")


@pytest.mark.parametrize(
    "tongue",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "de_DE.UTF-8", "LC_NUMERIC": "de_DE.UTF-8", "PYTHONIOENCODING": "latin-1"},
    ],
)
def test_bad_K14_another_locale_writes_the_same_bytes(
    tmp_path: Path, tongue: dict[str, str]
) -> None:
    """The scenario holds a comment that such a locale cannot spell."""
    text = f"# Größe ٣\n{doors.SCENARIO}"
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    world = oc.World(oc.Scenario.load(tmp_path / "s.toml"))
    world.run()
    words = [sys.executable, "-m", "ordercascade", "run", "s.toml", "-o", "out", "--quiet"]
    done = subprocess.run(
        words,
        cwd=tmp_path,
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(PACKAGE)} | tongue,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    tape, here = oc.Tape.load(tmp_path / "out" / "tape.oct"), world.tape()
    assert tape.meta["state_hash"] == here.meta["state_hash"] == world.state_hash()
    assert tape == here  # the hash of every cell of every table
    assert tape.meta["scenario"] == here.meta["scenario"]


# ------------------------------------------------------------------ limits


@contextmanager
def limited(kind: int, most: int) -> Iterator[None]:
    """Set a limit of this process, which is a child; lift it again."""
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


def room(more: int) -> int:
    """The address space that this process has, and so many bytes more."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE") + more


def expect(kind: type[BaseException], call: Callable[[], object]) -> None:
    try:
        call()
    except kind as error:
        if type(error) is not kind and not isinstance(error, OSError | MemoryError):
            raise AssertionError(f"{type(error)}") from error
        return
    raise AssertionError(f"no {kind}")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads its size from /proc")
def test_bad_K16_little_address_space() -> None:
    """A population and a book that do not fit: MemoryError, and nothing half made."""
    accounts = 2_000_000

    def work() -> None:
        door = doors.building()
        deposits, rows = np.full(accounts, 5), np.zeros(0, OPENING_DTYPE)
        before = door.state()
        with limited(resource.RLIMIT_AS, room(80_000_000)):
            expect(MemoryError, lambda: door.at.open_accounts(deposits, rows))
            expect(MemoryError, lambda: oc.OrderBook(2**31 - 1).apply(batch(10**7)))
        try:
            after = door.state()
        except oc.PoisonedError:
            after = before  # Begun and broken off: then it says so, and is never wrong.
        else:
            door.check()
            door.good()
        if after != before:
            raise AssertionError("the state changed")
        fresh = doors.venue()
        fresh.good()
        fresh.check()

    in_child(work)


def test_bad_K16_no_file_can_be_opened(tmp_path: Path) -> None:
    """The system's own error comes out; the tape and the world are what they were."""
    (tmp_path / "s.toml").write_text(doors.SCENARIO, encoding="utf-8")

    def work() -> None:
        world = oc.World(oc.Scenario.load(tmp_path / "s.toml"))
        world.run()
        before = world.state_hash()
        tape = world.tape()
        with limited(resource.RLIMIT_NOFILE, 3):
            expect(OSError, lambda: tape.save(tmp_path / "t.oct"))
            expect(OSError, lambda: tape.save(tmp_path / "folder"))
            expect(OSError, lambda: oc.Scenario.load(tmp_path / "s.toml"))
        if world.state_hash() != before:
            raise AssertionError("the state changed")
        if (tmp_path / "t.oct").exists():
            raise AssertionError("half a tape")
        tape.save(tmp_path / "t.oct")
        tape.save(tmp_path / "folder")
        if not oc.Tape.load(tmp_path / "t.oct") == oc.Tape.load(tmp_path / "folder") == tape:
            raise AssertionError("another tape")

    in_child(work)


def test_bad_K16_a_small_stack_is_enough() -> None:
    """The engine never calls itself: a cascade of 2,000 scopes runs on 64 KiB."""
    expected = crash(2_000)
    expected.run()
    rows = batch(20_000)
    plain = oc.OrderBook(1000)
    plain.apply(rows)
    found: list[tuple[str, str]] = []

    def work() -> None:
        world, book = crash(2_000), oc.OrderBook(1000)
        book.apply(rows)
        world.run()
        found.append((world.state_hash(), book.state_hash()))

    before = threading.stack_size(64 * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert found == [(expected.state_hash(), plain.state_hash())]

"""Other people's compiled code: a cimport consumer against the wheel, numba and ctypes.

ORDERCASCADE_WHEEL names a built wheel; without one the package is laid out as one would hold it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import ordercascade
from ordercascade import OrderBook, Reject, Side
from unit.c_functions import function

PACKAGE = Path(ordercascade.__file__).parent
SHIPPED = {".py", ".pxd", ".pyi", ".so", ".toml", ".csv", ".typed"}

CONSUMER = """\
from ordercascade.core.book cimport Book, OrderBook, book_best, book_submit
def quote(OrderBook owner not None, long price, long size):
    cdef Book* book = &owner.book
    book_submit(book, 0, 0, price, size, 7, 0, 0)
    return book_best(book, 0)
"""
# The same with the caller's ids.
NAMED = """\
from libc.string cimport memset
from ordercascade.core.book cimport OrderBook, Wide, name_live, named_do
def quote_as(OrderBook owner not None, long long name, long price, long size):
    cdef Wide row
    memset(&row, 0, sizeof(Wide))
    row.order_id, row.price, row.size = name, price, size
    return named_do(&owner.book, &owner.desk, &owner.names, &row)
"""
SETUP = """\
from Cython.Build import cythonize
from setuptools import Extension, setup
setup(ext_modules=cythonize([Extension("consumer", ["consumer.pyx"])], language_level=3))
"""
USE = """\
import ordercascade, consumer
book = ordercascade.OrderBook(1000)
print(ordercascade.__file__, consumer.quote(book, 55, 3), book.best_bid, len(book))
book = ordercascade.OrderBook(1000, ids="external")
print(consumer.quote_as(book, 2**62, 55, 3), book.order(2**62).size)
"""


def installed(folder: Path) -> Path:
    """Return a folder that holds the package as its wheel installs it."""
    wheel = os.environ.get("ORDERCASCADE_WHEEL")
    if wheel:
        zipfile.ZipFile(wheel).extractall(folder)
        return folder
    for file in PACKAGE.rglob("*"):
        if file.suffix in SHIPPED:
            place = folder / "ordercascade" / file.relative_to(PACKAGE)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
    return folder


def test_five_lines_of_cython_compile_against_the_wheel_and_run(tmp_path: Path) -> None:
    site, work = installed(tmp_path / "site"), tmp_path / "work"
    work.mkdir()
    (work / "consumer.pyx").write_text(CONSUMER + NAMED)
    (work / "setup.py").write_text(SETUP)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    for command in (["setup.py", "-q", "build_ext", "--inplace"], ["-c", USE]):
        done = subprocess.run(
            [sys.executable, *command], cwd=work, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    place, *numbers = done.stdout.split()
    assert place.startswith(str(site))
    assert numbers == ["55", "55", "1", str(2**62), "3"]


def test_the_capsules_do_what_the_methods_do() -> None:
    book = OrderBook(1000)
    at = book.address
    submit, cancel, amend = (
        function("oc_submit", 8),
        function("oc_cancel", 3),
        function("oc_amend", 5),
    )
    best, size_at = function("oc_best", 2), function("oc_size_at", 3)
    order = submit(at, 0, Side.ASK, 100, 5, 1, 0, 0)
    assert book.order(order) == (Side.ASK, 100, 5, 1, 0)
    assert (best(at, 1), best(at, 0), size_at(at, 1, 100)) == (100, 0, 5)
    assert submit(at, 1, Side.BID, 0, 2, 2, 0, 0) == 0
    fills = function("oc_fills", 1), function("oc_fill_price", 2), function("oc_fill_size", 2)
    assert (fills[0](at), fills[1](at, 0), fills[2](at, 0)) == (1, 100, 2)
    assert (function("oc_fill_maker", 2)(at, 0), fills[1](at, 1), fills[1](at, -1)) == (order, 0, 0)
    assert amend(at, order, 0, 1, -1) == order
    assert cancel(at, order, 2) == Reject.NOT_OWNER
    assert cancel(at, order, 1) == 1
    assert cancel(at, order, -1) == Reject.UNKNOWN_ORDER
    function("oc_clear", 1)(at)
    assert fills[0](at) == 0
    assert book.last == 100
    book._check()


def test_the_capsules_judge_what_they_are_given() -> None:
    book = OrderBook(1000)
    at, before = book.address, book.state_hash()
    submit = function("oc_submit", 8)
    good = [0, 0, 100, 5, 1, 0, 0]
    for place, values in enumerate(
        ([2, 3, 4, 256, -1], [2, -1, 256], [0, 1001, -1], [0, 2**40 + 1], [-1, 2**31], [3, 256],
         [2, 4, 40, 64, 256])
    ):  # fmt: skip
        for value in values:
            assert submit(at, *good[:place], value, *good[place + 1 :]) == Reject.BAD_MESSAGE
    assert function("oc_amend", 5)(at, 1, 1001, 1, -1) == Reject.BAD_MESSAGE
    assert function("oc_next", 3)(at, 0, 10**12) == 0
    assert book.state_hash() == before


def test_numba_calls_the_book_without_python(tmp_path: Path) -> None:
    numba = pytest.importorskip("numba")
    from numba.extending import get_cython_function_address

    def native(name: str, arguments: int) -> Any:
        kind = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * arguments)
        return kind(get_cython_function_address("ordercascade.core.scalar", name))

    submit, best = native("oc_submit", 8), native("oc_best", 2)

    @numba.njit  # type: ignore[misc,untyped-decorator,unused-ignore]
    def ladder(book: int, orders: int) -> int:
        for k in range(orders):
            submit(
                book, 0, k % 2, 500 - k % 7 if k % 2 == 0 else 501 + k % 5, 1 + k % 3, k % 9, 0, 0
            )
        return int(best(book, 0) * 1000 + best(book, 1))

    book = OrderBook(1000)
    assert ladder(book.address, 1_000) == 500_501
    assert len(book) == 1_000
    book._check()

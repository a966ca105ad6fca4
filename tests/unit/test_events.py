"""The event log: rows in, views out that never change, forks, digests, Arrow streams."""

from __future__ import annotations

import copy
import gc
import pickle
import re
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

import ordercascade
from ordercascade import enums
from ordercascade.core.events import SCHEMA, EventLog
from ordercascade.errors import InputError, InputTypeError, RangeError
from ordercascade.tables import Table, Units, words

BLOCK = 65_536
NO_META: dict[str, Any] = {"markets": [], "venues": []}


def level(step: int = 0, price: int = 1, side: int = 0) -> dict[str, int]:
    return {"step": step, "market": 0, "side": side, "price": price, "size_after": 7}


def levels(count: int, start: int = 0) -> dict[str, Any]:
    """Return `count` rows of levels whose price counts up from `start`."""
    price = np.arange(start, start + count)
    zero = np.zeros(count, dtype=np.int64)
    return {"step": price, "market": zero, "side": price % 2, "price": price, "size_after": zero}


def table(log: EventLog, name: str) -> Table:
    return Table(log, name, Units(log, NO_META))


def test_a_table_that_forgot_all_its_rows_takes_new_ones() -> None:
    log = EventLog()
    for count in (0, 3, BLOCK + 5):
        log.extend("levels", levels(count)) if count else None
        kept = log.column("levels", "price") if count else None
        log.truncate("levels", 0)
        assert log.column("levels", "price").tolist() == []
        log.append("levels", level(price=42))
        assert log.column("levels", "price").tolist() == [42]
        log._check()
        if kept is not None:
            assert kept.tolist() == list(range(count))
        log.truncate("levels", 0)


# The schema.


def test_the_column_numbers_of_the_pxd_are_those_of_the_names() -> None:
    text = (Path(ordercascade.__file__).parent / "core" / "events.pxd").read_text()
    groups = re.findall(r"cdef enum:\n((?:    \w+.*\n)+)", text)
    tables = next(re.findall(r"T_(\w+)", group) for group in groups if "T_STEPS" in group)
    assert [name.lower() for name in tables] == list(SCHEMA)
    columns = [re.findall(r"^    ([A-Z_]+)", group, re.M) for group in groups]
    columns = [names for names in columns if names[-1].endswith("_COLUMNS")]
    for names, schema in zip(columns, SCHEMA.values(), strict=True):
        prefix = names[-1].removesuffix("COLUMNS")
        assert [name.removeprefix(prefix).lower() for name in names[:-1]] == list(schema)


def test_every_enumeration_of_a_column_counts_from_nought() -> None:
    used = {enum for columns in SCHEMA.values() for _, enum in columns.values() if enum}
    for name in used:
        assert [member.value for member in getattr(enums, name)] == list(range(len(words(name))))


def test_enumerations_are_bytes_ids_half_words_and_the_rest_words() -> None:
    for columns in SCHEMA.values():
        for name, (width, enum) in columns.items():
            assert (width == 1) == (enum is not None or name == "flags")
    assert SCHEMA["steps"]["venue"][0] == SCHEMA["adl"]["scope_to"][0] == 4
    assert SCHEMA["steps"]["step"][0] == SCHEMA["adl"]["lots"][0] == 8


# Rows in, views out.


def test_a_row_comes_back_at_every_width() -> None:
    log = EventLog()
    for name, columns in SCHEMA.items():
        for sign in (1, -1):
            row = {c: sign * (2 ** (8 * width - 1) - 1) for c, (width, _) in columns.items()}
            number = log.append(name, row)
            assert {c: log.get(name, number, c) for c in columns} == row
            assert log.row(name, number) == tuple(row[c] for c in columns)
        assert log.rows(name) == 2
    assert len(log) == 2 * len(SCHEMA)


def test_a_column_has_its_own_width_and_is_read_only() -> None:
    log = EventLog()
    log.append("levels", level())
    for column, (width, _) in SCHEMA["levels"].items():
        view = log.column("levels", column)
        assert view.dtype == f"i{width}"
        assert not view.flags.writeable
        with pytest.raises(ValueError, match="read-only|WRITEABLE"):
            view.flags.writeable = True


def test_a_view_is_no_copy() -> None:
    log = EventLog()
    log.extend("levels", levels(1000))
    one, other = log.column("levels", "price"), log.column("levels", "price")
    assert one.ctypes.data == other.ctypes.data
    assert one.ctypes.data % 64 == 0


def test_rows_beyond_a_block_go_into_the_next_one() -> None:
    log = EventLog()
    log.extend("levels", levels(2 * BLOCK + 3))
    assert [len(block) for block in log.blocks("levels", "price")] == [BLOCK, BLOCK, 3]
    assert np.array_equal(log.column("levels", "price"), np.arange(2 * BLOCK + 3))
    assert not log.column("levels", "price").flags.writeable
    log._check()


def test_a_view_made_before_the_first_block_grew_still_shows_its_rows() -> None:
    log = EventLog()
    log.extend("levels", levels(10))
    view = log.column("levels", "price")
    log.extend("levels", levels(5000, start=10))
    del log
    gc.collect()
    assert view.tolist() == list(range(10))


def test_a_view_does_not_see_a_cell_set_afterwards() -> None:
    log = EventLog()
    log.extend("levels", levels(10))
    view = log.column("levels", "price")
    log.set("levels", 3, "price", 99)
    assert view.tolist() == list(range(10))
    assert log.column("levels", "price").tolist() == [0, 1, 2, 99, *range(4, 10)]


def test_a_view_does_not_see_rows_written_after_a_truncation() -> None:
    log = EventLog()
    log.extend("levels", levels(10))
    view = log.column("levels", "price")
    log.truncate("levels", 4)
    log.extend("levels", levels(6, start=100))
    assert view.tolist() == list(range(10))
    assert log.column("levels", "price").tolist() == [0, 1, 2, 3, *range(100, 106)]


def test_rows_after_a_view_are_appended_in_place() -> None:
    log = EventLog()
    log.extend("levels", levels(10))
    view = log.column("levels", "price")
    log.append("levels", level(price=10))
    assert log.column("levels", "price").ctypes.data == view.ctypes.data
    assert len(view) == 10


def test_memory_is_given_back_when_log_and_views_are_gone() -> None:
    na = pytest.importorskip("nanoarrow")
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(3):
            log = EventLog()
            log.extend("levels", levels(3 * BLOCK))
            fork, view = log.fork(), log.blocks("levels", "price")[1]
            stream = na.ArrayStream(table(log, "levels"))
            held = tracemalloc.get_traced_memory()[0] - before
            assert held >= 3 * BLOCK * 29
            del log, fork, view, stream
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 500_000
    finally:
        tracemalloc.stop()


# Forks.


def test_a_fork_shares_blocks_until_one_side_writes() -> None:
    log = EventLog()
    log.extend("levels", levels(BLOCK + 10))
    fork = log.fork()
    at = [block.ctypes.data for block in log.blocks("levels", "price")]
    assert [block.ctypes.data for block in fork.blocks("levels", "price")] == at
    fork.append("levels", level(price=5))
    assert fork.blocks("levels", "price")[0].ctypes.data == at[0]
    assert fork.blocks("levels", "price")[1].ctypes.data != at[1]
    assert log.rows("levels") == BLOCK + 10


def test_both_sides_of_a_fork_go_their_own_way() -> None:
    log = EventLog()
    log.extend("levels", levels(5))
    fork = log.fork()
    log.append("levels", level(price=100))
    fork.append("levels", level(price=200))
    fork.set("levels", 0, "price", 300)
    assert log.column("levels", "price").tolist() == [0, 1, 2, 3, 4, 100]
    assert fork.column("levels", "price").tolist() == [300, 1, 2, 3, 4, 200]


def test_forks_are_made_and_dropped_in_many_threads_at_once() -> None:
    """Reference counts are atomic; each thread writes only to its own forks."""
    log = EventLog()
    log.extend("levels", levels(BLOCK + 100))
    digest = log.digest()
    wrong: list[str] = []

    def work(seed: int) -> None:
        for i in range(100):
            fork = log.fork()
            fork.extend("levels", levels(5, start=seed))
            fork.set("levels", i, "price", -1)
            if fork.rows("levels") != BLOCK + 105:
                wrong.append(f"{seed}: {fork!r}")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log._check()
    assert (wrong, log.digest()) == ([], digest)


# Digests.


def test_equal_tables_have_equal_digests_however_they_were_made() -> None:
    whole, single, forked = EventLog(), EventLog(), EventLog()
    whole.extend("levels", levels(200))
    for price in range(200):
        row = level(step=price, price=price, side=price % 2)
        single.append("levels", {**row, "size_after": 0})
    forked.extend("levels", levels(70))
    forked = forked.fork()
    forked.extend("levels", levels(130, start=70))
    assert whole.digest() == single.digest() == forked.digest()


def test_every_cell_changes_the_digest_and_changing_it_back_restores_it() -> None:
    log = EventLog()
    for name, columns in SCHEMA.items():
        log.append(name, dict.fromkeys(columns, 1))
    digest = log.digest()
    seen = {digest}
    for name, columns in SCHEMA.items():
        for column in columns:
            log.set(name, 0, column, 2)
            seen.add(log.digest())
            log.set(name, 0, column, 1)
            assert log.digest() == digest
    assert len(seen) == 1 + sum(map(len, SCHEMA.values()))


def test_the_kept_digest_of_a_full_block_follows_its_cells() -> None:
    log = EventLog()
    log.extend("levels", levels(BLOCK + 5))
    digest = log.digest()
    fork = log.fork()
    log.set("levels", 7, "price", -1)
    assert log.digest() != digest == fork.digest()
    log.set("levels", 7, "price", 7)
    assert log.digest() == digest
    log.truncate("levels", 100)
    log.extend("levels", levels(BLOCK - 95, start=100))
    assert log.digest() == digest
    log.truncate("levels", BLOCK)
    log.truncate("levels", BLOCK - 1)
    log.append("levels", level())
    log.extend("levels", levels(5, start=BLOCK))
    assert log.digest() != digest


def test_a_moved_row_boundary_changes_the_digest() -> None:
    """The same cells in another table, or one row fewer, are another log."""
    one, other = EventLog(), EventLog()
    one.append("postings", dict.fromkeys(SCHEMA["postings"], 0))
    other.append("scopes", dict.fromkeys(SCHEMA["scopes"], 0))
    assert len({one.digest(), other.digest(), EventLog().digest()}) == 3


# Refusals.


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"quantity": 1}, InputError, "levels column must be one of step, market"),
        ({"price": None}, InputTypeError, r"levels\.price must be an int, got NoneType"),
        ({"price": 1.0}, InputTypeError, r"levels\.price must be an int, got float"),
        ({"price": True}, InputTypeError, r"levels\.price must be an int, got bool"),
        ({"price": 2**63}, RangeError, r"levels\.price must fit 64 bits"),
        ({"market": 2**31}, RangeError, r"levels\.market must fit 32 bits"),
        ({"side": -129}, RangeError, r"levels\.side must fit 8 bits"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_and_nothing_changes(
    change: dict[str, Any], error: type[Exception], words: str
) -> None:
    log = EventLog()
    log.append("levels", level())
    digest = log.digest()
    with pytest.raises(error, match=words):
        log.append("levels", {**level(), **change})
    assert log.digest() == digest
    assert log.append("levels", level(price=np.int32(4))) == 1


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"price": [1.0, 2.0]}, InputTypeError, "array of whole numbers, got float64"),
        ({"price": [True, False]}, InputTypeError, "array of whole numbers, got bool"),
        ({"price": ["1", "2"]}, InputTypeError, "array of whole numbers"),
        ({"price": [1]}, InputError, "must have as many rows as the others, 2"),
        ({"price": [[1, 2]]}, InputError, "must have one dimension"),
        ({"side": [0, 200]}, RangeError, r"levels\.side must fit 8 bits"),
        ({"price": np.array([0, 2**63], dtype=np.uint64)}, RangeError, "must fit 64 bits"),
        ({"market": [0, -(2**31) - 1]}, RangeError, "must fit 32 bits"),
    ],
)
def test_columns_that_do_not_fit_are_refused_and_nothing_changes(
    change: dict[str, Any], error: type[Exception], words: str
) -> None:
    log = EventLog()
    with pytest.raises(error, match=words):
        log.extend("levels", {**levels(2), **change})
    assert len(log) == 0


def test_a_missing_column_is_named() -> None:
    row = level()
    del row["price"]
    with pytest.raises(InputError, match="this one is missing, got 'price'"):
        EventLog().append("levels", row)


@pytest.mark.parametrize(
    "call",
    [
        lambda log: log.rows("book"),
        lambda log: log.column("levels", "quantity"),
        lambda log: log.get("levels", 1, "price"),
        lambda log: log.get("levels", -1, "price"),
        lambda log: log.set("levels", 1, "price", 0),
        lambda log: log.truncate("levels", 2),
        lambda log: log.truncate("levels", -1),
        lambda log: log.blocks(["levels"], "price"),
    ],
)
def test_places_that_do_not_exist_are_refused(call: Any) -> None:
    log = EventLog()
    log.append("levels", level())
    with pytest.raises((InputError, TypeError)):
        call(log)
    assert len(log) == 1


def test_a_writable_buffer_is_refused() -> None:
    log = EventLog()
    log.append("levels", level())
    view = log.blocks("levels", "price")[0]
    owner = view.base.obj if isinstance(view.base, memoryview) else view.base
    assert memoryview(owner).readonly
    assert memoryview(owner).format == "q"


def test_rows_that_only_a_dropped_view_showed_are_written_in_place_again() -> None:
    log = EventLog()
    log.extend("levels", levels(63))
    log.blocks("levels", "price")
    log.truncate("levels", 31)
    log.append("levels", level(price=7))
    shown = log.blocks("levels", "price")[0]
    log._check()
    log.append("levels", level(price=8))
    assert (len(shown), shown[-1]) == (32, 7)
    assert log.get("levels", 32, "price") == 8


@pytest.mark.parametrize("door", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_log_is_not_copied_by_accident(door: Any) -> None:
    with pytest.raises(TypeError, match="fork"):
        door(EventLog())


def test_a_log_tells_its_rows() -> None:
    log = EventLog()
    assert repr(log) == "EventLog(empty)"
    log.append("levels", level())
    assert repr(log) == "EventLog(levels=1)"


# The log against plain lists.


class LogMachine(RuleBasedStateMachine):
    """Several logs, forked from one another, and the views taken from them, beside lists."""

    logs = Bundle("logs")
    views = Bundle("views")

    def __init__(self) -> None:
        super().__init__()
        self.alive: list[tuple[EventLog, list[int]]] = []

    @rule(target=logs)
    def new(self) -> Any:
        self.alive.append((EventLog(), []))
        return self.alive[-1]

    @rule(target=logs, pair=logs)
    def fork(self, pair: Any) -> Any:
        self.alive.append((pair[0].fork(), list(pair[1])))
        return self.alive[-1]

    @rule(pair=logs, price=st.integers(-(2**63), 2**63 - 1))
    def append(self, pair: Any, price: int) -> None:
        assert pair[0].append("levels", level(price=price)) == len(pair[1])
        pair[1].append(price)

    @rule(pair=logs, count=st.sampled_from([1, 63, 200, 5000, BLOCK - 1, BLOCK]))
    def extend(self, pair: Any, count: int) -> None:
        pair[0].extend("levels", levels(count))
        pair[1].extend(range(count))

    @rule(pair=logs, where=st.floats(0, 1, exclude_max=True))
    def set(self, pair: Any, where: float) -> None:
        if pair[1]:
            pair[0].set("levels", int(where * len(pair[1])), "price", -5)
            pair[1][int(where * len(pair[1]))] = -5

    @rule(pair=logs, where=st.floats(0, 1))
    def truncate(self, pair: Any, where: float) -> None:
        rows = int(where * len(pair[1]))
        pair[0].truncate("levels", rows)
        del pair[1][rows:]

    @rule(target=views, pair=logs)
    def view(self, pair: Any) -> Any:
        return pair[0].blocks("levels", "price"), np.array(pair[1], dtype=np.int64)

    @rule(taken=consumes(views))
    def compare(self, taken: Any) -> None:
        blocks, prices = taken
        assert sum(map(len, blocks)) == len(prices)
        assert not blocks or np.array_equal(np.concatenate(blocks), prices)

    @rule(pair=consumes(logs))
    def drop(self, pair: Any) -> None:
        self.alive = [other for other in self.alive if other is not pair]

    @rule(pair=logs)
    def digest(self, pair: Any) -> None:
        log, other = pair[0], EventLog()
        other.extend("levels", {c: log.column("levels", c) for c in SCHEMA["levels"]})
        assert log.digest() == other.digest()

    @invariant()
    def every_log_has_its_rows(self) -> None:
        for log, prices in self.alive:
            log._check()
            assert log.rows("levels") == len(prices)
            if prices:
                assert log.get("levels", len(prices) - 1, "price") == prices[-1]


LogMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestLogAgainstLists = LogMachine.TestCase


# Arrow.


def _filled() -> EventLog:
    log = EventLog()
    log.extend("levels", levels(2 * BLOCK + 100))
    return log


def test_pyarrow_takes_the_columns_without_a_copy() -> None:
    pa = pytest.importorskip("pyarrow")
    log = _filled()
    found = pa.table(table(log, "levels"))
    found.validate(full=True)
    assert found.num_rows == 2 * BLOCK + 100
    assert [chunk.buffers()[1].address for chunk in found["price"].chunks] == [
        block.ctypes.data for block in log.blocks("levels", "price")
    ]
    assert np.array_equal(found["price"].to_numpy(), log.column("levels", "price"))
    assert [str(kind) for kind in found.schema.types] == [
        "int64", "int32", "dictionary<values=string, indices=int8, ordered=0>", "int64", "int64",
    ]  # fmt: skip
    assert found["side"][:4].to_pylist() == ["BID", "ASK", "BID", "ASK"]


def test_nanoarrow_reads_the_same_columns() -> None:
    na = pytest.importorskip("nanoarrow")
    log = _filled()
    found = na.ArrayStream(table(log, "levels")).read_all()
    assert len(found) == 2 * BLOCK + 100
    assert found.child(3).to_pylist() == log.column("levels", "price").tolist()


def test_every_table_is_exported_also_when_it_is_empty() -> None:
    pa = pytest.importorskip("pyarrow")
    for name, columns in SCHEMA.items():
        log = EventLog()
        assert pa.table(table(log, name)).num_rows == 0
        log.append(name, dict.fromkeys(columns, 0))
        found = pa.table(table(log, name))
        found.validate(full=True)
        assert found.column_names == list(columns)
        for column, (_, enum) in columns.items():
            assert found[column].to_pylist() == [words(enum)[0] if enum else 0]


def test_a_consumer_outlives_the_log() -> None:
    pa = pytest.importorskip("pyarrow")
    log = _filled()
    found = pa.table(table(log, "levels"))
    price, side = found["price"], found["side"]
    log.set("levels", 0, "price", -1)
    del log, found
    gc.collect()
    assert price.to_numpy().tolist() == list(range(2 * BLOCK + 100))
    assert side[1].as_py() == "ASK"


def test_a_stream_read_in_part_or_not_at_all_is_released() -> None:
    pa = pytest.importorskip("pyarrow")
    log = _filled()
    reader = pa.RecordBatchReader.from_stream(table(log, "levels"))
    batch = reader.read_next_batch()
    del reader
    capsule = table(log, "levels").__arrow_c_stream__()
    del capsule, log
    gc.collect()
    assert batch["price"][5].as_py() == 5


def test_a_number_without_a_name_fails_and_says_so() -> None:
    pa = pytest.importorskip("pyarrow")
    for side in (2, -1):
        log = EventLog()
        log.append("levels", level(side=side))
        with pytest.raises(pa.ArrowInvalid, match="column side has a number with no name"):
            pa.table(table(log, "levels"))


def test_pyarrow_may_read_in_another_thread() -> None:
    pa = pytest.importorskip("pyarrow")
    log = _filled()
    sums: list[int] = []

    def read() -> None:
        sums.append(int(pa.table(table(log, "levels"))["price"].to_numpy().sum()))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [int(log.column("levels", "price").sum())] * 4

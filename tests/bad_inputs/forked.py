"""A pytest plug-in: every row of the catalogue in a child process of its own.

    python -m pytest -p bad_inputs.forked tests/bad_inputs

Tests are collected once, in this process; each row's are then run in a forked child, whose return
code must not be negative: a row that ends by a signal is named and the next row still runs.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any

import pytest

ROW = re.compile(r"test_bad_((?:[A-K][0-9]{2}_)*)")
FAILURES_MAX = 100


def rows_of(name: str) -> str:
    """Return the ids in the name of a test, `A09 A10`, or `` where it has none."""
    found = ROW.match(name)
    return " ".join(found[1].split("_")).strip() if found else ""


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Run the collected tests, a child for each row; say how every one of them ended."""
    groups: dict[str, list[pytest.Item]] = {}
    for item in session.items:
        row = rows_of(getattr(item, "originalname", item.name))
        if row and item.get_closest_marker("alone") is None:
            groups.setdefault(row, []).append(item)
    ended = {row: _in_child(session, items) for row, items in groups.items()}
    bad = {row: code for row, code in ended.items() if code != 0}
    for row, code in sorted(bad.items()):
        how = f"signal {-code}" if code < 0 else f"{code} failures"
        print(f"\nrow {row} ended with {how}", flush=True)
    print(f"\n{len(ended)} rows ran alone, {len(bad)} badly", flush=True)
    session.testsfailed = len(bad)
    session.testscollected = max(1, len(ended))
    return True


def _in_child(session: pytest.Session, items: list[pytest.Item]) -> int:
    """Run some tests in a child; return its code, negative for a signal."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = FAILURES_MAX
        try:
            code = _run(session, items)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _run(session: pytest.Session, items: list[pytest.Item]) -> int:
    counter = _Counter()
    session.config.pluginmanager.register(counter)
    for index, item in enumerate(items):
        after = items[index + 1] if index + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
    return min(counter.failures, FAILURES_MAX)


class _Counter:
    """Counts what failed, and prints it: the terminal's summary is the parent's."""

    failures = 0

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failures += 1
            print(f"\n{report.nodeid}\n{report.longreprtext[-3000:]}", flush=True)

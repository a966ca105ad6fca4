"""A plug-in of pytest: a test that computes too long ends its process, in a C loop too.

The test that runs is written down first, so that it can be named if the process dies."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TEST_S = 20  # of CPU time; the longest test takes 6 s
RUNNING = Path("running").absolute()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: Any) -> Iterator[None]:
    """Set the alarm anew for each test; nobody handles its signal, so it kills."""
    RUNNING.write_text(item.nodeid, "utf-8")
    signal.setitimer(signal.ITIMER_VIRTUAL, TEST_S)
    return (yield)

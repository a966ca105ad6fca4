"""A plug-in of pytest: a test that computes too long ends its process, in a C loop too."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

TEST_S = 20  # of CPU time; the longest test takes 6 s


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: Any) -> Iterator[None]:
    """Set the alarm anew for each test; nobody handles its signal, so it kills."""
    signal.setitimer(signal.ITIMER_VIRTUAL, TEST_S)
    return (yield)

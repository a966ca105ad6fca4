"""Asserts of the helpers count like those of the tests, also under `python -OO`."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "bad_inputs.doors", "bad_inputs.recordings", "bad_inputs.takers", "unit.worlds"
)


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of tests that bring their own processes."""
    config.addinivalue_line("markers", "alone: starts all the other rows; not one of them")

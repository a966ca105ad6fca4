"""What several unit tests ask for."""

from __future__ import annotations

from typing import Any

import pytest

from unit.flipping import build


@pytest.fixture(scope="session")
def hand(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the compiled hand that reads and writes fields of a world; see flipping.py."""
    pytest.importorskip("Cython", reason="the hand is compiled here")
    return build(tmp_path_factory.mktemp("hand"))

"""What every test may ask for, and how Hypothesis runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

CLONE = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI", "").lower() in ("1", "true")

# No deadline: a busy machine is no failure. In CI the same examples on every run.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("here", **_COMMON)
settings.register_profile("ci", derandomize=True, print_blob=True, **_COMMON)
settings.load_profile("ci" if IN_CI else "here")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of specifications, vectors and real data that lies beside the clone."""
    place = Path(os.environ.get("ORDERCASCADE_SHARED", CLONE.parent / "shared"))
    if not (place / "data").is_dir():
        reason = f"the shared folder is missing: {place} (set ORDERCASCADE_SHARED to its place)"
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)
    return place

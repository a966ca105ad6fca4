"""A real browser over JupyterLab and Voila: one server of each a session, a Chromium a module.

Skipped where no browser or no Jupyter is found; with ORDERCASCADE_BROWSER_REQUIRED=1 that fails.
ORDERCASCADE_CHROME names a browser, ORDERCASCADE_SCREENSHOTS a folder for what the tests saw.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import servers

REQUIRED = os.environ.get("ORDERCASCADE_BROWSER_REQUIRED", "") not in ("", "0")
PAGES = {
    "stepper": (
        "import ordercascade as oc\n"
        "from ordercascade.lab import Stepper\n"
        'app = Stepper(oc.scenarios.load("btc-cascade"))\n'
        "app",
    ),
    "compare": (
        "import ordercascade as oc\n"
        "from ordercascade.lab import Stepper\n"
        'scenario = oc.scenarios.load("btc-cascade")\n'
        'other = scenario.set("fund.balance=1000000", "venue.limit=bankruptcy", "name=safer")\n'
        "app = Stepper(oc.run(scenario, progress=False), compare=other)\n"
        "app",
    ),
}


def lacking(reason: str) -> None:
    """Skip for a user, fail where the browser tests are required."""
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment of its own for the servers."""
    if missing := servers.missing():
        lacking(f"not installed: {', '.join(missing)} (pip install 'ordercascade[lab]')")
    if servers.chrome() is None:
        lacking("no browser found: make browser, or set ORDERCASCADE_CHROME")
    return servers.environment(tmp_path_factory.mktemp("jupyter"))


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one small notebook a page."""
    folder = tmp_path_factory.mktemp("pages")
    servers.write(folder, PAGES)
    return folder


@pytest.fixture(scope="session")
def lab(jupyter: dict[str, str], pages: Path) -> Iterator[str]:
    """Return the address of a JupyterLab."""
    with servers.lab(jupyter, pages) as address:
        yield address


@pytest.fixture(scope="session")
def voila(jupyter: dict[str, str], pages: Path) -> Iterator[str]:
    """Return the address of a Voila that serves the folder."""
    with servers.voila(jupyter, pages) as address:
        yield address


@pytest.fixture(scope="module")
def browser(jupyter: dict[str, str]) -> Iterator[Any]:
    """Return a Chromium; Playwright has an event loop running until the module ends."""
    with servers.chromium() as started:
        yield started


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the tests put what they saw."""
    named = os.environ.get("ORDERCASCADE_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder

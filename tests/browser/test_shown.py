"""What of a page's console counts as a complaint; no browser is needed for this."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from browser.shown import Shown

MISSING = "Failed to load resource: the server responded with a status of 404 (Not Found)"
BROKEN = "Failed to load resource: the server responded with a status of 500 (Internal Error)"


class Page:
    """A page whose console says what it is told to."""

    def __init__(self) -> None:
        self.listeners: dict[str, Callable[[Any], None]] = {}

    def on(self, event: str, listener: Callable[[Any], None]) -> None:
        self.listeners[event] = listener

    def say(self, kind: str, text: str, url: str) -> None:
        told = SimpleNamespace(type=kind, text=text, location={"url": url})
        self.listeners["console"](told)


@pytest.mark.parametrize(
    ("text", "path", "counts"),
    [
        (MISSING, "api/contents/a.ipynb?content=0", False),
        (MISSING, "lab/api/workspaces/default", False),
        (MISSING, "static/favicons/favicon.ico", False),
        (MISSING, "nbextensions/anywidget/index.js", True),
        (MISSING, "lab/extensions/bqplot/static/remoteEntry.js", True),
        (BROKEN, "api/contents/a.ipynb", True),
        ("Error: widget model not found", "lab/extensions/x.js", True),
    ],
)
def test_only_what_a_jupyterlab_may_not_find_is_no_complaint(
    text: str, path: str, counts: bool
) -> None:
    page = Page()
    shown = Shown(page, "lab", "")
    page.say("error", text, f"http://127.0.0.1:40000/{path}")
    page.say("warning", "nothing of note", f"http://127.0.0.1:40000/{path}")
    assert shown.complaints() == [("error", f"{text} (http://127.0.0.1:40000/{path})")] * counts

"""A progress bar on stderr for what takes long: tqdm's, or nothing where that is not installed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

Progress = Callable[[int], None]

PATIENCE_S = 2.0  # before a bar appears


class Silent:
    """In place of a bar that nobody wants, or nobody can draw."""

    n = 0

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, steps: int) -> None:
        pass


def bar(shown: bool | None, **options: Any) -> Any:
    """Return a bar to enter and update(); None shows it where somebody looks."""
    if not (sys.stderr.isatty() if shown is None else shown):
        return Silent()
    try:
        from tqdm import tqdm
    except ImportError:
        return Silent()
    return tqdm(delay=PATIENCE_S, leave=False, file=sys.stderr, **options)

"""A progress bar for long runs, where somebody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

Progress = Callable[[int], None]

PATIENCE_S = 2.0


def wanted(progress: bool | None) -> bool:
    """Say if a bar is shown: where nobody says, where somebody looks."""
    return sys.stderr.isatty() if progress is None else progress


class Bar:
    """A tqdm bar that appears only when the run takes longer than two seconds."""

    def __init__(self, *, shown: bool) -> None:
        self._shown, self._steps = shown, 0
        self._bar: Any = None
        self._start = time.monotonic()

    def __call__(self, steps: int) -> None:
        self._steps += steps
        if self._bar is None and self._shown and time.monotonic() - self._start > PATIENCE_S:
            self._bar = _tqdm(self._steps)
        elif self._bar is not None:
            self._bar.update(steps)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _tqdm(steps: int) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(initial=steps, unit=" steps", file=sys.stderr, leave=False)

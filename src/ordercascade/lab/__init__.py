"""The stepper: watch each liquidation eat the book, in JupyterLab or Voila.

>>> from ordercascade.lab import Stepper                                        # doctest: +SKIP
>>> Stepper(tape)                                                               # doctest: +SKIP

`Player`, the view-model, knows no widget and needs nothing but numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ordercascade.errors import MissingExtraError

if TYPE_CHECKING:
    from ordercascade.lab.player import Player
    from ordercascade.lab.stepper import Stepper

__all__ = ["Player", "Stepper"]

_NEEDS = ("ipywidgets", "bqplot", "anywidget", "traitlets")


def __getattr__(name: str) -> object:
    if name == "Player":
        return import_module("ordercascade.lab.player").Player
    if name != "Stepper":
        raise AttributeError(f"module 'ordercascade.lab' has no attribute {name!r}")
    try:
        return import_module("ordercascade.lab.stepper").Stepper
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDS:
            raise
        raise MissingExtraError(str(error.name), "lab") from None

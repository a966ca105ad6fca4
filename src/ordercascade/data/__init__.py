"""Files in, whole numbers out: recorded books and their readers, positions, brackets.

A reader is a generator of chunks: NamedTuples of int64 arrays. `LevelFollower`, `KeyFollower` and
`OrderFollower` turn the rows into books. The names below are loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ordercascade.core.levels import LevelBook
    from ordercascade.data.binance import binance_levels
    from ordercascade.data.follow import KeyFollower, LevelFollower, OrderFollower, Tops
    from ordercascade.data.forms import (
        KeyedAction,
        KeyedRows,
        LevelEvent,
        LevelRows,
        OrderEvent,
        OrderRows,
        joined,
    )
    from ordercascade.data.hyperliquid import hyperliquid_levels
    from ordercascade.data.keyed import bitmex_levels, bybit_levels
    from ordercascade.data.lobster import lobster_books, lobster_messages
    from ordercascade.data.recorded import neutral_keyed, neutral_levels, neutral_orders
    from ordercascade.data.source import Source
    from ordercascade.data.tardis import tardis_incremental, tardis_snapshots

_HOMES = {
    "core.levels": ("LevelBook",),
    "data.binance": ("binance_levels",),
    "data.follow": ("KeyFollower", "LevelFollower", "OrderFollower", "Tops"),
    "data.forms": (
        *("KeyedAction", "KeyedRows", "LevelEvent", "LevelRows", "OrderEvent", "OrderRows"),
        "joined",
    ),
    "data.hyperliquid": ("hyperliquid_levels",),
    "data.keyed": ("bitmex_levels", "bybit_levels"),
    "data.lobster": ("lobster_books", "lobster_messages"),
    "data.recorded": ("neutral_keyed", "neutral_levels", "neutral_orders"),
    "data.source": ("Source",),
    "data.tardis": ("tardis_incremental", "tardis_snapshots"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "KeyFollower",
    "KeyedAction",
    "KeyedRows",
    "LevelBook",
    "LevelEvent",
    "LevelFollower",
    "LevelRows",
    "OrderEvent",
    "OrderFollower",
    "OrderRows",
    "Source",
    "Tops",
    "binance_levels",
    "bitmex_levels",
    "bybit_levels",
    "hyperliquid_levels",
    "joined",
    "lobster_books",
    "lobster_messages",
    "neutral_keyed",
    "neutral_levels",
    "neutral_orders",
    "tardis_incremental",
    "tardis_snapshots",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'ordercascade.data' has no attribute {name!r}")
    value = getattr(import_module(f"ordercascade.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)

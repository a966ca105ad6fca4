"""Liquidation cascades, exactly: a compiled limit order book and margin engine.

The names are loaded when first used, so that `import ordercascade` costs almost nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ordercascade import analysis, margin, presets, scenarios
    from ordercascade.audit import Audit, audit
    from ordercascade.config import schema
    from ordercascade.core.book import OrderBook
    from ordercascade.core.messages import FILL_DTYPE, FIRED_DTYPE, MESSAGE_DTYPE, WIDE_DTYPE
    from ordercascade.duties import TrancheRule
    from ordercascade.enums import (
        AdlRule,
        AdlTrigger,
        AdlWhen,
        CancelPolicy,
        Command,
        FeeTo,
        HolderKind,
        LegRule,
        LimitRule,
        MarkRefresh,
        NoteKind,
        OrderFlag,
        OrderLimit,
        OrderType,
        Outcome,
        PostReason,
        PriceMode,
        PriceSource,
        QueueOrder,
        Reject,
        Residual,
        ShortfallAt,
        Side,
        SocialRule,
        StepKind,
        Stop,
        Takeover,
        TakeoverWhen,
        TimeInForce,
        TriggerBy,
    )
    from ordercascade.errors import (
        BusyError,
        ConfigError,
        DataFileError,
        InputError,
        InputTypeError,
        InvariantError,
        MechanismError,
        MissingExtraError,
        OrderCascadeError,
        PoisonedError,
        RangeError,
        SnapshotError,
    )
    from ordercascade.market import Market
    from ordercascade.run import World, run, world_at
    from ordercascade.scenario import Scenario
    from ordercascade.tape import Tape
    from ordercascade.venue import Venue

__version__ = "0.1.0"

__all__ = [
    "FILL_DTYPE",
    "FIRED_DTYPE",
    "MESSAGE_DTYPE",
    "WIDE_DTYPE",
    "AdlRule",
    "AdlTrigger",
    "AdlWhen",
    "Audit",
    "BusyError",
    "CancelPolicy",
    "Command",
    "ConfigError",
    "DataFileError",
    "FeeTo",
    "HolderKind",
    "InputError",
    "InputTypeError",
    "InvariantError",
    "LegRule",
    "LimitRule",
    "MarkRefresh",
    "Market",
    "MechanismError",
    "MissingExtraError",
    "NoteKind",
    "OrderBook",
    "OrderCascadeError",
    "OrderFlag",
    "OrderLimit",
    "OrderType",
    "Outcome",
    "PoisonedError",
    "PostReason",
    "PriceMode",
    "PriceSource",
    "QueueOrder",
    "RangeError",
    "Reject",
    "Residual",
    "Scenario",
    "ShortfallAt",
    "Side",
    "SnapshotError",
    "SocialRule",
    "StepKind",
    "Stop",
    "Takeover",
    "TakeoverWhen",
    "Tape",
    "TimeInForce",
    "TrancheRule",
    "TriggerBy",
    "Venue",
    "World",
    "analysis",
    "audit",
    "margin",
    "presets",
    "run",
    "scenarios",
    "schema",
    "world_at",
]

_HOMES = {
    "Audit": "audit",
    "FILL_DTYPE": "core.messages",
    "FIRED_DTYPE": "core.messages",
    "WIDE_DTYPE": "core.messages",
    "MESSAGE_DTYPE": "core.messages",
    "Market": "market",
    "OrderBook": "core.book",
    "Scenario": "scenario",
    "Tape": "tape",
    "TrancheRule": "duties",
    "Venue": "venue",
    "World": "run",
    "schema": "config",
    "world_at": "run",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'ordercascade' has no attribute {name!r}")
    if name in ("analysis", "margin", "presets", "scenarios"):
        return import_module(f"ordercascade.{name}")
    home = _HOMES.get(name) or ("errors" if name.endswith("Error") else "enums")
    value = getattr(import_module(f"ordercascade.{home}"), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """`run` and `audit` are functions and the modules they live in; as attributes the functions.

    Importing the module would bind the name to it, whoever imports it first: a property stands
    before what import binds.
    """

    @property
    def run(self) -> object:
        return import_module("ordercascade.run").run

    @run.setter
    def run(self, module: ModuleType) -> None:
        pass

    @property
    def audit(self) -> object:
        return import_module("ordercascade.audit").audit

    @audit.setter
    def audit(self, module: ModuleType) -> None:
        pass


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

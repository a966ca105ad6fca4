"""Python plug-ins that do what the built-ins do, until one of their calls goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ordercascade.mechanisms.plugins import (
    PluginBackstop,
    PluginBreaker,
    PluginOracle,
    PluginPolicy,
    Risk,
    Rival,
    View,
)


class Blown(Exception):
    """What a plug-in raises whose turn has come."""


def blow() -> Any:
    """Raise."""
    raise Blown


class Fuse:
    """Counts the calls of all plug-ins that share it; the one numbered `at` goes wrong."""

    def __init__(self, at: int = 0, how: Callable[[], Any] = blow) -> None:
        self.calls, self.at, self.how = 0, at, how

    def burnt(self) -> bool:
        """Count a call: is it the one?"""
        self.calls += 1
        return self.calls == self.at


class Fused:
    """One object for all four doors."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse

    def state(self) -> bytes:
        """Nothing but the fuse, which is no part of the world."""
        return b""

    def mark(self, view: View, time_ns: int) -> Any:
        """The last price."""
        return self.fuse.how() if self.fuse.burnt() else view.last or view.outside

    def judge(self, market: int, view: View, time_ns: int) -> Any:
        """All is allowed."""
        return self.fuse.how() if self.fuse.burnt() else None

    def plan(self, rows: Sequence[Risk]) -> Any:
        """Half of each leg."""
        if self.fuse.burnt():
            return self.fuse.how()
        return [((abs(row.size) + 1) // 2, None, 0) for row in rows]

    def order(self, rows: Sequence[Rival], lots: int) -> Any:
        """By scope id, from behind."""
        if self.fuse.burnt():
            return self.fuse.how()
        return sorted((row.scope for row in rows if not row.external), reverse=True)


def plugins(fuse: Fuse) -> dict[str, Any]:
    """A venue's rules, and `oracle` for its market."""
    one = Fused(fuse)
    return {
        "breakers": [PluginBreaker(one)],
        "policy": PluginPolicy(one),
        "backstop": PluginBackstop(one),
        "oracle": PluginOracle(one),
    }

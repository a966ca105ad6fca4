"""The tape: what a run leaves behind, and the only thing that metrics, pictures and tests read.

tape = oc.run(scenario)
tape.liquidations.to_polars(units="human")
tape.frame(12).bids
tape.summary()["amplification"]
tape.save("run.oct"); oc.Tape.load("run.oct").state_hash() == tape.state_hash()
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import blake2b
from html import escape
from types import MappingProxyType
from typing import Any, NoReturn, SupportsIndex

import numpy as np

from ordercascade import tape_file
from ordercascade.checks import whole
from ordercascade.core.events import SCHEMA, EventLog
from ordercascade.errors import InputError, InputTypeError, SnapshotError
from ordercascade.frames import TICK_END, Frame, Frames, Zoom
from ordercascade.summary import summarise
from ordercascade.tables import Table, Units

SCHEMA_VERSION = 1

META: Mapping[str, Any] = MappingProxyType(
    {
        "schema": SCHEMA_VERSION,
        "name": "",
        "scenario": "",  # canonical TOML
        "seed": 0,
        "engine_version": "",
        "platform": "",
        "inputs": {},  # file name -> sha256
        "state_hash": "",  # of the final world
        "stop": "",
        "wall_s": None,
        "engine_s": None,
        "venues": [],
        "markets": [],
        "accounts": [],
        "populations": [],  # runs of accounts called name-1, name-2, …: first id, count
    }
)
MARKET: Mapping[str, Any] = MappingProxyType(
    {
        "venue": 0,
        "asset": 0,
        "settle": "",
        "decimals": 0,
        "tick_size": "1",
        "lot_size": "1",
        "kind": "linear",
        "multiplier": 1,
        "price_max": TICK_END - 1,
    }
)


class Tape:
    """The tables of one run and what they mean; frozen, equal where `state_hash()` is.

    `tape.steps`, `tape.fills`, ... are Tables; `tape.tables` has all of them by name, among them
    `accounts` and `positions`, the opening. `tape.markets`, `tape.venues` and `tape.accounts` are
    lists of dicts with names and units.
    """

    steps: Table
    orders: Table
    fills: Table
    liquidations: Table
    postings: Table
    adl: Table
    marks: Table
    levels: Table
    scopes: Table
    funds: Table
    notes: Table
    positions: Table
    tables: Mapping[str, Table]
    meta: Mapping[str, Any]

    def __init__(self, log: EventLog, meta: Mapping[str, Any]) -> None:
        """Take the log as it is now (it may go on), and metadata; keys left out have defaults."""
        kept = log.fork()
        known = {**_filled(meta), "chain": kept.digest()}
        units = Units(kept, known)
        tables = {name: Table(kept, name, units) for name in SCHEMA}
        venues = [int(venue["id"]) for venue in known["venues"]]
        self.__dict__.update({name: table for name, table in tables.items() if name != "accounts"})
        self.__dict__.update(
            tables=MappingProxyType(tables),
            meta=MappingProxyType(known),
            _log=kept,
            _frames=Frames(tables, sorted(venues) or [0]),
        )
        self._check()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a tape is frozen: {name!r} cannot be set")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tape) and self.state_hash() == other.state_hash()

    def __hash__(self) -> int:
        return hash(self.state_hash())

    def __copy__(self) -> Tape:
        return self

    def __deepcopy__(self, memo: object) -> Tape:
        return self

    def __reduce__(self) -> NoReturn:
        hint = "save(path) it, and Tape.load(path) there"
        raise InputTypeError("Tape", "sent as a file", "pickle", hint=hint)

    @property
    def markets(self) -> list[dict[str, Any]]:
        """Names and units of the markets."""
        found: list[dict[str, Any]] = self.meta["markets"]
        return found

    @property
    def venues(self) -> list[dict[str, Any]]:
        """Names of the venues."""
        found: list[dict[str, Any]] = self.meta["venues"]
        return found

    @property
    def accounts(self) -> list[dict[str, Any]]:
        """Names of the accounts; what they own at the opening is `tables["accounts"]`."""
        found: list[dict[str, Any]] = list(self.meta["accounts"])
        for run in self.meta["populations"]:
            first, count = int(run["first"]), int(run["count"])
            found += (
                {"venue": run["venue"], "id": first + k, "name": f"{run['name']}-{k + 1}"}
                for k in range(count)
            )
        return found

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.steps)

    def frame(
        self,
        k: SupportsIndex,
        *,
        market: int | None = None,
        venue: int = 0,
        zoom: Zoom = (0, TICK_END),
        nearest: SupportsIndex | None = None,
    ) -> Frame:
        """Return the world after step k, or at the opening (k = -1), for one market.

        Without `market`, the step's own, else the first. `zoom` is a range of ticks [low, high)
        that bids and asks are cut to; `nearest` cuts scopes to so many, lowest margin ratio first.
        O(log of the rows + what is shown), in any order of k.
        InputError for a step, a market or a range that is not there.
        """
        step = whole("k", k, -1, len(self) - 1)
        if market is None:
            own = int(self.steps["market"][step]) if step >= 0 else -1
            venue = int(self.steps["venue"][step]) if own >= 0 else venue
            market = max(own, 0)
        here = [each["id"] for each in self.markets if each["venue"] == venue]
        if self.markets and market not in here:
            raise InputError("market", market, f"must be one of {here} at venue {venue}")
        low, high = zoom
        if low > high:
            raise InputError("zoom", zoom, "must be (low, high) with low at most high")
        frames: Frames = self.__dict__["_frames"]
        most = None if nearest is None else whole("nearest", nearest, 0, 2**62)
        return frames.frame(step, venue, market, zoom, most)

    def summary(self) -> dict[str, Any]:
        """Return the run in numbers; `summarise` defines each key."""
        return summarise(self.tables, self.meta, self.state_hash())

    def state_hash(self) -> str:
        """Return 32 hexadecimal digits over every cell of every table and the final world."""
        text = f"{self.meta['chain']} {self.meta['state_hash']}"
        return blake2b(text.encode(), digest_size=16).hexdigest()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an archive if the name ends in `.oct`, else a directory."""
        tape_file.save(path, self.__dict__["_log"], self.meta)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Tape:
        """Read a saved tape; SnapshotError if any part is missing, short or changed."""
        log, meta = tape_file.load(path)
        try:
            return cls(log, meta)
        except (InputError, InputTypeError) as error:
            raise SnapshotError(os.fspath(path), str(error)) from None

    def __repr__(self) -> str:
        name = self.meta["name"] or "tape"
        return (
            f"<Tape {name!r} seed {self.meta['seed']}: {len(self)} steps,"
            f" {len(self.liquidations)} liquidations, {self.state_hash()}>"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(key)}</th><td>{escape(str(value))}</td></tr>"
            for key, value in self.summary().items()
        )
        return f"<table><caption>{escape(repr(self))}</caption><tbody>{rows}</tbody></table>"

    def _check(self) -> None:
        """Refuse tables that point outside each other; frames rely on it."""
        steps = self.steps
        count = len(steps)
        _hold("steps.step", bool((steps["step"] == np.arange(count)).all()), "must count from 0")
        parent = steps["parent"]
        lawful = bool(((parent >= -1) & (parent < steps["step"])).all())
        _hold("steps.parent", lawful, "must be an earlier step or -1")
        for table in self.tables.values():
            if "step" not in table.columns or not len(table):
                continue
            step = table["step"]
            _hold(f"{table.name}.step", bool((np.diff(step) >= 0).all()), "must not fall")
            inside = -1 <= int(step[0]) <= int(step[-1]) < count
            _hold(f"{table.name}.step", inside, "must be a step or -1")
        for name, table in (("event", self.levels), ("fill", self.fills)):
            start, end = steps[f"{name}_from"], steps[f"{name}_to"]
            inside = bool(((start >= 0) & (start <= end) & (end <= len(table))).all())
            _hold(f"steps.{name}_from", inside, f"must be rows of {table.name}")


def _hold(field: str, lawful: bool, rule: str) -> None:
    if not lawful:
        raise InputError(field, "another value", rule)


def _filled(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata with every key, as plain JSON values that nobody else holds."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(meta), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputTypeError("meta", "values that JSON can hold", meta, hint=str(error)) from None
    plain = {**json.loads(json.dumps(dict(META))), **plain}
    plain["markets"] = _listed(plain, "markets", MARKET)
    plain["venues"] = _listed(plain, "venues", {})
    plain["accounts"] = _listed(plain, "accounts", None)
    plain["populations"] = _listed(plain, "populations", None)
    return plain


def _listed(
    meta: Mapping[str, Any], key: str, defaults: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Return a list of dicts with their defaults; a number stays a number of the same kind."""
    found = meta[key]
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise InputTypeError(f"meta {key}", "a list of dicts", found)
    if defaults is None:
        return found
    filled = [{"id": i, "name": str(i), **defaults, **each} for i, each in enumerate(found)]
    for i, each in enumerate(filled):
        for name, default in {"id": 0, **defaults}.items():
            if type(each[name]) is not type(default):
                want = type(default).__name__
                raise InputTypeError(f"meta {key}[{i}].{name}", want, each[name])
    return filled

"""Scenario: everything a run needs, as a value: frozen, hashable, picklable, and text again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from ordercascade import presets, toml
from ordercascade.agenda import Agenda, agenda
from ordercascade.books import Levels, levels
from ordercascade.checks import once
from ordercascade.config import BracketFile, ScenarioConfig
from ordercascade.data.table import read_bytes, sha256
from ordercascade.errors import ConfigError
from ordercascade.exact import name
from ordercascade.keys import FileBook, FileEntry, FileLaw
from ordercascade.marketplan import MarketPlan
from ordercascade.override import override
from ordercascade.plan import Account, VenuePlan, accounts, cohorts, unique, venue_plan
from ordercascade.populations import Cohort
from ordercascade.silent import judge_silent


class Scenario:
    """A scenario as read: its keys, and where the paths of its files start.

    >>> scenario = Scenario.from_toml('schema = 1\\nname = "empty"')
    >>> scenario.set("seed=7").seed
    7
    """

    __slots__ = ("agenda", "base", "config", "file", "resolved", "venues")
    config: ScenarioConfig  # as the file says it
    resolved: ScenarioConfig  # with every rule of the presets filled in
    base: str  # the folder from which the paths of input files start
    file: str  # its own name, for messages
    venues: tuple[VenuePlan, ...]
    agenda: Agenda

    def __init__(self, config: ScenarioConfig, *, base: str = ".", file: str = "") -> None:
        """Judge a scenario's keys; its books and positions are read when it is built."""
        once(self, hasattr(self, "config"))
        put = object.__setattr__
        put(self, "config", config)
        put(self, "base", os.fspath(base))
        put(self, "file", file)
        try:
            _judge(config)
            venues = tuple(
                presets.complete(venue, path=f"venue[{index}]")
                for index, venue in enumerate(config.venue)
            )
            put(self, "resolved", msgspec.structs.replace(config, venue=venues))
            unique("venue", [venue.name for venue in venues])
            plans = tuple(
                venue_plan(venue, path=f"venue[{index}]", base=Path(base))
                for index, venue in enumerate(venues)
            )
            put(self, "venues", plans)
            put(self, "agenda", agenda(config, plans))
            judge_silent(config, plans, self.agenda)
        except ConfigError as error:
            if error.file or not file:
                raise
            raise ConfigError(error.path, error.rule, error.value, file=file) from None

    @classmethod
    def load(cls, path: str | os.PathLike[str], *changes: str) -> Scenario:
        """Read a scenario file, with keys changed; paths of input files start at its folder."""
        place = Path(path)
        try:
            text = read_bytes(place).decode("utf-8")
        except UnicodeDecodeError as error:
            rule = f"must be UTF-8 text (byte {error.start})"
            raise ConfigError("line 1", rule, file=place.name) from None
        return cls.from_toml(text, *changes, base=os.fspath(place.parent), file=place.name)

    @classmethod
    def from_toml(cls, text: str, *changes: str, base: str = ".", file: str = "") -> Scenario:
        """Read a scenario from TOML text, with keys changed before it is judged."""
        raw = toml.loads(text, file=file)
        for assignment in changes:
            override(raw, assignment)
        return cls(toml.build(raw, ScenarioConfig, file=file), base=base, file=file)

    def set(self, *assignments: str) -> Scenario:
        """Return the scenario with keys changed: `scenario.set("book.mid=50000", "seed=2")`."""
        text = toml.dumps(self.config)
        return Scenario.from_toml(text, *assignments, base=self.base, file=self.file)

    @property
    def name(self) -> str:
        """The scenario's name."""
        return self.config.name

    @property
    def about(self) -> str:
        """What it shows, in a sentence or two."""
        return self.config.about

    @property
    def seed(self) -> int:
        """The seed of its random streams."""
        return self.config.seed

    def to_toml(self) -> str:
        """Return the canonical text: every rule said, in one order, numbers exact.

        Reading it gives the same run even where a preset has changed meanwhile.
        """
        return toml.dumps(self.resolved)

    def inputs(self) -> dict[str, str]:
        """Return the SHA-256 of every input file, by its path as written."""
        return {path: sha256(Path(self.base) / path) for path in sorted(set(self._files()))}

    def config_hash(self) -> str:
        """Return the SHA-256 over the canonical text and the contents of the input files."""
        return hash_of(self.to_toml(), self.inputs())

    def book(self, market: MarketPlan) -> Levels:
        """Return a market's opening book in whole numbers."""
        path = f"{market.path}.book"
        return levels(market.market, market.config.book, base=Path(self.base), path=path)

    def accounts(self, venue: VenuePlan) -> list[Account]:
        """Return a venue's accounts in whole numbers, in the order of their ids (1, 2, …)."""
        return accounts(venue, base=Path(self.base))

    def cohorts(
        self, venue: VenuePlan, books: Sequence[Levels], said: Collection[str] = ()
    ) -> list[Cohort]:
        """Return a venue's populations as drawn from the seed, given its opening books."""
        return cohorts(venue, books, base=Path(self.base), seed=self.seed, said=said)

    def _files(self) -> Iterator[str]:
        for venue in self.resolved.venue:
            yield from (source.file for source in venue.positions)
            for crowd in venue.population:
                for law in (crowd.leverage, crowd.notional, crowd.size, crowd.entry):
                    if isinstance(law, FileLaw | FileEntry):
                        yield law.file
            for market in venue.market:
                if isinstance(market.book, FileBook):
                    yield market.book.file
                if isinstance(market.brackets, BracketFile):
                    yield market.brackets.file

    def __setattr__(self, field: str, value: object) -> NoReturn:
        raise AttributeError(f"a Scenario cannot change; use set() for another one ({field})")

    def __delattr__(self, field: str) -> NoReturn:
        raise AttributeError(f"a Scenario cannot change; use set() for another one ({field})")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scenario) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        return self.config, self.base

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.config, self.base, self.file)

    def __repr__(self) -> str:
        markets = [f"{v.name}/{m.market.name}" for v in self.venues for m in v.markets]
        return f"Scenario({self.name!r}, seed={self.seed}, markets=[{', '.join(markets)}])"


def _judge(config: ScenarioConfig) -> None:
    """Keep control characters out of what a terminal will show."""
    name("name", config.name.replace(" ", "-"))
    if not config.about.replace("\n", " ").isprintable():
        raise ConfigError("about", "must be printable text", config.about)


def hash_of(text: str, inputs: Mapping[str, str]) -> str:
    """Return the hash of a scenario's canonical text with the hashes of its input files."""
    digest = hashlib.sha256(text.encode())
    for path, content in inputs.items():
        digest.update(f"{path}\0{content}\n".encode())
    return digest.hexdigest()


def _rebuild(config: ScenarioConfig, base: str, file: str) -> Scenario:
    return Scenario(config, base=base, file=file)

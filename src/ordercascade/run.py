"""From a scenario to a world to a tape: build, run, stop at a step, fork, look.

>>> tape = run(Scenario.load("squeeze.toml"))                                   # doctest: +SKIP
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import msgspec

from ordercascade.ahead import give_answers, schedule_ends
from ordercascade.checks import once, whole
from ordercascade.config import OracleConfig, Rules, ScenarioConfig
from ordercascade.engine import (
    changed_rules,
    default_engine,
    meta_of,
    open_crowd,
    raise_venue,
    tape_of,
)
from ordercascade.enums import HolderKind, Side, Stop
from ordercascade.errors import ConfigError, InputError, InputTypeError
from ordercascade.plan import Account, VenuePlan
from ordercascade.populations import Names, insolvent
from ordercascade.progress import Progress, bar
from ordercascade.scenario import Scenario, hash_of
from ordercascade.venue import Owners, Venue

if TYPE_CHECKING:
    from ordercascade.tape import Tape

CHUNK = 4096  # steps between two looks at the clock


class Built(NamedTuple):
    """An engine's world, started, and whose its accounts are."""

    world: Any
    owners: tuple[Owners, ...]


class World:
    """A scenario in motion: step it, fork it, look at it, take its tape.

    >>> with World(scenario) as world:                                          # doctest: +SKIP
    ...     world.run(10)
    ...     other = world.fork()
    """

    def __init__(self, scenario: Scenario, *, engine: Any = None) -> None:
        """Build a scenario's opening; `engine` is another module with the engine's doors."""
        if not isinstance(scenario, Scenario):
            hint = "Scenario.load(path) reads a file, scenarios.load(name) a shipped one"
            raise InputTypeError("scenario", "a Scenario", scenario, hint=hint)
        once(self, hasattr(self, "_scenario"))
        built = build(scenario, engine)
        self._scenario = scenario
        self._world: Any = built.world
        self._owners = built.owners
        self._meta = _meta(scenario, built)

    def step(self) -> int:
        """Run one step; return its number, or -1 when nothing is left to do."""
        return int(self._open().step())

    def run(self, steps: int | None = None) -> int:
        """Run to the end, or so many steps; return how many were written."""
        return int(self._open().run(steps))

    def fork(self) -> World:
        """Return an independent copy: both go on from here."""
        other = object.__new__(World)
        other._scenario, other._owners, other._meta = self._scenario, self._owners, self._meta
        other._world = self._open().fork()
        return other

    def __copy__(self) -> World:
        return self.fork()

    def __deepcopy__(self, memo: object) -> World:
        return self.fork()

    def __reduce__(self) -> NoReturn:
        hint = "send the Scenario, and run or world_at() it there"
        raise InputTypeError("World", "rebuilt in the other process", "pickle", hint=hint)

    def change(self, scenario: Scenario) -> None:
        """Go on under the rules of another scenario; what has happened stays.

        Only venues' rules and the weights of oracles may differ: what the present round has planned
        stays planned, and a fund gets the difference of the two balances, down to nothing.
        ConfigError for any other difference, for another `trigger_strict`, and for other stages.
        """
        from ordercascade.core.changing import change

        _same_index(self._scenario, scenario)
        mine, other = (_ruleless(each) for each in (self._scenario, scenario))
        if mine != other:
            field = next(f for f in mine.__struct_fields__ if getattr(mine, f) != getattr(other, f))
            raise ConfigError(field, "must be the same: only a venue's rules can change in a run")
        changed = {"step": self._open().steps, "from": self._scenario.to_toml()}
        pairs = zip(self._scenario.venues, scenario.venues, strict=True)
        for index, (before, after) in enumerate(pairs):
            if before.arguments["trigger_strict"] != after.arguments["trigger_strict"]:
                raise ConfigError(f"venue[{index}].trigger_strict", "must stay as it is in a run")
            _same_stages(before, after, f"venue[{index}]")
            fund = None
            if after.funds != before.funds:
                rule = "must be the same: balances of markets' own funds do not change in a run"
                raise ConfigError(f"venue[{index}].fund.balances", rule)
            if after.fund != before.fund:
                venue = self._open().venue(index)
                fund = max(0, venue.balance(venue.holder(HolderKind.FUND, 0)))
                fund = max(0, fund + after.fund - before.fund)
            weights = [
                (item.arguments["source"], item.arguments["own_weight_ppm"])
                for item in after.markets
            ]
            oracles = [
                "keep"
                if old.feed == new.feed and new.feed
                else new.oracle(scenario.seed, after.name)
                for old, new in zip(before.markets, after.markets, strict=True)
            ]
            rules = changed_rules(after, scenario.seed)
            if before.breakers == after.breakers:
                rules["breakers"] = "keep"
            if before.surcharges == after.surcharges:
                rules["surcharges"] = "keep"
            change(self._open(), index, fund=fund, weights=weights, oracles=oracles, **rules)
        self._meta = self._meta | {
            "name": scenario.name,
            "scenario": scenario.to_toml(),
            "config_hash": scenario.config_hash(),
            "changes": [*self._meta.get("changes", []), changed],
        }
        self._scenario = scenario

    def venue(self, name: str) -> Venue:
        """Return a venue of this world by its name, in people's units."""
        for index, plan in enumerate(self._scenario.venues):
            if plan.name == name:
                door = self._open().venue(index)
                return Venue.of(self._open(), door, plan, self._owners[index], self._meta)
        names = ", ".join(plan.name for plan in self._scenario.venues)
        raise InputError("venue", name, f"must be one of {names}")

    def tape(self) -> Tape:
        """Return the tape of all steps so far."""
        return tape_of(self._open(), self._meta)

    def state_hash(self) -> str:
        """Return the hash of everything the future depends on."""
        return str(self._open().state_hash())

    @property
    def scenario(self) -> Scenario:
        """The scenario this world was built from."""
        return self._scenario

    @property
    def time_ns(self) -> int:
        """The simulated time."""
        return int(self._open().time_ns)

    @property
    def stop(self) -> Stop:
        """Why the last run ended."""
        return Stop(int(self._open().stop))

    def close(self) -> None:
        """Let the engine go; every later call is refused."""
        self._world = None

    def _open(self) -> Any:
        if self._world is None:
            raise ValueError("engine is closed")
        return self._world

    def __enter__(self) -> World:
        self._open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._world is None else f"time_ns={self.time_ns}"
        return f"World({self._scenario.name!r}, {state})"


def run(scenario: Scenario, *, progress: Progress | bool | None = None, engine: Any = None) -> Tape:
    """Run a scenario to its end and return its tape.

    `progress` is called with the number of new steps now and then; None shows a bar on stderr
    when the run takes longer than two seconds and stderr is a terminal, False shows nothing.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    with World(scenario, engine=engine) as world:
        with bar(False if callable(progress) else progress, unit=" steps") as shown:
            tell = progress if callable(progress) else shown.update
            started = time.process_time()
            while written := world.run(CHUNK):
                tell(written)
            ended = time.process_time()
        spent = {
            "wall_s": round(time.perf_counter() - wall, 6),
            "cpu_s": round(ended - cpu, 6),
            "engine_s": round(ended - started, 6),
        }
        world._meta = world._meta | spent
        return world.tape()


def world_at(scenario: Scenario, step: int) -> World:
    """Return the world right after a step (-1: the opening); one that never comes is refused."""
    number = whole("step", step, -1, 2**62)
    world = World(scenario)
    written = world.run(number + 1)
    if written <= number:
        raise InputError("step", number, f"must be in [-1, {written}): the run ends there")
    return world


def build(scenario: Scenario, engine: Any = None) -> Built:
    """Drive an engine's doors: venues, books, accounts, positions, agenda; then start it."""
    world = (engine or default_engine()).World(scenario.seed, steps_max=scenario.config.steps_max)
    owners: list[Owners] = []
    for plan in scenario.venues:
        venue = raise_venue(world, plan, scenario.seed)
        books = [scenario.book(item) for item in plan.markets]
        for index, book in enumerate(books):
            for side, rows in zip(Side, book, strict=True):
                for price, size in rows:
                    venue.seed_level(index, side, price, size)
        accounts = scenario.accounts(plan)
        said = _open_accounts(venue, plan, accounts)
        legs = {said[each.name]: ("long", "short") for each in accounts if each.hedge}
        runs = []
        for crowd in scenario.cohorts(plan, books, said):
            first = open_crowd(venue, plan, crowd, books)
            runs.append((crowd.name, first, len(crowd.drawn.deposits)))
        owners.append(Owners(Names(said, runs), legs))
        stream, number = f"answer/{plan.name}", len(owners) - 1
        names = owners[number].names
        give_answers(world, number, plan.ahead.answers, scenario.seed, stream, names)
    _schedule(world, scenario, owners)
    schedule_ends(world, scenario.venues)
    world.start()
    for index, plan in enumerate(scenario.venues):
        _judge(world.venue(index), plan, owners[index], index)
    return Built(world, tuple(owners))


def _open_accounts(venue: Any, plan: VenuePlan, accounts: list[Account]) -> dict[str, int]:
    """Open the accounts that are said one by one; return their ids by name."""
    markets = {item.market.name: index for index, item in enumerate(plan.markets)}
    names: dict[str, int] = {}
    for account in accounts:
        how = {"hedge": True} if account.hedge else {}
        owner = names[account.name] = int(venue.open_account(**how))
        apart = [row for row in account.positions if row.isolated]
        money = account.deposit + sum(row.collateral for row in apart)
        if money:
            venue.deposit(owner, 0, money)
        for asset, amount in account.assets.items():
            if amount:
                venue.deposit(owner, asset, amount)
        # Money moves before positions open: nothing can be short of margin then.
        for row in apart:
            venue.isolate(owner, markets[row.market])
            if row.collateral:
                venue.move_isolated(owner, markets[row.market], row.collateral)
        for row in account.positions:
            venue.open_position(owner, markets[row.market], row.size, row.cost)
    return names


def _schedule(world: Any, scenario: Scenario, owners: list[Owners]) -> None:
    for shock in scenario.agenda.shocks:
        world.schedule_shock(
            shock.time_ns,
            shock.venue,
            shock.market,
            shock.side,
            size=shock.size,
            notional=shock.notional,
            limit=shock.limit,
        )
    for tick in scenario.agenda.ticks:
        world.schedule_index(tick.time_ns, tick.venue, tick.market, tick.price)
    for lie in scenario.agenda.dislocations:
        from ordercascade.core.dislocation import schedule_dislocation

        schedule_dislocation(world, *lie)
    for due in scenario.agenda.interest:
        from ordercascade.core.lending import schedule_interest

        schedule_interest(world, due.time_ns, due.venue, **due.terms)
    for paid in scenario.agenda.fundings:
        terms = {"rate_ppb": paid.rate_ppb, "every_ns": paid.every_ns, "times": paid.times}
        world.schedule_funding(paid.time_ns, paid.venue, paid.market, **terms)
    for transfer in scenario.agenda.transfers:
        names = owners[transfer.venue].names
        if transfer.account not in names:
            rule = "must be an account of the venue"
            raise ConfigError(f"{transfer.path}.account", rule, transfer.account)
        account = names[transfer.account]
        where = transfer.time_ns, transfer.venue, account, transfer.asset
        world.schedule_transfer(*where, transfer.amount)
    for wild in scenario.agenda.volatilities:
        from ordercascade.core.derivatives import schedule_volatility

        schedule_volatility(world, *wild[:3], **wild.change)
    for jump in scenario.agenda.jumps:
        from ordercascade.core.dislocation import schedule_collateral

        schedule_collateral(world, *jump[:3], **jump.change)


def _judge(venue: Any, plan: VenuePlan, owners: Owners, index: int) -> None:
    """Refuse an account that starts below zero, unless the scenario says that is meant."""
    if not plan.config.allow_insolvent and plan.markets:
        found = venue.below_zero()
        insolvent(owners.names, found, plan.markets[0].market, f"venue[{index}]")


def _meta(scenario: Scenario, built: Built) -> dict[str, Any]:
    text, inputs = scenario.to_toml(), scenario.inputs()
    return meta_of(scenario.venues) | {
        "name": scenario.name,
        "about": scenario.about,
        "seed": scenario.seed,
        "scenario": text,
        "config_hash": hash_of(text, inputs),
        "inputs": inputs,
        "accounts": [
            {"venue": index, "id": account, "name": name}
            for index, owners in enumerate(built.owners)
            for name, account in owners.names.said.items()
        ],
        "populations": [
            {"venue": index, "name": name, "first": first, "count": count}
            for index, owners in enumerate(built.owners)
            for name, first, count in owners.names.runs
        ],
    }


def _same_index(before: Scenario, after: Scenario) -> None:
    """Refuse another outside price: a running world has the one it began with."""
    for mine, other in zip(before.venues, after.venues, strict=False):
        for one, two in zip(mine.markets, other.markets, strict=False):
            if one.arguments["index"] != two.arguments["index"]:
                rule = "must be the same: a run keeps the outside price it began with"
                raise ConfigError(f"{two.path}.oracle.index", rule)


def _same_stages(before: VenuePlan, after: VenuePlan, path: str) -> None:
    """Refuse other stages, and what would forget the past of a window or of a plug-in."""
    if before.plugs or after.plugs:
        raise ConfigError(f"{path}.plugin", "must go without: rules beside it stay in a run")
    for key, was, will in (
        ("takeover", before.staged.stages, after.staged.stages),
        ("mm_base", [m.margins for m in before.markets], [m.margins for m in after.markets]),
    ):
        if was != will:
            raise ConfigError(f"{path}.{key}", "and all stages and schedules must stay in a run")
    if "capacity" in before.staged.policy:
        raise ConfigError(f"{path}.tranche", "of a window must stay: its past would be forgotten")


def _ruleless(scenario: Scenario) -> ScenarioConfig:
    """Return a scenario's keys without its name and what may change in a running world."""
    put = msgspec.structs.replace
    rules = dict.fromkeys(Rules.__struct_fields__)
    venues = []
    for venue in scenario.resolved.venue:
        markets = []
        for market in venue.market:
            index = market.oracle.index if market.oracle else None
            markets.append(put(market, oracle=OracleConfig(index=index)))
        venues.append(put(venue, preset="simple", market=tuple(markets), **rules))
    return put(scenario.resolved, name="", about="", venue=tuple(venues))

"""Built-in, compiled and Python mechanisms through the contract of tests/mechanism/contract.py."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import ordercascade
from mechanism.contract import check, t2, tape
from mechanism.room import Tables, room, tables
from ordercascade.core.mechanism import Backstop, LiquidationPolicy
from ordercascade.core.world import World
from ordercascade.enums import AdlRule, BreakerAction, NoteKind, Side
from ordercascade.mechanisms.breakers import Breaker
from ordercascade.mechanisms.closing import Deleverage, Tranche
from ordercascade.mechanisms.plugins import (
    Nearby,
    PluginBackstop,
    PluginBreaker,
    PluginOracle,
    PluginPolicy,
    PluginSurcharge,
    Risk,
    Rival,
    View,
)
from ordercascade.mechanisms.prices import OwnBook
from ordercascade.mechanisms.surcharges import ContagionBuffer, VolatilityFee, VolatilityMargin
from unit.worlds import rows

HERE = Path(__file__).parent
SETUP = """
from Cython.Build import cythonize
from setuptools import Extension, setup
made = [Extension("example", ["example.pyx"], extra_compile_args=["-std=c11", "-O1"])]
setup(ext_modules=cythonize(made, include_path=[{include!r}], language_level=3),
      script_args=["-q", "build_ext", "--inplace"])
"""


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Compile tests/mechanism/example.pyx outside the package, against its .pxd files."""
    folder = tmp_path_factory.mktemp("example")
    (folder / "example.pyx").write_bytes((HERE / "example.pyx").read_bytes())
    include = str(Path(ordercascade.__file__).parent.parent)
    (folder / "setup.py").write_text(SETUP.format(include=include), "utf-8")
    done = subprocess.run([sys.executable, "setup.py"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (library,) = folder.glob("example.*.so")
    spec = importlib.util.spec_from_file_location("example", library)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Plain:
    """A plug-in without memory."""

    def state(self) -> bytes:
        return b""


class Last(Plain):
    def mark(self, view: View, time_ns: int) -> int:
        return view.last or view.outside


class Floor(Plain):
    def judge(self, market: int, view: View, time_ns: int) -> tuple[int, int, int, int]:
        return BreakerAction.HOLD, 97, 103, 0


class Whole(Plain):
    def plan(self, rows: Sequence[Risk]) -> list[tuple[int, int | None, int]]:
        return [(abs(row.size), None, 0) for row in rows]


class ById(Plain):
    def order(self, rows: Sequence[Rival], lots: int) -> list[int]:
        return [row.scope for row in rows if not row.external]


def test_an_oracle_is_the_same_through_all_three_doors(example: Any) -> None:
    """Peeks differ by definition: a Python oracle's is its last answer, so parents may."""
    first = check(lambda: {"oracle": OwnBook(price_max=2**20)})
    second = check(lambda: {"oracle": example.Last()})
    third = check(lambda: {"oracle": PluginOracle(Last())})
    assert first == second
    for name in ("fills", "liquidations", "marks", "adl"):
        assert third[name] == first[name]


def test_a_breaker_is_the_same_through_all_three_doors(example: Any) -> None:
    """A band of 3 % around the opening mark of 100."""
    first = check(lambda: {"breakers": [Breaker(band_ppm=30_000)]})
    second = check(lambda: {"breakers": [example.Floor()]})
    third = check(lambda: {"breakers": [PluginBreaker(Floor())]})
    assert first == second == third
    assert min(limit for _, _, _, limit, _ in first["liquidations"]) == 97


def test_a_policy_and_a_backstop_are_the_same_through_two_doors() -> None:
    first = check(lambda: {"policy": LiquidationPolicy(), "backstop": Backstop()})
    second = check(lambda: {"policy": PluginPolicy(Whole()), "backstop": PluginBackstop(ById())})
    assert first == second
    assert first["adl"]


SECOND = 10**9


class Fifths(Plain):
    def plan(self, rows: Sequence[Risk]) -> list[tuple[int, int | None, int]]:
        return [(max(1, abs(row.size) // 5), None, SECOND) for row in rows]


def test_a_policy_and_a_backstop_are_the_same_through_all_three_doors(example: Any) -> None:
    """A fifth an order, and who opened first is deleveraged first, behind a band of 3 %."""
    numbers: dict[str, Any] = {"fraction_ppm": 200_000, "cooldown_ns": SECOND}

    def doors(policy: Any, backstop: Any) -> Tables:
        return check(
            lambda: {
                "policy": policy(),
                "backstop": backstop(),
                "breakers": [Breaker(band_ppm=30_000)],
            },
            room,
            tables,
        )

    first = doors(lambda: Tranche(**numbers), lambda: Deleverage(AdlRule.SCOPE_ID))
    assert first == doors(example.Fifths, example.Eldest)
    assert first == doors(lambda: PluginPolicy(Fifths()), lambda: PluginBackstop(ById()))
    assert len(first["adl"]) >= 5
    assert [row[2] for row in first["liquidations"]][:3] == [2, 4, 6]


class More(Plain):
    def addon(self, market: int, view: View, nearby: Nearby, time_ns: int) -> int:
        return 10_000 * (view.mark < 99)


class Levels(Plain):
    """The contagion buffer's formula, asked in every round."""

    def addon(self, market: int, view: View, nearby: Nearby, time_ns: int) -> int:
        found = [0]
        for lots, depth in ((nearby.longs, nearby.bids), (nearby.shorts, nearby.asks)):
            if lots:
                found.append(-(-50_000 * lots // (depth - lots)) if lots < depth else 80_000)
        return min(80_000, max(found))


def test_a_surcharge_is_the_same_through_the_doors(example: Any) -> None:
    """Below 99 one per cent more is asked; the mark never comes back."""
    second = check(lambda: {"surcharges": [example.More()]})
    third = check(lambda: {"surcharges": [PluginSurcharge(More())]})
    assert second == third
    assert (0, NoteKind.RATE, 10_000, 0) in [(0, *row[1:]) for row in second["notes"]]


def test_built_in_surcharges_keep_the_contract_and_their_formula(example: Any) -> None:
    """A margin whose floor is 7 %, through all three doors; all of them together; and the
    buffer's formula in Python, where the built-in looks as often (in two instants, once each)."""

    class Floor(Plain):
        def addon(self, market: int, view: View, nearby: Nearby, time_ns: int) -> int:
            return 20_000

    numbers: dict[str, Any] = {"k_ppm": 10**6, "mpor_ns": SECOND, "bases_ppm": [50_000]}
    floor = numbers | {"cap_ppm": 70_000, "floor_ppm": 70_000}
    first = check(lambda: {"surcharges": [VolatilityMargin(**floor)]})
    assert first == check(lambda: {"surcharges": [PluginSurcharge(Floor())]})
    assert first == check(lambda: {"surcharges": [example.Always()]})
    assert first["notes"][0][1:] == (NoteKind.RATE, 20_000, 0)
    moving = {"sample_ns": SECOND // 4}
    fee = {"base_ppm": 0, "slope_ppm": 900, "cap_ppm": 5_000, "reference_ppb": 10**7}
    check(
        lambda: {
            "liquidation_pays_taker": True,
            "surcharges": [
                VolatilityMargin(**numbers, cap_ppm=200_000, **moving),
                VolatilityFee(**fee, to_fund_ppm=500_000, **moving),
                ContagionBuffer(reach_ppm=50_000, cap_ppm=80_000, every_ns=SECOND),
            ],
        }
    )
    buffer = ContagionBuffer(reach_ppm=50_000, cap_ppm=80_000, every_ns=SECOND)
    world, _ = t2(surcharges=[buffer])
    other, _ = t2(surcharges=[PluginSurcharge(Levels(), reach_ppm=50_000)])
    for each in (world, other):
        each.run(3)
    assert rows(world, "notes", "a") == rows(other, "notes", "a") != []


class Counting(Last):
    """One with a memory: every fork has its own."""

    def __init__(self) -> None:
        self.asked = 0

    def mark(self, view: View, time_ns: int) -> int:
        self.asked += 1
        return super().mark(view, time_ns)

    def state(self) -> bytes:
        return str(self.asked).encode()


def test_the_memory_of_a_plug_in_is_hashed_and_forked() -> None:
    check(lambda: {"oracle": PluginOracle(Counting())})
    plugin = Counting()
    world, _ = t2(oracle=PluginOracle(plugin))
    before, asked = world.state_hash(), plugin.asked
    other = world.fork()
    other.run()
    assert plugin.asked == asked
    plugin.asked += 1
    assert world.state_hash() != before


class Mute(Plain):
    def judge(self, market: int, view: View, time_ns: int) -> None:
        return None


def test_a_breaker_that_says_nothing_stops_nothing(example: Any) -> None:
    """The tape of no breaker, though a sale finds too few bids: its rest does not wait."""
    tapes = []
    for breakers in ([], [PluginBreaker(Mute())], [example.Words()]):
        world, _ = t2(breakers=breakers)
        world.schedule_shock(2 * 10**9, 0, 0, Side.ASK, size=500)
        world.run()
        tapes.append((tape(world), rows(world, "notes", "kind", "a", "b")))
    assert tapes[0] == tapes[1] == tapes[2]
    assert tapes[0][0]["liquidations"]


def test_a_state_that_cannot_be_told_is_hashed_as_such() -> None:
    """A word is no bytes, whichever word; what raises is told by its kind; both unlike bytes."""

    def hashed(told: Any) -> str:
        def state(self: Any) -> Any:
            return told() if callable(told) else told

        return t2(oracle=PluginOracle(type("Odd", (Last,), {"state": state})()))[0].state_hash()

    def fail(error: Exception) -> Any:
        raise error

    words, fails = hashed("a word"), hashed(lambda: fail(KeyError(5)))
    assert words == hashed("another") == hashed(7)
    assert fails == hashed(lambda: fail(KeyError(6)))
    assert len({words, fails, hashed(lambda: fail(ValueError())), hashed(b""), hashed(b"x")}) == 5


def test_memory_that_runs_out_in_a_hook_is_no_mistake_of_the_plug_in() -> None:
    class Hungry(Last):
        def mark(self, view: View, time_ns: int) -> int:
            raise MemoryError

    with pytest.raises(MemoryError):
        t2(oracle=PluginOracle(Hungry()))


def test_what_is_not_overridden_decides_nothing(example: Any) -> None:
    """The bases of a surcharge, breaker and oracle, called through their C interfaces."""
    assert example.bare() == {
        "addon": 0,
        "reach": 0,
        "wakes": (-1, -1, -1),
        "verdict": (0, 0, 0, 0),
        "clones": (True, True, True),
        "digest": (3, 4),
    }


def test_a_mark_that_no_peek_foresaw_finds_everybody_it_liquidates(example: Any) -> None:
    """300 owners, every other one in two markets: more than are fired at once, each taken once."""
    world = World()
    world.add_venue()
    venue = world.venue()
    for _ in range(2):
        venue.add_market(size_max=1_000, last=100, oracle=example.Surprise())
    for market in range(2):
        venue.seed_level(market, Side.BID, 40, 1_000)
    scopes = []
    for one in range(300):
        account = venue.open_account()
        scopes.append(venue.deposit(account, 0, 45))
        for market in range(1 + one % 2):
            venue.open_position(account, market, 1, 100)
    safe = venue.open_account()
    venue.deposit(safe, 0, 1_000)
    venue.open_position(safe, 0, 1, 100)
    world.start()
    assert venue.at_risk() == []
    world.settle(1)
    venue._check()
    assert not any(venue.audit().values())
    found = rows(world, "liquidations", "step", "scope")
    rounds = rows(world, "steps", "round")
    first = {scope for step, scope in found if rounds[step] == rounds[found[0][0]]}
    assert first == set(scopes)
    assert [venue.position(scope, 0)[0] for scope in scopes] == [0] * 300
    assert venue.position(venue.scope_of(safe, 0), 0)[0] == 1

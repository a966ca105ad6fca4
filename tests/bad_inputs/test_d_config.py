"""Rows D of the bad-input catalogue: contradictory or misspelt set-ups, found at construction."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ordercascade as oc
from bad_inputs import doors
from bad_inputs.doors import BID, BTC, SCENARIO, Door, refused
from ordercascade.core.laws import OPENING_DTYPE
from ordercascade.core.world import World
from ordercascade.data.brackets import COLUMNS
from ordercascade.data.table import read_table
from ordercascade.enums import CollateralSource

TABLE = ",".join(COLUMNS) + "\n"
TIERS = SCENARIO[SCENARIO.index("brackets = [") : SCENARIO.index("[venue.market.book]")]


def tiers(folder: Path) -> Door:
    """A bracket file: `at(rows)` writes it beside a scenario that names it, and loads that."""
    door = doors.text(str(folder))

    def read(*rows: str) -> Any:
        text = "".join(f"2024-07,TOY,USD,{row}\n" for row in rows)
        (folder / "tiers.csv").write_text(TABLE + text, encoding="utf-8")
        return door.at(TIERS, 'brackets = { file = "tiers.csv", as_of = "2024-07" }\n')

    return door._replace(at=read, good=lambda: read("1,50,0,1000,0.01,0"))


def added(**given: Any) -> tuple[Door, Any]:
    """A core world with a venue, and the call that adds one bad market to it."""
    world = World(1)
    world.add_venue(2)
    venue = world.venue(0)

    def check() -> None:
        world._check()
        assert not any(venue.audit().values())

    door = Door(venue, world.state_hash, check, lambda: venue.add_market(price_max=5, size_max=5))
    return door, lambda: venue.add_market(**given)


# ------------------------------------------------------------------ D01 to D04: tiers


def test_bad_D01_a_gap_between_tiers(tmp_path: Path) -> None:
    door = tiers(tmp_path)
    words = "tiers.csv (row 3, column 'notional_floor'): tiers[1] starts at 20, previous ends at 10"
    rows = "1,50,0,10,0.01,0", "2,20,20,90,0.025,0.15"
    refused(door, oc.DataFileError, words, lambda: door.at(*rows))


def test_bad_D02_tiers_that_overlap(tmp_path: Path) -> None:
    door = tiers(tmp_path)
    words = "tiers[1] starts at 5, previous ends at 10"
    rows = "1,50,0,10,0.01,0", "2,20,5,90,0.025,0.15"
    refused(door, oc.DataFileError, words, lambda: door.at(*rows))


@pytest.mark.parametrize(
    ("brackets", "words"),
    [
        ("", "venue[0].market[0].brackets: must have at least one bracket"),
        (
            "{ floor = 5, maintenance = 0.01, leverage_max = 50 }",
            "brackets[0].floor: the first bracket must start at 0",
        ),
        (
            "{ floor = 0, maintenance = 0.01, leverage_max = 50 },"
            "{ floor = 90, maintenance = 0.02, leverage_max = 20 },"
            "{ floor = 90, maintenance = 0.03, leverage_max = 10 }",
            "brackets[2].floor: must be above the previous floor",
        ),
        (
            "{ floor = 0, maintenance = 0.02, leverage_max = 20 },"
            "{ floor = 90, maintenance = 0.01, leverage_max = 20 }",
            "brackets[1].maintenance: must not fall from bracket to bracket",
        ),
    ],
)
def test_bad_D02_tiers_out_of_order(brackets: str, words: str) -> None:
    """The last tier of a scenario has no end, so only files can end too early."""
    door = doors.text()
    refused(door, oc.ConfigError, words, lambda: door.at(TIERS, f"brackets = [{brackets}]\n"))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((), "market[0].brackets: must have at least one bracket"),
        (((5, 1, 0, 2),), "market[0].brackets[0]: the first bracket must start at 0"),
        (((0, 1, 0, 2), (0, 1, 0, 2)), "brackets[1]: starts at 0, the previous bracket at 0"),
        (((0, 9, 0, 10), (5, 8, 0, 10)), "brackets[1]: maintenance falls from 9 to 8 ppm"),
    ],
)
def test_bad_D02_tiers_out_of_order_at_the_core(rows: Any, words: str) -> None:
    door, add = added(brackets=rows)
    refused(door, oc.ConfigError, words, add)


@pytest.mark.parametrize("maintenance", ["0.1", "0.11", "1"])
def test_bad_D03_maintenance_at_or_above_initial_margin(maintenance: str) -> None:
    """A leverage of 10 is an initial margin of 10 %."""
    door, core = doors.text(), added(brackets=[(0, 100_001, 0, 100_000)])
    words = f"brackets[0]: maintenance {maintenance} must be below initial margin, got '100000 ppm'"
    swap = "maintenance = 0.05", f"maintenance = {maintenance}"
    refused(door, oc.ConfigError, words, lambda: door.at(*swap))
    words = "market[0].brackets[0]: maintenance 100001 ppm > initial 100000 ppm"
    refused(core[0], oc.ConfigError, words, core[1])


def test_bad_D04_an_amount_that_makes_margin_jump(tmp_path: Path) -> None:
    """15 = 1000 * (0.025 - 0.01) keeps it continuous; scenarios compute theirs."""
    door = tiers(tmp_path)
    words = "tiers.csv (row 3, column 'cum'): tiers[1] is not continuous: amount must be 15"
    rows = "1,50,0,1000,0.01,0", "2,20,1000,9000,0.025,16"
    refused(door, oc.DataFileError, words, lambda: door.at(*rows))
    rule = "brackets[1]: maintenance jumps at the edge: amount must be 15, got 16"
    core, add = added(brackets=[(0, 10_000, 0, 20_000), (1000, 25_000, 16, 50_000)])
    refused(core, oc.ConfigError, rule, add)


# ------------------------------------------------------------------ D05 to D08: markets


def test_bad_D05_bounds_that_could_overflow_a_cell() -> None:
    words = "notional bound 2**62.3 > 2**60; lower size_max or use a coarser lot"
    core, add = added(multiplier=5, price_max=2**30, size_max=2**30)
    refused(core, oc.ConfigError, f"market[0]: {words}", add)
    with pytest.raises(oc.ConfigError, match=r"X\.size_max: notional bound 2\*\*61\.0 > 2\*\*60"):
        oc.Market(
            "X",
            tick_size=1,
            lot_size=1,
            settle="USD",
            decimals=0,
            price_max=2**31 - 1,
            size_max=2**30,
        )
    door = doors.text()
    swap = "size_max = 1000", "size_max = 100000000000000"
    refused(door, oc.ConfigError, "TOY.size_max: must be in", lambda: door.at(*swap))


def test_bad_D05_markets_that_could_overflow_a_scope_together() -> None:
    door, add = added(price_max=2**30, size_max=2**30)
    for _ in range(2):
        door.at.add_market(price_max=2**30, size_max=2**30)
    words = "market[2]: the notional bounds of all markets must sum to at most 2**61"
    small = door._replace(good=lambda: None)
    refused(small, oc.ConfigError, words, add)


@pytest.mark.parametrize("decimals", [18, 10, -1])
def test_bad_D06_an_asset_of_too_many_decimals(decimals: int) -> None:
    with pytest.raises(oc.ConfigError, match=r"X\.decimals: must be in \[0, 9\]; 2\*\*60 units of"):
        oc.Market("X", tick_size=1, lot_size=1, settle="ETH", decimals=decimals)
    door = doors.text()
    bound = "<= 9" if decimals > 0 else ">= 0"
    words = f"venue[0].market[0].decimals: must be int {bound}, got {decimals}"
    swap = "decimals = 2", f"decimals = {decimals}"
    refused(door, oc.ConfigError, words, lambda: door.at(*swap))


@pytest.mark.parametrize(
    "fees",
    [
        {"maker_fee_ppm": -300, "taker_fee_ppm": 200},
        {"maker_fee_ppm": -300, "taker_fee_ppm": 500, "external_taker_fee_ppm": 200},
        {"taker_fee_ppm": 100, "external_maker_fee_ppm": -101, "external_taker_fee_ppm": 500},
    ],
)
def test_bad_D08_a_rebate_that_no_taker_pays_for(fees: dict[str, int]) -> None:
    """Whoever makes may meet whoever takes, so the largest rebate meets the lowest fee.

    The core's door judges the rates of users; a scenario's also those of the outside.
    """
    words = "maker rebate must not exceed the taker fee: the fees account could be drained"
    if fees.get("maker_fee_ppm", 0) + fees["taker_fee_ppm"] < 0:
        core, add = added(**fees)
        refused(core, oc.ConfigError, f"market[0].maker_fee_ppm: {words}", add)
    spelt = {key.removesuffix("_fee_ppm"): value / 10**6 for key, value in fees.items()}
    said = ", ".join(f"{key} = {value:f}" for key, value in spelt.items())
    door = doors.text()
    swap = 'preset = "simple"', f'preset = "simple"\nfees = {{ {said} }}'
    refused(door, oc.ConfigError, f"venue[0].fees: {words}", lambda: door.at(*swap))


# ------------------------------------------------------------------ D09, D10: collateral

BACKED = """[[venue.collateral]]
name = "stUSD"
decimals = 2
price = { kind = "rate", rate = 1 }
haircut = 0.1
[[venue.account]]
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("haircut = 0.1", "haircut = 1.1", "collateral[0].haircut: must be in [0, 1], got '1.1'"),
        ("haircut = 0.1", "haircut = -0.1", "collateral[0].haircut: must be in [0, 1], got '-0.1'"),
        ("haircut = 0.1", "haircut = nan", "collateral[0].haircut: …finite"),
        ("haircut = 0.1", "haircut = inf", "collateral[0].haircut: …finite"),
        ("haircut = 0.1", 'haircut = "nan"', "collateral[0].haircut: …plain decimal"),
        ("haircut = 0.1", "haircut = 0.0000001", "haircut: must not be finer than a ppm"),
        ("haircut = 0.1", "haircut_floor = 1.5", "haircut_floor: must be in [0, 1]"),
        ("haircut = 0.1", "discount = 2", "discount: must be in [0, 1]"),
        (
            "haircut = 0.1",
            "tiers = [{ above = 0, haircut = 0.5 }, { above = 9, haircut = 1.5 }]",
            "collateral[0].tiers[1].haircut: must be in [0, 1]",
        ),
    ],
)
def test_bad_D09_a_haircut_outside_its_bounds(old: str, new: str, words: str) -> None:
    door = doors.text()
    backed = "[[venue.account]]\n", BACKED
    assert door.at(*backed)
    refused(door, oc.ConfigError, words, lambda: door.at(*backed, old, new))


@pytest.mark.parametrize("haircut", [-1, 10**6 + 1])
def test_bad_D09_a_haircut_of_the_core_outside_its_bounds(haircut: int) -> None:
    door, _ = added()
    words = "collateral[1].haircut_ppm: must be in [0, 1000000]"
    refused(door, oc.ConfigError, words, lambda: _collateral(door, haircut_ppm=haircut))
    refused(door, oc.InputTypeError, "", lambda: _collateral(door, haircut_ppm=float("nan")))


def _collateral(door: Door, **terms: Any) -> None:
    world = door.state.__self__  # type: ignore[attr-defined]
    world.add_collateral(0, 1, **({"price": 1} | terms))


def test_bad_D10_a_collateral_valued_by_a_market_that_settles_in_it() -> None:
    door = doors.text()
    swaps = (
        *('name = "TOY"', 'name = "BTC-PERP"', 'market = "TOY"', 'market = "BTC-PERP"'),
        *('settle = "USD"', 'settle = "BTC"', "[[venue.account]]\n", BACKED),
        *('"stUSD"', '"BTC"', 'kind = "rate", rate = 1', 'kind = "mark", market = "BTC-PERP"'),
    )
    words = "venue[0].collateral[0].price.market: …cycle: BTC → BTC-PERP → BTC"
    refused(door, oc.ConfigError, words, lambda: door.at(*swaps))


def test_bad_D10_a_cycle_in_the_core() -> None:
    door, _ = added()
    door.at.add_market(asset=1, last=5)
    words = "collateral[1].market: …cycle: asset 1 -> market 0 -> asset 1"
    mark = {"source": CollateralSource.MARK, "market": 0, "price": 0}
    refused(door, oc.ConfigError, words, lambda: _collateral(door, **mark))


# ------------------------------------------------------------------ D11 to D15: words


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("maintenance", "mantenance", "unknown key 'mantenance'; did you mean 'maintenance'?"),
        ("tick_size", "ticksize", "venue[0].market[0].ticksize: unknown key 'ticksize'; did you"),
        ("seed = 7", "sead = 7", "sead: unknown key 'sead'; did you mean 'seed'?"),
        ("seed = 7", "zzzzzzzz = 7", "unknown key 'zzzzzzzz'; there are: schema, name"),
        ("floor", "flor", "venue[0].market[0].brackets[0].flor: unknown key 'flor'; did you mean"),
    ],
)
def test_bad_D11_an_unknown_key_names_the_nearest_one(old: str, new: str, said: str) -> None:
    door = doors.text()
    refused(door, oc.ConfigError, f"bad.toml: …{said}", lambda: door.at(old, new))


def test_bad_D11_an_unknown_rule_of_a_venue_at_the_face() -> None:
    with pytest.raises(oc.ConfigError, match="venue.mark_refesh: unknown key.*'mark_refresh'"):
        oc.Venue("simple", [BTC], rules={"mark_refesh": "round"})
    with pytest.raises(oc.ConfigError, match="did you mean 'simple'"):
        oc.Venue("simpel", [BTC])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("at_s = 1", "at_s = 1e400", "shock[0].at_s: must be below 10**310"),
        ("at_s = 1", "at_s = nan", "shock[0].at_s: must be finite"),
        ("at_s = 1", "at_s = -inf", "shock[0].at_s: must be finite"),
        ("tick_size = 1", "tick_size = 1\ntick_size = 1", "line 12: duplicate key 'tick_size'"),
        ("seed = 7", 'seed = 7\nname = "b"', "line 5: duplicate key 'name'"),
        ("seed = 7", "seed = = 7", "line 4: is no TOML"),
        ("size = 30", 'size = "1_0"', "shock[0].size: must be a plain decimal"),
        ("size = 30", 'size = "１０"', "shock[0].size: must be a plain decimal"),
    ],
)
def test_bad_D13_numbers_that_are_none_and_duplicate_keys(old: str, new: str, said: str) -> None:
    door = doors.text()
    refused(door, oc.ConfigError, f"bad.toml: {said}", lambda: door.at(old, new))


def test_bad_D14_two_of_one_name() -> None:
    door = doors.text()
    market = SCENARIO[SCENARIO.index("[[venue.market]]") : SCENARIO.index("[[venue.account]]")]
    words = "venue[0].market[1].name: is used twice, got 'TOY'"
    refused(
        door,
        oc.ConfigError,
        words,
        lambda: door.at("[[venue.account]]", f"{market}[[venue.account]]"),
    )
    venue = SCENARIO[SCENARIO.index("[[venue]]") : SCENARIO.index("[[shock]]")]
    words = "venue[1].name: is used twice, got 'perp'"
    refused(door, oc.ConfigError, words, lambda: door.at("[[venue]]", f"{venue}[[venue]]"))
    account = '[[venue.account]]\nname = "A"\n'
    words = "venue[0].account[1].name: is used twice, got 'A'"
    refused(door, oc.ConfigError, words, lambda: door.at("[[shock]]", f"{account}[[shock]]"))
    with pytest.raises(oc.ConfigError, match=r"venue\.market\[1\]\.name: is used twice"):
        oc.Venue("simple", [BTC, BTC])


@pytest.mark.parametrize("name", ["ＢＴＣ", "BTＣ", "Å", "ﬁ", "²"])
def test_bad_D14_names_that_only_look_alike_cannot_occur(name: str) -> None:
    """Names are plain ASCII, so no two differ before NFKC and agree after it."""
    door = doors.text()
    swap = 'name = "TOY"', f'name = "{name}"'
    words = "names must be 1 to 64 of [A-Za-z0-9._-]"
    refused(door, oc.ConfigError, words, lambda: door.at(*swap))


BAD_NAMES = [
    "",
    "a/b",
    "a\\nb",
    "a\\u0000b",
    "\\u202Eabc",
    "x" * 65,
    "y" * 10**6,
    "a b",
    "<script>",
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name)[:12])
@pytest.mark.parametrize(
    "old", ['name = "TOY"', 'settle = "USD"', 'name = "perp"', 'name = "A"', 'name = "good"']
)
def test_bad_D15_a_name_that_could_harm_a_page_or_a_path(old: str, name: str) -> None:
    if old == 'name = "good"' and name == "a b":
        pytest.skip("the title of a scenario may have spaces")
    door = doors.text()
    swap = old, f'{old.partition("=")[0]}= "{name}"'
    words = "names must be 1 to 64 of [A-Za-z0-9._-]"
    error = refused(door, oc.ConfigError, words, lambda: door.at(*swap))
    assert str(error).isprintable()


@pytest.mark.parametrize("name", ["", "a/b", "a\nb", "x" * 65, "\u202eUSD", "ＢＴＣ", "a\0b"])
def test_bad_D15_a_name_of_a_market(name: str) -> None:
    with pytest.raises(oc.ConfigError, match=r"market\.name: names must be 1 to 64 of"):
        oc.Market(name, tick_size=1, lot_size=1, settle="USD")
    with pytest.raises(oc.ConfigError, match=r"market\.settle: names must be 1 to 64 of"):
        oc.Market("X", tick_size=1, lot_size=1, settle=name)
    with pytest.raises(oc.InputTypeError, match=r"market\.name must be a str, got int"):
        oc.Market(5, tick_size=1, lot_size=1, settle="USD")  # type: ignore[arg-type]


def test_bad_D15_a_name_in_a_positions_file(tmp_path: Path) -> None:
    file = doors.positions(tmp_path)
    words = "positions.csv (row 2, column 'account'): names must be 1 to 64 of"
    refused(file, oc.DataFileError, words, lambda: file.at(doors.ROW.replace("A", "a/b", 1)))


# ------------------------------------------------------------------ D16 to D19: sizes and seeds


def test_bad_D16_nothing_at_all_runs() -> None:
    scenario = oc.Scenario.from_toml('schema = 1\nname = "empty"')
    assert len(oc.run(scenario, progress=False).steps) == 0
    scenario = oc.Scenario.from_toml('schema = 1\nname = "empty"\n[[venue]]\nname = "v"')
    assert len(oc.run(scenario, progress=False).steps) == 0
    bare = World(0)
    bare.start()
    assert (bare.step(), bare.run(), bare.settle()) == (-1, 0, 0)
    bare._check()
    assert bare.fork().state_hash() == bare.state_hash()
    face = oc.Venue("simple", [])
    assert face.markets == {}
    assert face.settle().summary()["steps"] == 0


def test_bad_D17_too_many_accounts_are_refused_before_any_is_made(tmp_path: Path) -> None:
    door, text = doors.building(), doors.text()
    deposits = np.zeros(2**24, np.int64)  # Pages of zeros that nobody touches.
    none = np.zeros(0, OPENING_DTYPE)
    words = "accounts: must be at most 2**24"
    refused(door, oc.ConfigError, words, lambda: door.at.open_accounts(deposits, none))
    population = (
        f'[[venue.population]]\nmarket = "TOY"\naccounts = {2**24 + 1}\nleverage = 5\nsize = 1\n'
    )
    words = "venue[0].population[0].accounts: must be int <= 16777216"
    swap = "[[venue.account]]", f"{population}[[venue.account]]"
    refused(text, oc.ConfigError, words, lambda: text.at(*swap))
    assert read_table(_header(tmp_path), tuple(doors.HEADER.strip().split(","))).rows == []


def _header(folder: Path) -> Path:
    place = folder / "none.csv"
    place.write_text(doors.HEADER, encoding="utf-8")
    return place


@pytest.mark.parametrize(
    ("seed", "rule"),
    [
        ("-1", "seed: must be int >= 0, got -1"),
        ("1.5", "seed: must be int"),
        (str(2**63), "seed: must be"),
        ('"entropy"', "seed: must be int"),
        ("true", "seed: must be int"),
    ],
)
def test_bad_D18_a_seed_that_is_none(seed: str, rule: str) -> None:
    door = doors.text()
    refused(
        door, oc.ConfigError, f"bad.toml: {rule}", lambda: door.at("seed = 7", f"seed = {seed}")
    )


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, None, "entropy", True])
def test_bad_D18_a_seed_that_is_none_at_the_core(seed: Any) -> None:
    kind = {int: oc.InputError}.get(type(seed), oc.InputTypeError)
    with pytest.raises(oc.RangeError if seed == 2**63 else kind, match="^seed "):
        World(seed)


def test_bad_D19_a_set_up_that_changes_afterwards_has_no_effect() -> None:
    rules: dict[str, Any] = {"fees": {"maker": 0, "taker": 0}, "social": True}
    index, markets = {"BTCUSDT": "60000"}, [BTC]
    changed = oc.Venue("simple", markets, index=index, rules=rules)
    plain = oc.Venue("simple", markets.copy(), index=dict(index), rules=copy.deepcopy(rules))
    rules["social"], rules["fees"]["maker"] = False, 5
    index["BTCUSDT"] = "1"
    markets.clear()
    for venue in (changed, plain):
        venue.deposit(venue.open_account(), 1000)
        assert venue.submit(1, "BTCUSDT", BID, price=59_000, size=1) == oc.Reject.INSUFFICIENT
    assert changed._world.state_hash() == plain._world.state_hash()


def test_bad_D19_arrays_and_lists_that_change_afterwards_have_no_effect() -> None:
    hashes = set()
    for change in (False, True):
        brackets = [[0, 10_000, 0, 20_000], [1000, 20_000, 10, 40_000]]
        deposits, rows = np.array([500, 600]), np.zeros(1, OPENING_DTYPE)
        rows["size"] = 3
        world = World(1)
        world.add_venue()
        world.venue(0).add_market(index=5, brackets=brackets)
        world.venue(0).open_accounts(deposits, rows)
        if change:
            brackets[1][1], deposits[0], rows["size"] = 99, 1, 2
        world.start()
        hashes.add(world.state_hash())
    assert len(hashes) == 1
    scenario = oc.Scenario.from_toml(SCENARIO)
    with pytest.raises(AttributeError, match="cannot change"):
        scenario.config = None
    with pytest.raises(AttributeError, match="immutable"):
        scenario.config.seed = 8  # type: ignore[misc]

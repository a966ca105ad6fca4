"""The keys of a scenario: strict, exact, and an error says file, key path, rule, value, nearest."""

from __future__ import annotations

import json

import pytest

import ordercascade as oc
from ordercascade import toml
from ordercascade.config import ScenarioConfig, schema

TEXT = """
schema = 1
name = "a scenario"
seed = 7

[[venue]]
name = "perp"

[venue.fund]
balance = 1000

[[venue.market]]
name = "BTCUSDT"
tick_size = 0.10
lot_size = "0.001"
settle = "USDT"
oracle = { kind = "mid", own_book_weight = 0.3 }
brackets = [{ floor = 0, maintenance = 0.005, leverage_max = 50 }]

[venue.market.book]
file = "book.parquet"
format = "neutral-l2"
at = 2024-08-08T23:55:00Z

[[venue.liquidation]]
kind = "tranche"
fraction = 0.2
min_notional = "100000"
cooldown_s = 30

[[shock]]
at_s = 1.0
side = "ask"
notional = "12000000"
"""


def read(text: str = TEXT) -> ScenarioConfig:
    return toml.build(toml.loads(text, file="x.toml"), ScenarioConfig, file="x.toml")


def refused(old: str, new: str) -> str:
    assert old in TEXT
    with pytest.raises(oc.ConfigError) as caught:
        read(TEXT.replace(old, new, 1))
    assert type(caught.value) is oc.ConfigError
    assert str(caught.value).startswith("x.toml: ")
    return str(caught.value)[len("x.toml: ") :]


def test_a_scenario_is_read_and_written_and_read_the_same() -> None:
    config = read()
    text = toml.dumps(config)
    assert read(text) == config
    assert hash(read(text)) == hash(config)
    assert toml.dumps(read(text)) == text


def test_a_file_book_needs_no_kind_and_takes_a_toml_time() -> None:
    book = read().venue[0].market[0].book
    assert type(book).__name__ == "FileBook"
    assert getattr(book, "at") == "2024-08-08T23:55:00+00:00"  # noqa: B009


def test_decimals_are_exact_however_they_are_written() -> None:
    quoted = TEXT.replace("0.10", '"0.1"').replace("1.0\n", '"1"\n')
    assert read(quoted) == read()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[[venue.liquidation]]", "[[venue.auction]]", "the nearest valid key is 'liquidation'"),
        ('"mid"', '"median"', "oracle.kind: does not exist yet; there are: last, mid, index"),
        ('name = "BTCUSDT"', 'name = "B"\nkind = "spot"', "does not exist yet; there are: lin"),
        ('format = "neutral-l2"', 'format = "lobster"', "does not exist yet"),
    ],
)
def test_what_comes_with_later_work_says_that_it_does_not_exist_yet(
    old: str, new: str, said: str
) -> None:
    assert "does not exist yet" in refused(old, new)
    assert said in refused(old, new)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"mid"', '"mit"', "median3, basis3, funding; did you mean 'mid'?, got 'mit'"),
        ('file = "book.parquet"', 'kind = "ladr"', "book.kind: must be one of ladder, profile"),
        ("schema = 1", "schema = 2", "schema: must be one of 1, got 2"),
        ("seed = 7", "seed = -1", "seed: must be int >= 0, got -1"),
        ("seed = 7", "seed = 1.5", "seed: must be int"),
        ("seed = 7", 'seed = "entropy"', "seed: must be int"),
        ("at_s = 1.0", "at_s = true", "shock[0].at_s: must be a decimal"),
        ("at_s = 1.0", "at_s = nan", "shock[0].at_s: must be finite"),
        ("at_s = 1.0", "at_s = 1e400", "shock[0].at_s: must be below 10**310"),
        ("at_s = 1.0", 'at_s = "1_0"', "shock[0].at_s: must be a plain decimal"),
        ('side = "ask"\n', "", "shock[0].side: is required"),
        ("[[venue]]", "[venue]", "venue: must be array, not object"),
        ("fraction = 0.2\n", "", "venue[0].liquidation[0]: kind 'tranche' needs a fraction"),
        ("leverage_max = 50", "leverage_max = 5000", "leverage_max must be in [1, 1000]"),
        ('notional = "12000000"', "", "a shock must have notional or size, one of the two"),
        ("\n[[shock]]", "\n[[venue.liquidation]]\nkind='full'\n[[shock]]", "several liquidation"),
        ("seed = 7", 'seed = 7\nname = "b"', "duplicate key 'name'"),
        ("seed = 7", "seed = = 7", "line 4: is no TOML"),
        ("[[venue]]", "[[venue]]\nordering = 'price_time'\nqueue = 'scope_id'", "one or the other"),
    ],
)
def test_a_bad_value_is_refused_with_its_key_path(old: str, new: str, said: str) -> None:
    assert said in refused(old, new)


def test_messages_carry_no_terminal_codes() -> None:
    assert "\x1b" not in refused('"mid"', '"\\u001b[31m"')


def test_every_valid_key_that_a_later_one_is_sent_to_exists() -> None:
    from ordercascade.config import LATER

    known = json.dumps(schema())
    for nearest in LATER.values():
        assert f'"{nearest}":' in known


def test_the_json_schema_lists_every_key_and_forbids_others() -> None:
    found = schema()
    venue = found["$defs"]["VenueConfig"]
    assert venue["additionalProperties"] is False
    assert {"preset", "market", "fund", "adl", "liquidation"} <= venue["properties"].keys()
    json.dumps(found)

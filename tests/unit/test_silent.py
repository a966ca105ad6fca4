"""Keys that would do nothing are refused, with what to add. MECHANISMS §4a, §7, §9."""

from __future__ import annotations

import pytest

import ordercascade as oc
from ordercascade import presets
from ordercascade.errors import ConfigError

pytest.importorskip("ordercascade.core.world")

MARKET = "venue[0].market[0]"
ORACLE = f"{MARKET}.oracle"
LIQUIDATION = "venue[0].liquidation"


@pytest.mark.parametrize(
    ("change", "path", "rule"),
    [
        (f'{ORACLE}={{kind="index"}}', f"{ORACLE}.kind", "add an index to the market's oracle"),
        (f'{ORACLE}={{kind="funding"}}', f"{ORACLE}.kind", "or an [[index]] event"),
        (f'{ORACLE}={{kind="basis3"}}', f"{ORACLE}.kind", "add an index"),
        (f'{ORACLE}={{kind="median3"}}', f"{ORACLE}.kind", "add an index"),
        ('venue[0].oracle={kind="index"}', "venue[0].oracle.kind", "add an index"),
        (f'{ORACLE}={{kind="last",own_book_weight=0}}', f"{ORACLE}.own_book_weight", "must be 1"),
        (f'{ORACLE}={{kind="mid",own_book_weight=0.9}}', f"{ORACLE}.own_book_weight", "must be 1"),
        (f'{ORACLE}={{kind="last",clamp=0.01}}', f"{ORACLE}.clamp", "add an index"),
        ("dislocation=[{at_s=1,until_s=2,shift=0.1}]", "dislocation[0].told", "must be 'own'"),
        (
            f'{LIQUIDATION}=[{{kind="almgren_chriss",slices=5,kappa_per_s=0.02}}]',
            f"{LIQUIDATION}[0].cooldown_s",
            "must be above 0 for kind 'almgren_chriss'",
        ),
        (
            f'{LIQUIDATION}=[{{kind="obizhaeva_wang",slices=5,resilience_per_s=0.02}}]',
            f"{LIQUIDATION}[0].cooldown_s",
            "must be above 0 for kind 'obizhaeva_wang'",
        ),
        (
            f'{LIQUIDATION}=[{{kind="restore",target_margin=0.004}}]',
            f"{LIQUIDATION}[0].target_margin",
            "must be above what BTCUSDT asks at least, 0.004",
        ),
        (
            'venue[0].breaker=[{kind="lag_pause",band_pct=5,halt_s=60,halt_max_s=10}]',
            "venue[0].breaker[0].halt_max_s",
            "must be at least halt_s, 60",
        ),
    ],
)
def test_a_key_that_would_do_nothing_is_refused_with_what_to_add(
    change: str, path: str, rule: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        oc.scenarios.load("thin-book", change)
    assert caught.value.path == path
    assert rule in caught.value.rule


@pytest.mark.parametrize(
    "change",
    [
        (f'{ORACLE}={{kind="index",index=60000}}',),
        (f'{ORACLE}={{kind="last",own_book_weight=0,clamp=0.01}}', "index=[{at_s=9,price=60000}]"),
        (f'{ORACLE}={{kind="ema"}}',),
        (f'{ORACLE}={{kind="last",clamp_round=0.01}}',),
        ('dislocation=[{at_s=1,until_s=2,told="own",shift=0.1}]',),
        ("dislocation=[{at_s=1,until_s=2,shift=0.1}]", "index=[{at_s=9,price=60000}]"),
        (f'{LIQUIDATION}=[{{kind="restore",target_margin=0.0041}}]',),
        ('venue[0].breaker=[{kind="lag_pause",band_pct=5,halt_s=60,halt_max_s=60}]',),
    ],
)
def test_beside_what_it_needs_it_is_legal(change: tuple[str, ...]) -> None:
    oc.scenarios.load("thin-book", *change)


def test_what_a_preset_says_of_the_index_is_legal_without_one_and_with_every_rule_said() -> None:
    """thin-book without its own oracle has its preset's, the index alone: the last stands in."""
    text = oc.scenarios.load("thin-book").to_toml()
    assert presets.load("binance-usdm").oracle.kind == "index"
    head, _, tail = text.partition("[venue.market.oracle]")
    made = oc.Scenario.from_toml(head + tail[tail.index("\n[") :].lstrip())
    made = made.set('venue[0].oracle={clamp_round="0.5"}')
    said = oc.Scenario.from_toml(made.to_toml())
    assert 'kind = "index"' in said.to_toml()


@pytest.mark.parametrize("name", oc.scenarios.names())
def test_every_shipped_scenario_is_legal_with_every_rule_said(name: str) -> None:
    found = oc.scenarios.load(name)
    assert oc.Scenario.from_toml(found.to_toml(), base=found.base).to_toml() == found.to_toml()

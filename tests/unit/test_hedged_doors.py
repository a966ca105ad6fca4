"""Hedge mode at the doors: scenario files, the Venue face, words, the audit's gap. ADR 21."""

from __future__ import annotations

from pathlib import Path

import pytest

import ordercascade as oc
from ordercascade.audit import audit
from ordercascade.duties import Leg, PairRule
from ordercascade.enums import NoteKind, Reject, Side, StepKind
from ordercascade.errors import ConfigError, DataFileError, InputError, InputTypeError
from ordercascade.figures import read
from ordercascade.lab.words import line_of
from ordercascade.story import tell

FILE = """
schema = 1
name = "pairs"
about = "An account holds both legs of one market."
[[venue]]
name = "one"
preset = "simple"
pairs = "net"
[[venue.market]]
name = "BTCUSDT"
tick_size = 1
lot_size = 1
settle = "USDT"
decimals = 2
oracle = { kind = "last" }
[venue.market.book]
kind = "ladder"
mid = 100.5
step = 1
levels = 50
size = 3
[[venue.market.brackets]]
floor = 0
maintenance = 0.05
initial = 0.1
[[venue.account]]
name = "both"
hedge = true
collateral = 80
[[venue.account.position]]
market = "BTCUSDT"
side = "long"
size = 10
entry_price = 100
[[venue.account.position]]
market = "BTCUSDT"
side = "short"
size = 6
entry_price = 100
[[shock]]
at_s = 1
market = "BTCUSDT"
side = "ask"
size = 4
"""


def test_a_scenario_file_opens_both_legs_and_nets_them() -> None:
    """Equity 80 − 4·3 = 68 at 97, against 5 % of 16·97 = 77.6: six lots of each are netted."""
    scenario = oc.Scenario.from_toml(FILE)
    tape = oc.run(scenario)
    sizes = {int(size) for size in tape.tables["positions"]["size"]}
    assert {10, -6} <= sizes
    kinds = tape.steps["kind"].tolist()
    assert StepKind.NETTING in kinds
    assert StepKind.LIQUIDATION not in kinds
    line = line_of(read(tape), kinds.index(StepKind.NETTING))
    assert line == "account both nets 6 BTC long against short at 99"
    told = tell(tape)
    assert "account both nets 6 BTC long against short at 99 (step 2)" in told
    assert "who is next is not told" in told
    assert "short 6 BTC" not in told
    assert tape.summary()["users_loss"] == 400
    judged = audit(tape)
    assert judged.ok
    assert {gap.reason for gap in judged.gaps} == {
        "accounts are in hedge mode: legs are not played again (steps)"
    }
    again = oc.Scenario.from_toml(scenario.to_toml())
    assert again.config_hash() == scenario.config_hash()


def test_without_the_rule_a_leg_is_sold() -> None:
    tape = oc.run(oc.Scenario.from_toml(FILE.replace('pairs = "net"\n', "")))
    assert tape.liquidations["leg"].tolist()[0] == Leg.LONG
    assert StepKind.NETTING not in tape.steps["kind"].tolist()


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("hedge = true\n", "", "has a position of this account already"),
        ('side = "short"', 'side = "long"', "has a position of this account already"),
        (
            'side = "short"\n',
            'side = "short"\nmargin = "isolated"\nleverage = 5\n',
            "must be as that of the other leg",
        ),
        ('pairs = "net"', 'pairs = "both"', "pairs"),
        ("hedge = true", 'hedge = "yes"', "hedge"),
        ('pairs = "net"', 'pairs = "net"\ncancel = "none"', "cancel"),
    ],
)
def test_a_file_with_wrong_legs_is_refused_by_key(old: str, new: str, rule: str) -> None:
    assert old in FILE
    with pytest.raises(ConfigError, match=rule):
        oc.run(oc.Scenario.from_toml(FILE.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ('liquidation_fee_base = "surplus"', "liquidation_fee_base"),
        ('adl = { overlap_check = true, price = "bankruptcy" }', "adl.overlap_check"),
        ("settle_to_mark = true", "settle_to_mark"),
        ("levels = { search = 1.1, initial = 1.2, release = 1.4 }", "levels"),
        ("margin_calls = { call = 2, release = 3 }", "margin_calls"),
        ('collateral = [{ name = "EUR", price = { kind = "rate", rate = 1 } }]', "collateral"),
        ('fee_in_trigger = 0.001\nfee_at = "bankruptcy"', "fee_at 'bankruptcy'"),
        ('cancel = "none"', "cancel 'none'"),
    ],
)
def test_rules_that_are_not_for_hedged_accounts_are_told_at_the_account_s_key(
    rules: str, words: str
) -> None:
    """When the file is read, not when a world is built; without the account they are taken."""
    text = FILE.replace('pairs = "net"', rules, 1)
    with pytest.raises(ConfigError, match=words) as refused:
        oc.Scenario.from_toml(text)
    assert refused.value.path == "venue[0].account[0].hedge"
    oc.Scenario.from_toml(
        text.replace("hedge = true\n", "").replace('side = "short"', 'side = "long"')
    )


def test_the_okx_preset_nets_pairs_first() -> None:
    text = FILE.replace('preset = "simple"\npairs = "net"', 'preset = "okx"')
    scenario = oc.Scenario.from_toml(text)
    assert scenario.venues[0].arguments["pairs"] == PairRule.NET
    kinds = oc.run(scenario).steps["kind"].tolist()
    assert StepKind.NETTING in kinds


def test_the_face_tells_legs_apart() -> None:
    """Opened one by one: 10 long at 101, 4 short at 100; the face's margin is the engine's."""
    market = oc.Market(
        "BTCUSDT", tick_size=1, lot_size=1, settle="USDT", decimals=2, price_max=1_000
    )
    venue = oc.Venue("simple", [market], index={"BTCUSDT": 100})
    venue.seed("BTCUSDT", Side.BID, price=100, size=50)
    venue.seed("BTCUSDT", Side.ASK, price=101, size=50)
    first = venue.open_account(hedge=True)
    second = venue.open_account()
    assert (first, second) == (1, 3)
    for account in (first, second):
        venue.deposit(account, 10_000)
    assert venue.submit(first, "BTCUSDT", Side.BID, size=10, leg="long") == 0
    assert venue.submit(first, "BTCUSDT", Side.ASK, size=4, leg="short") == 0
    assert venue.submit(first, "BTCUSDT", Side.BID, size=5, leg="short") == Reject.REDUCE_ONLY
    assert venue.position(first, "BTCUSDT", "long") == 10
    assert venue.position(first, "BTCUSDT", "short") == -4
    (stood,) = venue.what_if(first)
    assert stood.equity < 10_000
    assert stood.maintenance > venue.standing(second)[0].maintenance
    assert venue.liquidation_price(first, "BTCUSDT") is None
    assert venue.bankruptcy_price(first, "BTCUSDT", "short") > 100
    with pytest.raises(InputError, match="hedge mode"):
        venue.position(first, "BTCUSDT")
    with pytest.raises(InputError, match="net mode"):
        venue.submit(second, "BTCUSDT", Side.BID, size=1, leg="long")
    with pytest.raises(InputTypeError, match="hedge"):
        venue.open_account(hedge="yes")
    assert not any(venue.audit().values())


def test_frames_summary_and_story_know_the_short_legs_number() -> None:
    """Fills of a short leg stand under its own number; a note says whose it is."""
    tape = oc.run(oc.Scenario.from_toml(FILE.replace('pairs = "net"\n', "")))
    notes = tape.tables["notes"]
    told = notes["kind"] == NoteKind.HEDGED
    assert (notes["a"][told].tolist(), notes["b"][told].tolist()) == ([1], [2])
    assert tape.summary()["accounts_liquidated"] == 1
    assert tell(tape)


def test_the_face_of_a_built_venue_skips_the_numbers_of_short_legs() -> None:
    """Two hedged accounts have numbers 1 and 3; at 97 the first is liquidatable."""
    second = FILE[FILE.index("[[venue.account]]") : FILE.index("[[shock]]")]
    second = second.replace('"both"', '"other"').replace("collateral = 80", "collateral = 900")
    text = FILE.replace("[[shock]]", f"{second}[[shock]]")
    with oc.World(oc.Scenario.from_toml(text)) as world:
        venue = world.venue("one")
        assert [standing.account for standing in venue.standing("other")] == [3]
        assert venue.position("both", "BTCUSDT", "short") == -6
        world.step()
        assert [standing.account for standing in venue.at_risk()] == [1]


def test_a_positions_file_opens_both_legs_where_its_table_says_hedge(tmp_path: Path) -> None:
    head = "account,market,side,size,entry_price,collateral,margin\n"
    rows = ["a,BTCUSDT,long,3,100,50,cross\n", "a,BTCUSDT,short,2,100,0,cross\n"]
    (tmp_path / "p.csv").write_text(head + "".join(rows))
    start, end = FILE.index("[[venue.account]]"), FILE.index("[[shock]]")
    for hedge in (True, False):
        told = f'[[venue.positions]]\nfile = "p.csv"\n{"hedge = true" if hedge else ""}\n'
        scenario = oc.Scenario.from_toml(FILE[:start] + told + FILE[end:], base=str(tmp_path))
        if hedge:
            tape = oc.run(scenario)
            assert {3, -2} <= {int(size) for size in tape.tables["positions"]["size"]}
        else:
            with pytest.raises(DataFileError, match="has a position"):
                oc.run(scenario)
    (tmp_path / "p.csv").write_text(head + rows[0] + rows[1].replace("cross", "isolated"))
    with pytest.raises(DataFileError, match="one margin"):
        oc.run(
            oc.Scenario.from_toml(
                scenario.to_toml().replace('file = "p.csv"', 'file = "p.csv"\nhedge = true'),
                base=str(tmp_path),
            )
        )

"""Keys of funds by market, days and drawdowns: from a scenario to the engine and back by audit."""

from __future__ import annotations

from typing import Any

import pytest

import ordercascade as oc
from ordercascade import presets
from ordercascade.enums import PostReason, StepKind
from ordercascade.replay import funds
from unit.test_stage_keys import BRACKETS, refused

TWO = "".join(
    f"""
[[venue.market]]
name = "{name}"
tick_size = 1
lot_size = 1
settle = "USDT"
decimals = 2
oracle = {{ kind = "index", index = 100 }}
{BRACKETS}{more}"""
    for name, more in (
        ("A", '[venue.market.book]\nkind = "levels"\nbids = [[80, 2]]\nasks = [[150, 2]]\n'),
        ("B", ""),
    )
)
"""Two markets; who sells 2 lots of A gets 80."""

PEOPLE = "".join(
    f"""
[[venue.account]]
name = "{name}"
collateral = {money}
position = [{{ market = "{market}", side = "{side}", size = {size}, entry_price = 100 }}]
"""
    for name, money, market, side, size in (
        ("loser", 20, "A", "long", 2),
        ("long", 500, "B", "long", 3),
        ("short", 500, "B", "short", 1),
        ("bear", 500, "B", "short", 4),
        ("small", 5, "B", "long", 1),
    )
)


def ticks(*rows: tuple[float, str, int]) -> str:
    return "".join(
        f'[[index]]\nat_s = {at}\nvenue = "v"\nmarket = "{market}"\nprice = {price}\n'
        for at, market, price in rows
    )


def run_of(rules: str, *prices: tuple[float, str, int], end: str = "") -> oc.Tape:
    head = f'schema = 1\nname = "s"\n[[venue]]\nname = "v"\npreset = "simple"\n{rules}\n'
    text = head + TWO + PEOPLE + ticks(*prices) + end
    return oc.run(oc.Scenario.from_toml(text), progress=False)


def payers(tape: oc.Tape, reason: PostReason) -> list[tuple[int, int]]:
    rows = tape.postings
    mine = rows["reason"] == reason
    return list(zip(rows["from_holder"][mine].tolist(), rows["amount"][mine].tolist(), strict=True))


def sound(tape: oc.Tape) -> None:
    found = oc.audit(tape)
    assert found.ok, f"{found}"
    assert not found.gaps


def test_each_market_s_fund_opens_with_its_balance_and_pays_alone() -> None:
    """A loss of 40 with 20: fund A has 12.5, so 7.5 are bad debt; fund B keeps its 30."""
    tape = run_of(
        'fund = { scope = "market", balance = 30, balances = { A = 12.5 } }', (1, "A", 90)
    )
    assert payers(tape, PostReason.FUND_PAYS) == [(6, 1_250)]
    assert payers(tape, PostReason.BAD_DEBT) == [(4, 750)]
    kept = {
        int(h): int(b) for h, b in zip(tape.funds["holder"], tape.funds["balance"], strict=True)
    }
    assert (kept[6], kept[8]) == (0, 3_000)
    assert tape.summary()["fund_before"] == 4_250
    assert tape.summary()["fund_after"] == 3_000
    sound(tape)


DAY = 'social = { mode = "day", day_s = 100, day_at_s = 30 }'
MOVED = (
    '[[transfer]]\nat_s = 45\nvenue = "v"\naccount = "short"\namount = 50\n'
    '[[transfer]]\nat_s = 45\nvenue = "v"\naccount = "bear"\namount = -5\n'
)


def test_a_day_s_winners_pay_and_the_audit_finds_their_profit_again() -> None:
    """20 are missing at 50 s; since 30 s the shorts of B made 10 a lot."""
    tape = run_of(DAY, (10, "B", 120), (40, "B", 110), (50, "A", 90), end=MOVED)
    shares = sorted(amount for _, amount in payers(tape, PostReason.SOCIALISED))
    assert shares == [400, 1_600]
    sound(tape)


def test_an_audit_that_forgets_what_was_brought_finds_other_shares(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tape = run_of(DAY, (10, "B", 120), (40, "B", 110), (50, "A", 90), end=MOVED)
    monkeypatch.setattr(
        funds.Past, "profit", lambda self, stage, scope, equity: equity - self.base.get(scope, 0)
    )
    assert not oc.audit(tape).ok


FELL = (
    'takeover = {{ mode = "fund", when = "shortfall" }}\n'
    'adl = {{ trigger = "fund_drawdown", drawdown = 0.3, window_s = {} }}\n'
    "fund = {{ balance = {} }}"
)


@pytest.mark.parametrize(
    ("window", "balance", "kind"),
    [(50, 60, StepKind.ADL), (49, 60, StepKind.TAKEOVER), (50, 70, StepKind.TAKEOVER)],
)
def test_a_fund_that_fell_leaves_the_next_to_winners_and_the_audit_knows(
    window: int, balance: int, kind: StepKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 10 s the fund pays 20: a third of 60, less than 30 % of 70. At 60 s `small` is below 0."""
    tape = run_of(FELL.format(window, balance), (10, "A", 90), (60, "B", 90))
    kinds = tape.steps["kind"].tolist()
    assert [k for k in kinds if k in (StepKind.ADL, StepKind.TAKEOVER)] == [kind]
    sound(tape)
    monkeypatch.setattr(funds.Past, "drawn_down", lambda self, stage, fund: kind != StepKind.ADL)
    assert not oc.audit(tape).ok


def test_lots_of_one_side_pay_and_the_audit_knows_which() -> None:
    """20 are missing in A, where nobody else holds lots: nobody pays. In B 3 + 1 longs do."""
    rules = 'social = { mode = "lots", side = "longs" }\n'
    tape = run_of(rules, (1, "A", 90))
    assert [amount for _, amount in payers(tape, PostReason.SOCIALISED)][:2] == [1_500, 500]
    sound(tape)
    tape = run_of(rules + 'fund = { scope = "market" }', (1, "A", 90))
    assert payers(tape, PostReason.SOCIALISED) == []
    sound(tape)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("fund = { balances = { BTCUSDT = 1 } }", "fund.balances: needs scope 'market'"),
        (
            "fund = { scope = 'market', balances = { BTC = 1 } }",
            "fund.balances: must be a market of the venue (BTCUSDT)",
        ),
        (
            "fund = { scope = 'market', balances = { BTCUSDT = -1 } }",
            "fund.balances.BTCUSDT: must be 0 or more",
        ),
        ("fund = { scope = 'market', balance = -1 }", "fund.balance: must be 0 or more"),
        ("adl = { trigger = 'fund_drawdown' }", "adl.drawdown: must be given with trigger"),
        ("adl = { drawdown = 0.1 }", "adl.drawdown: must be given with trigger"),
        (
            "adl = { trigger = 'fund_drawdown', drawdown = 0.1, window_s = 5 }",
            "adl.trigger: needs a takeover by the fund",
        ),
        (
            "takeover = { mode = 'fund' }\n"
            "adl = { trigger = 'fund_drawdown', drawdown = 0, window_s = 5 }",
            "adl.drawdown: must be above 0",
        ),
        ("social = { mode = 'day', day_s = 5, day_at_s = 5 }", "social.day_at_s: must be below"),
        ("social = { mode = 'profit', side = 'longs' }", "social.side: belongs to mode 'lots'"),
    ],
)
def test_what_does_not_go_together_is_refused_by_its_path(rules: str, said: str) -> None:
    assert f"venue[0].{said}" in refused(rules)


def test_another_trigger_than_the_preset_s_forgets_its_drawdown() -> None:
    def adl(rules: str) -> Any:
        head = f'schema = 1\nname = "s"\n[[venue]]\nname = "v"\npreset = "okx"\n{rules}\n'
        return oc.Scenario.from_toml(head + TWO).venues[0]

    assert adl("").staged.stages["drawdown_ppm"] == 300_000
    assert adl("").staged.stages["drawdown_ns"] == 8 * 3_600 * 10**9
    assert "drawdown_ppm" not in adl('adl = { trigger = "shortfall" }').staged.stages
    assert "ADL is not triggered" not in "".join(presets.load("okx").differs)


def test_a_world_goes_on_under_other_rules_but_not_with_other_funds() -> None:
    def text(balance: int) -> oc.Scenario:
        rules = f'fund = {{ scope = "market", balance = {balance} }}'
        head = f'schema = 1\nname = "s"\n[[venue]]\nname = "v"\npreset = "simple"\n{rules}\n'
        return oc.Scenario.from_toml(head + TWO + PEOPLE)

    world = oc.World(text(1))
    with pytest.raises(oc.ConfigError, match="fund.balances: must be the same"):
        world.change(text(2))
    world.close()

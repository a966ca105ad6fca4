"""Keys of stages and schedules: what goes together, what each one is in the engine's numbers."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

import ordercascade as oc
from ordercascade.config import LATER, LATER_VALUES, schema
from ordercascade.core.stages import STAGES
from ordercascade.duties import TrancheRule
from ordercascade.engine import stages_of
from ordercascade.enums import (
    AdlTrigger,
    AdlWhen,
    OrderLimit,
    PriceMode,
    SocialRule,
    Takeover,
    TakeoverWhen,
)
from ordercascade.schedules import schedule_of
from ordercascade.staging import LEGAL

MARKET = """
[[venue.market]]
name = "BTCUSDT"
tick_size = 0.5
lot_size = 0.01
settle = "USDT"
decimals = 4
oracle = { index = 100 }
"""
BRACKETS = "brackets = [{ floor = 0, maintenance = 0.01, initial = 0.02 }]\n"
VALUES = {  # a lawful value of every key of LEGAL
    **{key: "0.5" for key in ("portion", "buffer", "cost", "spread", "ba", "range")},
    **{key: "10" for key in ("min", "block_cap", "cooldown_s", "ramp_s", "window_s", "step")},
    **{key: "2" for key in ("target", "tiers", "capacity", "skew_max")},
    **{"rounding": '"up"', "whole": '"market"', "when": '"below"', "threshold": "0.5"},
    **{"price": '"mark"', "collateral": "true", "side": '"longs"'},
    **{"day_s": "100", "day_at_s": "7"},
}


def scenario(rules: str, *, preset: str = "simple", margin: str = BRACKETS) -> oc.Scenario:
    head = f'schema = 1\nname = "s"\n[[venue]]\nname = "v"\npreset = "{preset}"\n'
    return oc.Scenario.from_toml(f"{head}{rules}\n{MARKET}{margin}")


def refused(rules: str, *, preset: str = "simple", margin: str = BRACKETS) -> str:
    with pytest.raises(oc.ConfigError) as caught:
        scenario(rules, preset=preset, margin=margin)
    return str(caught.value)


def staged(rules: str, *, preset: str = "simple") -> dict[str, Any]:
    plan = scenario(rules, preset=preset).venues[0]
    return {**plan.staged.policy, **plan.staged.stages}


def pairs() -> list[tuple[str, str, str]]:
    """Return (stage, mode, key) of all combinations, lawful or not."""
    return [
        (stage, mode, key)
        for stage, modes in LEGAL.items()
        for mode, key in product(modes, sorted(frozenset().union(*modes.values())))
    ]


@pytest.mark.parametrize(("stage", "mode", "key"), pairs())
def test_a_key_is_taken_by_the_modes_of_the_table_and_refused_by_the_others(
    stage: str, mode: str, key: str
) -> None:
    table, _, field = stage.partition(".")
    said = {field or "mode": f'"{mode}"', key: VALUES[key]}
    if field:
        said["mode"] = '"fund"'
    if mode == "window":
        said = {"capacity": "2", "window_s": "10"} | said
    text = ", ".join(f"{name} = {value}" for name, value in said.items())
    rules = f"{table} = {{ {text} }}" + ("\nsettle_to_mark = true" if table == "social" else "")
    if key in LEGAL[stage][mode]:
        oc.World(scenario(rules)).close()
    else:
        message = refused(rules)
        assert f"venue[0].{table}.{key}: belongs to" in message
        assert f"is {mode!r}" in message


def test_every_key_arrives_as_the_engine_s_number() -> None:
    found = staged(
        "tranche = { mode = 'cover', portion = 0.1, min = 5, block_cap = 7, cooldown_s = 0.5,"
        " ramp_s = 2, target = 1.5, buffer = 0.02, cost = 0.003, rounding = 'down' }\n"
        "limit_price = { mode = 'fillable', whole = 'bankruptcy', spread = 0.2, ba = 3 }\n"
        "takeover = { mode = 'vault', when = 'below', threshold = 0.5, price = 'mark',"
        " collateral = true }\n"
        "disposal = { step_s = 10, fraction = 0.25, full = 3, max_fraction = 0.05, range = 0.2 }\n"
        "fund = { balance = 1, block_loss_cap = 9, position_cap = 2 }\n"
        "liquidation_fee = 0.005\nliquidation_fee_base = 'surplus'\n"
        "adl = { trigger = 'never', price = 'previous_mark' }\n"
        "social = { mode = 'lots', step = 0.01 }\nsettle_to_mark = true\norder_margin = 0.9\n"
        "levels = { search = 1.1, initial = 1.2, release = 1.4 }"
    )
    assert found == {
        **{"rule": TrancheRule.COVER, "portion_ppm": 100_000, "min_value": 50_000},
        **{"block_value": 70_000, "cooldown_ns": 5 * 10**8, "ramp_ns": 2 * 10**9},
        **{"target_ppm": 1_500_000, "buffer_ppm": 20_000, "cost_ppm": 3_000, "round_up": False},
        **{"limit": OrderLimit.FILLABLE, "limit_all": OrderLimit.BANKRUPTCY},
        **{"spread_ppm": 200_000, "adjustment_ppm": 3_000_000},
        **{"takeover": Takeover.VAULT, "takeover_when": TakeoverWhen.BELOW},
        **{"takeover_ppm": 500_000, "takeover_price": PriceMode.MARK},
        **{"takeover_collateral": True, "takeover_cap_ppm": 2_000_000},
        **{"dispose_ns": 10**10, "dispose_ppm": 250_000, "dispose_full": 3},
        **{"dispose_share_ppm": 50_000, "dispose_range_ppm": 200_000},
        **{"insured": True, "insured_fee_ppm": 5_000, "insured_most": 90_000},
        **{"adl_when": AdlWhen.NEVER, "adl_price": PriceMode.PREVIOUS_MARK},
        **{"social_rule": SocialRule.LOTS, "social_step": 100, "variation": True},
        **{"order_ppm": 900_000, "search_ppm": 1_100_000, "initial_ppm": 1_200_000},
        "release_ppm": 1_400_000,
    }
    window = staged("tranche = { mode = 'window', capacity = 2, window_s = 3, skew_max = 1 }")
    assert (window["capacity"], window["window_ns"], window["skew_max"]) == (200, 3 * 10**9, 100)
    down = staged("tranche = { mode = 'tier_down', tiers = 3 }\nlimit = 'bankruptcy'")
    assert (down["rule"], down["tiers"]) == (TrancheRule.TIER_DOWN, 3)
    rows = staged("limit_price = { mode = 'mid_range', range = 0.3 }")
    assert (rows["limit"], rows["range_ppm"]) == (OrderLimit.RANGE, 300_000)


def test_every_stage_of_the_engine_can_be_said() -> None:
    """What no combination of keys reaches would be behind a closed door."""
    found: set[str] = set()
    for rules in (
        "takeover = { mode = 'fund', threshold = 1 }\nfund = { position_cap = 1 }\n"
        "disposal = { fraction = 1, step_s = 1, full = 1, max_fraction = 1, range = 1 }",
        "liquidation_fee_base = 'surplus'\nfund = { block_loss_cap = 1 }\norder_margin = 1\n"
        "adl = { trigger = 'untouched', price = 'bankruptcy', overlap_check = true }",
        "social = { mode = 'lots', step = 1 }\nsettle_to_mark = true\n"
        "levels = { search = 1, initial = 1, release = 1 }",
        "social = { mode = 'lots', side = 'shorts' }\nfund = { scope = 'market' }\n"
        "takeover = { mode = 'fund', threshold = 1 }\n"
        "adl = { trigger = 'fund_drawdown', drawdown = 0.3, window_s = 5 }",
        "social = { mode = 'day', day_s = 9, day_at_s = 4 }",
    ):
        found |= set(stages_of(scenario(rules).venues[0])["stages"])
    assert found == set(STAGES)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("disposal = { fraction = 0.1 }", "venue[0].disposal: needs a takeover"),
        (
            "takeover = { mode = 'fund' }\ndisposal = { full = 2 }",
            "disposal.fraction: must be said",
        ),
        ("fund = { position_cap = 1 }", "venue[0].fund.position_cap: needs a takeover"),
        ("fund = { block_loss_cap = 1 }", "fund.block_loss_cap: needs liquidation_fee_base"),
        (
            "liquidation_fee_base = 'surplus'\nliquidation_fee_to = 'fees'",
            "liquidation_fee_to: must be 'fund'",
        ),
        (
            "adl = { price = 'mark', overlap_check = true }",
            "venue[0].adl.price: must be 'bankruptcy' with the overlap check",
        ),
        ("social = { mode = 'gains' }", "venue[0].social.mode: needs settle_to_mark"),
        ("levels = { search = 1.2, initial = 1.1, release = 1.4 }", "levels must be 1 or more"),
        ("tranche = { mode = 'window' }", "venue[0].tranche.capacity: must be said and above 0"),
        ("tranche = { mode = 'cover', target = 0.5 }", "tranche.target: must be 1 or more"),
        ("tranche = { mode = 'portion', portion = 2 }", "tranche.portion: must be in [0, 1]"),
        ("tranche = { mode = 'portion', min = -1 }", "tranche.min: must be 0 or more"),
        ("tranche = { mode = 'portion', min = 0.00001 }", "tranche.min"),
        ("tranche = { mode = 'tier_down', tiers = 0 }", "tranche.tiers: must be int >= 1"),
        ("tranche = { mode = 'dutch' }", "tranche.mode: does not exist yet; there are: whole"),
        ("tranche = { mode = 'portoin' }", "did you mean 'portion'?"),
        ("tranche = { cooldwon_s = 1 }", "unknown key 'cooldwon_s'; did you mean 'cooldown_s'?"),
        ("takeover = { mode = 'liquidator' }", "does not exist yet; there are: none, fund, vault"),
        (
            "tranche = { mode = 'portion' }\nliquidation = [{ kind = 'full' }]",
            "liquidation and tranche say the same in two ways",
        ),
        ("limit_price = { mode = 'market' }\nlimit = 'market'", "limit and limit_price say"),
        (
            "limit_price = { mode = 'fillable' }\n"
            "liquidation = [{ kind = 'tranche', fraction = 1 }]",
            "venue[0].limit_price: needs the size said by tranche",
        ),
        ("fee_in_trigger = 0.0000001", "venue[0].fee_in_trigger: must not be finer than a ppm"),
    ],
)
def test_what_does_not_go_together_is_refused_with_its_key_path(rules: str, said: str) -> None:
    assert said in refused(rules)


def test_a_window_of_sizes_needs_one_lot_size() -> None:
    rules = "tranche = { mode = 'window', capacity = 2, window_s = 3 }"
    other = MARKET.replace("BTCUSDT", "ETHUSDT").replace("0.01", "0.1")
    margin = BRACKETS + other + BRACKETS
    assert "venue[0].tranche.capacity: needs one lot size" in refused(rules, margin=margin)


# Over a preset.


def test_another_mode_brings_its_own_keys_and_the_same_mode_keeps_the_preset_s() -> None:
    kept = staged("tranche = { tiers = 1 }\nfee_in_trigger = 0", preset="okx")
    assert (kept["rule"], kept["tiers"], kept["cooldown_ns"]) == (
        TrancheRule.TIER_DOWN,
        1,
        60 * 10**9,
    )
    other = staged("tranche = { mode = 'portion', portion = 0.5 }", preset="okx")
    assert (other["rule"], other["portion_ppm"]) == (TrancheRule.PORTION, 500_000)
    assert "cooldown_ns" not in other
    when = staged("takeover = { when = 'unfilled' }", preset="vega")
    assert when["takeover_when"] == TakeoverWhen.UNFILLED


def test_the_venue_s_own_word_holds_in_either_spelling() -> None:
    plan = scenario("liquidation = [{ kind = 'tranche', fraction = 0.5 }]\nlimit = 'market'",
                    preset="bybit-linear").venues[0]  # fmt: skip
    assert plan.staged.policy == {}
    assert plan.arguments["fraction_ppm"] == 500_000
    assert staged("tranche = { mode = 'tier_fit' }")["rule"] == TrancheRule.TIER_FIT


def test_who_wants_no_takeover_need_not_take_back_what_belongs_to_one() -> None:
    for preset in ("vega", "binance-usdm"):
        assert "takeover" not in staged("takeover = { mode = 'none' }", preset=preset)
    assert "insured" not in staged("liquidation_fee_base = 'fill'", preset="dydx-v4")
    assert "dispose_ppm" not in staged("disposal = { fraction = 0 }", preset="vega")


def test_plain_keys_make_no_stages() -> None:
    plan = scenario("adl = { trigger = 'unfilled' }\nsocial = true").venues[0]
    assert plan.staged == ({}, {})
    assert plan.arguments["adl_trigger"] == AdlTrigger.UNFILLED
    assert plan.arguments["social"] is True


# Schedules.

SCHEDULES = {
    "flat": ("maintenance = 0.01\ninitial = 0.02", {"maintenance_ppm": 10_000,
             "initial_ppm": 20_000}),
    "tiers": (
        "table = [{ floor = 0, maintenance = 0.01, initial = 0.02 },"
        " { floor = 50, maintenance = 0.02, initial = 0.04 }]",
        {"rows": [(0, 10_000, 0, 20_000), (500_000, 20_000, 5_000, 40_000)]},
    ),
    "slab": (
        "by = 'size'\ntable = [{ floor = 0, maintenance = 0.01, initial = 0.02 },"
        " { floor = 0.2, maintenance = 0.02, leverage_max = 3 }]",
        {"rows": [(0, 10_000, 20_000), (20, 20_000, 333_334)], "by": "size"},
    ),
    "steps": (
        "limit = 50\nstep = 10\nmaintenance = 0.004\ninitial = 0.01",
        {"limit": 500_000, "step": 100_000, "maintenance_ppm": 4_000, "initial_ppm": 10_000},
    ),
    "size": (
        "maintenance = 0.01\ninitial = 0.02\nincrement = 0.00005",
        {"maintenance_ppm": 10_000, "initial_ppm": 20_000, "increment_ppt": 500_000},
    ),
    "skew": (
        "scale = 1_000\nfraction = 1\nminimum = 0.02\nscalar = 0.5\nfixed = 3",
        {"scale": 100_000, "fraction_ppm": 10**6, "minimum_ppm": 20_000, "scalar_ppm": 500_000,
         "fixed": 30_000},
    ),
    "interest": (
        "maintenance = 0.01\ninitial = 0.02\nlower = 100\nupper = 200",
        {"maintenance_ppm": 10_000, "initial_ppm": 20_000, "lower": 10**6, "upper": 2 * 10**6},
    ),
    "risk": (
        "long = 0.1\nshort = 0.2\nslippage = 0.05\ninitial = 1.2",
        {"long_ppm": 100_000, "short_ppm": 200_000, "slippage_ppm": 50_000,
         "initial_ppm": 1_200_000},
    ),
}  # fmt: skip


def margin(kind: str) -> str:
    return f'[venue.market.schedule]\ntype = "{kind}"\n{SCHEDULES[kind][0]}\n'


@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_schedule_is_the_engine_s_of_the_same_numbers(kind: str) -> None:
    made = scenario("fee_in_trigger = 0.001", margin=margin(kind)).venues[0].markets[0].margins
    assert made is not None
    assert made.arguments == SCHEDULES[kind][1] | {
        **{"multiplier": 50, "contract": "linear", "base": "mark"},
        **{"fee_ppm": 1_000, "strict": True},
    }
    assert schedule_of(made).kind == ("slab" if kind == "steps" else kind)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_run_asks_the_margin_of_its_schedule(kind: str) -> None:
    """A long of 30 lots at 100: the venue's maintenance is the schedule's own answer."""
    built = scenario("", margin=margin(kind))
    account = '[[venue.account]]\nname = "a"\ncollateral = 1_000\n[[venue.account.position]]\n'
    account += 'market = "BTCUSDT"\nside = "long"\nsize = 0.3\nentry_price = 90\n'
    text = built.to_toml() + account
    with oc.World(oc.Scenario.from_toml(text)) as world:
        (stood,) = world.venue("v").standing("a")
    plan = built.venues[0].markets[0].margins
    assert plan is not None
    _, asked = oc.margin.margin_required(schedule_of(plan), 30, 200)
    assert stood.maintenance == world.scenario.venues[0].markets[0].market.to_money(int(asked))


def test_brackets_at_entry_or_with_a_fee_are_a_schedule_of_tiers() -> None:
    made = scenario("mm_base = 'entry'").venues[0].markets[0].margins
    assert made is not None
    assert (made.kind, made.arguments["base"]) == ("tiers", "entry")
    assert scenario("mm_base = 'oracle'").venues[0].markets[0].margins is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("type = 'flat'\nmaintenance = 0.02\ninitial = 0.01", "schedule.maintenance: must be at m"),
        ("type = 'slab'\ntable = []", "schedule.table: must have at least one row"),
        (
            "type = 'slab'\ntable = [{ floor = 0, maintenance = 0.02, initial = 0.03 },"
            " { floor = 1, maintenance = 0.01, initial = 0.03 }]",
            "schedule.table[1]: rates must not fall",
        ),
        (
            "type = 'slab'\ntable = [{ floor = 1, maintenance = 0.02, initial = 0.03 }]",
            "schedule.table[0].floor: must rise",
        ),
        (
            "type = 'interest'\nmaintenance = 0.01\ninitial = 0.02\nlower = 2\nupper = 1",
            "schedule.upper: must be 0 or above lower",
        ),
        (
            "type = 'size'\nmaintenance = 0.01\ninitial = 0.02\nincrement = 0.00000000001",
            "schedule.increment: must be 0 or more, and whole",
        ),
        ("type = 'steps'\nlimit = 0\nstep = 1\nmaintenance = 0.1\ninitial = 0.1", "schedule.limit"),
        ("type = 'scenario'", "schedule.type: must be one of flat, tiers, slab"),
        ("type = 'risk'\nlong = 0.9\nshort = 0\nslippage = 0.2", "schedule.slippage: must leave"),
        ("type = 'risk'\nlong = 1\nshort = 0\nslippage = 0\ninitial = 0.9", "schedule.initial"),
        ("type = 'falt'", "schedule.type: must be one of flat, tiers"),
        ("type = 'flat'\nmaintenance = 0.01", "schedule.initial: is required"),
        ("type = 'flat'\nscale = 1", "schedule.scale: unknown key 'scale'"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_with_its_key_path(text: str, said: str) -> None:
    assert f"venue[0].market[0].{said}" in refused("", margin=f"[venue.market.schedule]\n{text}\n")


def test_a_market_has_brackets_or_a_schedule_and_a_preset_without_either_says_so() -> None:
    both = BRACKETS + margin("flat")
    assert "market[0]: brackets and schedule say the same in two ways" in refused("", margin=both)
    assert "give brackets or a schedule" in refused("", preset="bybit-linear", margin="")


def test_a_population_by_liquidation_price_needs_brackets() -> None:
    crowd = (
        "[[venue.population]]\nmarket = 'BTCUSDT'\naccounts = 3\nsize = 1\n"
        "liquidation_price = { kind = 'ladder', first = 90, step = 1 }\n"
    )
    scenario("", margin=margin("flat") + crowd)
    said = refused("", margin=margin("slab") + crowd)
    assert "venue[0].population[0].liquidation_price: needs brackets" in said
    assert "needs brackets" in refused("mm_base = 'entry'", margin=BRACKETS + crowd)


# Around it.


def test_the_json_schema_knows_the_stages_and_no_key_of_them_is_called_later() -> None:
    known = json.dumps(schema())
    for key in ("tranche", "limit_price", "takeover", "disposal", "levels", "schedule"):
        assert f'"{key}":' in known
        assert key not in LATER
    for modes in LEGAL.values():
        assert not LATER_VALUES & modes.keys()


def test_a_running_world_keeps_its_stages_and_schedules() -> None:
    plain = scenario("fund = { balance = 10 }")
    with oc.World(plain) as world:
        for rules, key in (
            ("takeover = { mode = 'vault' }", "takeover"),
            ("mm_base = 'entry'", "mm_base"),
        ):
            with pytest.raises(oc.ConfigError, match=rf"venue\[0\]\.{key}: .* must stay"):
                world.change(scenario(rules))
        world.change(scenario("fund = { balance = 20 }"))
    window = "tranche = { mode = 'window', capacity = 2, window_s = 3 }"
    refusal = pytest.raises(oc.ConfigError, match="of a window must stay")
    with oc.World(scenario(window)) as world, refusal:
        world.change(scenario(window + "\nsocial = true"))


def test_rules_change_in_a_running_world_with_stages_and_the_stages_stay() -> None:
    rules = "takeover = { mode = 'vault', threshold = 0.5 }\n"
    after = scenario(rules + "social = true")
    hashes = []
    for before in (scenario(rules), after):
        with oc.World(before) as world:
            world.change(after)
            hashes.append(world.state_hash())
    with oc.World(scenario("")) as world:
        world.change(scenario("social = true"))
        hashes.append(world.state_hash())
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_venue_in_python_takes_the_same_keys() -> None:
    btc = oc.Market("BTCUSDT", tick_size="0.5", lot_size="0.01", settle="USDT", decimals=4)
    venue = oc.Venue("binance-usdm", [btc], index={"BTCUSDT": 100}, fund=1_000)
    a, b = venue.open_account(), venue.open_account()
    for account, money in ((a, "0.5"), (b, 1_000)):
        venue.deposit(account, money)
    venue.submit(b, "BTCUSDT", oc.Side.ASK, price=100, size="0.3")
    venue.submit(a, "BTCUSDT", oc.Side.BID, price=100, size="0.3")
    venue.set_index("BTCUSDT", "98.5")
    tape = venue.settle()
    # Nobody bids: the fund takes all of it at the bankruptcy price.
    assert tape.liquidations["outcome"].tolist() == [oc.Outcome.TAKEN_OVER]
    assert venue.position(a, "BTCUSDT") == 0
    assert not any(venue.audit().values())

"""Small random scenarios in which some accounts are in hedge mode."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ordercascade.duties import PairRule
from ordercascade.enums import CancelPolicy
from reference import scenarios as draw
from reference.scripts import Call


@st.composite
def venue(draw_: st.DrawFn, number: int = 0) -> list[Call]:
    """Draw a venue, some of whose accounts hold both legs of a market."""
    calls = draw_(draw.venue(number))
    made, rules = calls[0], dict(calls[0].kwargs)
    if rules.get("cancel") == CancelPolicy.NONE:
        rules["cancel"] = CancelPolicy.MARKET
    rules["pairs"] = draw_(st.sampled_from(PairRule))
    rest = [call for call in calls[1:] if call.name != "open_account"]
    accounts = draw.count(calls, "open_account", number)
    chosen = draw_(st.sets(st.integers(1, accounts), min_size=1))
    before = [call for call in rest if call.name in ("add_market", "seed_level", "set_funding")]
    after = [call for call in rest if call not in before]
    opened = [Call(number, "open_account")] * accounts
    hedges = [Call(number, "hedge", (account,)) for account in sorted(chosen)]
    pairs = []
    for call in after:
        if call.name == "open_position" and call.args[0] in chosen:
            pairs += draw_(other_leg(call))
    return [made._replace(kwargs=rules), *before, *opened, *hedges, *after, *pairs]


@st.composite
def other_leg(draw_: st.DrawFn, call: Call) -> list[Call]:
    """Draw the position on the other leg beside one: the same lots, fewer, more, or none."""
    account, market, size, cost = call.args
    share = draw_(st.sampled_from([100, 100, 80, 130, 20, 0]))
    lots = -size * share // 100
    if lots == 0:
        return []
    away = draw_(st.integers(95, 105))
    return [
        Call(call.venue, "open_position", (account, market, lots, -cost * share * away // 10**4))
    ]


@st.composite
def user_order(draw_: st.DrawFn, calls: list[Call]) -> Call:
    """Draw an order; of a hedged account for a leg."""
    call = draw_(draw.user_order(calls))
    if call.args[0] not in hedged_of(calls):
        return call
    how: dict[str, Any] = {**call.kwargs, "leg": draw_(st.sampled_from(["long", "short"]))}
    return call._replace(kwargs=how)


def hedged_of(calls: list[Call]) -> set[int]:
    """Return the accounts that were put into hedge mode."""
    return {call.args[0] for call in calls if call.name == "hedge"}


@st.composite
def scenarios(draw_: st.DrawFn) -> list[Call]:
    """Draw a whole scenario, from the first call to the end of the run."""
    calls = draw_(venue())
    calls += draw_(draw.agenda(calls))
    calls.append(Call(-1, "start"))
    calls += draw_(st.lists(user_order(calls), max_size=8))
    return [*calls, Call(-1, "run")]

"""What a Venue without a scenario plans ahead: the end of a market, answers to margin calls."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from ordercascade import toml
from ordercascade.ahead import Expiry, answer_of, expiry_of
from ordercascade.errors import ConfigError, InputError
from ordercascade.market import Market
from ordercascade.plan import VenuePlan
from ordercascade.venuekeys import AnswerConfig, ExpiryConfig

# Keys of a scenario's venue that only a scenario can carry out, and who does it here.
ELSEWHERE = {
    "account": "open_account(), deposit() and submit()",
    "population": "a Scenario",
    "positions": "a Scenario",
    "answer": "answer()",
    "interest": "a Scenario",
}


def alone(rules: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the rules of a venue without a scenario; refuse what nobody would carry out."""
    for key, hint in ELSEWHERE.items():
        if key in rules:
            raise ConfigError(f"venue.{key}", f"belongs to a scenario's venue: use {hint}")
    return rules


def ending(market: Market, **words: Any) -> Expiry:
    """Return when and how a market ends, from the words of `[venue.market.expiry]`."""
    said = toml.build(_given(words), ExpiryConfig)
    return expiry_of(said, market, "expire")


def plan_end(world: Any, market: int, ends: Expiry, meta: dict[str, Any], *, alone: bool) -> None:
    """Put a market's end on the agenda, and into what the tape says of it."""
    from ordercascade.core.planning import schedule_expiry

    if not alone:
        raise InputError("market", market, "must end as its scenario says: [venue.market.expiry]")
    at, rule, window, price = ends
    schedule_expiry(world, at, 0, market, rule=rule, window_ns=window, price=price)
    meta["markets"][market]["expiry"] = [int(cell) for cell in ends]


def answering(plan: VenuePlan, action: str, how: Mapping[str, Any]) -> dict[str, Any]:
    """Return the engine's numbers of an answer, from the words of `[[venue.answer]]`."""
    if "calls" not in plan.ahead.rules:
        rule = "is required: nobody is called who could answer"
        raise ConfigError("venue.margin_calls", rule)
    said = toml.build({"account": "its", "action": action, **_given(how)}, AnswerConfig)
    return answer_of(said, plan.markets[0].market, "answer").arguments


def give_answer(world: Any, venue: Any, account: int, numbers: Mapping[str, Any]) -> None:
    """Tell the engine what an account of a venue does when it is called."""
    from ordercascade.core.planning import set_answers

    number = next(k for k in count() if world.venue(k) is venue)
    set_answers(world, number, account, **numbers)


def _given(words: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in words.items() if value is not None}

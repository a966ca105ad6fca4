"""Refuse hedge mode and portfolios where a venue's rules are not for them yet. ADR 21, 23."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ordercascade.config import VenueConfig
from ordercascade.errors import ConfigError

Rule = tuple[Any, str]  # whether a venue's rules say it, and what it is called there


def _of_neither(config: VenueConfig, stages: Mapping[str, Any]) -> tuple[Rule, ...]:
    return (
        (stages.get("insured"), "liquidation_fee_base 'surplus'"),
        (stages.get("adl_overlap"), "adl.overlap_check"),
        (stages.get("variation"), "settle_to_mark"),
        (stages.get("release_ppm"), "levels"),
        (config.margin_calls is not None, "margin_calls"),
        (config.collateral, "collateral"),
    )


def _refuse(place: str, *rules: Rule) -> None:
    for unfit, words in rules:
        if unfit:
            raise ConfigError(place, f"cannot be run yet at a venue whose rules say {words}")


def judge_hedges(config: VenueConfig, stages: Mapping[str, Any], path: str) -> None:
    """Raise ConfigError at the first `hedge` of a venue that says anything of the list."""
    said = [(f"account[{i}]", bool(each.hedge)) for i, each in enumerate(config.account)]
    said += [(f"positions[{i}]", bool(each.hedge)) for i, each in enumerate(config.positions)]
    place = next((where for where, hedge in said if hedge), None)
    if place is None:
        return
    _refuse(
        f"{path}.{place}.hedge",
        *_of_neither(config, stages),
        (config.portfolio is not None, "portfolio"),
        (config.fee_in_trigger and config.fee_at == "bankruptcy", "fee_at 'bankruptcy'"),
        (config.cancel == "none", "cancel 'none'"),
        (
            config.interest is not None and bool(config.interest.borrower_elasticity),
            "interest.borrower_elasticity",
        ),
    )


def judge_grids(config: VenueConfig, stages: Mapping[str, Any], path: str) -> None:
    """Raise ConfigError at the `portfolio` of a venue that says anything of the list."""
    if config.portfolio is None:
        return
    _refuse(
        f"{path}.portfolio",
        *_of_neither(config, stages),
        (config.interest is not None, "interest"),
        (config.fee_in_trigger, "fee_in_trigger: scenarios count no closing fee"),
        (config.mm_base == "entry", "mm_base 'entry': scenarios move prices from the mark"),
        (config.leg in ("most_liquid", "pro_rata"), f"leg {config.leg!r}: legs go by their relief"),
        (config.queue == "trigger_price", "queue 'trigger_price': it has no price to sort by"),
    )

"""The flat record of a venue's margin and liquidation rules: the keys of spec/MARGIN.md §11.

A key is said, or it stands in one of three lists: `unknown` (not verified), `absent` (the venue has
no such stage) or `by_market` (it comes with the market). Nothing is left open.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from ordercascade.exact import Exact, plain
from ordercascade.keys import Strict


class ScheduleRecord(Strict, frozen=True, kw_only=True):
    """The kind of the schedule, and the figures that hold at every market."""

    type: Literal["tiers", "slab", "size", "skew", "interest", "risk"] | None = None
    table: dict[str, Exact] | None = None


class TrancheRecord(Strict, frozen=True, kw_only=True):
    """How much the first order closes; `min` and `block_cap` in the settlement asset."""

    mode: (
        Literal["all", "portion", "one_ioc", "tier_down", "clips", "window", "ramp", "network"]
        | None
    ) = None
    portion: Exact | None = None
    min: Exact | None = None
    block_cap: Exact | None = None
    cooldown_s: Exact | None = None
    window_capacity: str | None = None


class LimitRecord(Strict, frozen=True, kw_only=True):
    """The limit of a liquidation order; `spread` and `ba` of the fillable price."""

    mode: (
        Literal["market", "bankruptcy", "fillable", "mid_range", "oracle", "oracle_fee"] | None
    ) = None
    spread: Exact | None = None
    ba: Exact | None = None


class TakeoverRecord(Strict, frozen=True, kw_only=True):
    """Who takes what the book did not; `threshold` is equity over maintenance."""

    mode: Literal["fund", "vault", "network", "liquidator", "pool"] | None = None
    price: Literal["mark", "bankruptcy", "oracle", "oracle_fee"] | None = None
    threshold: Exact | None = None


class DisposalRecord(Strict, frozen=True, kw_only=True):
    """How an inherited position is sold."""

    step_s: Exact | None = None
    fraction: Exact | None = None
    full: Exact | None = None
    max_fraction: Exact | None = None
    range: Exact | None = None


class FeeRecord(Strict, frozen=True, kw_only=True):
    """The liquidation fee: of the fill's value, of the rest of the margin, or of the shortage."""

    rate: Exact | None = None
    base: Literal["fill", "rest", "margin", "flag", "liquidator"] | None = None
    cap: str | None = None


class FundRecord(Strict, frozen=True, kw_only=True):
    """Whose the fund is and what it may lose or hold."""

    scope: Literal["venue", "market", "asset", "underlying"] | None = None
    block_loss_cap: Exact | None = None
    position_cap: str | None = None


class AdlRecord(Strict, frozen=True, kw_only=True):
    """When winners are deleveraged, in which order and at which price."""

    trigger: str | None = None
    rank: str | None = None
    price: Literal["bankruptcy", "mark", "previous_mark", "oracle"] | None = None
    overlap_check: bool | None = None
    max_accounts: int | None = None


class SocialRecord(Strict, frozen=True, kw_only=True):
    """The last resort and who gets its remainder."""

    mode: Literal["pro_rata_winners", "funding_shift", "days_winners", "pool_debt"] | None = None
    remainder: str | None = None


class GatesRecord(Strict, frozen=True, kw_only=True):
    """What stops withdrawals or trading."""

    withdrawal: str | None = None
    price: str | None = None


class RoundingRecord(Strict, frozen=True, kw_only=True):
    """Directions of spec/MARGIN.md §9."""

    maintenance: Literal["up", "down"] | None = None
    limit: Literal["against_account", "with_account"] | None = None
    bankruptcy: Literal["up", "up_long"] | None = None
    fee: Literal["up", "down"] | None = None


class Record(Strict, frozen=True, kw_only=True):
    """One venue's rules, said, unknown, absent or left to the market."""

    contract: tuple[Literal["linear", "inverse", "quanto"], ...]
    cash_convention: Literal["entry", "net"]
    mm_base: Literal["mark", "entry", "oracle"] | None = None
    schedule: ScheduleRecord = ScheduleRecord()
    fee_in_trigger: Literal["no", "mark", "bankruptcy"] | None = None
    trigger_price: Literal["mark", "index", "oracle"] | None = None
    trigger_strict: bool | None = None
    exit_buffer: Exact | None = None
    cancel_policy: Literal["scope", "market", "increasing", "none"] | None = None
    tranche: TrancheRecord = TrancheRecord()
    limit_price: LimitRecord = LimitRecord()
    takeover: TakeoverRecord = TakeoverRecord()
    disposal: DisposalRecord = DisposalRecord()
    liq_fee: FeeRecord = FeeRecord()
    fund: FundRecord = FundRecord()
    adl: AdlRecord = AdlRecord()
    social: SocialRecord = SocialRecord()
    gates: GatesRecord = GatesRecord()
    rounding: RoundingRecord = RoundingRecord()
    unknown: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    by_market: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        listed = [*self.unknown, *self.absent, *self.by_market]
        keys = dict(_flat(self))
        for key in listed:
            if key not in keys:
                raise ValueError(f"{key!r} is no key of a record")
            if keys[key] is not None:
                raise ValueError(f"{key!r} is said and stands in a list as well")
        if len(set(listed)) != len(listed):
            twice = min(key for key in listed if listed.count(key) > 1)
            raise ValueError(f"{twice!r} stands in two lists")
        left = [key for key, value in keys.items() if value is None and key not in listed]
        if left:
            raise ValueError(f"must say {left[0]!r}, or list it as unknown, absent or by_market")

    def rows(self) -> list[tuple[str, str]]:
        """Return every key with what is said of it, as people read it."""
        words = {key: word for word in _LISTS for key in getattr(self, word)}
        return [
            (key, words[key].replace("_", " ") if value is None else _text(value))
            for key, value in _flat(self)
        ]


_LISTS = ("unknown", "absent", "by_market")


def _flat(record: msgspec.Struct, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every key of a record but the three lists: ("tranche.mode", "portion"), …"""
    for field in record.__struct_fields__:
        value = getattr(record, field)
        if isinstance(value, msgspec.Struct):
            yield from _flat(value, f"{field}.")
        elif field not in _LISTS:
            yield prefix + field, value


def _text(value: Any) -> str:
    if isinstance(value, Exact):
        return plain(value)
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(figure)}" for key, figure in value.items())
    return (
        {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    )

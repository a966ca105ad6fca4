"""The keys of what a venue has beside its rules: collateral, funding, interest, gates, calls, ends.

spec/MARGIN.md §2.3, §3, §6.9; spec/MECHANISMS.md §8, §13 to §15.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ordercascade.exact import Exact
from ordercascade.keys import Strict


class CollateralPrice(Strict, frozen=True, kw_only=True):
    """What one of a collateral costs: a stated rate, a market's mark or index, or a beta of one.

    A beta: rate x max(0, 1 + beta (m / m0 - 1)), m the market's mark (or index: `of`), m0 that of
    the opening. Where m has fallen by d, beta is min(1, d / stress_at) of the way to stress_beta.
    """

    kind: Literal["rate", "mark", "index", "beta"]
    rate: Exact | None = None
    market: str | None = None
    beta: Exact | None = None
    of: Literal["mark", "index"] | None = None
    stress_beta: Exact | None = None
    stress_at: Exact | None = None

    def __post_init__(self) -> None:
        if (self.kind in ("rate", "beta")) != (self.rate is not None):
            raise ValueError("rate belongs to the kinds rate and beta, which need it")
        if (self.kind == "rate") == (self.market is not None):
            raise ValueError("market belongs to the kinds mark, index and beta, which need it")
        if (self.kind == "beta") != (self.beta is not None):
            raise ValueError("beta belongs to kind beta, which needs it")
        for key in ("of", "stress_beta", "stress_at"):
            if self.kind != "beta" and getattr(self, key) is not None:
                raise ValueError(f"{key} belongs to kind beta")
        if (self.stress_beta is None) != (self.stress_at is None):
            raise ValueError("stress_beta and stress_at belong together; give both or none")


class HaircutTier(Strict, frozen=True, kw_only=True):
    """The haircut of what lies above an amount; `above` in whole units of the asset."""

    above: Exact
    haircut: Exact


class CollateralConfig(Strict, frozen=True, kw_only=True):
    """Another asset as margin at a venue: its price, its haircut, what a conversion brings.

    Its haircut is one fraction, or tiers of what lies above an amount. At a venue that says its
    `haircut_impact`, one with a `volume` (traded a day) and a `volatility` (a day) grows with the
    amount Q, to 1 - (1 - h)(1 - haircut_impact x volatility x sqrt(Q / volume)), and is never below
    `haircut_floor`. With a `concentration_addon` h is min(1, h + addon x max(0, Q / volume - from))
    at any venue; where that would take more than all of what is added, Q counts as what it was
    before. spec/MECHANISMS.md §14.
    """

    name: str
    decimals: Annotated[int, Meta(ge=0, le=9)] = 6
    price: CollateralPrice
    peg: Exact | None = None
    haircut: Exact | None = None
    tiers: tuple[HaircutTier, ...] = ()
    volatility: Exact | None = None
    volume: Exact | None = None
    haircut_floor: Exact | None = None
    concentration_addon: Exact | None = None
    concentration_from: Exact | None = None
    discount: Exact | None = None
    spot: bool = False  # sold into the book of the market that values it

    def __post_init__(self) -> None:
        if self.haircut is not None and self.tiers:
            raise ValueError("haircut and tiers say the same in two ways; give one")
        if self.concentration_addon is None:
            if (self.volatility is None) != (self.volume is None):
                raise ValueError("volatility and volume belong together; give both or none")
            if self.concentration_from is not None:
                raise ValueError("concentration_from belongs to concentration_addon")
        elif self.volume is None:
            raise ValueError("concentration_addon needs a volume")


class HoldingConfig(Strict, frozen=True, kw_only=True):
    """An amount of a collateral that an account opens with."""

    asset: str
    amount: Exact


class JumpConfig(Strict, frozen=True, kw_only=True):
    """A collateral jumps: to another `peg`, what it is worth of its price, or to another `rate`."""

    at_s: Exact
    venue: str | None = None
    collateral: str | None = None
    peg: Exact | None = None
    rate: Exact | None = None

    def __post_init__(self) -> None:
        if (self.peg is None) == (self.rate is None):
            raise ValueError("a jump must have peg or rate, one of the two")


class FundingRuleConfig(Strict, frozen=True, kw_only=True):
    """How a market's funding rate is found; fractions of the value, exact to 10^-9.

    premium: (P + clamp(interest - P)) / share with P = (mark - index) / index; skew: mark / index -
    lots of longs / lots of shorts. The rate, which longs pay, lies within +- cap.
    """

    rule: Literal["premium", "skew"]
    interest: Exact | None = None
    clamp: Exact | None = None
    cap: Exact | None = None
    share: Annotated[int, Meta(ge=1, le=10**6)] = 1
    price: Literal["mark", "index"] = "mark"


class InterestConfig(Strict, frozen=True, kw_only=True):
    """Two-slope interest on borrowed settlement money; rates are fractions a year of 365 days.

    R = base + slope1 U / optimum up to the optimum, + slope2 (U - optimum) / (1 - optimum) beyond.
    Paid `times` times, `every_s` apart, first at `at_s` (every_s); the fund keeps the reserve. With
    a `borrower_elasticity` borrowers then close that share of their positions for each per cent of
    R and day that was paid for, rounded down to lots (core/relief.pyx).
    """

    optimum: Exact
    slope1: Exact
    slope2: Exact
    base: Exact | None = None
    reserve: Exact | None = None
    borrower_elasticity: Exact | None = None
    every_s: Exact
    at_s: Exact | None = None
    times: Annotated[int, Meta(ge=1, le=10**6)] = 1


class FundingConfig(Strict, frozen=True, kw_only=True):
    """Funding payments from `at_s` on, `every_s` apart; without a rate by the market's rule."""

    at_s: Exact
    venue: str | None = None
    market: str | None = None
    rate: Exact | None = None
    every_s: Exact | None = None
    times: Annotated[int, Meta(ge=1, le=10**6)] = 1

    def __post_init__(self) -> None:
        if self.times > 1 and self.every_s is None:
            raise ValueError("more than one payment needs every_s")


class PluginConfig(Strict, frozen=True, kw_only=True):
    """A Python plug-in, "module:Class", and what it is made with. See plugged.py."""

    hook: Literal["liquidation", "backstop", "breaker", "surcharge"]
    plugin: str
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)


class WithdrawalRate(Strict, frozen=True, kw_only=True):
    """In one window no more leaves than the larger of `least` and a share of all deposits."""

    window_s: Exact
    share: Exact
    least: Exact


class GatesConfig(Strict, frozen=True, kw_only=True):
    """What holds withdrawals back: a stop after an account below zero was seen, a share of the
    exposure that stays, rates. spec/MARGIN.md §6.9."""

    stop_s: Exact | None = None
    stays: Exact | None = None
    rates: tuple[WithdrawalRate, ...] | None = None


class MarginCallsConfig(Strict, frozen=True, kw_only=True):
    """Levels in maintenance margins: a call below `call`, the next after `release` (= call)."""

    call: Exact
    release: Exact | None = None


class AnswerConfig(Strict, frozen=True, kw_only=True):
    """What an account, or a share of a population, does `delay_s` after a margin call."""

    account: str | None = None
    population: str | None = None
    share: Exact | None = None
    action: Literal["add", "reduce", "ignore"]
    delay_s: Exact | None = None
    target: Exact | None = None
    wallet: Exact | None = None
    source: Literal["outside", "cross"] | None = None
    fraction: Exact | None = None

    def __post_init__(self) -> None:
        if (self.account is None) == (self.population is None):
            raise ValueError("an answer must have account or population, one of the two")
        if self.share is not None and self.population is None:
            raise ValueError("share is of a population; an account answers whole")
        may = {"add": {"target", "wallet", "source"}, "reduce": {"fraction"}}
        for key in ("target", "wallet", "source", "fraction"):
            if getattr(self, key) is not None and key not in may.get(self.action, set()):
                raise ValueError(f"action {self.action!r} takes no {key}")
        if self.action == "add" and self.target is None and self.wallet is None:
            raise ValueError("action 'add' needs a target, a wallet or both")


class ExpiryConfig(Strict, frozen=True, kw_only=True):
    """The end of a market: all orders go, all positions are settled at one price."""

    at_s: Exact
    price: Literal["mark", "index", "average_mark", "average_index", "stated"] = "mark"
    window_s: Exact | None = None
    stated: Exact | None = None

"""Words of surcharges, collateral, margin calls and expiries; those of the tape are in enums."""

from __future__ import annotations

from enum import IntEnum


class RateKind(IntEnum):
    """Which rates of a market a surcharge is added to: core/mechanism.pxd."""

    MAINTENANCE = 0  # and initial margin with it
    INITIAL = 1
    FEE = 2  # of takers


class CollateralSource(IntEnum):
    """Where the price of a collateral comes from: a stated rate, a market's mark or its index."""

    RATE = 0
    MARK = 1
    INDEX = 2


class CallAction(IntEnum):
    """What an account does when it is called for margin."""

    NOTHING = 0
    ADD = 1
    REDUCE = 2


class CallSource(IntEnum):
    """Where the money comes from that a called account adds."""

    OUTSIDE = 0
    CROSS = 1


class ExpiryRule(IntEnum):
    """At which price a market is settled in the end: core/expiry.pyx."""

    MARK = 0
    INDEX = 1
    AVERAGE_MARK = 2
    AVERAGE_INDEX = 3
    STATED = 4


class LotSide(IntEnum):
    """Whose lots a loss is spread over."""

    BOTH = 0
    LONGS = 1
    SHORTS = 2


class OptionKind(IntEnum):
    """What an option gives a right to: mechanisms/options.pxd."""

    CALL = 1
    PUT = 2


class VolMove(IntEnum):
    """What a scenario does to volatility: core/grids.pxd."""

    DOWN = -1
    SAME = 0
    UP = 1


class Leg(IntEnum):
    """Which of an account's positions in a market a liquidation closed: ADR 21."""

    NET = 0
    LONG = 1
    SHORT = 2


class PairRule(IntEnum):
    """What happens to a hedged scope that holds both legs of a market, before its order."""

    KEPT = 0
    NET = 1

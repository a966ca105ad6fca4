"""The words of margin calls and expiries; those of the tape itself are in enums."""

from __future__ import annotations

from enum import IntEnum


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

"""The closed lists of the domain: one name, one small integer, the same in C, Python and files."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Side(IntEnum):
    """The side of an order, of a taker, or of a level."""

    BID = 0
    ASK = 1


class OrderType(IntEnum):
    """What a message asks of the book. CANCEL and AMEND name a resting order by its id."""

    LIMIT = 0
    MARKET = 1
    CANCEL = 2
    AMEND = 3


class TimeInForce(IntEnum):
    """How long an order lives: until cancelled, now or never (in part), all now or nothing."""

    GTC = 0
    IOC = 1
    FOK = 2


class OrderFlag(IntFlag):
    """Bits of an order's `flags`."""

    NONE = 0
    POST_ONLY = 1
    REDUCE_ONLY = 2
    SLIDE = 4  # with POST_ONLY: rest one tick off the other side's best instead of a refusal
    # What happens where the arriving order meets one of the same account; none: they trade.
    CANCEL_NEWEST = 8
    CANCEL_OLDEST = 16
    CANCEL_BOTH = 24
    DECREMENT = 32


class Command(IntEnum):
    """What a row of WIDE_DTYPE asks; the first four as in OrderType."""

    LIMIT = 0
    MARKET = 1
    CANCEL = 2
    AMEND = 3
    STOP = 4
    TAKE_PROFIT = 5
    CANCEL_ALL = 6
    MARK = 7
    CLOCK = 8
    COLLECT = 9
    UNCROSS = 10


class TriggerBy(IntEnum):
    """Which price a waiting stop listens to: that of the last trade, or the mark."""

    LAST = 0
    MARK = 1


class Reject(IntEnum):
    """Why an order was refused: data, not an exception. Every code is -2 or less."""

    UNKNOWN_ORDER = -2
    NOT_OWNER = -3
    POST_ONLY_WOULD_CROSS = -4
    FOK_NOT_FILLABLE = -5
    NO_LIQUIDITY = -6
    POOL_FULL = -7
    BAD_MESSAGE = -8
    INSUFFICIENT = -9
    POSITION_LIMIT = -10
    POSITION_OPEN = -11
    REDUCE_ONLY = -12
    LEVEL_FULL = -13
    EXPIRED = -14
    SELF_TRADE = -15
    CASCADE_LIMIT = -16
    AUCTION = -17
    DUPLICATE_ID = -18
    NO_OVERLAP = -19
    GATED = -20
    HALTED = -21
    EXPIRED_MARKET = -22
    NO_BOOK = -23  # an option: see trade_option()


class HolderKind(IntEnum):
    """Who can own money at a venue."""

    SCOPE = 0
    EXTERNAL = 1
    FUND = 2
    VAULT = 3
    FEES = 4
    BAD_DEBT = 5
    CLEARING = 6


class StepKind(IntEnum):
    """The kinds of row in the tape's step table."""

    SHOCK = 0
    MARK = 1
    LIQUIDATION = 2
    TAKEOVER = 3
    DISPOSAL = 4
    WATERFALL = 5
    ADL = 6
    HALT = 7
    RESUME = 8
    AUCTION = 9
    MARGIN_CALL = 10
    AGENTS = 11
    BOUND = 12
    PAYMENT = 13
    FUNDING = 14
    RATES = 15
    INTEREST = 16
    EXPIRY = 17
    NETTING = 18  # both legs of a hedged scope's market, against one another


class Outcome(IntEnum):
    """What the table of a liquidation decided for the scope after its order."""

    OPEN = 0
    HEALTHY = 1
    PENDING = 2
    DELEVERAGED = 3
    CLOSED = 4
    SHORTFALL = 5
    TAKEN_OVER = 6


class PostReason(IntEnum):
    """Why money moved."""

    REALISE = 0
    FEE_MAKER = 1
    FEE_TAKER = 2
    FEE_LIQUIDATION = 3
    FUND_PAYS = 4
    SOCIALISED = 5
    BAD_DEBT = 6
    RESIDUAL = 7
    TRANSFER = 8
    DEPOSIT = 9
    WITHDRAWAL = 10
    TAKEOVER = 11
    FUNDING = 12
    INTEREST = 13
    CONVERSION = 14  # collateral for settlement money


class NoteKind(IntEnum):
    """The kinds of row in the tape's note table."""

    BOUND_REACHED = 0
    ADL_EXTERNAL = 1
    FUND_EMPTY = 2
    DISLOCATION = 3
    HELD = 4
    RELEASED = 5
    RATE = 6  # a: what surcharges add now, ppm; b: to 0 maintenance, 1 initial, 2 taker fee
    FUNDING = 7  # a: rate in ppb that longs pay; b: price of the lots, 0: nothing was paid
    INTEREST = 8  # a: rate a year in ppb; b: utilisation in ppb, -1: nothing was paid
    COLLATERAL = 9  # a: new price (b = 2 * asset) or ppm of its source (b = 2 * asset + 1)
    MARGIN_CALL = 10  # a: equity; b: maintenance
    ANSWER = 11  # a: step of the call; b: money added, or lots sold or bought back
    EXPIRY = 12  # a: settlement price; b: positions closed, -1: a cell would have passed its bound
    VOLATILITY = 13  # a: an option's volatility now, ppm; b: what it was
    HEDGED = 14  # a: account in hedge mode; b: number of its short legs; market: the venue
    NETTED = 15  # a: price; b: lots of each leg
    RELIEF = 16  # a: share that borrowers close, ppb; b: lots that were filled


class MarketKind(IntEnum):
    """How a market's lots pay: core/contracts.pxd."""

    LINEAR = 0
    INVERSE = 1


class FundingRule(IntEnum):
    """How a market's funding rate is found where none is given: core/funding.pyx."""

    NONE = 0
    PREMIUM = 1
    SKEW = 2


class PriceSource(IntEnum):
    """Which price of the venue's own book an oracle reads, or the outside index."""

    LAST = 0
    MID = 1
    INDEX = 2


class FeedKind(IntEnum):
    """How an oracle with a memory computes its price: as it is, a mean over a window, the index
    plus a smoothed basis, or the median of that, the book's own median and the index; the index
    with the basis of funding, or the median of that, the index plus smoothed basis, and last."""

    SPOT = 0
    TWAP = 1
    EMA = 2
    MEDIAN3 = 3
    BASIS3 = 4
    FUNDING = 5


class Told(IntEnum):
    """Which price a dislocation falsifies for oracles: the outside one, or the market's own."""

    INDEX = 1
    OWN = 2


class BreakerAction(IntEnum):
    """What a breaker says of a market in a round; the larger one is the stricter."""

    ALLOW = 0
    HOLD = 1
    STOP = 2


class BreakerKind(IntEnum):
    """A band that orders may not pass; a halt where the mark passes one; pauses while the mark
    lags, or while gas is dear."""

    BAND = 0
    HALT = 1
    LAG = 2
    GAS = 3


class ReleaseRule(IntEnum):
    """How what waited during a halt comes back: at once, in a call auction, or in slices."""

    AT_ONCE = 0
    AUCTION = 1
    DRIP = 2


class MarkRefresh(IntEnum):
    """When a mark is taken again: at the start of a round, or after every order."""

    ROUND = 0
    ORDER = 1


class QueueOrder(IntEnum):
    """Who is liquidated first within a round."""

    SCOPE_ID = 0
    TRIGGER_PRICE = 1
    MARGIN_RATIO = 2


class LegRule(IntEnum):
    """Which leg of a cross scope is sold first; PRO_RATA: all of them, in the same round. ADR 28"""

    LARGEST_MARGIN_RELIEF = 0
    WORST_PNL = 1
    MOST_LIQUID = 2
    PRO_RATA = 3


class CancelPolicy(IntEnum):
    """Which resting orders of a scope go before its liquidation order."""

    SCOPE = 0
    MARKET = 1
    NONE = 2


class LimitRule(IntEnum):
    """The limit price of a liquidation order."""

    MARKET = 0
    BANKRUPTCY = 1


class OrderLimit(IntEnum):
    """The limit price of a liquidation order of `Tranches`."""

    MARKET = 0
    BANKRUPTCY = 1
    FILLABLE = 2
    RANGE = 3


class ShortfallAt(IntEnum):
    """When the loss table runs: after each order, or at the end of the round."""

    ORDER = 0
    ROUND = 1


class Residual(IntEnum):
    """Who keeps what is left of a liquidated, flat scope."""

    ACCOUNT = 0
    FUND = 1


class FeeTo(IntEnum):
    """Who receives the liquidation fee."""

    FUND = 0
    FEES = 1


class AdlRule(IntEnum):
    """How the lots of a bankrupt scope are dealt to its counterparties."""

    QUEUE = 0
    PRO_RATA = 1
    SCOPE_ID = 2
    SCORES = 3
    ACCOUNT_RISK = 4
    MARGIN_RATIO = 5
    GROWTH = 6
    RANDOM = 7


class AdlTrigger(IntEnum):
    """When a scope is deleveraged: on a shortfall only, or also when an order stays unfilled."""

    SHORTFALL = 0
    UNFILLED = 1


class AdlWhen(IntEnum):
    """Whether that holds; or only on a shortfall whose order filled nothing at all; or never."""

    TABLE = 0
    UNTOUCHED = 1
    NEVER = 2


class PriceMode(IntEnum):
    """At which price positions are handed over: exactly at the bankrupt's cost, at its price as a
    whole tick, at the mark that stands, or at the one that stood before."""

    BANKRUPTCY = 0
    TICK = 1
    MARK = 2
    PREVIOUS_MARK = 3


class Takeover(IntEnum):
    """Who takes over what cannot be sold."""

    NOBODY = 0
    FUND = 1
    VAULT = 2


class TakeoverWhen(IntEnum):
    """When: instead of an order, below a share of maintenance; or after an order that left lots;
    or once equity is below zero."""

    BELOW = 0
    UNFILLED = 1
    SHORTFALL = 2


class SocialRule(IntEnum):
    """Who shares a loss: holders in profit; winners of this settlement to the mark, exactly
    pro rata; everybody, by the lot; those who gained since the day began."""

    PROFIT = 0
    GAINS = 1
    LOTS = 2
    DAY = 3


class Stop(IntEnum):
    """Why a run ended."""

    RUNNING = 0
    NOBODY_AT_RISK = 1
    NOTHING_TO_FILL = 2
    ROUND_BOUND = 3
    STEP_BOUND = 4
    NO_ORDER = 5  # accounts are at risk, but policy, breaker or window lets no order of theirs go

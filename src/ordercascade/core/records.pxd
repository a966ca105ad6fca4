# What moves between the stages of a cascade. Plain rows; a stage fills a buffer, the next reads it.
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t
from ordercascade.core.units cimport Cash, Lot, Ppm, Tick, TimeNs

# The numbers are those of ordercascade.enums; tests/unit/test_enums.py holds them together.
cdef enum:
    BID = 0
    ASK = 1

cdef enum:
    LIMIT = 0
    MARKET = 1
    CANCEL = 2
    AMEND = 3

cdef enum:
    GTC = 0
    IOC = 1
    FOK = 2

cdef enum:
    POST_ONLY = 1
    REDUCE_ONLY = 2
    SLIDE = 4
    CANCEL_NEWEST = 8
    CANCEL_OLDEST = 16
    DECREMENT = 32

cdef enum:
    REJECT_UNKNOWN_ORDER = -2
    REJECT_NOT_OWNER = -3
    REJECT_POST_ONLY_WOULD_CROSS = -4
    REJECT_FOK_NOT_FILLABLE = -5
    REJECT_NO_LIQUIDITY = -6
    REJECT_POOL_FULL = -7
    REJECT_BAD_MESSAGE = -8
    REJECT_INSUFFICIENT = -9
    REJECT_POSITION_LIMIT = -10
    REJECT_POSITION_OPEN = -11
    REJECT_REDUCE_ONLY = -12
    REJECT_LEVEL_FULL = -13
    REJECT_EXPIRED = -14
    REJECT_SELF_TRADE = -15
    REJECT_CASCADE_LIMIT = -16
    REJECT_AUCTION = -17
    REJECT_DUPLICATE_ID = -18
    REJECT_NO_OVERLAP = -19
    REJECT_GATED = -20
    REJECT_HALTED = -21
    REJECT_EXPIRED_MARKET = -22
    REJECT_NO_BOOK = -23

ctypedef struct Message:    # 32 bytes: MESSAGE_DTYPE
    uint8_t type            # OrderType
    uint8_t side            # Side; ignored by CANCEL and AMEND
    uint8_t tif             # TimeInForce
    uint8_t flags           # OrderFlag bits
    int32_t account
    int64_t order_id        # CANCEL, AMEND: the order's id
    int64_t price           # MARKET and CANCEL: ignored; AMEND: 0 keeps the price
    int64_t size            # AMEND: the new open size

cdef enum:                  # Command beyond OrderType
    DO_STOP = 4
    DO_TAKE_PROFIT = 5
    DO_CANCEL_ALL = 6
    DO_MARK = 7
    DO_CLOCK = 8
    DO_COLLECT = 9
    DO_UNCROSS = 10

cdef enum:
    BY_LAST = 0
    BY_MARK = 1
    BOTH_SIDES = 2

ctypedef struct Wide:       # 64 bytes: WIDE_DTYPE
    uint8_t type            # Command
    uint8_t side            # CANCEL_ALL: BOTH_SIDES too
    uint8_t tif
    uint8_t flags
    int32_t account
    int64_t order_id
    int64_t price           # MARKET: the worst price it takes, 0 = any; a stop: 0 = any
    int64_t size
    int64_t display         # lots that an iceberg shows, 0 = all
    int64_t trigger         # STOP, TAKE_PROFIT: a price
    int64_t expires_ns      # 0 = never; CLOCK: what time it is
    int64_t by              # TriggerBy

ctypedef struct Fired:      # 16 bytes: FIRED_DTYPE
    int64_t stop_id
    int64_t result          # of the order that it became

ctypedef struct Fill:       # 56 bytes: one trade
    int64_t maker_order
    int64_t taker_order     # 0 when the taker never rested before this fill
    Tick price
    Lot size
    Lot maker_rest          # the maker's open size after the fill
    int32_t maker_account
    int32_t taker_account
    uint8_t taker_side
    uint8_t maker_flags
    uint8_t self_trade      # 1: same account on both sides
    uint8_t pad[5]

ctypedef struct LevelChange:    # a level's total after an operation changed it
    Tick price
    Lot size_after
    int64_t side

ctypedef struct Bracket:    # one row of a margin schedule; `floor` is inclusive
    Cash floor
    Cash amount             # maintenance amount, subtracted
    Ppm maintenance_ppm
    Ppm initial_ppm

ctypedef struct MarketView:     # what an oracle may read of a market; prices 0 where there is none
    Tick last
    Tick index
    Tick mark
    Tick best_bid
    Tick best_ask
    int64_t queue           # scopes that the venue planned to liquidate in its latest round

cdef enum:                  # BreakerAction: the larger one is the stricter
    ALLOW = 0
    HOLD = 1                # forced orders trade between `low` and `high`, the rest waits
    STOP = 2                # nothing forced trades until `until_ns`

cdef enum:                  # ReleaseRule
    RELEASE_AT_ONCE = 0
    RELEASE_AUCTION = 1
    RELEASE_DRIP = 2

ctypedef struct Verdict:    # what a breaker wants of a market in this round; zeroed: nothing
    int8_t action
    int8_t everybody        # also users' and outside orders; else liquidations only
    int8_t release
    Tick low                # 0: no bound
    Tick high
    TimeNs until_ns         # STOP
    Ppm drip_ppm            # DRIP: share of what waits, a slice ...
    TimeNs drip_ns          # ... and the time between two slices

ctypedef struct Crowd:      # users near their liquidation in a market, and who could take it
    Lot near[2]             # lots of longs liquidatable after a fall by the reach, of shorts a rise
    Lot depth[2]            # bids, asks that rest within the reach of the mark

ctypedef struct Around:     # of a leg at risk
    TimeNs time_ns
    TimeNs since_ns         # when its first order was sent; now for that order
    Tick mark
    int32_t kind            # LINEAR, INVERSE
    int64_t multiplier
    Tick best_bid           # 0 where there is none
    Tick best_ask
    const Bracket* brackets
    int32_t bracket_count
    int8_t by_lots          # floors are lots
    Lot depth               # lots on the other side within the policy's `depth_ppm` of the middle

ctypedef struct AtRisk:     # one leg of a scope that must be sold, as a policy sees it
    int32_t scope
    int32_t market
    Lot size                # signed position
    Cash value              # at the standing mark
    Cash equity             # of the scope
    Cash maintenance        # of the scope
    Tick bankruptcy_limit   # rounded for the closing side; may lie outside the book's range
    int64_t tranche         # orders sent since the scope was last healthy
    const Around* around    # what else a policy with stages may ask; NULL without stages

ctypedef struct Intent:     # what a policy wants done with it
    int32_t scope
    int32_t market
    Lot lots                # at most |size|; 0: nothing in this round
    Tick limit              # ignored when `at_market`
    TimeNs cooldown_ns      # starts only if the order is for less than the position
    int8_t at_market

ctypedef struct Candidate:  # one possible counterparty of a deleveraging, in one market
    int32_t scope
    int8_t external
    Lot lots                # what it holds on the other side, > 0
    Cash cost
    Cash value
    Cash equity             # of its scope
    Cash maintenance        # of its scope
    Cash money              # of its scope: equity less open profit
    Lot taken               # filled in by the rule
    int64_t rank            # filled in by the rule: 0 is first

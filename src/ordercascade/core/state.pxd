# A venue as plain memory: rules, markets, scopes, and where its cascade stands.
#
# Everything that decides what happens next is in these rows, so a venue is copied by memcpy of
# its slabs (venue.pyx) and may be stopped between any two steps.
from libc.stdint cimport int8_t, int32_t, int64_t
from ordercascade.core.book cimport Book, book_best
from ordercascade.core.contracts cimport cost_in, price_in, value_in
from ordercascade.core.events cimport (
    Log, STEP_COLUMNS, STEP_EVENT_TO, STEP_FILL_TO, T_FILLS, T_LEVELS, T_POSTINGS, T_STEPS,
    log_append, log_get, log_rows, log_set,
)
from ordercascade.core.ledger cimport Holder, Ledger, Position, SCOPE
from ordercascade.core.margin cimport initial_of, liquidation_tick, maintenance_of
from ordercascade.core.pledges cimport (
    FROM_INDEX, FROM_MARK, Pledge, pledge_followed, pledge_weighted, pledge_worth,
)
from ordercascade.core.records cimport (
    Around, AtRisk, Bracket, Candidate, Intent, MarketView,
)
from ordercascade.core.schedule cimport (
    AT_BANKRUPTCY as FEE_AT_BANKRUPTCY, Claim, Plan, fee_at_bankruptcy, initial_need, trigger_need,
    trigger_of,
)
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.triggers cimport Triggers
from ordercascade.core.units cimport (
    CASH_MAX, Cash, Lot, PPM, Ppm, Tick, TimeNs, Wide, absolute, div_floor, larger, smaller,
)

# StepKind, Outcome, PostReason, NoteKind of ordercascade.enums.
cdef enum:
    STEP_SHOCK = 0
    STEP_MARK = 1
    STEP_LIQUIDATION = 2
    STEP_TAKEOVER = 3
    STEP_DISPOSAL = 4
    STEP_WATERFALL = 5
    STEP_ADL = 6
    STEP_HALT = 7
    STEP_RESUME = 8
    STEP_AUCTION = 9
    STEP_MARGIN_CALL = 10
    STEP_AGENTS = 11
    STEP_BOUND = 12
    STEP_PAYMENT = 13
    STEP_FUNDING = 14
    STEP_RATES = 15
    STEP_INTEREST = 16
    STEP_EXPIRY = 17
    STEP_NETTING = 18

cdef enum:
    OPEN = 0
    HEALTHY = 1
    PENDING = 2
    DELEVERAGED = 3
    CLOSED = 4
    SHORTFALL = 5
    TAKEN_OVER = 6

cdef enum:
    REASON_REALISE = 0
    REASON_FEE_MAKER = 1
    REASON_FEE_TAKER = 2
    REASON_FEE_LIQUIDATION = 3
    REASON_FUND_PAYS = 4
    REASON_SOCIALISED = 5
    REASON_BAD_DEBT = 6
    REASON_RESIDUAL = 7
    REASON_TRANSFER = 8
    REASON_DEPOSIT = 9
    REASON_WITHDRAWAL = 10
    REASON_TAKEOVER = 11
    REASON_FUNDING = 12
    REASON_INTEREST = 13
    REASON_CONVERSION = 14

cdef enum:
    NOTE_BOUND_REACHED = 0
    NOTE_ADL_EXTERNAL = 1
    NOTE_FUND_EMPTY = 2
    NOTE_DISLOCATION = 3
    NOTE_HELD = 4
    NOTE_RELEASED = 5
    NOTE_RATE = 6
    NOTE_FUNDING = 7
    NOTE_INTEREST = 8
    NOTE_COLLATERAL = 9
    NOTE_MARGIN_CALL = 10
    NOTE_ANSWER = 11
    NOTE_EXPIRY = 12
    NOTE_VOLATILITY = 13
    NOTE_HEDGED = 14
    NOTE_NETTED = 15
    NOTE_RELIEF = 16

# MarkRefresh, QueueOrder, LegRule, CancelPolicy, ShortfallAt, Residual, FeeTo, AdlTrigger;
# AdlWhen, Takeover, TakeoverWhen, PriceMode, SocialRule, PairRule.
cdef enum:
    REFRESH_ROUND = 0
    REFRESH_ORDER = 1
    QUEUE_SCOPE_ID = 0
    QUEUE_TRIGGER_PRICE = 1
    QUEUE_MARGIN_RATIO = 2
    LEG_LARGEST_MARGIN_RELIEF = 0
    LEG_WORST_PNL = 1
    LEG_MOST_LIQUID = 2
    LEG_PRO_RATA = 3
    CANCEL_SCOPE = 0
    CANCEL_MARKET = 1
    CANCEL_NONE = 2
    SHORTFALL_AT_ORDER = 0
    SHORTFALL_AT_ROUND = 1
    RESIDUAL_ACCOUNT = 0
    RESIDUAL_FUND = 1
    FEE_TO_FUND = 0
    FEE_TO_FEES = 1
    ADL_ON_SHORTFALL = 0
    ADL_ON_UNFILLED = 1
    WHEN_TABLE = 0
    WHEN_UNTOUCHED = 1
    WHEN_NEVER = 2
    BY_NOBODY = 0
    BY_FUND = 1
    BY_VAULT = 2
    TAKE_BELOW = 0
    TAKE_UNFILLED = 1
    TAKE_SHORTFALL = 2
    AT_BANKRUPTCY = 0
    AT_TICK = 1
    AT_MARK = 2
    AT_PREVIOUS_MARK = 3
    SOCIAL_PROFIT = 0
    SOCIAL_GAINS = 1
    SOCIAL_LOTS = 2
    SOCIAL_DAY = 3
    LOTS_OF_BOTH = 0
    LOTS_OF_LONGS = 1
    LOTS_OF_SHORTS = 2
    PAIRS_KEPT = 0
    PAIRS_NET = 1

cdef enum:
    NEAREST = 50            # scopes near liquidation recorded a round

ctypedef struct Rules:
    TimeNs round_ns
    int64_t round_max
    Ppm buffer_ppm              # exit level above maintenance, of the value held
    Ppm liquidation_fee_ppm
    int8_t mark_refresh
    int8_t queue
    int8_t shortfall_at
    int8_t trigger_strict       # 1: liquidatable below maintenance; 0: also at it
    int8_t leg
    int8_t cancel
    int8_t residual
    int8_t social
    int8_t liquidation_fee_to
    int8_t liquidation_pays_taker
    int8_t adl_trigger
    int8_t adl_rule             # for the tape's adl rows
    int8_t pairs                # 1: both legs of a market are netted before an order

ctypedef struct Stages:         # what a venue does beside the plain rules; all 0: nothing. ADR 10
    int8_t on                   # 1: any of them
    int8_t takeover             # by nobody, the fund, the vault
    int8_t takeover_when        # below a share of maintenance; order unfilled; equity below zero
    int8_t takeover_price       # AT_BANKRUPTCY, AT_MARK
    int8_t takeover_collateral  # 1: what the flat scope has left goes along
    int8_t insured              # fills are settled against the bankruptcy cost
    int8_t adl_when
    int8_t adl_price
    int8_t adl_overlap          # counterparties are taken one by one, if they can afford it
    int8_t social_rule
    int8_t variation            # positions are settled to the mark every round
    int8_t fund_market          # 1: each market has a fund of its own
    int8_t social_side          # SOCIAL_LOTS: whose lots
    Ppm takeover_ppm            # of maintenance
    Ppm takeover_cap_ppm        # value the taker may hold, of its balance; 0: no cap
    Ppm insured_fee_ppm         # most that a fill pays, of its value
    Cash insured_most           # most that the fund pays for one order
    Cash social_step            # SOCIAL_LOTS: what a lot is charged is a multiple of it
    TimeNs day_ns               # SOCIAL_DAY: a day has so many ...
    TimeNs day_at_ns            # ... and begins so late in them
    Ppm drawdown_ppm            # a fund so far below its high takes nothing over; 0: however far
    TimeNs drawdown_ns          # its high of the last so many
    Ppm order_ppm               # of initial margin, that a new order must find
    Ppm search_ppm              # isolated margin below this is topped up ...
    Ppm initial_ppm             # ... to this
    Ppm release_ppm             # above this the rest goes back; of maintenance, 0: no levels
    TimeNs dispose_ns           # between two disposals; 0 with a fraction of 0: none
    Ppm dispose_ppm             # fraction of what the taker holds
    Lot dispose_full            # so few lots go at once
    Ppm dispose_share_ppm       # of the lots in range on the other side
    Ppm dispose_range_ppm       # distance of the limit from the middle

ctypedef struct Funding:        # how a market's funding rate is found; all 0: it is 0
    int8_t rule                 # FundingRule
    int8_t at_index             # positions are valued at the index, not at the mark
    int64_t interest_ppb
    int64_t clamp_ppb           # how far the interest may pull away from the premium
    int64_t cap_ppb             # the rate lies within +- this
    int64_t share               # a payment is one of so many that the formula's period has

cdef enum:
    LIMITERS = 4            # rates of withdrawal that a venue may have

ctypedef struct Limiter:        # a rate of withdrawal, core/gates
    TimeNs window_ns
    Ppm share_ppm
    Cash least

ctypedef struct Gates:          # what stands before money that leaves; all 0: nothing
    int8_t on
    int8_t troubled             # 1: a scope was seen below zero ...
    TimeNs troubled_at          # ... last at this time
    TimeNs stop_ns
    Ppm stays_ppm
    int32_t limiter_count
    Limiter limiters[4]

ctypedef struct Room:           # what may still leave by each rate, of one asset
    int8_t known                # 0: nothing has moved yet, the rates are at their baselines
    TimeNs at                   # as of this time
    Cash left[4]

ctypedef struct Market:
    Book book
    void* oracle                # borrowed Oracle; the venue object owns it
    Bracket* brackets
    const Plan* plan            # of a Schedule that the venue object owns; NULL: the brackets
    int32_t bracket_count
    int32_t asset
    int32_t kind                # LINEAR, INVERSE
    int64_t multiplier          # units per tick and lot; inverse: units * ticks per lot
    Tick price_max
    Lot size_max
    Ppm maker_fee_ppm
    Ppm taker_fee_ppm
    Ppm external_maker_fee_ppm
    Ppm external_taker_fee_ppm
    Tick last
    Tick index
    Tick mark                   # stands
    Tick mark_before            # stood before the latest taking
    Tick mark_written           # as of the latest mark row
    Tick peek                   # what the oracle would say now
    int64_t changed_at          # the venue's clock when mark or book last changed
    int64_t trade_step          # latest step with trades
    int64_t mark_trade_step     # ... before the standing mark was taken
    TimeNs dispose_at           # next disposal of what the fund or vault took over
    Funding funding
    int8_t stale                # last, index or book changed since `peek` was read
    int8_t noted                # last, index or mark changed in this step: a marks row is due
    int8_t timed                # what the oracle would say moves with the clock alone
    Ppm tilt_index              # oracles are told so much too much of the outside price ...
    Ppm tilt_own                # ... and of the market's own

# Where a scope stands with the trigger index.
cdef enum:
    ARMED = 0                   # triggers are set (or it holds nothing)
    LOOSE = 1                   # to be evaluated after the next step
    HOT = 2                     # liquidatable at a peek of this window
    PARKED = 3                  # pending, not in this round's queue

ctypedef struct Scope:          # one row a holder; only rows of kind SCOPE are used
    # First what is read of every scope that a trigger points at: one line of memory.
    int64_t hit                 # first step of this window after which it was liquidatable; NIL
    int8_t watch                # ARMED LOOSE HOT PARKED
    int8_t pending              # an order was sent; neither healthy nor flat since
    int8_t listed               # is in the list of pending scopes
    int64_t parent              # of its first liquidation order; NIL
    int64_t generation
    int64_t hit_before          # the same of the window before
    int64_t tranche             # liquidation orders since it was last healthy
    TimeNs retry_ns             # end of its cooldown; NIL without one
    int64_t order_step          # its last liquidation order; NIL
    int64_t order_clock         # the venue's clock just before it
    int64_t moved_step          # the step that last changed its position; NIL
    int32_t moved_market        # the market it was in; NIL
    int64_t adl_event           # the latest ADL in which it took over lots; 0 = none
    Cash adl_equity             # its equity just before that ADL: ranks are frozen for the event
    Cash adl_maintenance        # the same of its maintenance, and of its equity less open profit
    Cash adl_money

ctypedef struct Entry:          # one order planned for this round
    int32_t scope
    int32_t market
    Lot lots
    Tick limit
    Tick trigger                # liquidation price when planned
    TimeNs cooldown_ns
    int64_t rank_above          # sort key: distance beyond the mark, or equity ...
    int64_t rank_below          # ... over mark, or maintenance
    int8_t at_market
    int8_t side                 # of the order: a leg that has turned since is gone
    int8_t last                 # sorts behind all others

cdef enum:                      # phases of a round
    IDLE = 0
    MARKS = 1
    BELOW_ZERO = 2
    QUEUE = 3
    ROUND_TABLE = 4
    SWEEP = 5

cdef enum:                      # what is left to do of the order just executed
    SUB_NONE = 0
    SUB_MARKS = 1
    SUB_TABLE = 2
    SUB_ADL = 3
    SUB_TAKEOVER = 4
    SUB_PAIRS = 5

ctypedef struct State:
    Rules rules
    Stages stages
    Gates gates
    Room* rooms                 # by asset; only with limiters
    int64_t room_capacity
    Pledge* pledges             # by asset; NULL: settlement assets alone are margin
    int64_t pledge_capacity
    Ledger ledger
    Triggers triggers
    Market* markets
    int64_t market_count
    int64_t market_capacity
    Scope* scopes
    int64_t scope_capacity
    void* policy                # borrowed LiquidationPolicy
    void* backstop              # borrowed Backstop
    void* brakes                # Brakes of core/brakes.pxd; NULL: no breakers
    void* rates                 # Rates of core/rates.pxd; NULL: no surcharges
    void* calls                 # Calls of core/called.pxd; NULL: no margin calls
    void* endings               # Endings of core/ending.pxd; NULL: no market expires
    void* highs                 # Highs of core/funds.pxd; NULL: nobody asks how far a fund fell
    void* grids                 # Grids of core/grids.pxd; NULL: no options, no portfolio margin
    Ppm depth_ppm               # the policy asks for the depth within this; 0: it does not
    Log* log                    # the world's
    int32_t venue
    TimeNs time_ns              # of the round; between settlements the world's
    TimeNs settled_ns           # of its latest round
    int64_t round
    int64_t clock               # counts changes of marks and books
    int64_t backlog             # scopes planned in the latest round
    int64_t plan_step           # the first step after step 3 of the latest round; LEG_PRO_RATA
    int8_t fed                  # 1: some mechanism here reads the backlog
    bint running                # started: rows are written
    bint busy                   # the world is inside a call
    bint settling               # the world is inside a settlement
    bint wrote                  # it wrote a step in this round
    # the cascade in progress
    int32_t phase
    int64_t cursor
    int32_t sub
    int64_t sub_cursor
    int32_t sub_scope
    int64_t sub_parent          # parent of the rows that follow; -2: the step that moved it
    int64_t sub_row             # liquidation row to complete; NIL
    int64_t adl_event           # counts deleveragings begun
    int8_t sub_unfilled         # its order left lots unfilled
    int32_t acting              # whose fills the book's account -1 stands for
    bint muted                  # round_max reached in this settlement
    # buffers; `*_count` are state, capacities are not
    int32_t* loose
    int64_t loose_count
    int64_t loose_capacity
    int32_t* restless           # safe scopes without a trigger that would tell: looked at each step
    int64_t restless_count
    int64_t restless_capacity
    int32_t* hot
    int64_t hot_count
    int64_t hot_capacity
    int32_t* pending            # scopes with an unfinished liquidation
    int64_t pending_count
    int64_t pending_capacity
    int32_t* broke              # scopes seen flat with less than nothing this round
    int64_t broke_count
    int64_t broke_capacity
    int32_t* work               # scopes of the pass in progress, by id
    int64_t work_count
    int64_t work_capacity
    int64_t* rows               # liquidation rows of this round's orders (shortfall_at = round)
    int64_t row_count
    int64_t row_capacity
    Entry* queue
    int64_t queue_count
    int64_t queue_capacity
    Cash* written               # balances as last written: fund, vault and bad debt an asset, then
                                # 1 a market whose fund is its own
    int64_t written_capacity
    TimeNs* since               # by holder: when its liquidation began; only with stages
    int64_t since_capacity
    Cash* day_base              # by holder: equity at the day's start, and money brought since
    int64_t day_capacity
    TimeNs day_next             # when the next day begins; 0: no days
    Cash* variation             # by position: realised since it was last settled to the mark
    int64_t variation_capacity
    # scratch
    AtRisk* at_risk
    int64_t at_risk_capacity
    Around* around
    int64_t around_capacity
    Intent* intents
    int64_t intent_capacity
    Candidate* candidates
    int64_t candidate_capacity
    int64_t* cells
    int64_t cell_capacity

ctypedef struct Margin:         # one scope on one set of marks
    Cash equity
    Cash maintenance
    Cash exposure               # sum of |value|
    Cash pnl                    # sum of value - cost
    bint flat


ctypedef Cash (*Need)(const void* state, int32_t scope, bint peek) noexcept nogil

ctypedef struct Asked:          # what State.grids begins with: a scope's part that no market says
    Need maintenance


cdef inline Tick price_at(const Market* m, bint peek) noexcept nogil:
    return m.peek if peek else m.mark


cdef inline Cash value_of(const Market* m, Lot size, Tick price) noexcept nogil:
    return value_in(m.kind, m.multiplier, size, price)


cdef inline Cash cost_of(const Market* m, Lot size, Tick price) noexcept nogil:
    return cost_in(m.kind, m.multiplier, size, price)


cdef inline Tick price_of(const Market* m, Cash cost, Lot size) noexcept nogil:
    return price_in(m.kind, m.multiplier, cost, size)


cdef inline Cash change_of(const Market* m, Lot held, Lot size) noexcept nogil:
    """By how much the value of `held` lots changes at the mark with `size` more."""
    return value_of(m, held + size, m.mark) - value_of(m, held, m.mark)


cdef inline Cash need_in(const Market* m, Lot size, Cash value, Cash cost) noexcept nogil:
    """Maintenance of a position, by the market's schedule or its brackets."""
    if m.plan != NULL:
        return trigger_need(m.plan, size, absolute(value), cost)
    return maintenance_of(m.brackets, m.bracket_count, absolute(value))


cdef inline Cash initial_in(const State* s, int32_t market, Lot size) noexcept nogil:
    """Initial margin of so many lots at the standing mark."""
    cdef const Market* m = &s.markets[market]
    cdef Cash gross = absolute(value_of(m, absolute(size), m.mark))
    if m.plan != NULL:
        return initial_need(m.plan, size, gross,
                            absolute(value_of(m, s.ledger.sided[market].open, m.mark)))
    return initial_of(m.brackets, m.bracket_count, gross)


cdef inline Tick tick_in(const Market* m, Wide base, Lot size, Cash cost,
                         bint strict) noexcept nogil:
    """liquidation_tick() by the market's schedule or its brackets."""
    if m.plan != NULL:
        return trigger_of(m.plan, base, size, cost)
    return liquidation_tick(base, size, m.multiplier, m.brackets, m.bracket_count, strict)


cdef inline Tick pledge_tick(const State* s, const Pledge* p, bint peek) noexcept nogil:
    """The price of a collateral: as it stands, or as its source has it now."""
    cdef Tick mark
    if p.source == FROM_MARK:
        mark = price_at(&s.markets[p.market], peek)
        return pledge_followed(p, p.price if peek else p.stood, mark) if p.follows else mark
    if not peek:
        return p.stood
    if p.follows:
        return pledge_followed(p, p.price, s.markets[p.market].index)
    return s.markets[p.market].index if p.source == FROM_INDEX else p.price


cdef inline Cash pledged(const State* s, int32_t scope, bint peek) noexcept nogil:
    """What the account's other assets add to the equity of a cross scope, after haircuts."""
    cdef const Holder* h = &s.ledger.holders[scope]
    cdef const Holder* purse
    cdef const Pledge* p
    cdef int32_t i
    cdef Cash sum = 0
    if h.kind != SCOPE or h.market != NIL:
        return 0
    i = s.ledger.accounts[h.account]
    while i != NIL:
        purse = &s.ledger.holders[i]
        p = &s.pledges[purse.asset]
        if p.on and p.backs == h.asset and purse.market == NIL and purse.collateral > 0:
            sum = smaller(CASH_MAX, sum + pledge_worth(
                p, pledge_weighted(p, purse.collateral), pledge_tick(s, p, peek),
                p.peg_ppm if peek else p.stood_ppm))
        i = purse.next
    return sum


cdef inline Cash closing_fees(const State* s, int32_t scope, Cash equity, bint peek) noexcept nogil:
    """Fees of closing where they are valued at bankruptcy: each leg's when it has used up what
    the scope has on the other legs' marks. They count in the test, and in no share. ADR 10"""
    cdef int32_t handle = s.ledger.holders[scope].first
    cdef const Position* p
    cdef const Market* m
    cdef Claim leg
    cdef Cash sum = 0
    while handle != NIL:
        p = &s.ledger.positions[handle]
        handle = p.next
        m = &s.markets[p.market]
        if p.size == 0 or m.plan == NULL or m.plan.fee_base != FEE_AT_BANKRUPTCY:
            continue
        leg.size = p.size
        leg.cost = p.cost
        leg.money = equity - (value_of(m, p.size, price_at(m, peek)) - p.cost)
        sum += fee_at_bankruptcy(m.plan, &leg)
    return sum


cdef inline Margin margin_of(const State* s, int32_t scope, bint peek) noexcept nogil:
    """Equity and maintenance of a scope, on the standing marks or on a peek of their sources."""
    cdef Margin out
    cdef const Position* p
    cdef const Market* m
    cdef Cash value
    cdef bint closing = False
    cdef int32_t handle = s.ledger.holders[scope].first
    out.maintenance = 0
    out.exposure = 0
    out.pnl = 0
    out.flat = True
    while handle != NIL:
        p = &s.ledger.positions[handle]
        if p.size != 0:
            m = &s.markets[p.market]
            value = value_of(m, p.size, price_at(m, peek))
            out.flat = False
            out.pnl += value - p.cost
            out.exposure += absolute(value)
            out.maintenance += need_in(m, p.size, value, p.cost)
            if m.plan != NULL and m.plan.fee_base == FEE_AT_BANKRUPTCY:
                closing = True
        handle = p.next
    out.equity = s.ledger.holders[scope].collateral + out.pnl
    if s.pledges != NULL:
        out.equity += pledged(s, scope, peek)
    if closing:
        out.maintenance += closing_fees(s, scope, out.equity, peek)
    if s.grids != NULL:
        out.maintenance += (<const Asked*>s.grids).maintenance(s, scope, peek)
    return out


cdef inline bint liquidatable(const State* s, const Margin* m) noexcept nogil:
    """The trigger test: below maintenance, or at it where the venue is not strict."""
    if m.flat:
        return False
    if m.equity == m.maintenance:
        return not s.rules.trigger_strict
    return m.equity < m.maintenance


cdef inline Tick tilted(Tick price, Ppm tilt) noexcept nogil:
    """A price as somebody sees it who is told so much too much of it; to the nearest tick."""
    if tilt == 0 or price == 0:
        return price
    return larger(1, div_floor(2 * <Wide>price * (PPM + tilt) + PPM, 2 * PPM))


cdef inline void market_view(const State* s, const Market* m, MarketView* view) noexcept nogil:
    view.last = tilted(m.last, m.tilt_own)
    view.index = tilted(m.index, m.tilt_index)
    view.mark = m.mark
    view.best_bid = tilted(book_best(&m.book, 0), m.tilt_own)
    view.best_ask = tilted(book_best(&m.book, 1), m.tilt_own)
    view.queue = s.backlog


cdef inline int day_take(State* s) except -1 nogil:
    """A day begins: remember everybody's equity on the standing marks. ADR 24."""
    cdef int64_t i
    s.day_base = <Cash*>slab_grow(
        s.day_base, &s.day_capacity, s.ledger.holder_count, sizeof(Cash))
    for i in range(s.ledger.holder_count):
        s.day_base[i] = 0
        if s.ledger.holders[i].kind == SCOPE:
            s.day_base[i] = margin_of(s, <int32_t>i, False).equity
    s.day_next = (div_floor(s.time_ns - s.stages.day_at_ns, s.stages.day_ns) + 1) * (
        s.stages.day_ns) + s.stages.day_at_ns
    return 0


cdef inline int day_moved(State* s, int32_t holder, Cash amount) except -1 nogil:
    """Money that a scope was brought (> 0) or took away is no profit of its day."""
    if s.day_next and holder != NIL:
        s.day_base = <Cash*>slab_grow(
            s.day_base, &s.day_capacity, s.ledger.holder_count, sizeof(Cash))
        s.day_base[holder] += amount
    return 0


cdef inline int64_t step_begin(State* s, int kind, int32_t market, int32_t scope, int64_t parent,
                               int64_t generation, int32_t cause_market) except -1 nogil:
    """Append a row of the step table; what follows belongs to it until step_end()."""
    cdef int64_t row[STEP_COLUMNS]
    cdef int64_t levels = log_rows(s.log, T_LEVELS)
    cdef int64_t fills = log_rows(s.log, T_FILLS)
    if s.day_next and s.time_ns >= s.day_next:
        day_take(s)
    row[0] = log_rows(s.log, T_STEPS)
    row[1] = s.time_ns
    row[2] = s.venue
    row[3] = s.round
    row[4] = kind
    row[5] = market
    row[6] = scope
    row[7] = parent
    row[8] = generation
    row[9] = cause_market
    row[10] = levels
    row[11] = levels
    row[12] = fills
    row[13] = fills
    return log_append(s.log, T_STEPS, row)


cdef inline int step_end(State* s, int64_t step) except -1 nogil:
    """Close the step's row ranges."""
    log_set(s.log, T_STEPS, step, STEP_EVENT_TO, log_rows(s.log, T_LEVELS))
    log_set(s.log, T_STEPS, step, STEP_FILL_TO, log_rows(s.log, T_FILLS))
    return 0


cdef inline int write_posting(State* s, int64_t step, int32_t source, int32_t target, Cash amount,
                              int reason) except -1 nogil:
    cdef int64_t row[6]
    row[0] = step
    row[1] = s.ledger.holders[source if target == NIL else target].asset
    row[2] = source
    row[3] = target
    row[4] = amount
    row[5] = reason
    log_append(s.log, T_POSTINGS, row)
    if REASON_TRANSFER <= reason <= REASON_WITHDRAWAL:
        day_moved(s, source, -amount)
        day_moved(s, target, amount)
    return 0


cdef inline int write_outside(State* s, int64_t step, int32_t holder, Cash amount) except -1 nogil:
    """A deposit (amount > 0) or withdrawal (< 0): holder NIL is the outside."""
    if amount > 0:
        return write_posting(s, step, NIL, holder, amount, REASON_DEPOSIT)
    return write_posting(s, step, holder, NIL, -amount, REASON_WITHDRAWAL)

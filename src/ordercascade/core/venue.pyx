"""Venue: the integer door to one exchange's books, ledger and liquidation rules.

Prices are ticks, sizes lots, amounts the smallest unit of the asset. A business refusal is a
`Reject` code; a wrong argument raises before anything changes.
"""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from ordercascade.core.arguments cimport wanted
from ordercascade.core.arriving cimport set_oracle
from ordercascade.core.book cimport book_best, book_clear, book_init, book_submit
from ordercascade.core.bulk cimport below_zero, judge_one, open_many, place_one
from ordercascade.core.calls cimport calls_check, set_calls
from ordercascade.core.funding cimport set_terms
from ordercascade.core.funds cimport fund_total, funds_market
from ordercascade.core.gates cimport set_gates
from ordercascade.core.halting cimport set_breakers, valves_open
from ordercascade.core.hedging cimport (check_hedged, leg_account, open_hedge, open_one,
    refuse_hedged, refuse_legs, refuse_twin)
from ordercascade.core.initial cimport initial_margin
from ordercascade.core.opening cimport has_price, opening
from ordercascade.core.digest cimport Digest, digest_hex, digest_start
from ordercascade.core.events cimport EventLog
from ordercascade.core.ledger cimport (CLEARING, EXTERNAL, ledger_add_market, ledger_deltas,
    ledger_find, ledger_fund, ledger_holder, ledger_scope, SCOPE)
from ordercascade.core.mechanism cimport Backstop, CircuitBreaker, LiquidationPolicy, Oracle
from ordercascade.core.pairs cimport bankruptcy_quote, refuse_quote, user_close_pair, whole_wind_up
from ordercascade.core.questions cimport (bankruptcy_price, equities, inherited, levels_of,
    liquidation_price, margin_at, position_of, scopes_at_risk)
from ordercascade.core.rating cimport clone_surcharges, own_schedules, rates_open, set_surcharges
from ordercascade.core.records cimport AMEND, Bracket, CANCEL, LIMIT, Message
from ordercascade.core.reserve cimport maintenance_with
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.state cimport Funding, margin_of, Market
from ordercascade.core.schedule cimport Schedule
from ordercascade.core.listing cimport keep_brackets, listed_worth, schedule_of
from ordercascade.core.stages cimport set_stages
from ordercascade.core.statecopy cimport (scopes_reserve, state_check, state_copy, state_digest,
    state_free, state_init)
from ordercascade.core.triggers cimport triggers_add_market
from ordercascade.core.units cimport absolute, Cash, CASH_MAX, Lot, LOT_MAX, Tick, TICK_MAX
from ordercascade.core.users cimport (outside_money, user_deposit, user_isolate, user_message,
    user_move, user_withdraw)
from ordercascade.core.outside cimport index_tick, new_scope

from ordercascade.checks import (check_bounds, check_brackets, check_order, check_pace, instance,
    member, whole)
from ordercascade.duties import PairRule
from ordercascade.enums import (AdlTrigger, CancelPolicy, FeeTo, HolderKind, LegRule, MarketKind,
    MarkRefresh, OrderType, PriceSource, QueueOrder, Residual, ShortfallAt, Side, TimeInForce)
from ordercascade.errors import (BusyError, ConfigError, InputError, InvariantError, PoisonedError,
    RangeError)
from ordercascade.mechanisms.closing import Deleverage, Tranche
from ordercascade.mechanisms.prices import OwnBook
from ordercascade.mechanisms.tranches import Tranches

cdef int32_t ORDERS_MAX = 1 << 26
INT64 = 2**63 - 1


cdef class Venue:
    """One venue of a `World`; made by `World.add_venue()`.

    Set up with add_market(), seed_level(), open_account(), deposit(), open_position(); the world's
    start() takes the first marks. Afterwards users may submit(), deposit(), … between settlements.
    """

    def __cinit__(self, EventLog events, int venue, int64_t assets, dict rules):
        self.events = events
        self.oracles, self.schedules, self.breakers, self.surcharges = [], [], [], []
        self.s.venue = venue
        self.s.log = &events.log
        if rules is None:       # copy() fills it
            return
        state_init(&self.s, assets)
        self._set_rules(**rules)

    def __dealloc__(self):
        state_free(&self.s)

    def __repr__(self):
        return f"<Venue {self.s.venue}: {self.s.market_count} markets, {self.accounts} accounts>"

    def __reduce__(self):
        raise TypeError("a Venue cannot be pickled; send the scenario and its seed instead")

    def _set_rules(self, *, mark_refresh=MarkRefresh.ROUND, queue=QueueOrder.SCOPE_ID, round_ns=0,
                   round_max=100_000, shortfall_at=ShortfallAt.ORDER, trigger_strict=True,
                   leg=LegRule.LARGEST_MARGIN_RELIEF, cancel=CancelPolicy.SCOPE,
                   residual=Residual.ACCOUNT, social=False, buffer_ppm=0, liquidation_fee_ppm=0,
                   liquidation_fee_to=FeeTo.FUND, liquidation_pays_taker=False, calls=None,
                   adl_trigger=AdlTrigger.SHORTFALL, stages=None, gates=None, policy=None,
                   backstop=None, pairs=PairRule.KEPT, breakers=(), surcharges=()):
        r = &self.s.rules
        r.mark_refresh = member("mark_refresh", MarkRefresh, mark_refresh)
        r.queue = member("queue", QueueOrder, queue)
        r.round_ns, r.round_max = check_pace(round_ns, round_max)
        r.shortfall_at = member("shortfall_at", ShortfallAt, shortfall_at)
        r.trigger_strict = bool(trigger_strict)
        r.leg = member("leg", LegRule, leg)
        r.cancel = member("cancel", CancelPolicy, cancel)
        r.residual = member("residual", Residual, residual)
        r.social = bool(social)
        r.buffer_ppm = whole("buffer_ppm", buffer_ppm, 0, 10**6)
        r.liquidation_fee_ppm = whole("liquidation_fee_ppm", liquidation_fee_ppm, 0, 10**6)
        r.liquidation_fee_to = member("liquidation_fee_to", FeeTo, liquidation_fee_to)
        r.liquidation_pays_taker = bool(liquidation_pays_taker)
        r.adl_trigger = member("adl_trigger", AdlTrigger, adl_trigger)
        r.pairs = member("pairs", PairRule, pairs)
        set_stages(&self.s.stages, stages)
        set_gates(&self.s, gates)
        set_calls(&self.s, calls)
        self.set_policy(Tranche() if policy is None else policy)
        self.set_backstop(Deleverage() if backstop is None else backstop)
        if breakers != "keep":
            self.set_breakers(breakers)
        self.set_surcharges(self.surcharges if surcharges == "keep" else surcharges)

    def set_policy(self, policy):
        """Use another liquidation policy from the next round on."""
        policy = instance("policy", LiquidationPolicy, policy)
        self._idle()
        self.policy = policy
        self.s.policy = <void*>policy
        self.s.stages.on |= isinstance(policy, Tranches)
        self.s.depth_ppm = getattr(policy, "depth_ppm", 0)

    def set_backstop(self, backstop):
        """Use another rule for who takes over the lots of a bankrupt scope."""
        backstop = instance("backstop", Backstop, backstop)
        self._idle()
        self.backstop = backstop
        self.s.backstop = <void*>backstop
        self.s.rules.adl_rule = getattr(backstop, "rule", 0)

    def set_breakers(self, breakers):
        """Use these circuit breakers from the next round on; the strictest of them wins."""
        self._idle()
        made = list(breakers)
        set_breakers(&self.s, made)
        self.breakers = made

    def set_surcharges(self, surcharges):
        """Use these surcharges on margin rates and fees from the next round on; they add up."""
        self._idle()
        made = list(surcharges)
        self.schedules, self.surcharges = set_surcharges(&self.s, made, self.schedules), made

    def set_fund(self, amount, asset=0):
        """Give the insurance fund another balance by a deposit or withdrawal from outside."""
        self._idle()
        holder = self.holder(HolderKind.FUND, asset)
        wanted = self._int("amount", amount, 0, 2**60)
        if wanted != self.s.ledger.holders[holder].collateral:
            self._outside(holder, wanted - self.s.ledger.holders[holder].collateral)

    # --- set-up ---------------------------------------------------------------------------------

    def add_market(self, asset=0, multiplier=1, *, kind=MarketKind.LINEAR, price_max=2**20,
                   size_max=2**30, brackets=((0, 50_000, 0, 100_000),), maker_fee_ppm=0, last=0,
                   taker_fee_ppm=0, external_maker_fee_ppm=0, external_taker_fee_ppm=0, index=0,
                   source=PriceSource.LAST, own_weight_ppm=10**6, oracle=None, schedule=None):
        """Add a market and return its id. All markets come before the first account.

        `multiplier`: units per tick and lot; inverse: units * ticks per lot (core/contracts.pxd).
        `brackets` rows: (floor of |value|, maintenance ppm, maintenance amount, initial ppm); or a
        `schedule` of the same contract instead. Scopes with several positions of which one has a
        schedule that is not of tiers, and those whose requirement jumps, are scanned every step.
        Raises ConfigError for bounds (SEMANTICS §1) and brackets that jump.
        """
        cdef Market* m
        cdef Oracle made
        self._set_up()
        if self.s.ledger.account_count > 1:
            raise ConfigError("market", "must be added before the first account")
        name = f"market[{self.s.market_count}]"
        asset = self._int("asset", asset, 0, self.s.ledger.asset_count - 1)
        multiplier = self._int("multiplier", multiplier, 1, 2**60)
        price_max = self._int("price_max", price_max, 1, 2**31 - 1)
        size_max = self._int("size_max", size_max, 1, 2**40)
        rows = self._judged(check_brackets, f"{name}.brackets", brackets)
        fees = [self._int(label, value, -10**6, 10**6) for label, value in (
            ("maker_fee_ppm", maker_fee_ppm), ("taker_fee_ppm", taker_fee_ppm),
            ("external_maker_fee_ppm", external_maker_fee_ppm),
            ("external_taker_fee_ppm", external_taker_fee_ppm))]
        weight = self._int("own_weight_ppm", own_weight_ppm, 0, 10**6)
        index = self._int("index", index, 0, price_max)
        last = self._int("last", last, 0, price_max)
        source = self._judged(member, "source", PriceSource, source)
        kind = self._judged(member, "kind", MarketKind, kind)
        made = instance("oracle", Oracle, oracle if oracle is not None else OwnBook(
            source, own_weight_ppm=weight, price_max=price_max))
        schedule = schedule_of(&self.s, name, schedule, kind, multiplier, rows)
        self._set_up()
        market = self.s.market_count
        check_bounds(name, size_max * (
            price_max * multiplier if kind == MarketKind.LINEAR else multiplier),
            listed_worth(&self.s), fees)
        self.torn = True
        self.s.markets = <Market*>slab_grow(
            self.s.markets, &self.s.market_capacity, market + 1, sizeof(Market))
        m = &self.s.markets[market]
        memset(m, 0, sizeof(Market))
        book_init(&m.book, price_max, ORDERS_MAX)
        m.book.record = True
        self.s.market_count += 1
        keep_brackets(m, rows)
        m.asset, m.multiplier, m.price_max, m.size_max = asset, multiplier, price_max, size_max
        m.kind = kind
        m.maker_fee_ppm, m.taker_fee_ppm = fees[0], fees[1]
        m.external_maker_fee_ppm, m.external_taker_fee_ppm = fees[2], fees[3]
        m.index, m.last = index, last
        m.trade_step = NIL
        m.mark_trade_step = NIL
        self.oracles.append(made)
        set_oracle(&self.s, market, made)
        self.schedules.append(schedule)         # None, or kept alive: it never changes
        if schedule is not None:
            m.plan = &(<Schedule>schedule).plan
        ledger_add_market(&self.s.ledger, asset)
        funds_market(&self.s, market)
        triggers_add_market(&self.s.triggers, price_max)
        scopes_reserve(&self.s)
        self.torn = False
        return market

    def set_funding(self, market, *, rule, interest_ppb=0, clamp_ppb=0, cap_ppb=10**9, share=1,
                    at_index=False):
        """Say how a market's funding rate is found (FundingRule), and at which price it is paid."""
        cdef Funding made
        m = self._market(market)
        self._idle()
        self.s.busy = True
        try:
            set_terms(&made, dict(rule=rule, interest_ppb=interest_ppb, clamp_ppb=clamp_ppb,
                                  cap_ppb=cap_ppb, share=share, at_index=at_index))
        finally:
            self.s.busy = False
        self.s.markets[m].funding = made

    def seed_level(self, market, side, price, size):
        """Rest a background order of `external` before the start."""
        m = self._market(market)
        side = self._judged(member, "side", Side, side)
        price = self._price(m, price, 1)
        size = self._int("size", size, 1, LOT_MAX)
        self._set_up()
        best = book_best(&self.s.markets[m].book, 1 - side)
        if best and (price >= best if side == 0 else price <= best):
            raise InputError("price", price, f"must not cross the other side's best, {best}")
        result = book_submit(&self.s.markets[m].book, LIMIT, side, price, size, 0, 0, 0)
        book_clear(&self.s.markets[m].book)
        return self._whole_again(result)

    def open_account(self, *, hedge=False):
        """Open an account and return its id: 1, 2, …; 0 is `external`. See hedge()."""
        self._idle()
        return self._whole_again(open_one(&self.s, hedge, &self.torn))

    def hedge(self, account):
        """Tell the account's long and short legs apart from now on, while it holds nothing: the
        number that its short legs trade under on the tape, or Reject.POSITION_OPEN. ADR 21."""
        self._idle()
        return self._whole_again(open_hedge(&self.s, self._account(account), &self.torn))

    def open_accounts(self, deposits, openings, asset=0):
        """Open accounts by the array (core/laws.py: OPENING_DTYPE); returns the first's id."""
        self._set_up()
        asset = self._int("asset", asset, 0, self.s.ledger.asset_count - 1)
        return open_many(&self.s, deposits, openings, asset, &self.torn)

    def open_position(self, account, market, size, cost):
        """Give a scope (in hedge mode the leg of their sign) `size` lots at a cost, by external."""
        cdef int32_t scope
        self._set_up()
        account = self._account(account)
        m = self._market(market)
        size = self._int("size", size, -self.s.markets[m].size_max, self.s.markets[m].size_max)
        cost = self._int("cost", cost, -2**60, 2**60)
        if size == 0:
            raise InputError("size", size, "must not be 0")
        outside = ledger_holder(&self.s.ledger, EXTERNAL, self.s.markets[m].asset)
        scope = ledger_scope(&self.s.ledger, account, m, self.s.markets[m].asset)
        judge_one(&self.s, scope, outside, m, size, cost)
        self.torn = True
        scope = self._scope_made(account, m)
        place_one(&self.s, scope, outside, m, size, cost)
        self.torn = False
        return scope

    def fund_deposit(self, asset, amount, *, market=None):
        """Add to the asset's insurance fund from outside, or to the one of a market."""
        self._idle()
        holder = self.holder(HolderKind.FUND, asset) if market is None else self.fund_of(market)
        self._outside(holder, self._int("amount", amount, 0, 2**60))

    def fund_of(self, market):
        """The holder of the fund that answers for a market: its own, or its asset's."""
        return ledger_fund(&self.s.ledger, self._market(market))

    cdef int priced(self) except -1:
        """Refuse a start without a mark in every market."""
        check_hedged(&self.s, &self.s)
        for i in range(self.s.market_count):
            if not has_price(&self.s.markets[i]):
                raise ConfigError(f"market[{i}]", "mark price not set: it needs a book, a last "
                                  "price or an index to have a mark")
        return 0

    cdef int begin(self) except -1:
        """The start: last prices, marks, triggers, and the opening on the tape."""
        self.torn = True
        self.schedules = own_schedules(&self.s, self.schedules)
        opening(&self.s)
        valves_open(&self.s)
        rates_open(&self.s)
        self.torn = False
        return 0

    # --- judging arguments ----------------------------------------------------------------------

    cdef int64_t _int(self, str field, value, int64_t low, int64_t high) except? -1:
        """An int argument. Whoever its conversion calls back, or wakes, finds the world busy."""
        self._still()
        if type(value) is int:
            return wanted(value, field, low, high)
        return self._judged(whole, field, value, low, high)

    def _judged(self, judge, *arguments):
        """Ask Python code about arguments; meanwhile the world is busy."""
        self._still()
        self.s.busy = True
        try:
            return judge(*arguments)
        finally:
            self.s.busy = False

    cdef int _still(self) except -1:
        """Nobody is inside a call, and none broke off half-way."""
        if self.s.busy:
            raise BusyError("the world")
        if self.torn:
            raise PoisonedError("the venue")
        return 0

    cdef object _whole_again(self, int64_t answer):
        """The end of a call that changes something: its answer must exist before it is whole."""
        cdef object answered
        self.torn = True
        answered = answer
        self.torn = False
        return answered

    def _idle(self):
        self.untouched = False
        self._still()
        if self.s.settling:
            raise InputError("call", "inside a settlement", "must wait until the settlement is "
                             "over: step() or run() the world to its end")

    def _set_up(self):
        self._idle()
        if self.s.running:
            raise InputError("call", "after the start", "must come before the world's start()")

    def _started(self):
        self._idle()
        if not self.s.running:
            raise InputError("call", "before the start", "must come after the world's start()")

    def _market(self, market):
        return self._int("market", market, 0, self.s.market_count - 1)

    cdef Tick _price(self, int32_t market, value, Tick low) except -1:
        cdef int64_t price = self._int("price", value, -INT64 - 1, INT64)
        if not low <= price <= self.s.markets[market].price_max:
            raise InputError("price", price, f"must be in [{low}, price_max="
                             f"{self.s.markets[market].price_max}] of market {market}")
        return price

    def _account(self, account):
        number = self._int("account", account, 0, self.s.ledger.account_count - 1)
        if number == 0:
            raise InputError("account", number, "must not be 0: account 0 is reserved for external")
        refuse_twin(&self.s, number)
        return number

    def _scope(self, scope):
        number = self._int("scope", scope, 0, self.s.ledger.holder_count - 1)
        if self.s.ledger.holders[number].kind not in (SCOPE, EXTERNAL):
            raise InputError("scope", number, "must be a scope, not a holder of the venue")
        return number

    def _leg(self, scope, market):
        """The handle of a position that has lots."""
        refuse_legs(&self.s, self._scope(scope))
        p = ledger_find(&self.s.ledger, self._scope(scope), self._market(market))
        if p < 0 or self.s.ledger.positions[p].size == 0:
            raise InputError("scope", scope, f"must have a position in market {market}")
        return p

    def _scope_made(self, account, market):
        """The scope of an account's position in a market; the cross scope is made if missing."""
        scope = ledger_scope(&self.s.ledger, account, market, self.s.markets[market].asset)
        return new_scope(&self.s, account, self.s.markets[market].asset, -1) if scope < 0 else scope

    # --- money ----------------------------------------------------------------------------------

    def _outside(self, int32_t holder, Cash amount):    # a step of its own once the venue runs
        outside_money(&self.s, holder, amount, &self.torn)

    def deposit(self, account, asset, amount):
        """Pay into the account's cross scope of an asset; returns the scope id."""
        self._idle()
        account = self._account(account)
        asset = self._int("asset", asset, 0, self.s.ledger.asset_count - 1)
        amount = self._int("amount", amount, 1, 2**60)
        if self.s.ledger.deposited[asset] + amount > CASH_MAX:
            raise RangeError("amount", "and the deposits before must sum to at most 2**60", bits=60)
        return self._whole_again(user_deposit(&self.s, account, asset, amount, &self.torn))

    def withdraw(self, account, asset, amount):
        """Take out of the cross scope: 0, Reject.INSUFFICIENT if margin forbids it, or GATED."""
        self._idle()
        account = self._account(account)
        asset = self._int("asset", asset, 0, self.s.ledger.asset_count - 1)
        amount = self._int("amount", amount, 1, 2**60)
        return user_withdraw(&self.s, account, asset, amount, &self.torn)

    def isolate(self, account, market):
        """Make the account's position in a market isolated; its scope id, or POSITION_OPEN."""
        self._idle()
        account = self._account(account)
        m = self._market(market)
        return self._whole_again(user_isolate(&self.s, account, m, &self.torn))

    def move_isolated(self, account, market, amount):
        """Move collateral from cross to isolated (> 0) or back (< 0): 0 or Reject.INSUFFICIENT."""
        self._idle()
        account = self._account(account)
        m = self._market(market)
        amount = self._int("amount", amount, -2**60, 2**60)
        asset = self.s.markets[m].asset
        isolated = ledger_scope(&self.s.ledger, account, m, asset)
        if isolated < 0 or self.s.ledger.holders[isolated].market != m:
            raise InputError("market", m, "must be isolated for this account: call isolate() first")
        if amount == 0:
            raise InputError("amount", amount, "must not be 0")
        return user_move(&self.s, account, m, amount, &self.torn)

    # --- orders ---------------------------------------------------------------------------------

    def submit(self, account, market, side, price, size, type=OrderType.LIMIT,
               tif=TimeInForce.GTC, flags=0, leg=None):
        """Submit a user's order: its id if it rests, 0 if done, or a Reject code (no step then).

        Refused INSUFFICIENT if initial margin with it would exceed equity, unless it only reduces;
        POSITION_LIMIT beyond size_max, or if its fills could pass a bound (core/bounds.pyx). In
        hedge mode `leg` is "long" or "short"; REDUCE_ONLY where it could close more than is held.
        """
        cdef Message order
        self._started()
        order.account = leg_account(&self.s, self._account(account), leg)
        m = self._market(market)
        order.type, order.side, order.tif, order.flags = self._judged(
            check_order, type, side, tif, flags)
        order.price = self._price(m, price, 1) if order.type == LIMIT else 0
        order.size = self._int("size", size, 1, self.s.markets[m].size_max)
        return self._whole_again(user_message(&self.s, m, &order, &self.torn))

    def cancel(self, account, market, order_id):
        """Cancel a resting order: the lots cancelled, or a Reject code."""
        cdef Message order
        self._started()
        order.type = CANCEL
        order.account = self._account(account)
        m = self._market(market)
        order.order_id = self._int("order_id", order_id, 1, INT64)
        return self._whole_again(user_message(&self.s, m, &order, &self.torn))

    def amend(self, account, market, order_id, *, price=0, size):
        """Change a resting order: its id, 0 if done, or a Reject code. A smaller size at the same
        price keeps its priority; what grows or moves is admitted like a new order."""
        cdef Message order
        self._started()
        order.type = AMEND
        order.account = self._account(account)
        m = self._market(market)
        order.order_id = self._int("order_id", order_id, 1, INT64)
        order.price = self._price(m, price, 0)
        order.size = self._int("size", size, 0, self.s.markets[m].size_max)
        return self._whole_again(user_message(&self.s, m, &order, &self.torn))

    # --- closing between accounts ---------------------------------------------------------------

    def bankruptcy_quote(self, scope, market, lots):
        """What selling (a short: buying back) so many lots must bring in, so that the scope's
        equity is used up by its share of maintenance; rounded up. spec/MARGIN.md §3."""
        self._started()
        refuse_quote(&self.s)
        p = self._leg(scope, market)
        held = self.s.ledger.positions[p].size
        lots = self._int("lots", lots, 1, absolute(held))
        return bankruptcy_quote(&self.s, scope, p, -lots if held > 0 else lots)

    def close_pair(self, scope, market, other, lots):
        """Close lots of a scope against another that holds the other side, at the first one's
        bankruptcy quote: 0, or Reject.NO_OVERLAP if the other cannot afford it."""
        self._started()
        mine = self.s.ledger.positions[self._leg(scope, market)].size
        its = self.s.ledger.positions[self._leg(other, market)].size
        if (mine > 0) == (its > 0):
            raise InputError("other", other, "must hold the other side")
        lots = self._int("lots", lots, 1, min(absolute(mine), absolute(its)))
        return user_close_pair(&self.s, scope, market, other, lots, &self.torn)

    def wind_up(self, market):
        """End a market: close every position against the others, by scope id; who is below zero
        at its bankruptcy quote, others at the mark."""
        self._started()
        refuse_hedged(&self.s)
        whole_wind_up(&self.s, self.backstop, self.events, self._market(market), &self.torn)

    def set_index(self, market, price):
        """Set the outside price now; marks follow at the next settlement."""
        self._started()
        m = self._market(market)
        price = self._price(m, price, 1)
        self.torn = True
        index_tick(&self.s, m, price)
        self.torn = False

    # --- questions ------------------------------------------------------------------------------

    def equity(self, scope):
        """Collateral plus value minus cost, on the standing marks."""
        return margin_of(&self.s, self._scope(scope), False).equity

    def maintenance(self, scope, *, orders=False):
        """Maintenance on the standing marks; `orders`: with open ones where risk factors ask it."""
        return maintenance_with(&self.s, self._scope(scope), bool(orders))

    def initial(self, scope):
        """Initial margin on the standing marks, open orders counted on their worse side."""
        return initial_margin(&self.s, self._scope(scope), NIL, 0, 0)

    def what_if(self, scope, marks):
        """(equity, maintenance) of a scope if the markets in the mapping had these marks."""
        given = {self._market(m): self._int("mark", v, 1, TICK_MAX)
                 for m, v in dict(marks).items()}
        return margin_at(&self.s, self._scope(scope), given)

    def collateral(self, scope):
        """The money a scope holds."""
        return self.s.ledger.holders[self._scope(scope)].collateral

    def balance(self, holder):
        """The money of any holder."""
        number = self._int("holder", holder, 0, self.s.ledger.holder_count - 1)
        return self.s.ledger.holders[number].collateral

    def holder(self, kind, which=0):
        """The id of a holder of the venue; `which` is the asset, or a clearing's market."""
        kind = self._judged(member, "kind", HolderKind, kind)
        if kind == HolderKind.SCOPE:
            raise InputError("kind", kind, "must be a holder of the venue; see scope_of()")
        at = self._market(which) if kind == HolderKind.CLEARING else self._int(
            "asset", which, 0, self.s.ledger.asset_count - 1)
        return ledger_holder(&self.s.ledger, kind, at)

    def scope_of(self, account, market):
        """The scope that holds an account's position in a market, or -1."""
        m = self._market(market)
        account = self._int("account", account, 0, self.s.ledger.account_count - 1)
        return ledger_scope(&self.s.ledger, account, m, self.s.markets[m].asset)

    def cross_scope(self, account, asset=0):
        """The account's cross scope of an asset, or -1."""
        asset = self._int("asset", asset, 0, self.s.ledger.asset_count - 1)
        return ledger_scope(&self.s.ledger, self._account(account), -1, asset)

    def position(self, scope, market, leg=None):
        """(size, cost) of a scope in a market; in hedge mode of its leg "long" or "short"."""
        return position_of(&self.s, self._scope(scope), self._market(market), leg)

    def inherited(self, kind, market):
        """(size, cost, maintenance) of what the fund or the vault took over in a market."""
        m = self._market(market)
        return inherited(&self.s, self._judged(member, "kind", HolderKind, kind), m)

    def liquidation_price(self, scope, market):
        """The tick nearest to safety at which the scope is liquidatable, other marks standing.

        None without a position there or where no tick from 1 to 2**31 - 1 is.
        """
        return liquidation_price(&self.s, self._scope(scope), self._market(market))

    def bankruptcy_price(self, scope, market, leg=None):
        """The leg's exact handing-over cost as a tick, rounded against nobody's loss; not clamped.

        None without a position there. SEMANTICS §5.3, §5.7.
        """
        return bankruptcy_price(&self.s, self._scope(scope), self._market(market), leg)

    def below_zero(self):
        """(scope, account, equity) of users' scopes with negative equity on the standing marks."""
        self._still()
        return below_zero(&self.s)

    def at_risk(self):
        """Scopes that are liquidatable at a peek of the marks' sources now, by id."""
        self._still()
        return scopes_at_risk(&self.s)

    def marks(self):
        """The standing marks, by market."""
        self._still()
        return [self.s.markets[i].mark for i in range(self.s.market_count)]

    def prices(self, market):
        """Last, index, mark, best bid and best ask of a market; 0 where there is none."""
        cdef const Market* m = &self.s.markets[self._market(market)]
        return (m.last, m.index, m.mark, book_best(&m.book, 0), book_best(&m.book, 1))

    def depth(self, market, side, levels=10):
        """Up to `levels` (price, size) pairs of a side, best first."""
        side = self._judged(member, "side", Side, side)
        levels = self._int("levels", levels, 1, INT64)
        return levels_of(&self.s, self._market(market), side, levels)

    @property
    def fund(self):
        """Balance of the insurance funds of the first asset, those of its markets among them."""
        return fund_total(&self.s, 0)

    @property
    def bad_debt(self):
        """Balance of the bad debt of the first asset: at most 0."""
        return self.balance(self.holder(HolderKind.BAD_DEBT, 0))

    @property
    def holders(self):
        """How many holders the venue has."""
        return self.s.ledger.holder_count

    @property
    def accounts(self):
        """The greatest account number in use; short legs of hedged ones have numbers too."""
        return self.s.ledger.account_count - 1

    @property
    def market_count(self):
        return self.s.market_count

    # --- checks ---------------------------------------------------------------------------------

    def audit(self):
        """Re-sum the ledger: deltas by name, all 0 in a sound venue."""
        self._still()
        return ledger_deltas(&self.s.ledger)

    def _equities(self):
        """Equity of every holder on the standing marks, by id; the venue's own have their money."""
        return equities(&self.s)

    def _check(self):
        """Raise InvariantError unless books, ledger, triggers and watch lists are sound."""
        self._still()
        broken = state_check(&self.s) or calls_check(&self.s)
        if broken:
            raise InvariantError("venue state", broken)

    def state_hash(self):
        """128 bits over everything that decides what the venue does next, as hex."""
        cdef Digest d
        self._still()
        digest_start(&d)
        state_digest(&self.s, &d)
        return digest_hex(&d)

    cdef Venue copy(self, EventLog events):
        """An independent copy writing to another log; mechanisms are cloned."""
        cdef Venue other = Venue.__new__(Venue, events, self.s.venue, 0, None)
        cdef Oracle oracle
        cdef int64_t i
        state_copy(&other.s, &self.s)
        other.s.log = &events.log
        other.policy = (<LiquidationPolicy>self.policy).clone()
        other.s.policy = <void*>other.policy
        other.backstop = (<Backstop>self.backstop).clone()
        other.s.backstop = <void*>other.backstop
        other.breakers = [(<CircuitBreaker>each).clone() for each in self.breakers]
        set_breakers(&other.s, other.breakers)
        other.oracles, other.surcharges = [], clone_surcharges(&other.s, self.surcharges)
        other.schedules = own_schedules(&other.s, self.schedules)
        for i in range(self.s.market_count):
            oracle = (<Oracle>self.s.markets[i].oracle).clone()
            other.oracles.append(oracle)
            set_oracle(&other.s, i, oracle)
        return other

"""Flows of a venue that settles to the mark: parties, blocks of a second, asserted states.

Every step is an operation on the engine's venue; a step that asserts is compared, and the first
difference is an error. A party's general account is its cross scope, its margin account the
isolated scope of the market, made with its first order: that is its place in the registration.
What `expected.key` says restates asserted steps; it is echoed once they all hold.

Risk factors of 0 only: then open orders ask no margin, and maintenance is slippage times value. A
slippage above 1 is held at 1: whoever has less than the value of its position is closed out alike.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ordercascade.core.book import OrderBook
from ordercascade.enums import (
    HolderKind,
    PostReason,
    PriceSource,
    Side,
    StepKind,
)
from vectors.engine import HIGHEST, Desk, house
from vectors.form import NotYet, exact

Row = dict[str, str]
SIDES = {"buy": Side.BID, "sell": Side.ASK}
ORDER = set("party,market id,side,volume,price,resulting trades,tif,type,reference".split(","))


class House:
    """A market from its opening auction on."""

    def __init__(self, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.strategies: dict[str, dict[str, Any]] = {}
        self.market: Row = {}
        self.pool = 0
        self.deposits: list[Row] = []
        self.early: list[Row] = []
        self.orders: dict[tuple[str, str], int] = {}
        self.desk: Desk | None = None
        self.time = 0
        self.asserted = 0

    @property
    def open(self) -> Desk:
        if self.desk is None:
            raise NotYet("what happens before the opening auction ends")
        return self.desk

    # Steps that set up.

    def liquidation_strategies(self, rows: list[Row]) -> None:
        for row in rows:
            self.strategies[row["name"]] = {
                "step": row["disposal step"],
                "fraction": row["disposal fraction"],
                "full_size": row["full disposal size"],
                "max_fraction": row["max fraction consumed"],
                "range": row["disposal slippage range"],
            }

    def markets(self, rows: list[Row]) -> None:
        if len(rows) != 1:
            raise NotYet("several markets of one house")
        (self.market,) = rows
        if self.market["fees"] != "default-none":
            raise NotYet("its trading fees")
        if self.market["price monitoring"] != "default-none":
            raise NotYet("auctions on price bounds")
        model = self.defaults["risk_models"].get(self.market["risk model"])
        if model is None or model["factorLong"] or model["factorShort"]:
            raise NotYet("margin for open orders by risk factor")

    def network_params(self, rows: list[Row]) -> None:
        """Auction length and mark frequency: a block settles at its end."""

    def set_insurance_pool(self, amount: str, *_: str) -> None:
        self.pool = int(amount)
        if self.desk is not None:
            self.desk.venue.set_fund(self.pool)

    def deposit(self, rows: list[Row]) -> None:
        if self.desk is None:
            self.deposits += rows
            return
        for row in rows:
            self.pay_in(self.desk, row)

    def pay_in(self, desk: Desk, row: Row) -> None:
        if row["party"] not in desk.accounts:
            desk.accounts[row["party"]] = desk.venue.open_account()
        desk.venue.deposit(desk.accounts[row["party"]], 0, int(row["amount"]))

    def end_opening_auction(self, *_: str) -> None:
        """A call auction; what traded there trades here first, at its price, then the rest."""
        names = [row["party"] for row in self.deposits]
        book = OrderBook(price_max=HIGHEST)
        book.collect()
        placed = []
        for row in self.early:
            side, price, size = SIDES[row["side"]], int(row["price"]), int(row["volume"])
            number = book.submit(side, price=price, size=size, account=names.index(row["party"]))
            placed.append((row, number))
        price = book.uncross()
        if price is None:
            raise NotYet("an opening auction without a trade")
        calculators = self.defaults["margin_calculators"]
        if self.market["margin calculator"] not in calculators:
            raise NotYet("its own margin calculator")
        scaling = calculators[self.market["margin calculator"]]["scalingFactors"]
        levels = tuple(
            scaling[name] for name in ("searchLevel", "initialMargin", "collateralRelease")
        )
        legacy = self.defaults["liquidation_strategies"]["when_none_named"]
        given = {
            "step": legacy["disposal_time_step"],
            "fraction": legacy["disposal_fraction"],
            "full_size": legacy["full_disposal_size"],
            "max_fraction": legacy["max_fraction_consumed"],
            "range": legacy["disposal_slippage_range"],
        }
        strategy = self.strategies.get(self.market.get("liquidation strategy", ""), given)
        slippage = exact(self.market["linear slippage factor"])
        desk = house(slippage, int(price), strategy, levels, PriceSource.LAST)
        self.desk = desk
        desk.world.start()
        desk.venue.set_fund(self.pool)
        for row in self.deposits:
            self.pay_in(desk, row)
        for row in self.early:
            self.register(row["party"])
        for fill in book.fills:
            size = int(fill["size"])
            asks, bids = names[fill["maker_account"]], names[fill["taker_account"]]
            self.send(asks, Side.ASK, int(price), size)
            self.send(bids, Side.BID, int(price), size)
        for row, number in placed:
            left = book.order(number)
            if left is not None and row["tif"] != "TIF_GFA":
                number = self.send(row["party"], SIDES[row["side"]], int(row["price"]), left.size)
                self.orders[row["party"], row.get("reference", "")] = number
        self.block()

    def register(self, party: str) -> None:
        """Make the party's margin account in the market, if it has none."""
        desk = self.open
        scope = desk.venue.scope_of(desk.accounts[party], 0)
        if scope < 0 or scope == desk.venue.cross_scope(desk.accounts[party]):
            desk.venue.isolate(desk.accounts[party], 0)

    def send(self, party: str, side: Side, price: int, size: int) -> int:
        answer = self.open.venue.submit(self.open.accounts[party], 0, side, price, size)
        if answer < 0:
            raise ValueError(f"the order of {party} was refused: {answer}")
        return int(answer)

    def block(self) -> None:
        self.time += 1
        self.open.settle(self.time)

    # Steps that act.

    def order(self, row: Row) -> None:
        if row["tif"] != "TIF_GTC" or row.get("type", "TYPE_LIMIT") != "TYPE_LIMIT":
            raise NotYet(f"orders {row['tif']} {row.get('type', '')}")
        if more := set(row) - ORDER:
            raise NotYet(f"orders with {', '.join(sorted(more))}")
        self.register(row["party"])
        before = len(self.open.rows("fills", "step"))
        side, price, size = SIDES[row["side"]], int(row["price"]), int(row["volume"])
        number = self.send(row["party"], side, price, size)
        self.orders[row["party"], row.get("reference", "")] = number
        trades = len(self.open.rows("fills", "step")) - before
        if "resulting trades" in row and trades != int(row["resulting trades"]):
            raise ValueError(f"{trades} trades of {row}")

    def cancel(self, rows: list[Row]) -> None:
        for row in rows:
            number = self.orders[row["party"], row["reference"]]
            self.open.venue.cancel(self.open.accounts[row["party"]], 0, number)

    def advance_blocks(self, count: str) -> None:
        for _ in range(int(count)):
            self.block()

    # Steps that assert.

    def holder(self, party: str) -> int:
        if party == "network":
            return self.open.holder(HolderKind.FUND)
        return self.open.scope(party)

    def standing(self, party: str) -> tuple[int, int]:
        """Return (size, maintenance)."""
        venue = self.open.venue
        if party == "network":
            size, _, need = venue.inherited(HolderKind.FUND, 0)
            return size, need
        scope = self.open.scope(party)
        return venue.position(scope, 0)[0], venue.maintenance(scope)

    def same(self, what: str, want: Any, got: Any) -> None:
        if int(want) != got:
            raise ValueError(f"{what}: expected {want}, got {got}")

    def assert_mode(self, mode: str, *_: str) -> None:
        if mode != "TRADING_MODE_CONTINUOUS":
            raise NotYet("auctions")

    def assert_mark(self, price: str, *_: str) -> None:
        self.same("mark", price, self.open.venue.marks()[0])

    def assert_pool(self, amount: str, of: str) -> None:
        """Of a market; an asset has a pool of its own, which nothing here fills."""
        self.same("pool", amount, self.open.venue.fund if of == self.market["id"] else 0)

    def assert_balances(self, rows: list[Row]) -> None:
        for row in rows:
            party, venue = row["party"], self.open.venue
            general = venue.collateral(venue.cross_scope(self.open.accounts[party]))
            self.same(f"general of {party}", row["general"], general)
            if "bond" in row:
                raise NotYet("bonds")
            if "margin" in row:
                scope = self.open.scope(party)
                has = (
                    venue.collateral(scope)
                    if scope != venue.cross_scope(self.open.accounts[party])
                    else 0
                )
                self.same(f"margin of {party}", row["margin"], has)

    def assert_network_trades(self, rows: list[Row]) -> None:
        kinds = dict(self.open.rows("steps", "step", "kind"))
        moved = [
            (scope, lots, "buy" if cost > 0 else "sell")
            for step, scope, lots, cost in self.open.rows(
                "adl", "step", "scope_from", "lots", "cost"
            )
            if kinds[step] == StepKind.TAKEOVER
        ]
        for row in rows:
            want = self.open.scope(row["party"]), int(row["volume"]), row["aggressor side"]
            if want not in moved:
                raise ValueError(f"the network did not take over {row}: {moved}")

    def assert_pnl(self, rows: list[Row]) -> None:
        for row in rows:
            holder = self.holder(row["party"])
            size = self.standing(row["party"])[0]
            total, entry = self.gained(holder), self.entry(holder)
            open_gain = round(size * (self.open.venue.marks()[0] - entry))
            self.same(f"volume of {row['party']}", row["volume"], size)
            self.same(f"unrealised of {row['party']}", row["unrealised pnl"], open_gain)
            self.same(f"realised of {row['party']}", row["realised pnl"], total - open_gain)

    def gained(self, holder: int) -> int:
        """Everything settled, less what it paid for others and what was taken from it; a loser
        only lost what was paid for it. (The venue does not write that to the network.)"""
        fund = self.open.holder(HolderKind.FUND)
        sum_of = 0
        for source, target, amount, reason in self.open.rows(
            "postings", "from_holder", "to_holder", "amount", "reason"
        ):
            counts = reason == PostReason.REALISE
            counts |= holder != fund and reason in (PostReason.SOCIALISED, PostReason.TAKEOVER)
            if counts and target == holder:
                sum_of += amount
            elif counts and source == holder:
                sum_of -= amount
        return sum_of

    def entry(self, holder: int) -> Fraction:
        """Return the average entry of what it holds, from the tape."""
        size, entry = 0, Fraction(0)
        for lots, price in self.trades(holder):
            if size * lots >= 0:
                entry = (entry * size + lots * price) / (size + lots)
            elif abs(lots) > abs(size):
                entry = price
            size += lots
        return entry if size else Fraction(0)

    def trades(self, holder: int) -> list[tuple[int, Fraction]]:
        """Return (signed lots, price) of a holder's trades and takeovers, in order."""
        account = next(
            (a for a in self.open.accounts.values() if self.open.venue.scope_of(a, 0) == holder), -1
        )
        columns = ("step", "maker_account", "taker_account", "taker_side", "size", "price")
        found = []
        for step, maker, taker, side, size, price in self.open.rows("fills", *columns):
            sign = 1 - 2 * side
            if maker == account:
                found.append((step, -sign * size, Fraction(price)))
            if taker == account:
                found.append((step, sign * size, Fraction(price)))
        columns = ("step", "scope_from", "scope_to", "lots", "cost")
        for step, source, target, lots, cost in self.open.rows("adl", *columns):
            signed = lots if cost > 0 else -lots
            if source == holder:
                found.append((step, -signed, Fraction(abs(cost), lots)))
            if target == holder:
                found.append((step, signed, Fraction(abs(cost), lots)))
        return [(lots, price) for _, lots, price in sorted(found, key=lambda trade: trade[0])]

    def assert_margin_levels(self, rows: list[Row]) -> None:
        for row in rows:
            need = self.standing(row["party"])[1]
            self.same(f"maintenance of {row['party']}", row["maintenance"], need)
            scaling = self.defaults["margin_calculators"][self.market["margin calculator"]]
            for name, key in (
                ("search", "searchLevel"),
                ("initial", "initialMargin"),
                ("release", "collateralRelease"),
            ):
                if name in row:
                    level = int(need * exact(scaling["scalingFactors"][key]))
                    self.same(f"{name} of {row['party']}", row[name], level)

    # One step.

    def do(self, step: dict[str, Any]) -> None:
        name = step["op"]
        if name == "orders":
            self.place(step)
            return
        act: Callable[..., None] | None = getattr(self, name, None)
        if act is None:
            raise NotYet(f"steps {name!r}")
        act(*step.get("args", []), *([step["rows"]] if "rows" in step else []))
        self.asserted += name.startswith("assert_")

    def place(self, step: dict[str, Any]) -> None:
        if self.desk is None:
            self.early += step["rows"]
            return
        for row in step["rows"]:
            self.order(row)
            if "advance" in step:
                if step["advance"].split()[0] not in ("one", "1"):
                    raise NotYet(f"an advance of {step['advance']!r}")
                self.block()

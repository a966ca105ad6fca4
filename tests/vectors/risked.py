"""Flows of a house that asks margin by risk factors, also for open orders. All run the engine.

Commitments of liquidity are restated: the bond is money of an account of its own, the fee is the
taker's, pegged orders are plain ones that are placed again where their reference moves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from ordercascade import margin
from ordercascade.core.book import OrderBook
from ordercascade.core.changing import change
from ordercascade.enums import (
    BreakerAction,
    CancelPolicy,
    HolderKind,
    OrderType,
    PriceSource,
    Side,
    StepKind,
    TimeInForce,
)
from ordercascade.margin import Schedule
from ordercascade.mechanisms.plugins import PluginBreaker
from ordercascade.mechanisms.tranches import Tranches
from vectors.engine import HIGHEST, ONE, Desk, Terms, ppm, stages
from vectors.form import NotYet, Vector, engine, exact, form
from vectors.houses import SIDES, House, Row

LEVELS = ("searchLevel", "initialMargin", "collateralRelease")
# What the venue calls so where a scenario does not say it: its own test suite's defaults.
NAMED = {
    "default-log-normal-risk-model": {
        "risk aversion": "0.001",
        "tau": "0.00011407711613050422",
        "mu": "0",
        "sigma": "2",
    }
}
ORDER = {
    *("party", "market id", "side", "volume", "price", "resulting trades"),
    *("tif", "type", "reference", "expires in"),
}
UPDATED = {
    *("id", "linear slippage factor", "quadratic slippage factor"),
    "liquidation strategy",
}
PEGGED = {
    *("party", "market id", "peak size", "minimum visible size", "side", "pegged reference"),
    *("volume", "offset", "reference", "tif", "resulting trades"),
}
TIFS = {
    "TIF_GTC": TimeInForce.GTC,
    "TIF_GTT": TimeInForce.GTC,
    "TIF_GFA": TimeInForce.GTC,
    "TIF_IOC": TimeInForce.IOC,
    "TIF_FOK": TimeInForce.FOK,
}


class Monitor:
    """Bounds of prices: what would trade beyond them waits. A plug-in of the engine."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def judge(self, market: int, view: Any, time_ns: int) -> tuple[BreakerAction, int, int, int]:
        return BreakerAction.HOLD, self.low, self.high, 0

    def state(self) -> bytes:
        return f"{self.low} {self.high}".encode()


def up_ppm(factor: float) -> int:
    return math.ceil(factor * 10**6 - 1e-9)


class Risked(House):
    """A house whose markets name a risk model."""

    def __init__(self, defaults: dict[str, Any]) -> None:
        super().__init__(defaults)
        self.rows: list[Row] = []
        self.models: dict[str, tuple[int, int]] = {}
        self.lognormal: dict[str, Row] = {}
        self.reference = self.middle = 0
        self.scalings: dict[str, dict[str, Any]] = {}
        self.monitors: dict[str, list[Row]] = {}
        self.commits: dict[str, Row] = {}
        self.pegs: list[tuple[Row, list[int]]] = []
        self.opened: dict[str, list[tuple[int, Fraction]]] = {}
        self.expires: list[int] = []
        self.cleared = 0
        self.told: dict[str, tuple[int, int, int]] = {}

    # Steps that set up.

    def block_seconds(self, seconds: str) -> None:
        if seconds != "1":
            raise NotYet("blocks of another length than a second")

    def assets(self, rows: list[Row]) -> None:
        if any(int(row.get("decimal places", 0)) for row in rows):
            raise NotYet("assets with decimals")

    def sla(self, name: str, rows: Any = None) -> None:
        """Nobody is paid by it, and the range of prices is wide enough not to bind: see limit."""

    def lognormal_risk_model(self, name: str, rows: list[Row]) -> None:
        (row,) = rows
        self.lognormal[name] = row
        self.models[name] = self.factors(row)

    def factors(self, row: Row) -> tuple[int, int]:
        long, short = margin.lognormal_factors(
            risk_aversion=float(row["risk aversion"]),
            tau_years=float(row["tau"]),
            mu=float(row["mu"]),
            sigma=float(row["sigma"]),
        )
        return up_ppm(long), up_ppm(short)

    def simple_risk_model(self, name: str, rows: list[Row]) -> None:
        (row,) = rows
        self.models[name] = ppm(row["long"]), ppm(row["short"])

    def margin_calculator(self, name: str, rows: list[Row]) -> None:
        (row,) = rows
        keys = ("search factor", "initial factor", "release factor")
        self.scalings[name] = dict(zip(LEVELS, (row[key] for key in keys), strict=True))

    def price_monitoring(self, name: str, rows: list[Row]) -> None:
        self.monitors[name] = rows

    def markets(self, rows: list[Row]) -> None:
        self.rows = rows
        for row in rows:
            if row["fees"] != "default-none":
                raise NotYet("its trading fees")
            if exact(row.get("quadratic slippage factor", 0)) and self.model(row) != (0, 0):
                raise NotYet("slippage that grows with the square of the size")
        self.market = rows[0]

    def model(self, row: Row) -> tuple[int, int]:
        name = row["risk model"]
        if name in self.models:
            return self.models[name]
        if name in self.defaults["risk_models"]:
            given = self.defaults["risk_models"][name]
            return ppm(given["factorLong"]), ppm(given["factorShort"])
        if name in NAMED:
            return self.factors(NAMED[name])
        raise NotYet(f"the risk model {name!r}, which is not given")

    def scaling(self) -> dict[str, Any]:
        name = self.market["margin calculator"]
        if name in self.scalings:
            return self.scalings[name]
        if name not in self.defaults["margin_calculators"]:
            raise NotYet("its own margin calculator")
        found: dict[str, Any] = self.defaults["margin_calculators"][name]["scalingFactors"]
        return found

    def strategy(self) -> dict[str, Any]:
        name = self.market.get("liquidation strategy", "when_none_named")
        if name in self.strategies:
            return self.strategies[name]
        given = self.defaults["liquidation_strategies"].get(name)
        if given is None:
            raise NotYet(f"the liquidation strategy {name!r}, which is not given")
        return {
            "step": given["disposal_time_step"],
            "fraction": given["disposal_fraction"],
            "full_size": given["full_disposal_size"],
            "max_fraction": given["max_fraction_consumed"],
            "range": given["disposal_slippage_range"],
        }

    def update_market(self, rows: list[Row]) -> None:
        for row in rows:
            if more := set(row) - UPDATED:
                raise NotYet(f"an update of {', '.join(sorted(more))}")
            for market in self.rows:
                if market["id"] == row["id"]:
                    self.update(market, row)

    def update(self, market: Row, row: Row) -> None:
        factors = [key for key in row if key.endswith("factor")]
        if self.desk is not None and any(exact(row[key]) != exact(market[key]) for key in factors):
            raise NotYet("other slippage in a market that trades")
        market |= row
        if self.desk is not None and market is self.market:
            levels = tuple(self.scaling()[name] for name in LEVELS)
            said = self.desk.rules | {"stages": stages(self.strategy(), levels)}
            change(self.desk.world, 0, **said | {"breakers": "keep"})

    def lp_commit(self, rows: list[Row]) -> None:
        if self.desk is not None:
            raise NotYet("commitments to a market that trades")
        for row in rows:
            self.commits[row["party"]] = row

    def pegged_iceberg_orders(self, rows: list[Row]) -> None:
        for row in rows:
            if more := set(row) - PEGGED:
                raise NotYet(f"pegged orders with {', '.join(sorted(more))}")
            self.pegs.append((row, []))
        if self.desk is not None:
            self.repeg()

    # The opening auction.

    def end_opening_auction(self, market: str, *_: str) -> None:
        """A call auction; who traded there opens with that position, and no fee is paid."""
        (self.market,) = [row for row in self.rows if row["id"] == market]
        book = OrderBook(price_max=HIGHEST)
        book.collect()
        names = [row["party"] for row in self.deposits]
        placed = []
        for row in self.early:
            if row.get("market id", market) != market:
                raise NotYet("several markets of one house")
            number = book.submit(
                SIDES[row["side"]],
                price=int(row["price"]),
                size=int(row["volume"]),
                account=names.index(row["party"]),
            )
            placed.append((row, number))
        price = book.uncross()
        if price is None:
            raise NotYet("an opening auction without a trade")
        self.reference = int(price)
        desk = self.desk = self.made(self.reference)
        for row in self.deposits:
            self.pay_in(desk, row)
        for row in self.early:
            self.register(row["party"])
        if self.pool:
            desk.venue.fund_deposit(0, self.pool)
        for fill in book.fills:
            for party, sign in ((fill["maker_account"], -1), (fill["taker_account"], 1)):
                side = 1 - 2 * int(fill["taker_side"])
                lots = sign * side * int(fill["size"])
                name = names[party]
                self.opened.setdefault(name, []).append((lots, Fraction(price)))
        for name, trades in self.opened.items():
            lots = sum(lots for lots, _ in trades)
            desk.venue.open_position(desk.accounts[name], 0, lots, lots * int(price))
        desk.world.start()
        self.bonds(desk)
        for row, number in placed:
            left = book.order(number)
            if left is not None and row["tif"] != "TIF_GFA":
                number = self.send(row["party"], SIDES[row["side"]], int(row["price"]), left.size)
                self.orders[row["party"], row.get("reference", "")] = number
        self.repeg()
        self.block()

    def made(self, price: int) -> Desk:
        long, short = self.model(self.market)
        slippage = exact(self.market["linear slippage factor"])
        levels = tuple(self.scaling()[name] for name in LEVELS)
        scale = ppm(levels[1])
        if slippage > 2:
            if long or short:
                raise NotYet("slippage of more than twice the value")
            slippage = ONE  # more than all of it: nobody can hold anything
        table = Schedule.risk(
            long_ppm=long, short_ppm=short, slippage_ppm=ppm(slippage), initial_ppm=scale
        )
        fees = {exact(row["fee"]) for row in self.commits.values()}
        if len(fees) > 1:
            raise NotYet("commitments at several fees")
        flat = [(0, ppm(min(ONE, slippage)), 0, ppm(min(ONE, slippage)))]
        terms = Terms(ONE, ONE, flat, price, HIGHEST, table, ppm(max(fees, default=Fraction(0))))
        breakers = []
        if self.market["price monitoring"] != "default-none":
            lows, highs = zip(*((low, high) for _, low, high in self.bounds()), strict=True)
            breakers = [PluginBreaker(Monitor(max(lows), min(highs)))]
        return Desk(
            ONE,
            terms,
            breakers=breakers,
            source=PriceSource.LAST,
            policy=Tranches(),
            cancel=CancelPolicy.MARKET,
            stages=stages(self.strategy(), levels),
        )

    def bonds(self, desk: Desk) -> None:
        for party, row in self.commits.items():
            amount = int(row["commitment amount"])
            if self.pegs and self.short_of_bond(desk, party, amount):
                raise NotYet("bonds that pay for margin")
            if desk.venue.withdraw(desk.accounts[party], 0, amount):
                raise NotYet("commitments that their party cannot pay")
            name = f"bond of {party}"
            desk.accounts[name] = desk.venue.open_account()
            desk.venue.deposit(desk.accounts[name], 0, amount)

    def short_of_bond(self, desk: Desk, party: str, amount: int) -> bool:
        """Say whether what is left would not carry the pegged orders at the opening's price."""
        free = desk.venue.collateral(desk.venue.cross_scope(desk.accounts[party])) - amount
        lots = {Side.BID: 0, Side.ASK: 0}
        for row, _ in self.pegs:
            if row["party"] == party:
                lots[SIDES[row["side"]]] += int(row["volume"])
        long, short = self.model(self.market)
        factors = lots[Side.BID] * long, lots[Side.ASK] * short
        need = Fraction(max(factors) * self.reference, 10**6) * exact(self.scaling()[LEVELS[1]])
        return free < need

    # Steps that act.

    def send(
        self,
        party: str,
        side: Side,
        price: int,
        size: int,
        kind: OrderType = OrderType.LIMIT,
        tif: TimeInForce = TimeInForce.GTC,
    ) -> int:
        answer = self.open.venue.submit(self.open.accounts[party], 0, side, price, size, kind, tif)
        if answer < 0:
            raise ValueError(f"the order of {party} was refused: {answer}")
        return int(answer)

    def order(self, row: Row) -> None:
        if more := set(row) - ORDER:
            raise NotYet(f"orders with {', '.join(sorted(more))}")
        if row["tif"] not in TIFS or row["tif"] == "TIF_GFA":
            raise NotYet(f"orders {row['tif']}")
        if row.get("market id", self.market["id"]) != self.market["id"]:
            raise NotYet("several markets of one house")
        if row["tif"] == "TIF_GTT":
            self.expires.append(self.time + int(row["expires in"]))
        self.register(row["party"])
        self.watched(row)
        before = len(self.open.rows("fills", "step"))
        kind = OrderType.MARKET if row.get("type") == "TYPE_MARKET" else OrderType.LIMIT
        side, price, size = SIDES[row["side"]], int(row["price"]), int(row["volume"])
        number = self.send(row["party"], side, price, size, kind, TIFS[row["tif"]])
        self.orders[row["party"], row.get("reference", "")] = number
        trades = len(self.open.rows("fills", "step")) - before
        if "resulting trades" in row and trades != int(row["resulting trades"]):
            raise ValueError(f"{trades} trades of {row}")
        self.repeg()

    def watched(self, row: Row) -> None:
        """An order that would trade beyond the monitored bounds starts an auction. [V7]"""
        if self.market["price monitoring"] == "default-none":
            return
        side = SIDES[row["side"]]
        best = self.open.venue.depth(0, Side(1 - side), 1)
        if not best or (int(row["price"]) - best[0][0]) * (1 - 2 * side) < 0:
            return
        for _, low, high in self.bounds():
            if not low <= best[0][0] <= high:
                raise NotYet("auctions on price bounds")

    def bounds(self) -> Iterator[tuple[str, int, int]]:
        """Yield (horizon, lowest, highest tick) around the price of the opening. [V7]"""
        name = self.market["risk model"]
        model = self.lognormal.get(name) or NAMED.get(name)
        if model is None or self.market["price monitoring"] not in self.monitors:
            raise NotYet("price monitoring without its numbers")
        for row in self.monitors[self.market["price monitoring"]]:
            low, high = margin.lognormal_bounds(
                float(self.reference),
                horizon_s=float(row["horizon"]),
                probability=float(row["probability"]),
                mu=float(model["mu"]),
                sigma=float(model["sigma"]),
            )
            yield row["horizon"], math.ceil(low), math.floor(high)

    def amend(self, rows: list[Row]) -> None:
        for row in rows:
            if int(row.get("size delta", 0)):
                raise NotYet("amendments of a size")
            key = row["party"], row["reference"]
            account, number = self.open.accounts[row["party"]], self.orders[key]
            side, left = self.left(row["party"], number)
            del side
            answer = self.open.venue.amend(account, 0, number, price=int(row["price"]), size=left)
            if answer < 0:
                raise ValueError(f"the change of {row} was refused: {answer}")
            self.orders[key] = int(answer)
        self.repeg()

    def left(self, party: str, number: int) -> tuple[Side, int]:
        """Return side and lots of a resting order, from the tape."""
        columns = ("step", "order_id", "side", "size", "filled")
        for _, order, side, size, filled in self.open.rows("orders", *columns):
            if order == number:
                taken = sum(
                    lots
                    for maker, lots in self.open.rows("fills", "maker_order", "size")
                    if maker == number
                )
                return Side(side), size - filled - taken
        raise ValueError(f"{party} has no order {number}")

    def repeg(self) -> None:
        """Place pegged orders anew at their references, which do not count themselves."""
        venue = self.open.venue
        for row, numbers in self.pegs:
            for number in numbers:
                venue.cancel(self.open.accounts[row["party"]], 0, number)
            numbers.clear()
        bids, asks = (venue.depth(0, side, 1) for side in Side)
        if not bids or not asks:
            return
        self.middle = (bids[0][0] + asks[0][0]) // 2
        places = {"BID": Fraction(bids[0][0]), "ASK": Fraction(asks[0][0])}
        places["MID"] = (places["BID"] + places["ASK"]) / 2
        for row, numbers in self.pegs:
            side = SIDES[row["side"]]
            away = places[row["pegged reference"]] - (1 - 2 * side) * int(row["offset"])
            price = math.floor(away) if side == Side.BID else math.ceil(away)
            if price > 0:
                self.register(row["party"])
                numbers.append(self.send(row["party"], side, price, int(row["volume"])))

    def block(self) -> None:
        """The end of a block, where everybody is settled; then the next begins, with disposals.

        What a disposal did to positions is told at the end of its block.
        """
        # Just before the next one, and a little earlier each time: so what is taken over now is
        # disposed of at the beginning of a block, never at the end of one.
        self.open.settle(self.time + 1 - Fraction(self.time + 1, 10**9))
        self.told = {party: self.account(party) for party in self.parties()}
        super().block()
        if any(self.time >= at for at in self.expires):
            raise NotYet("orders that expire")
        self.repeg()

    def account(self, party: str) -> tuple[int, int, int]:
        """Return (volume, unrealised, realised)."""
        if party not in self.told and party != "network" and self.open.scope(party) < 0:
            return 0, 0, 0
        holder = self.holder(party)
        size = self.standing(party)[0]
        gain = round(size * (self.open.venue.marks()[0] - self.entry(holder)))
        return size, gain, self.gained(holder) - gain

    def assert_pnl(self, rows: list[Row]) -> None:
        for row in rows:
            party = row["party"]
            # The network's is told at once.
            told = self.told.get(party) if party != "network" else None
            told = told or self.account(party)
            keys = ("volume", "unrealised pnl", "realised pnl")
            for key, got in zip(keys, told, strict=True):
                self.same(f"{key} of {party}", row[key], got)

    def clear_trades(self, *_: Any) -> None:
        self.cleared = len(self.open.rows("steps", "step"))

    # Steps that assert.

    def assert_market_data(self, *given: Any) -> None:
        rows: list[Row] = next(each for each in given if isinstance(each, list))
        for row in rows:
            for key, want in row.items():
                if key == "mark price":
                    self.assert_mark(want)
                elif key == "trading mode":
                    self.assert_mode(want)
                elif key == "open interest":
                    sizes = [self.standing(party)[0] for party in self.parties()]
                    self.same(key, want, sum(size for size in sizes if size > 0))
                elif key == "static mid price":
                    self.same(key, want, self.middle)
                elif key in ("horizon", "min bound", "max bound"):
                    wanted = row["horizon"], int(row["min bound"]), int(row["max bound"])
                    if wanted not in list(self.bounds()):
                        raise ValueError(f"bounds {wanted}: {list(self.bounds())}")
                else:
                    raise NotYet(f"market data with {key}")

    def parties(self) -> list[str]:
        named = [party for party in self.open.accounts if not party.startswith("bond of ")]
        return [*named, "network"]

    def assert_book(self, *given: Any) -> None:
        rows: list[Row] = next(each for each in given if isinstance(each, list))
        for row in rows:
            found = dict(self.open.venue.depth(0, SIDES[row["side"]], HIGHEST))
            self.same(f"volume of {row}", row["volume"], found.get(int(row["price"]), 0))

    def assert_total_money(self, amount: str) -> None:
        if self.desk is None:
            self.same("all money", amount, sum(int(row["amount"]) for row in self.deposits))
            return
        held = sum(self.open.venue.balance(k) for k in range(self.open.venue.holders))
        self.same("all money", amount, held)

    def assert_order_status(self, rows: list[Row]) -> None:
        raise NotYet("states of orders")

    def dealt(self) -> list[tuple[str, str, int, int, str]]:
        """Return (buyer, seller, price, lots, side of the network) of the network's trades."""
        steps = self.open.rows("steps", "step", "kind")
        wanted = {step: kind for step, kind in steps if step >= self.cleared}
        names = {account: name for name, account in self.open.accounts.items()}
        scopes = {self.open.scope(name): name for name in self.open.accounts}
        found = []
        columns = ("step", "scope_from", "lots", "cost")
        for step, scope, lots, cost in self.open.rows("adl", *columns):
            if wanted.get(step) == StepKind.TAKEOVER:
                pair = ("network", scopes[scope]) if cost > 0 else (scopes[scope], "network")
                found.append((*pair, abs(cost) // lots, lots, "buy" if cost > 0 else "sell"))
        columns = ("step", "maker_account", "taker_side", "price", "size")
        for step, maker, side, price, lots in self.open.rows("fills", *columns):
            if wanted.get(step) == StepKind.DISPOSAL:
                pair = (names[maker], "network") if side else ("network", names[maker])
                found.append((*pair, price, lots, "sell" if side else "buy"))
        return found

    def assert_network_trades(self, rows: list[Row]) -> None:
        made = self.dealt()
        for row in rows:
            want = row["party"], int(row["volume"]), row["aggressor side"]
            if not any(
                want == (buyer if seller == "network" else seller, lots, side)
                for buyer, seller, _, lots, side in made
            ):
                raise ValueError(f"the network did not trade {row}: {made}")

    def assert_trades(self, rows: list[Row]) -> None:
        made = [trade[:4] for trade in self.dealt()]
        for row in rows:
            want = row["buyer"], row["seller"], int(row["price"]), int(row["size"])
            if "network" not in want[:2]:
                raise NotYet("asserted trades between parties")
            if want not in made:
                raise ValueError(f"no trade {row}: {made}")

    def assert_margin_levels(self, rows: list[Row]) -> None:
        """Of the position with its open orders."""
        for row in rows:
            need = self.needed(row["party"])
            for name, key in zip(("search", "initial", "release"), LEVELS, strict=True):
                if name in row:
                    level = need * exact(self.scaling()[key])
                    self.same(f"{name} of {row['party']}", row[name], math.floor(level))
            self.same(f"maintenance of {row['party']}", row["maintenance"], need)

    def needed(self, party: str) -> int:
        if party == "network":
            return self.standing(party)[1]
        return int(self.open.venue.maintenance(self.open.scope(party), orders=True))

    def trades(self, holder: int) -> list[tuple[int, Fraction]]:
        """Those of the opening auction come first."""
        party = next(
            (n for n, a in self.open.accounts.items() if self.open.venue.scope_of(a, 0) == holder),
            "",
        )
        return [*self.opened.get(party, []), *super().trades(holder)]

    def holder(self, party: str) -> int:
        if party == "network":
            return self.open.holder(HolderKind.FUND)
        return self.open.scope(party)


@engine
@form("liquidation_flow", "defaults steps")
def flow(vector: Vector) -> dict[str, Any]:
    world = Risked(vector["inputs"]["defaults"])
    for step in vector["inputs"]["steps"]:
        try:
            world.do(step)
        except ValueError as error:
            raise ValueError(f"{step['op']}: {error}") from error
    return {"assert_steps": world.asserted, "key": vector["expected"]["key"]}


engine(form("loss_socialisation", "defaults steps")(flow))

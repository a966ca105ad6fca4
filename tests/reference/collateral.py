"""The twin's collateral: what other assets add to a scope, and how they are turned into money."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, isqrt
from typing import TYPE_CHECKING, Any

from ordercascade.duties import CollateralSource
from ordercascade.enums import (
    AdlTrigger,
    HolderKind,
    NoteKind,
    PostReason,
    Side,
    StepKind,
)
from reference.margin import PPM

if TYPE_CHECKING:
    from reference.venue import Venue


class Peek(list[int]):
    """Marks as a taking would give them now: the prices of collateral are then those of now."""


@dataclass
class Pledge:
    """The terms of one asset as collateral; names are those of `World.add_collateral`."""

    backs: int = 0
    source: CollateralSource = CollateralSource.RATE
    market: int = -1
    price: int = 0
    multiplier: int = 1
    per: int = 1
    haircut_ppm: int = 0
    tiers: tuple[tuple[int, int], ...] = ()
    impact_ppm: int = 0
    volume: int = 0
    floor_ppm: int = 0
    discount_ppm: int = 0
    peg_ppm: int = PPM
    spot: bool = False
    beta_ppm: int | None = None
    stress_beta_ppm: int | None = None
    stress_ppm: int = 0
    addon_ppm: int = 0
    addon_from: int = 0
    traded: int = 0
    opening: int = 0  # what the market was at the opening; 0 before it
    stood: tuple[int, int] = (0, 0)  # price (of a rate or an index) and peg in this round

    def impact(self, amount: int) -> int:
        """Return the smallest k with k/10⁶ ≥ Yσ·√(Q/V), at most 10⁶."""
        if not self.volume:
            return 0
        square = -(-(self.impact_ppm**2) * amount // self.volume)
        root = isqrt(square)
        return min(PPM, root + (root * root < square))

    def weighted(self, amount: int) -> int:
        """Return units times ppm that are left after the haircut.

        The best of all smaller amounts: an addon never makes more worth less.
        """
        if self.addon_ppm:
            left = max(self._tiered(counted) for counted in range(amount + 1))
        else:
            left = self._tiered(amount)
        left = floor(left * Fraction(PPM - self.impact(amount), PPM))
        return min(left, amount * (PPM - self.floor_ppm))

    def _tiered(self, amount: int) -> int:
        """Return what tiers leave, less what concentration takes."""
        rows = self.tiers or ((0, self.haircut_ppm),)
        ends = [start for start, _ in rows[1:]] + [max(amount, rows[-1][0])]
        left = sum(
            max(0, min(amount, end) - start) * (PPM - haircut)
            for (start, haircut), end in zip(rows, ends, strict=True)
        )
        if self.addon_ppm:
            share = Fraction(max(0, amount - self.addon_from), self.traded)
            left -= ceil(amount * self.addon_ppm * share)
        return left

    def followed(self, rate: int, now: int) -> int:
        """Return the rate times max(0, 1 + beta times what the market has moved)."""
        if self.beta_ppm is None or not self.opening:
            return rate
        move, beta = Fraction(now, self.opening) - 1, self.beta_ppm
        if move < 0 and self.stress_beta_ppm is not None:
            part = min(Fraction(1), -move / Fraction(self.stress_ppm, PPM))
            beta += ceil(part * (self.stress_beta_ppm - beta))
        price = floor(rate * max(Fraction(0), 1 + Fraction(beta, PPM) * move))
        return min(price, 2**31 - 1, 2**44 // self.multiplier)

    def worth(self, weighted: int, price: int, peg_ppm: int) -> int:
        """Return what so many units times ppm are worth."""
        of_source = floor(Fraction(weighted * peg_ppm, PPM))
        return floor(Fraction(of_source * price * self.multiplier, self.per * PPM))

    def sold(self, amount: int, price: int, peg_ppm: int) -> int:
        """Return what an amount brings."""
        return self.worth(amount * (PPM - self.discount_ppm), price, peg_ppm)


def price_of(venue: Venue, pledge: Pledge, marks: list[int] | None) -> tuple[int, int]:
    """Return price and peg on given marks: the standing ones unless they are a peek."""
    peek = isinstance(marks, Peek)
    peg = pledge.peg_ppm if peek else pledge.stood[1]
    if pledge.source == CollateralSource.MARK:
        mark = (marks or venue.marks())[pledge.market]
        if pledge.beta_ppm is not None:
            return pledge.followed(pledge.price if peek else pledge.stood[0], mark), peg
        return mark, peg
    if not peek:
        return pledge.stood[0], peg
    return now(venue, pledge), peg


def now(venue: Venue, pledge: Pledge) -> int:
    """Return the price of a rate, or of an index."""
    if pledge.source != CollateralSource.INDEX:
        return pledge.price
    index = venue.markets[pledge.market].index
    return index if pledge.beta_ppm is None else pledge.followed(pledge.price, index)


def stand(venue: Venue) -> None:
    """Let the prices of now stand."""
    for pledge in venue.pledges.values():
        if pledge.beta_ppm is not None and not pledge.opening:
            market = venue.markets[pledge.market]
            of_index = pledge.source == CollateralSource.INDEX
            pledge.opening = market.index if of_index else market.mark
        pledge.stood = now(venue, pledge), pledge.peg_ppm


def purses(venue: Venue, scope: int) -> dict[int, int]:
    """Return {asset: holder} of what backs a scope, those with something in it."""
    if scope not in venue.scopes or venue.scopes[scope].isolated_in >= 0:
        return {}
    account, asset = venue.scopes[scope].account, venue.scopes[scope].asset
    found = {}
    for other, pledge in sorted(venue.pledges.items()):
        purse = venue.cross.get((account, other))
        if pledge.backs == asset and purse is not None and venue.collateral(purse) > 0:
            found[other] = purse
    return found


def pledged(venue: Venue, scope: int, marks: list[int] | None = None) -> int:
    """Return what other assets add to a scope's equity."""
    total = 0
    for asset, purse in purses(venue, scope).items():
        pledge = venue.pledges[asset]
        total += pledge.worth(
            pledge.weighted(venue.collateral(purse)), *price_of(venue, pledge, marks)
        )
    return total


def may_leave(venue: Venue, scope: int, amount: int) -> bool | None:
    """Say if so much may leave a purse; None for what is none."""
    at = venue.scopes[scope]
    if at.asset not in venue.pledges or at.isolated_in >= 0:
        return None
    held = venue.collateral(scope)
    if amount > held:
        return False
    pledge = venue.pledges[at.asset]
    owner = venue.cross.get((at.account, pledge.backs))
    if not venue.world.started or owner is None:
        return True
    price = price_of(venue, pledge, None)
    lost = pledge.worth(pledge.weighted(held), *price)
    lost -= pledge.worth(pledge.weighted(held - amount), *price)
    return lost <= 0 or lost <= venue.equity(owner) - venue.initial(owner)


def fails(venue: Venue, scope: int, *, unfilled: bool) -> bool:
    """Say if a scope fails while something still backs it."""
    if not purses(venue, scope):
        return False
    if not venue.ledger.legs(scope):
        return venue.collateral(scope) < 0
    if venue.healthy(scope):
        return False
    gone = unfilled and venue.rules.adl_trigger == AdlTrigger.UNFILLED
    return venue.equity(scope) < 0 or gone


def convert(venue: Venue, scope: int) -> Iterator[int]:
    """Turn collateral into money: what a flat scope lacks, else everything."""
    at, ledger = venue.scopes[scope], venue.ledger
    step = venue.writer.open(
        StepKind.PAYMENT,
        scope=scope,
        parent=at.position_step,
        generation=venue.writer.generation_of(at.position_step),
    )
    desk = ledger.find(HolderKind.EXTERNAL, at.asset)
    flat = not ledger.legs(scope)
    for asset, purse in purses(venue, scope).items():
        pledge, wanted = venue.pledges[asset], -venue.collateral(scope)
        if flat and wanted <= 0:
            continue
        price = price_of(venue, pledge, None)
        outside = ledger.find(HolderKind.EXTERNAL, asset)
        if pledge.spot:
            through_book(venue, scope, purse, pledge, wanted if flat else 0)
            wanted = -venue.collateral(scope)
        amount = venue.collateral(purse)
        if amount == 0 or (flat and wanted <= 0):
            continue
        if flat and pledge.sold(amount, *price) >= wanted:
            least, most = 0, amount  # brings too little, brings enough
            while most - least > 1:
                middle = (least + most) // 2
                enough = pledge.sold(middle, *price) >= wanted
                least, most = (least, middle) if enough else (middle, most)
            amount = most
        ledger.post(purse, outside, amount, PostReason.CONVERSION)
        ledger.post(desk, scope, pledge.sold(amount, *price), PostReason.CONVERSION)
    venue.writer.close(step)
    yield step


def through_book(venue: Venue, scope: int, purse: int, pledge: Pledge, wanted: int) -> None:
    """Sell whole lots, best bid first, until the money is there that is wanted (0: all of it)."""
    market, ledger = venue.markets[pledge.market], venue.ledger
    step = ledger.step
    assert step is not None
    lot = market.multiplier * pledge.per // pledge.multiplier
    most, lots, brought = venue.collateral(purse) // lot, 0, 0
    for price in market.book.prices(Side.BID):
        for _ in range(market.book.size_at(Side.BID, price)):
            if lots < most and (not wanted or brought < wanted):
                lots += 1
                brought += price * market.multiplier
    if lots == 0:
        return
    assert market.book.take(Side.ASK, None, lots, venue.scopes[scope].account) == lots
    venue.writer.levels(step, market)
    fills, market.book.fills = market.book.fills, []
    for fill in fills:
        market.last, market.trade_step = fill["price"], step
        cells = {column: cell for column, cell in fill.items() if column != "self_trade"}
        venue.world.tables.append(
            "fills", step=step, venue=venue.id, market=market.id, taker_fee=0, maker_fee=0, **cells
        )
    at = venue.scopes[scope].asset
    outside = ledger.find(HolderKind.EXTERNAL, venue.scopes[purse].asset)
    ledger.post(purse, outside, lots * lot, PostReason.CONVERSION)
    ledger.post(ledger.find(HolderKind.EXTERNAL, at), scope, brought, PostReason.CONVERSION)


def tick(venue: Venue, asset: int, value: int, what: int, time_ns: int) -> int:
    """Give a collateral another price (what = 0) or peg: a `shock` step."""
    step = venue.writer.open(StepKind.SHOCK, time_ns=time_ns)
    if what:
        venue.pledges[asset].peg_ppm = value
    else:
        venue.pledges[asset].price = value
    venue.world.tables.append(
        "notes", step=step, kind=NoteKind.COLLATERAL, market=-1, scope=-1, a=value,
        b=2 * asset + what,
    )  # fmt: skip
    venue.writer.close(step)
    return step


def trigger(venue: Venue, scope: int, market: int) -> int | None:
    """Return the trigger tick where collateral moves with the market; None where it does not.

    By halves from the standing mark, if that is safe: a short whose coins fall has two boundaries.
    """
    moved = [
        asset
        for asset in purses(venue, scope)
        if venue.pledges[asset].source == CollateralSource.MARK
        and venue.pledges[asset].market == market
    ]
    if not moved:
        return None

    def unsafe(tick: int) -> bool:
        marks = venue.marks()
        marks[market] = tick
        return venue.liquidatable(scope, marks)

    lots, where = venue.ledger.position(scope, market).size, venue.markets[market]
    low, high = 0, where.price_max + 1
    if not unsafe(where.mark):
        low, high = (0, where.mark) if lots > 0 else (where.mark, high)
    while high - low > 1:
        middle = (low + high) // 2
        if unsafe(middle) == (lots > 0):
            low = middle
        else:
            high = middle
    if lots > 0:
        return low
    return high if high <= where.price_max else 0


def made(terms: dict[str, Any]) -> Pledge:
    """Return a pledge with its own price standing."""
    pledge = Pledge(**terms)
    pledge.stood = pledge.price, pledge.peg_ppm
    return pledge

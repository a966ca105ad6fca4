"""Vectors of safeguards: what an oracle's book says, where a price band holds."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from ordercascade import margin
from ordercascade.core.world import World
from ordercascade.enums import BreakerKind, FeedKind, PriceSource, Side
from ordercascade.mechanisms.breakers import Breaker
from ordercascade.mechanisms.feeds import Feed
from vectors.form import Vector, engine, exact, form, places, whole

HOUR_NS = 3_600 * 10**9


@form("mark_price", "best_bid best_ask last")
@engine
def book_median(vector: Vector) -> dict[str, Any]:
    """The median of bid, ask and last, as it takes part in a mark that is a median of three.

    Under an index above and below all of them the mark is the greater and the lesser of the last
    trade and the book's median: that of the two which lies between bid and ask.
    """
    i = vector["inputs"]
    scale = 10 ** places(i["best_bid"], i["best_ask"], i["last"])
    bid, ask, last = (whole(exact(i[key]) * scale) for key in ("best_bid", "best_ask", "last"))
    marks = [
        Feed(FeedKind.MEDIAN3, PriceSource.LAST, tau_ns=10**9, heartbeat_ns=10**9).opening(
            last, index, bid, ask
        )
        for index in (1, 2 * max(bid, ask, last))
    ]
    return {"median": next(mark for mark in marks if bid <= mark <= ask) / scale}


@form("mark_price", "index funding_rate hours_to_funding interval_hours")
@engine
def funded(vector: Vector) -> dict[str, Any]:
    """The formula's exact price; the oracle opens at it, to the nearest of its finest ticks."""
    i = vector["inputs"]
    index, rate = exact(i["index"]), exact(i["funding_rate"])
    left, interval = exact(i["hours_to_funding"]), exact(i["interval_hours"])
    fair = margin.fair_price(index, rate, left, interval)
    scale = 10 ** places(i["index"])
    while index * scale * 10 < 2**30:
        scale *= 10
    feed = Feed(
        FeedKind.FUNDING,
        funding_ppb=whole(rate * 10**9),
        funding_at_ns=whole(left * HOUR_NS),
        funding_every_ns=whole(interval * HOUR_NS),
        heartbeat_ns=1,
    )
    mark = feed.opening(0, whole(index * scale), 0, 0)
    if mark != math.floor(fair * scale + Fraction(1, 2)):
        raise ValueError(f"the oracle says {mark}, the formula {float(fair * scale)}")
    return {"mark": fair}


@form("price_band", "reference pct")
@engine
def band(vector: Vector) -> dict[str, Any]:
    """Orders from outside eat a book of every tick up to the band, and no further."""
    i = vector["inputs"]
    scale = 10 ** max(1, places(i["reference"]))
    middle, ppm = whole(exact(i["reference"]) * scale), whole(exact(i["pct"]) * 10**6)
    reached = {}
    for name, side in (("lower", Side.ASK), ("upper", Side.BID)):
        world = World()
        breaker = Breaker(BreakerKind.BAND, band_ppm=ppm, window_ns=300 * 10**9, everybody=True)
        world.add_venue(breakers=[breaker])
        venue = world.venue(0)
        venue.add_market(
            multiplier=1, price_max=4 * middle, size_max=10**6, source=PriceSource.LAST, last=middle
        )
        for away in range(1, middle // 2):
            venue.seed_level(0, Side.BID, middle - away, 1)
            venue.seed_level(0, Side.ASK, middle + away, 1)
        world.schedule_shock(1, 0, 0, side, size=middle)
        world.start()
        world.step()
        reached[name] = venue.prices(0)[0] / scale
    return reached

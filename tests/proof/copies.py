"""Cheap copies of a twin between two settlements; what never changes afterwards is shared."""

from __future__ import annotations

from typing import Any, TypeVar

from reference.auction import AuctionBook
from reference.book import OrderBook
from reference.desk import DeskBook
from reference.record import StepWriter
from reference.tables import Tables
from reference.world import World

Thing = TypeVar("Thing")
Book = TypeVar("Book", bound=OrderBook)
Desk = TypeVar("Desk", bound=DeskBook)


def shallow(thing: Thing, **other: Any) -> Thing:
    """Return a copy with the same fields, but for those given."""
    made = object.__new__(type(thing))
    made.__dict__.update(thing.__dict__)
    made.__dict__.update(other)
    return made


def copy_book(book: Book) -> Book:
    """Return an independent list book."""
    orders = {number: shallow(order) for number, order in book.orders.items()}
    return shallow(
        book,
        orders=orders,
        levels=tuple(
            {price: [orders[order.id] for order in queue] for price, queue in side.items()}
            for side in book.levels
        ),
        fills=[],
        changes=[],
        _generations=list(book._generations),
        _free=list(book._free),
        _before={},
    )


def copy_desk(book: Desk) -> Desk:
    """Return an independent list book with the rarer orders."""
    return shallow(
        copy_book(book),
        stops={number: shallow(stop) for number, stop in book.stops.items()},
        fired=[],
        _stop_generations=list(book._stop_generations),
        _stop_free=list(book._stop_free),
    )


def copy_auction(book: AuctionBook) -> AuctionBook:
    """Return an independent list book with all that it can do."""
    made = copy_desk(book)
    return shallow(made, pen=[made.orders[order.id] for order in book.pen])


def copy_twin(world: World) -> World:
    """Return an independent twin. Rows of the tape are shared: only their own settlement sets them.

    Calls are not recorded, so this copy cannot fork(); who was due is known from its next step on.
    """
    assert not world.settling
    tables = Tables()
    tables._rows = {name: list(rows) for name, rows in world.tables._rows.items()}
    made = shallow(world, tables=tables, agenda=list(world.agenda), history=[])
    made.venues = []
    for venue in world.venues:
        ledger = shallow(
            venue.ledger,
            tables=tables,
            holders=[shallow(holder) for holder in venue.ledger.holders],
            positions={key: shallow(held) for key, held in venue.ledger.positions.items()},
            paid_in=list(venue.ledger.paid_in),
        )
        copied = shallow(
            venue,
            world=made,
            ledger=ledger,
            markets=[shallow(market, book=copy_book(market.book)) for market in venue.markets],
            scopes={number: shallow(scope) for number, scope in venue.scopes.items()},
            cross=dict(venue.cross),
            isolated=dict(venue.isolated),
        )
        copied.writer = StepWriter(copied)
        made.venues.append(copied)
    return made

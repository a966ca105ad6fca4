"""Rows A of the bad-input catalogue: scalar values, at every door that takes them.

The integer doors (OrderBook, core Venue and World) take ints alone; the people's doors (Market,
the Venue of the package, scenarios, files) take decimals and refuse what they cannot hold exactly.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ordercascade as oc
from bad_inputs import doors
from bad_inputs.doors import ASK, BID, BTC, INF, NAN, Door, messages, refused, rejected
from bad_inputs.takers import ALL, FIRST, PRICES, SIZES, Taker, each
from ordercascade.core.world import World

HUGE = pytest.mark.parametrize(
    "value", [2**63, -(2**63) - 1, 10**400], ids=["2**63", "-2**63-1", "10**400"]
)


def refuse(taker: Taker, value: object, kind: type[Exception], words: str) -> Any:
    """Put the value into the call of a fresh door; assert all that a row asserts."""
    door = taker.make()
    return refused(door, kind, words, lambda: taker.call(door, value))


def buy(door: Door, **order: Any) -> Any:
    """Submit a bid at the face, with something bad in it."""
    fields = {"account": 2, "side": BID, "price": 60_000, "size": "0.001"} | order
    account, side = fields.pop("account"), fields.pop("side")
    return door.at.submit(account, "BTCUSDT", side, **fields)


# ------------------------------------------------------------------ A01 to A05: floats


@each(PRICES)
def test_bad_A01_nan_is_no_price(taker: Taker) -> None:
    want = "an int number of ticks" if taker.field == "price" else "an int"
    words = f"{taker.field} must be {want}, got float"
    error = refuse(taker, NAN, oc.InputTypeError, words)
    assert (error.field, error.got, error.want) == (taker.field, "float", want)
    assert "to_ticks" not in str(error)


@each(PRICES, [INF, -INF])
def test_bad_A02_infinity_is_no_price(taker: Taker, value: float) -> None:
    refuse(taker, value, oc.InputTypeError, f"{taker.field} must be an int…got float")


@each(PRICES)
def test_bad_A03_an_integral_float_is_sent_to_to_ticks(taker: Taker) -> None:
    hint = "got float; use market.to_ticks(100.0)" if taker.field == "price" else "got float"
    refuse(taker, 100.0, oc.InputTypeError, f"{taker.field} must be an int…{hint}")


@pytest.mark.parametrize("price", [60000.03, "60000.03", Decimal("60000.03")])
def test_bad_A04_a_price_off_the_grid_names_the_nearest_two(price: Any) -> None:
    door = doors.face()
    near = "price must not be off tick: nearest are 60000.0 and 60000.1, got '60000.03'"
    refused(door, oc.InputError, near, lambda: buy(door, price=price))
    refused(door, oc.InputError, near, lambda: door.at.set_index("BTCUSDT", price))
    refused(door, oc.InputError, near, lambda: door.at.what_if(1, BTCUSDT=price))
    refused(door, oc.InputError, near, lambda: BTC.to_ticks(price))


def test_bad_A04_nothing_is_rounded_in_silence() -> None:
    cent = oc.Market("CENT", tick_size="0.01", lot_size="1", settle="USD", decimals=2)
    with pytest.raises(oc.InputError, match=r"off tick: nearest are 100\.00 and 100\.01"):
        cent.to_ticks(100.003)
    assert cent.to_ticks(100.01) == 10_001


def test_bad_A04_a_price_off_the_grid_in_a_scenario_or_a_file(tmp_path: Path) -> None:
    door = doors.text()
    words = "bad.toml: shock[0].limit: must not be off tick: nearest are 99 and 100, got '99.5'"
    refused(door, oc.ConfigError, words, lambda: door.at("at_s = 1", "at_s = 1\nlimit = 99.5"))
    file = doors.positions(tmp_path)
    words = "positions.csv (row 2, column 'entry_price'): times size 10 must be a whole number"
    refused(file, oc.DataFileError, words, lambda: file.at("A,TOY,long,10,100.0001,5,cross\n"))


@pytest.mark.parametrize("price", [NAN, INF, -INF, Decimal("NaN"), Decimal("-Infinity")])
def test_bad_A05_a_price_that_is_not_finite(price: Any) -> None:
    door = doors.face()
    refused(door, oc.InputError, "price must be finite", lambda: BTC.to_ticks(price))
    refused(door, oc.InputError, "price must be finite", lambda: buy(door, price=price))
    refused(
        door, oc.InputError, "price must be finite", lambda: door.at.set_index("BTCUSDT", price)
    )
    refused(door, oc.InputError, "size must be finite", lambda: buy(door, size=price))
    refused(door, oc.InputError, "amount must be finite", lambda: door.at.deposit(1, price))


@pytest.mark.parametrize("price", [1e308, 2**63, "1677721.7"])
def test_bad_A05_a_price_beyond_price_max(price: Any) -> None:
    door = doors.face()
    most = "price must be at most price_max=1677721.6 of market 'BTCUSDT'"
    refused(door, oc.RangeError, most, lambda: BTC.to_ticks(price))
    refused(door, oc.RangeError, most, lambda: buy(door, price=price))
    refused(door, oc.RangeError, most, lambda: door.at.set_index("BTCUSDT", price))
    assert BTC.to_ticks("1677721.6") == BTC.price_max


@pytest.mark.parametrize("spelt", ["nan", "inf", "-inf"])
def test_bad_A05_a_price_that_is_not_finite_in_a_scenario(spelt: str) -> None:
    door = doors.text()
    words = "bad.toml: venue[0].account[0].position[0].entry_price: must be finite"
    swap = "entry_price = 100", f"entry_price = {spelt}"
    refused(door, oc.ConfigError, words, lambda: door.at(*swap))


# ------------------------------------------------------------------ A06 to A08: out of range


@each(PRICES, [0, -1])
def test_bad_A06_a_price_below_one(taker: Taker, value: int) -> None:
    words = f"{taker.field} must be in [{taker.low}, …, got {value}"
    error = refuse(taker, value, oc.InputError, words)
    assert (error.field, error.value) == (taker.field, value)


@pytest.mark.parametrize("price", ["0", 0, -1, "-0.1"])
def test_bad_A06_a_price_below_one_tick_in_people_s_units(price: Any) -> None:
    door = doors.face()
    words = "price must be in [0.1, 1677721.6], got"
    refused(door, oc.InputError, words, lambda: buy(door, price=price))
    refused(door, oc.InputError, words, lambda: BTC.to_ticks(price))


@each(PRICES)
def test_bad_A07_a_price_above_price_max(taker: Taker) -> None:
    """The marks of what_if() may pass price_max, up to the largest tick there can be."""
    words = f"{taker.field} must be in [{taker.low}, …{taker.high}]…got {taker.high + 1}"
    refuse(taker, taker.high + 1, oc.InputError, words)


def test_bad_A07_says_whose_price_max_it_is() -> None:
    core, book = doors.venue(), doors.book()
    words = "price must be in [1, price_max=10000] of market 0, got 10001"
    refused(core, oc.InputError, words, lambda: core.at.submit(1, 0, BID, 10_001, 1))
    words = "price must be in [1, price_max=1000], got 1001"
    refused(book, oc.InputError, words, lambda: book.at.submit(BID, 1001, 1))
    error = refused(
        book, oc.InputError, f"{words} (row 2)", lambda: book.at.apply(messages(price=1001))
    )
    assert error.row == 2


@HUGE
@each(ALL)
def test_bad_A08_a_number_beyond_64_bits(taker: Taker, value: int) -> None:
    words = f"{taker.field} does not fit int64"
    assert len(str(refuse(taker, value, oc.RangeError, words))) < 100


@HUGE
def test_bad_A08_a_huge_number_in_people_s_units(value: int) -> None:
    """A negative one that has few enough digits is a price below one tick."""
    door = doors.face()
    kind = oc.InputError if value < 0 else oc.RangeError
    error = refused(door, kind, "price must", lambda: BTC.to_ticks(value))
    refused(door, kind, "price must", lambda: door.at.set_index("BTCUSDT", value))
    assert len(str(error)) < 120


# ------------------------------------------------------------------ A09 to A12: sizes


@each(SIZES, [0, -5])
def test_bad_A09_A10_a_size_below_one(taker: Taker, value: int) -> None:
    """The side is never read from the sign; only an opening position's size has one."""
    refuse(taker, value, oc.InputError, f"size …, got {value}")


@each(SIZES)
def test_bad_A09_a_size_above_the_most(taker: Taker) -> None:
    most = "2**40" if taker.high == 2**40 else str(taker.high)
    words = f"size must be in […, {most}], got {taker.high + 1}"
    refuse(taker, taker.high + 1, oc.InputError, words)


@pytest.mark.parametrize("size", [0, -5, 2**40 + 1, -(2**63), 2**63 - 1])
def test_bad_A09_A10_a_size_in_a_batch(size: int) -> None:
    door = doors.book()
    words = f"size must be in [1, 2**40], got {size} (row 2)"
    refused(door, oc.InputError, words, lambda: door.at.apply(messages(size=size)))


@pytest.mark.parametrize("size", ["0", "-5"])
def test_bad_A09_A10_a_size_in_people_s_units(size: str, tmp_path: Path) -> None:
    door = doors.face()
    refused(door, oc.InputError, "size must be in [0.001, ", lambda: buy(door, size=size))
    scenario = doors.text()
    words = "shock[0].size: must be in [1, 1000]"
    refused(scenario, oc.ConfigError, words, lambda: scenario.at("size = 30", f"size = {size}"))
    file = doors.positions(tmp_path)
    row = doors.ROW.replace("10,", f"{size},", 1)
    refused(file, oc.DataFileError, "row 2, column 'size'", lambda: file.at(row))


def test_bad_A11_a_level_never_passes_its_bound() -> None:
    """2**22 orders of 2**40 lots fill a level to 2**62; one lot more is refused as data.

    SEMANTICS §6 makes it a Reject and no exception: a random flow may come here.
    """
    book = oc.OrderBook(10, order_max=2**23)
    rows = np.zeros(2**18, oc.MESSAGE_DTYPE)
    rows["price"], rows["size"] = 5, 2**40
    for _ in range(2**4):
        book.apply(rows)
    assert book.depth(1).bids.tolist() == [[5, 2**62]]
    before = book.state_hash()
    assert book.submit(BID, 5, 1) == oc.Reject.LEVEL_FULL
    assert book.state_hash() == before
    elsewhere = book.submit(BID, 4, 1)
    assert book.amend(elsewhere, price=5) == oc.Reject.LEVEL_FULL
    assert book.submit(ASK, 5, 1) == 0
    assert book.amend(elsewhere, price=5) == elsewhere
    book._check()


def test_bad_A12_a_position_never_passes_size_max() -> None:
    """Open lots count: 9,996 more than the 5 that rest would make 10,001."""
    door = doors.venue()
    full = oc.Reject.POSITION_LIMIT
    rejected(door, full, lambda: door.at.submit(1, 0, BID, 50, 9_996))
    rejected(door, full, lambda: door.at.amend(1, 0, FIRST, size=10_000))
    rejected(door, full, lambda: door.at.submit(2, 0, ASK, 150, 9_996))


@pytest.mark.parametrize("sign", [1, -1])
def test_bad_A12_a_second_opening_position_adds_to_the_first(sign: int) -> None:
    door = doors.building()
    door.at.open_position(1, 0, sign * 10_000, sign * 100)
    words = "size would make a position of market 0 pass 10000 lots"
    refused(door, oc.RangeError, words, lambda: door.at.open_position(1, 0, sign, 0))
    words = "cost would make a cost of market 0 pass 2**60"
    refused(door, oc.RangeError, words, lambda: door.at.open_position(2, 0, sign, sign * 2**60))


@pytest.mark.parametrize("sign", [1, -1])
def test_bad_A12_the_sum_of_all_positions_keeps_its_value_in_64_bits(sign: int) -> None:
    """`external` is the other side of every opening position, so it holds their sum."""
    world = World(1)
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(price_max=2**20, size_max=2**40, index=5)
    for _ in range(3):
        venue.deposit(venue.open_account(), 0, 1)
    venue.open_position(1, 0, sign * 2**40, 0)
    before = world.state_hash()
    with pytest.raises(oc.RangeError, match="would make a position of market 0 pass"):
        venue.open_position(2, 0, sign * 2**40, 0)
    assert world.state_hash() == before
    assert venue.open_position(2, 0, -sign, 0) > 0
    world._check()


# ------------------------------------------------------------------ A13 to A18: kinds of numbers


@each(ALL, [True, False, np.True_])
def test_bad_A13_a_bool_is_no_number(taker: Taker, value: Any) -> None:
    refuse(taker, value, oc.InputTypeError, f"{taker.field} must be…got bool")


def test_bad_A13_a_bool_is_no_number_in_people_s_units() -> None:
    door = doors.face()
    words = "size must be a decimal string, an int, a Decimal or a float, got bool"
    refused(door, oc.InputTypeError, words, lambda: buy(door, size=True))
    scenario = doors.text()
    swap = "size = 30", "size = true"
    refused(
        scenario, oc.ConfigError, "shock[0].size: must be a decimal", lambda: scenario.at(*swap)
    )


def test_bad_A14_integers_of_numpy_are_welcome() -> None:
    book, core, face = doors.book(), doors.venue(), doors.face()
    assert book.at.submit(np.int8(0), np.int64(50), np.uint16(5), account=np.int32(3)) > 0
    assert core.at.submit(np.int64(1), np.uint8(0), np.int8(0), np.int64(50), np.int32(5)) > 0
    core.at.deposit(np.int64(1), np.int64(0), np.uint64(5))
    core.world.schedule_index(np.int64(5), np.int8(0), np.int8(0), np.uint32(100))
    assert face.at.submit(2, "BTCUSDT", np.int64(0), price=np.int64(50_000), size=np.uint8(1)) > 0
    for door in (book, core, face):
        door.check()
        door.good()


@each(ALL, [np.float64(5), Decimal(5), Fraction(5), "5", None, [5], b"5", 5j])
def test_bad_A15_other_kinds_of_number_are_named(taker: Taker, value: Any) -> None:
    words = f"{taker.field} must be…got {type(value).__name__}"
    refuse(taker, value, oc.InputTypeError, words)


@pytest.mark.parametrize("value", [None, [5], b"5", 5j, Fraction(1, 2)])
def test_bad_A15_other_kinds_of_number_in_people_s_units(value: Any) -> None:
    door = doors.face()
    words = f"must be a decimal string, an int, a Decimal or a float, got {type(value).__name__}"
    refused(door, oc.InputTypeError, words, lambda: door.at.deposit(1, value))
    refused(door, oc.InputTypeError, words, lambda: door.at.set_index("BTCUSDT", value))
    refused(door, oc.InputTypeError, words, lambda: BTC.to_lots(value))


# What a number may call back while it is converted: commands, runs, copies and questions.
INNER = {
    "submit": lambda d: d.at.submit(*((1, 0) if d.world else ()), BID, 60, 1),
    "state_hash": lambda d: d.at.state_hash(),
    "deposit": lambda d: d.at.deposit(1, 0, 5) if d.world else d.at.cancel_all(1),
    "step": lambda d: d.world.step() if d.world else d.at.best_bid,
    "settle": lambda d: d.world.settle() if d.world else d.at.depth(1),
    "fork": lambda d: d.world.fork() if d.world else d.at.copy(),
    "add_venue": lambda d: d.world.add_venue() if d.world else d.at.fills,
    "add_market": lambda d: d.at.add_market() if d.world else d.at.apply(messages()),
    "marks": lambda d: d.at.marks() if d.world else len(d.at),
    "equity": lambda d: d.at.equity(d.at.holder(1)) if d.world else d.at._check(),
}


@pytest.mark.parametrize("inner", INNER.values(), ids=INNER.keys())
@each({name: taker for name, taker in ALL.items() if not name.startswith("market.")})
def test_bad_A16_a_number_that_calls_the_engine_back(taker: Taker, inner: Any) -> None:
    door = taker.make()

    class Caller:
        def __index__(self) -> int:
            inner(door)
            return 1

    refused(door, oc.BusyError, "running already", lambda: taker.call(door, Caller()))


def test_bad_A16_a_number_that_adds_to_the_world_it_is_for() -> None:
    """Markets, brackets and venues are judged whole before anything of them exists."""
    world = World(1)
    door = Door(None, world.state_hash, world._check, world.add_venue, world)
    world.add_venue()
    venue = world.venue(0)

    class Caller:
        def __index__(self) -> int:
            venue.add_market()
            return 1

    class Starter:
        def __index__(self) -> int:
            world.add_venue()
            return 1

    busy = "running already"
    refused(door, oc.BusyError, busy, lambda: venue.add_market(multiplier=Caller()))
    rows = [(0, 1, 0, Caller())]
    refused(door, oc.BusyError, busy, lambda: venue.add_market(brackets=rows))
    refused(door, oc.BusyError, busy, lambda: venue.add_market(source=Caller()))
    refused(door, oc.BusyError, busy, lambda: world.add_venue(cooldown_ns=Starter()))
    refused(door, oc.BusyError, busy, lambda: world.add_venue(round_ns=Starter()))


def test_bad_A16_at_the_face_the_inner_call_comes_first() -> None:
    """People's numbers are whole before the engine is entered: inner call, then outer, exactly."""
    called, plain = doors.face(), doors.face()

    class Caller:
        def __index__(self) -> int:
            buy(called, price=50_000)
            return 1

    plain_ids = [buy(plain, price=50_000), buy(plain, size=1, price=40_000)]
    assert buy(called, size=Caller(), price=40_000) == plain_ids[1]
    assert called.state() == plain.state()
    called.check()


class Broken:
    """Fails while it is converted."""

    def __index__(self) -> int:
        raise ZeroDivisionError("mine")


class Mistyped:
    """Fails with the error that a missing __index__ would give."""

    def __index__(self) -> int:
        raise TypeError("mine")


class Liar:
    """Returns no int."""

    def __index__(self) -> Any:
        return "5"


@each(ALL)
def test_bad_A17_a_number_that_fails_keeps_its_own_error(taker: Taker) -> None:
    refuse(taker, Broken(), ZeroDivisionError, "mine")
    refuse(taker, Mistyped(), TypeError, "mine")
    refuse(taker, Liar(), TypeError, "__index__ returned non-int")


def test_bad_A17_a_number_that_fails_at_the_face() -> None:
    door = doors.face()
    refused(door, ZeroDivisionError, "mine", lambda: buy(door, size=Broken()))
    refused(door, TypeError, "mine", lambda: buy(door, size=Mistyped()))
    refused(door, TypeError, "__index__", lambda: door.at.deposit(1, Liar()))


class Odd(int):
    """An int with manners of its own, all of them bad."""

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    __hash__ = __index__ = __int__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__  # type: ignore[assignment]
    __add__ = __sub__ = __mul__ = __neg__ = __abs__ = __bool__ = __str__ = __repr__ = __eq__  # type: ignore[assignment]


def test_bad_A18_an_int_with_manners_of_its_own_counts_by_its_value() -> None:
    book, core = doors.book(), doors.venue()
    assert book.at.submit(BID, Odd(50), Odd(5)) > 0
    assert core.at.submit(Odd(1), Odd(0), Odd(0), Odd(50), Odd(5), Odd(0), Odd(0), Odd(0)) > 0
    assert core.at.deposit(Odd(1), Odd(0), Odd(5)) > 0
    core.world.schedule_shock(Odd(5), Odd(0), Odd(0), Odd(0), size=Odd(3))
    for door, plain in ((book, doors.book()), (core, doors.venue())):
        door.check()
        plain.check()
    same = doors.venue()
    same.at.submit(1, 0, 0, 50, 5)
    same.at.deposit(1, 0, 5)
    same.world.schedule_shock(5, 0, 0, 0, size=3)
    assert core.state() == same.state()


# ------------------------------------------------------------------ A19 to A21: what an order is


@pytest.mark.parametrize("side", [-1, 2, 256, "buy", None, 0.0])
def test_bad_A19_a_side_that_is_none(side: Any) -> None:
    kind = oc.InputError if isinstance(side, int) else oc.InputTypeError
    words = "side must be Side.BID or Side.ASK, got"
    book, core, face, early = doors.book(), doors.venue(), doors.face(), doors.building()
    refused(book, kind, words, lambda: book.at.submit(side, 50, 1))
    refused(book, kind, words, lambda: book.at.market(side, 1))
    refused(core, kind, words, lambda: core.at.submit(1, 0, side, 50, 1))
    refused(core, kind, words, lambda: core.at.depth(0, side))
    refused(core, kind, words, lambda: core.world.schedule_shock(5, 0, 0, side, size=1))
    refused(early, kind, words, lambda: early.at.seed_level(0, side, 50, 1))
    refused(face, kind, words, lambda: buy(face, side=side))


def test_bad_A19_a_side_that_is_none_in_a_batch_or_a_scenario() -> None:
    book, scenario = doors.book(), doors.text()
    words = "side must be Side.BID or Side.ASK, got 2 (row 2)"
    refused(book, oc.InputError, words, lambda: book.at.apply(messages(side=2)))
    words = "shock[0].side: must be one of bid, ask…got 'sell'"
    swap = 'side = "ask"', 'side = "sell"'
    refused(scenario, oc.ConfigError, words, lambda: scenario.at(*swap))
    words = "position[0].side: must be one of long, short, got 'bid'"
    swap = 'side = "long"', 'side = "bid"'
    refused(scenario, oc.ConfigError, words, lambda: scenario.at(*swap))


def test_bad_A20_unknown_times_in_force_types_and_flags() -> None:
    book, core, face = doors.book(), doors.venue(), doors.face()
    bits = "unknown flag bits 0x40, got 65"
    for door, submit in (
        (book, lambda **how: book.at.submit(BID, 50, 1, **how)),
        (core, lambda **how: core.at.submit(1, 0, BID, 50, 1, **how)),
    ):
        refused(door, oc.InputError, "tif must be one of", lambda s=submit: s(tif=3))
        refused(door, oc.InputError, bits, lambda s=submit: s(flags=0x41))
        refused(door, oc.InputError, "flags must be bits of", lambda s=submit: s(flags=-1))
        kind = "type must be OrderType.LIMIT or OrderType.MARKET"
        refused(door, oc.InputError, kind, lambda s=submit: s(type=oc.OrderType.CANCEL))
        refused(door, oc.InputError, "type must be", lambda s=submit: s(type=9))
        refused(door, oc.InputTypeError, "tif must be", lambda s=submit: s(tif="GTC"))
        refused(door, oc.InputTypeError, "type must be", lambda s=submit: s(type="LIMIT"))
    refused(face, oc.InputError, "tif must be one of TimeInForce", lambda: buy(face, tif=7))
    refused(face, oc.InputError, bits, lambda: buy(face, flags=0x41))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": 4}, "type must be one of OrderType, got 4 (row 2)"),
        ({"tif": 3}, "tif must be one of TimeInForce, got 3 (row 2)"),
        ({"flags": 0x80}, "unknown flag bits 0x80, got 128 (row 2)"),
    ],
)
def test_bad_A20_unknown_bits_in_a_batch(fields: dict[str, int], words: str) -> None:
    door = doors.book()
    refused(door, oc.InputError, words, lambda: door.at.apply(messages(**fields)))


@pytest.mark.parametrize("tif", [oc.TimeInForce.IOC, oc.TimeInForce.FOK])
def test_bad_A21_post_only_and_now_or_never_cannot_be_joined(tif: oc.TimeInForce) -> None:
    book, core, face = doors.book(), doors.venue(), doors.face()
    post, words = oc.OrderFlag.POST_ONLY, f"flags POST_ONLY and {tif.name} cannot be joined"
    how: dict[str, Any] = {"tif": tif, "flags": post}
    refused(book, oc.InputError, words, lambda: book.at.submit(BID, 50, 1, **how))
    refused(core, oc.InputError, words, lambda: core.at.submit(1, 0, BID, 50, 1, **how))
    refused(face, oc.InputError, words, lambda: buy(face, **how))
    refused(book, oc.InputError, words, lambda: book.at.apply(messages(tif=tif, flags=post)))


def test_bad_A21_post_only_and_market_cannot_be_joined() -> None:
    book, core, face = doors.book(), doors.venue(), doors.face()
    words, post = "flags POST_ONLY and MARKET cannot be joined", oc.OrderFlag.POST_ONLY
    how: dict[str, Any] = {"type": oc.OrderType.MARKET, "flags": post}
    refused(book, oc.InputError, words, lambda: book.at.submit(BID, 0, 1, **how))
    refused(core, oc.InputError, words, lambda: core.at.submit(1, 0, BID, 0, 1, **how))
    refused(face, oc.InputError, words, lambda: buy(face, price=None, flags=post))
    refused(book, oc.InputError, words, lambda: book.at.apply(messages(type=1, flags=1)))


def test_bad_A21_reduce_only_is_refused_by_name() -> None:
    book, core, face = doors.book(), doors.venue(), doors.face()
    words, flag = "flags must not hold REDUCE_ONLY", oc.OrderFlag.REDUCE_ONLY
    refused(book, oc.InputError, words, lambda: book.at.submit(BID, 50, 1, flags=flag))
    refused(core, oc.InputError, words, lambda: core.at.submit(1, 0, BID, 50, 1, flags=flag))
    refused(face, oc.InputError, words, lambda: buy(face, flags=flag))
    refused(book, oc.InputError, words, lambda: book.at.apply(messages(flags=flag)))


# ------------------------------------------------------------------ A22 to A24: margin and money


@pytest.mark.parametrize("leverage", ["-2", "0", "0.5", "1000.01", "nan"])
def test_bad_A22_leverage_outside_its_bounds(leverage: str, tmp_path: Path) -> None:
    scenario, file = doors.text(), doors.positions(tmp_path)
    rule = "finite" if leverage == "nan" else "in [1, 1000]"
    words = f"venue[0].account[0].position[0].leverage: must be {rule}"
    swap = "leverage = 5", f"leverage = {leverage}"
    refused(scenario, oc.ConfigError, words, lambda: scenario.at(*swap))
    row = doors.ROW.replace("100,5", f"100,{leverage}")
    words = "positions.csv (row 2, column 'leverage'): must be"
    refused(file, oc.DataFileError, words, lambda: file.at(row))


@pytest.mark.parametrize("leverage", ["0", "-3", "1001"])
def test_bad_A22_leverage_of_a_bracket(leverage: str) -> None:
    door = doors.text()
    swap = "leverage_max = 10", f"leverage_max = {leverage}"
    words = "venue[0].market[0].brackets[0]: leverage_max must be in [1, 1000]"
    refused(door, oc.ConfigError, words, lambda: door.at(*swap))


@pytest.mark.parametrize("amount", [0, -5, 2**60 + 1, 2**63 - 1])
def test_bad_A23_a_deposit_outside_its_bounds(amount: int) -> None:
    door = doors.venue()
    words = f"amount must be in [1, 2**60], got {amount}"
    refused(door, oc.InputError, words, lambda: door.at.deposit(1, 0, amount))
    refused(door, oc.InputError, words, lambda: door.at.withdraw(1, 0, amount))


@pytest.mark.parametrize("make", [doors.building, doors.venue])
def test_bad_A23_all_deposits_together_stay_below_2_to_the_60(make: Any) -> None:
    """A refused deposit makes no scope either: account 3 has none before and none after."""
    door = make()
    third = door.at.open_account()
    words = "amount and the deposits before must sum to at most 2**60"
    refused(door, oc.RangeError, words, lambda: door.at.deposit(third, 0, 2**60))
    assert door.at.cross_scope(third) == -1
    door.at.deposit(third, 0, 2**60 - 2 * 10**6)
    refused(door, oc.RangeError, words, lambda: door.at.deposit(third, 0, 1))


@pytest.mark.parametrize("money", ["0", "-5", "0.0000001", 0, -1])
def test_bad_A23_a_deposit_in_people_s_units(money: Any) -> None:
    door = doors.face()
    refused(door, oc.InputError, "amount must", lambda: door.at.deposit(1, money))
    refused(door, oc.InputError, "amount must", lambda: door.at.withdraw(1, money))


def test_bad_A23_a_deposit_beyond_2_to_the_60_in_people_s_units() -> None:
    """2**60 units of 10**-6 are 1,152,921,504,606.846976."""
    door = doors.face()
    words = "amount must be at most 2**60 units of USDT"
    money = "1152921504606.846977"
    refused(door, oc.RangeError, words, lambda: door.at.deposit(1, money))
    early = oc.Venue("simple", [BTC])
    early.deposit(early.open_account(), "1152921504606.846976")
    with pytest.raises(oc.RangeError, match="the deposits before must sum"):
        early.deposit(1, "0.000001")
    early.set_index("BTCUSDT", 60_000)
    assert not any(early.audit().values())


def test_bad_A23_a_scheduled_transfer_of_nothing() -> None:
    door, scenario = doors.venue(), doors.text()
    words = "amount must not be 0, got 0"
    refused(door, oc.InputError, words, lambda: door.world.schedule_transfer(5, 0, 1, 0, 0))
    swap = "[[shock]]", '[[transfer]]\nat_s = 1\naccount = "A"\namount = 0\n[[shock]]'
    words = "transfer[0].amount: must not be 0"
    refused(scenario, oc.ConfigError, words, lambda: scenario.at(*swap))


def test_bad_A24_more_than_the_free_collateral_stays_where_it_is() -> None:
    """Of 1,000,000 the margin of the bid of 5 at a mark of 100, 5 * 100 * 100 * 10 %, is bound."""
    door, face = doors.venue(), doors.face()
    poor = oc.Reject.INSUFFICIENT
    rejected(door, poor, lambda: door.at.withdraw(1, 0, 10**6 - 5_000 + 1))
    rejected(face, poor, lambda: face.at.withdraw(1, "999"))
    rejected(door, poor, lambda: door.at.withdraw(door.at.accounts, 0, 2**60))
    assert door.at.withdraw(1, 0, 10**6 - 5_000 - 2 * 1_000) == 0

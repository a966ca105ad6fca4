"""Market: one instrument, and the one place where people's numbers become integers and back."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import NoReturn

from ordercascade.checks import once, whole
from ordercascade.contracts import kind_of, worth
from ordercascade.errors import ConfigError, InputError, RangeError
from ordercascade.exact import CASH_MAX, LOT_MAX, TICK_MAX, Exact, exact, name, plain, units

DECIMALS_MAX = 9
# 2**24 ticks reach 1.6 million at a tick of 0.1; what is left of 2**60 goes to the size.
PRICE_MAX_DEFAULT = 2**24

Number = str | int | float | Decimal


class Market:
    """An instrument: tick, lot, settlement asset and the bounds that make 64 bits enough.

    `multiplier` is m, the settlement units of one tick times one lot: a whole number >= 1.
    `price_max` (ticks) and `size_max` (lots) satisfy price_max * size_max * m <= 2**60.

    `kind="inverse"`: sizes are in the currency of the price, and money in the other one; a lot is
    worth K / price units, and `multiplier` is K = lot_size / tick_size in units, a whole number
    too. size_max * K <= 2**60: what that many lots are worth at the lowest price, one tick.

    `kind="quanto"`: linear, but settled in an asset that is not the price's: one unit of price on
    one unit of size is worth `quanto` of it, whatever that asset costs.

    >>> btc = Market("BTCUSDT", tick_size="0.1", lot_size="0.001", settle="USDT", decimals=6)
    >>> btc.to_ticks("60000.1"), btc.to_lots("0.05"), btc.to_amount("12.5"), btc.multiplier
    (600001, 50, 12500000, 100)
    """

    __slots__ = (
        "decimals",
        "kind",
        "lot_size",
        "multiplier",
        "name",
        "price_max",
        "quanto",
        "settle",
        "size_max",
        "tick_size",
    )
    name: str
    kind: str
    tick_size: Exact
    lot_size: Exact
    settle: str
    decimals: int
    multiplier: int
    price_max: int
    size_max: int
    quanto: Exact | None

    def __init__(
        self,
        market: str,
        *,
        tick_size: Number,
        lot_size: Number,
        settle: str,
        decimals: int = 6,
        kind: str = "linear",
        price_max: Number | None = None,
        size_max: Number | None = None,
        quanto: Number | None = None,
    ) -> None:
        """Build a market; `price_max` and `size_max` are in people's units."""
        once(self, hasattr(self, "name"))
        put = object.__setattr__
        put(self, "name", name("market.name", market))
        put(self, "settle", name("market.settle", settle))
        put(self, "kind", _kind(market, kind))
        put(self, "tick_size", _positive(f"{market}.tick_size", tick_size))
        put(self, "lot_size", _positive(f"{market}.lot_size", lot_size))
        put(self, "decimals", _decimals(market, decimals))
        put(self, "quanto", _quanto(market, self.kind, quanto))
        put(self, "multiplier", self._multiplier())
        put(self, "price_max", PRICE_MAX_DEFAULT)
        if price_max is not None:
            put(self, "price_max", self._bound("price_max", price_max, self.tick_size, TICK_MAX))
        put(self, "size_max", min(LOT_MAX, CASH_MAX // self._worth_max()))
        if size_max is not None:
            put(self, "size_max", self._bound("size_max", size_max, self.lot_size, LOT_MAX))
        self._check_notional()

    def to_ticks(self, price: Number) -> int:
        """Return a price in ticks; one off the grid is refused, naming the nearest two."""
        return self._whole("price", price, self.tick_size, self.price_max, "off tick")

    def to_lots(self, size: Number) -> int:
        """Return a size in lots, at least one; one that lies off the grid is refused."""
        return self._whole("size", size, self.lot_size, self.size_max, "off lot")

    def to_amount(self, money: Number, *, field: str = "amount") -> int:
        """Return money in the settlement asset's smallest units; it may be negative."""
        number = exact(field, money)
        whole, rest = units(number, self.unit)
        if rest:
            _off_grid(field, number, whole, self.unit, f"finer than a unit of {self.settle}")
        if abs(whole) > CASH_MAX:
            raise RangeError(field, f"must be at most 2**60 units of {self.settle}", bits=60)
        return whole

    def to_price(self, ticks: int) -> Decimal:
        """Return a price in people's units, exactly."""
        return _times(_counted("ticks", ticks), self.tick_size)

    def to_size(self, lots: int) -> Decimal:
        """Return a size in people's units, exactly; a position's sign stays."""
        return _times(_counted("lots", lots), self.lot_size)

    def to_money(self, amount: int) -> Decimal:
        """Return an amount in the settlement asset, exactly."""
        return _times(_counted("amount", amount), self.unit)

    def to_cost(self, entry_price: Number, lots: int) -> int:
        """Return what `lots` bought at an average entry price cost, signed like `lots`.

        An average may lie between ticks; only the cost must be a whole number of units. What a
        buyer of inverse lots subtracts is rounded down to one (SEMANTICS §1).
        """
        number = exact("entry_price", entry_price)
        if number <= 0:
            raise InputError("entry_price", plain(number), "must be above 0")
        top, bottom = number.as_integer_ratio()
        tick_top, tick_bottom = self.tick_size.as_integer_ratio()
        if self.kind == "inverse":
            paid = abs(lots) * self.multiplier * bottom * tick_top // (top * tick_bottom)
            return self._fitting(-paid if lots > 0 else paid)
        cost, rest = divmod(top * tick_bottom * lots * self.multiplier, bottom * tick_top)
        if rest:
            size = plain(self.to_size(abs(lots)))
            raise InputError(
                "entry_price",
                plain(number),
                f"times size {size} must be a whole number of {self.settle} units"
                f" ({self.decimals} decimals)",
            )
        return self._fitting(cost)

    def worth(self, lots: int, ticks: int) -> int:
        """Return what signed lots are worth at a price, in units; inverse: floor(-K lots / p)."""
        return worth(kind_of(self.kind), self.multiplier, lots, ticks)

    @property
    def unit(self) -> Decimal:
        """The smallest amount of the settlement asset."""
        return Decimal((0, (1,), -self.decimals))

    def _fitting(self, cost: int) -> int:
        if abs(cost) > CASH_MAX:
            raise RangeError("entry_price", "times size must be at most 2**60 units", bits=60)
        return cost

    def _worth_max(self) -> int:
        """The most that a lot can be worth: at the highest price, or inverse at one tick."""
        return self.multiplier * (1 if self.kind == "inverse" else self.price_max)

    def _multiplier(self) -> int:
        """m = tick * lot * 10**decimals, a whole number >= 1, or an error that names decimals.

        Inverse: K = lot / tick * 10**decimals.
        """
        if self.kind == "inverse":
            return self._inverse_multiplier()
        value = _times(1, self.tick_size, self.lot_size, self.quanto or Decimal(1))
        whole, rest = units(value, self.unit)
        if rest == 0:
            return whole
        fits = [d for d in range(DECIMALS_MAX + 1) if not units(value, Decimal((0, (1,), -d)))[1]]
        rule = "tick_size * lot_size must be a whole number of settlement units: "
        if fits:
            rule += f"the smallest decimals that work are {fits[0]}"
        else:
            rule += f"no decimals up to {DECIMALS_MAX} work; use a coarser tick or lot"
        raise ConfigError(f"{self.name}.decimals", rule, self.decimals)

    def _inverse_multiplier(self) -> int:
        lot_top, lot_bottom = self.lot_size.as_integer_ratio()
        tick_top, tick_bottom = self.tick_size.as_integer_ratio()
        top, bottom = lot_top * tick_bottom, lot_bottom * tick_top
        whole, rest = divmod(top * 10**self.decimals, bottom)
        if rest == 0:
            return int(whole)
        fits = [d for d in range(DECIMALS_MAX + 1) if top * 10**d % bottom == 0]
        rule = "lot_size / tick_size must be a whole number of settlement units: "
        if fits:
            rule += f"the smallest decimals that work are {fits[0]}"
        else:
            rule += f"no decimals up to {DECIMALS_MAX} work; use another tick or lot"
        raise ConfigError(f"{self.name}.decimals", rule, self.decimals)

    def _bound(self, field: str, value: Number, unit: Exact, most: int) -> int:
        number = exact(f"{self.name}.{field}", value)
        whole = units(number, unit)[0]
        if not 1 <= whole <= most:
            low, high = plain(unit), plain(_times(most, unit))
            raise ConfigError(f"{self.name}.{field}", f"must be in [{low}, {high}]", plain(number))
        return whole

    def _check_notional(self) -> None:
        if self.size_max * self._worth_max() > CASH_MAX or self.size_max < 1:
            bits = math.log2(max(1, self.size_max) * self._worth_max())
            rule = f"notional bound 2**{bits:.1f} > 2**60; lower size_max or use a coarser lot"
            raise ConfigError(f"{self.name}.size_max", rule)

    def _whole(self, field: str, value: Number, unit: Exact, most: int, off: str) -> int:
        number = exact(field, value)
        whole, rest = units(number, unit)
        if whole > most:
            name_max = f"{field}_max={plain(_times(most, unit))} of market {self.name!r}"
            raise RangeError(field, f"must be at most {name_max}", bits=63)
        if rest:
            _off_grid(field, number, whole, unit, off)
        if whole < 1:
            rule = f"must be in [{plain(unit)}, {plain(_times(most, unit))}]"
            raise InputError(field, plain(number), rule)
        return whole

    def _key(self) -> tuple[object, ...]:
        return tuple(getattr(self, slot) for slot in self.__slots__)

    def __setattr__(self, field: str, value: object) -> NoReturn:
        raise AttributeError(f"a Market cannot change; build another one ({field})")

    def __delattr__(self, field: str) -> NoReturn:
        raise AttributeError(f"a Market cannot change; build another one ({field})")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Market) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (
            self.name,
            plain(self.tick_size),
            plain(self.lot_size),
            self.settle,
            self.decimals,
            self.kind,
            plain(self.to_price(self.price_max)),
            plain(self.to_size(self.size_max)),
            None if self.quanto is None else plain(self.quanto),
        )

    def __repr__(self) -> str:
        return (
            f"Market({self.name!r}, tick_size={plain(self.tick_size)!r},"
            f" lot_size={plain(self.lot_size)!r}, settle={self.settle!r},"
            f" decimals={self.decimals}, kind={self.kind!r})"
        )


def _rebuild(
    market: str,
    tick_size: str,
    lot_size: str,
    settle: str,
    decimals: int,
    kind: str,
    price_max: str,
    size_max: str,
    quanto: str | None,
) -> Market:
    return Market(
        market,
        tick_size=tick_size,
        lot_size=lot_size,
        settle=settle,
        decimals=decimals,
        kind=kind,
        price_max=price_max,
        size_max=size_max,
        quanto=quanto,
    )


def _kind(market: str, kind: str) -> str:
    if kind == "spot":
        rule = "does not exist yet; the kinds there are: linear, inverse, quanto"
        raise ConfigError(f"{market}.kind", rule, kind)
    if kind not in ("linear", "inverse", "quanto"):
        raise ConfigError(f"{market}.kind", "must be linear, inverse or quanto", kind)
    return kind


def _quanto(market: str, kind: str, quanto: Number | None) -> Exact | None:
    if (quanto is None) == (kind == "quanto"):
        rule = "must be given for a quanto market, and only for one"
        raise ConfigError(f"{market}.quanto", rule)
    return None if quanto is None else _positive(f"{market}.quanto", quanto)


def _positive(field: str, value: Number) -> Exact:
    number = exact(field, value)
    if number <= 0:
        raise ConfigError(field, "must be above 0", plain(number))
    return number


def _decimals(market: str, decimals: int) -> int:
    if isinstance(decimals, bool) or not isinstance(decimals, int):
        raise ConfigError(f"{market}.decimals", "must be an int", decimals)
    if not 0 <= decimals <= DECIMALS_MAX:
        rule = f"must be in [0, {DECIMALS_MAX}]; 2**60 units of an 18-decimals asset are 1.15 of it"
        raise ConfigError(f"{market}.decimals", rule, decimals)
    return decimals


def _counted(field: str, count: object) -> int:
    hint = "people's numbers go in by to_ticks, to_lots and to_amount"
    return whole(field, count, -(2**63), 2**63 - 1, hint=hint)


def _off_grid(field: str, number: Exact, whole: int, unit: Decimal, off: str) -> NoReturn:
    below, above = _text(whole, unit), _text(whole + 1, unit)
    raise InputError(field, plain(number), f"must not be {off}: nearest are {below} and {above}")


def _times(count: int, *factors: Decimal) -> Decimal:
    """count times exact decimals, exactly: Decimal's own product rounds to its context."""
    top, exponent = count, 0
    for factor in factors:
        sign, digits, power = factor.as_tuple()
        top *= (-1 if sign else 1) * int("".join(map(str, digits)))
        exponent += int(power)
    digits = tuple(int(digit) for digit in str(abs(top)))
    return Decimal((int(top < 0), digits, exponent))


def _text(whole: int, unit: Decimal) -> str:
    """A multiple of the unit with the unit's own number of decimals: 100.00, not 100."""
    return format(_times(whole, unit), "f")

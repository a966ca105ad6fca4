"""Exact decimals of people, and the road from them to whole numbers: nothing is rounded silently.

A person's number is a `str` of ASCII digits, an `int`, a `Decimal`, or (at a call, never in a
file) a `float`, which stands for the shortest decimal that prints as it does.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from ordercascade.errors import ConfigError, InputError, InputTypeError, RangeError

PPM = 10**6
NS = 10**9
TICK_MAX = 2**31 - 1
LOT_MAX = 2**40
CASH_MAX = 2**60
DIGITS_MAX = 40
ADJUSTED_MAX = 310  # every float, and no decimal whose integer would fill the memory

# Fields a conversion names that the key path says already.
_IMPLIED = frozenset({"price", "amount", "value"})
T = TypeVar("T")

_PLAIN = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")

_KINDS = "a decimal string, an int, a Decimal or a float"


class Exact(Decimal):
    """A finite decimal that came from people; prints plainly and without trailing zeros."""

    __slots__ = ()

    def __str__(self) -> str:
        return plain(self)


def exact(field: str, value: object) -> Exact:
    """Return `value` as an exact decimal, or refuse it by name.

    >>> str(exact("price", "60000.10"))
    '60000.1'
    """
    if isinstance(value, Exact):
        return value
    if isinstance(value, bool):
        raise InputTypeError(field, _KINDS, value)
    if isinstance(value, float):
        # numpy.float64 is a float whose repr names its type; float.__repr__ does not.
        value = Decimal(float.__repr__(value))
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) is None:
            raise InputError(field, value, "must be a plain decimal such as '0.1'")
        value = Decimal(value)
    if isinstance(value, Decimal):
        return _bounded(field, value)
    if not hasattr(value, "__index__"):
        raise InputTypeError(field, _KINDS, value)
    whole = operator.index(value)
    if abs(whole) >= 10**DIGITS_MAX:
        raise RangeError(field, f"must have at most {DIGITS_MAX} digits", bits=whole.bit_length())
    return Exact(whole)


def _bounded(field: str, value: Decimal) -> Exact:
    if not value.is_finite():
        raise InputError(field, str(value), "must be finite")
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -DIGITS_MAX:
        raise InputError(field, str(value), f"must have at most {DIGITS_MAX} decimals")
    if value.adjusted() > ADJUSTED_MAX:
        raise InputError(field, str(value), f"must be below 10**{ADJUSTED_MAX}")
    return Exact(value)


def plain(value: Decimal) -> str:
    """Return the shortest text of a decimal, without an exponent.

    >>> plain(Decimal("1.500")), plain(Decimal("1E+3")), plain(Decimal("-0.0"))
    ('1.5', '1000', '0')
    """
    text = format(Decimal(value), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def units(value: Decimal, unit: Decimal) -> tuple[int, int]:
    """Return value/unit as (whole, rest), floored; the rest is 0 exactly when it divides."""
    top, bottom = value.as_integer_ratio()
    unit_top, unit_bottom = unit.as_integer_ratio()
    whole, rest = divmod(top * unit_bottom, bottom * unit_top)
    return whole, rest


def ppm(field: str, value: object, *, low: int = 0, high: int = PPM) -> int:
    """Return a fraction as parts per million; one that is finer than a ppm is refused.

    >>> ppm("fee", "0.0004")
    400
    """
    number = exact(field, value)
    whole, rest = units(number, Decimal("0.000001"))
    if rest:
        raise InputError(field, plain(number), "must not be finer than a ppm (6 decimals)")
    if not low <= whole <= high:
        bounds = f"[{plain(Decimal(low) / PPM)}, {plain(Decimal(high) / PPM)}]"
        raise InputError(field, plain(number), f"must be in {bounds}")
    return whole


def ppb(field: str, value: object, *, low: int = -(10**9), high: int = 10**9) -> int:
    """Return a fraction as parts per 10^9; one that is finer is refused."""
    number = exact(field, value)
    whole, rest = units(number, Decimal("0.000000001"))
    if rest:
        raise InputError(field, plain(number), "must not be finer than a ppb (9 decimals)")
    if not low <= whole <= high:
        bounds = f"[{plain(Decimal(low) / 10**9)}, {plain(Decimal(high) / 10**9)}]"
        raise InputError(field, plain(number), f"must be in {bounds}")
    return whole


def time_ns(field: str, seconds: object) -> int:
    """Return a time in ns; one that is finer, negative or beyond int64 is refused."""
    number = exact(field, seconds)
    whole, rest = units(number, Decimal("0.000000001"))
    if rest:
        raise InputError(field, plain(number), "must not be finer than a nanosecond (9 decimals)")
    if not 0 <= whole < 2**62:
        hint = "; this looks like milliseconds" if 2**62 <= whole < 1000 * 2**62 else ""
        raise InputError(field, plain(number), f"must be in [0, 2**62) nanoseconds{hint}")
    return whole


def located(path: str, convert: Callable[..., T], *arguments: object, **options: object) -> T:
    """Call a conversion; what it refuses becomes a ConfigError with the key path."""
    try:
        return convert(*arguments, **options)
    except InputError as error:
        last = path.rpartition(".")[2]
        full = path if last == error.field or error.field in _IMPLIED else f"{path}.{error.field}"
        raise ConfigError(full, error.rule, error.value) from None
    except RangeError as error:
        raise ConfigError(path, error.rule) from None
    except InputTypeError as error:
        raise ConfigError(path, str(error)) from None


def name(path: str, value: str) -> str:
    """Return a name that is safe in files, messages and pages, or refuse it."""
    if not isinstance(value, str):
        raise InputTypeError(path, "a str", type(value).__name__)
    if _NAME.fullmatch(value) is None:
        raise ConfigError(path, "names must be 1 to 64 of [A-Za-z0-9._-]", value)
    return value

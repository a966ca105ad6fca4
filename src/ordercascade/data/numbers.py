"""From the text of numbers to whole numbers, strictly and exactly.

ASCII digits with at most one point; no sign unless asked for, no exponent, no separator, nothing
rounded. A price that is no whole number of ticks is refused where it stands.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from ordercascade.errors import DataFileError, InputError
from ordercascade.exact import exact

INT_MAX = 2**63 - 1
PRICE_MAX = 2**31 - 1
SEEN_MAX = 2**16
SIZE_MAX = 2**62  # of a level
ORDER_SIZE_MAX = 2**40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = re.compile(r"-?[0-9]{1,40}")
_DECIMAL = re.compile(r"([0-9]{1,30})(?:\.([0-9]{1,30}))?")
_STAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?Z?"
)


class Place:
    """Where a value stands, for the message that refuses it: the file, and the row in hand."""

    __slots__ = ("file", "row")

    def __init__(self, file: str) -> None:
        self.file, self.row = file, 0

    def bad(self, key: str, rule: str, value: object) -> DataFileError:
        """Return the error of a value at a column or key path of the row in hand."""
        return DataFileError(self.file, rule, row=self.row, column=key, value=value)


class Step:
    """The size of a tick or a lot: text in, a whole number of steps out."""

    __slots__ = ("_decimals", "_most", "_seen", "_unit", "name", "text")

    def __init__(self, name: str, size: object, most: int) -> None:
        value = exact(name, size)
        if value <= 0:
            raise InputError(name, str(value), "must be above 0")
        self.name, self.text, self._most = name, str(value), most
        self._decimals = len(self.text.partition(".")[2])
        self._unit = int(self.text.replace(".", ""))
        self._seen: dict[str, int] = {}  # Prices come again and again.

    def of(self, place: Place, key: str, text: Any, low: int = 0) -> int:
        """Return how many steps a decimal text is; refuse what is no whole number of them."""
        steps = self._seen.get(text) if isinstance(text, str) else None
        if steps is None:
            steps = self._counted(place, key, text)
            if len(self._seen) == SEEN_MAX:
                self._seen.clear()
            self._seen[text] = steps
        if not low <= steps <= self._most:
            raise place.bad(key, f"must be in [{low}, {self._most}] {self.name}s", text)
        return steps

    def _counted(self, place: Place, key: str, text: Any) -> int:
        found = _DECIMAL.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise place.bad(key, _decimal_rule(text), text)
        whole, part = found[1], found[2] or ""
        if len(part) > self._decimals:
            if part[self._decimals :].strip("0"):
                raise place.bad(key, f"must be a whole number of {self.name}s of {self.text}", text)
            part = part[: self._decimals]
        steps, rest = divmod(int(whole + part.ljust(self._decimals, "0")), self._unit)
        if rest:
            raise place.bad(key, f"must be a whole number of {self.name}s of {self.text}", text)
        return steps


def ticks(tick_size: object) -> Step:
    """Return the step of prices, at most 2**31 - 1 of them."""
    return Step("tick", tick_size, PRICE_MAX)


def lots(lot_size: object) -> Step:
    """Return the step of sizes."""
    return Step("lot", lot_size, SIZE_MAX)


def whole(place: Place, key: str, text: Any, low: int = 0, high: int = INT_MAX) -> int:
    """Return a whole number in [low, high] of its text."""
    if not isinstance(text, str) or _DIGITS.fullmatch(text) is None:
        raise place.bad(key, _decimal_rule(text, "must be ASCII digits"), text)
    number = int(text)
    if not low <= number <= high:
        raise place.bad(key, f"must be in [{low}, {high}]", text)
    return number


def nanoseconds(place: Place, key: str, text: Any) -> int:
    """Return the Unix nanoseconds of 2023-05-19T08:51:43.911Z, UTC."""
    found = _STAMP.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise place.bad(key, "must be a time such as 2023-05-19T08:51:43.911Z", text)
    parts = [int(part) for part in found.groups()[:6]]
    try:
        moment = datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]
    except ValueError:
        raise place.bad(key, "must be a time such as 2023-05-19T08:51:43.911Z", text) from None
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    return seconds * 10**9 + int((found[7] or "").ljust(9, "0"))


def _decimal_rule(text: Any, rule: str = "must be plain ASCII digits such as 12.5") -> str:
    hint = "; decimals take a point, thousands no separator" if "," in str(text) else ""
    return rule + hint

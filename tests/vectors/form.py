"""Forms of vectors: which function answers which keys, and what is not asked of this part."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ordercascade import presets
from ordercascade.margin import Schedule

Vector = dict[str, Any]


class NotYet(Exception):
    """The engine lacks what the vector asks for; a formula may answer."""


Answer = Callable[[Vector], dict[str, Any]]

_FORMS: dict[str, list[tuple[frozenset[str], frozenset[str], Answer]]] = {}
_ENGINE: list[Answer] = []

# Forms that other parts of the work answer, by kind and (where needed) a key of the inputs.
ELSEWHERE = {
    "close_factor": "lending",
    "interest_rate": "lending",
    "auction_price": "lending",
}
ELSEWHERE_KEYS = {
    ("trigger", "cusp"): "lending",
    ("partial_liq_size", "ink"): "lending",
    ("liquidation_flow", "ink"): "lending",
}
LENDING = ("maker", "aave_v3", "compound", "curve")
# Kinds that only a run of the engine answers, and the stage that is missing.
STAGES = {
    "adl_execution": "ADL with the overlap check",
    "adl_rank": "ADL by given scores",
    "bankruptcy": "takeover and ADL at the preset's bankruptcy price",
    "insurance_fund_delta": "the fund of the preset",
    "liquidation_flow": "the liquidation stages of the preset",
    "loss_socialisation": "socialised loss of the preset",
    "partial_liq_size": "tranches of the preset",
}
# Venues without a preset: their arithmetic is all that is asked.
FORMULA = ("gate", "gmx_v2", "mango_v4", "dederi", "span")


def form(kind: str, needs: str, optional: str = "") -> Callable[[Answer], Answer]:
    """Register a function for vectors of a kind with these keys in their inputs."""

    def register(answer: Answer) -> Answer:
        keys = frozenset(needs.split())
        _FORMS.setdefault(kind, []).append((keys, keys | frozenset(optional.split()), answer))
        return answer

    return register


def engine(answer: Answer) -> Answer:
    """Mark a form that runs the engine: what it answers is no formula."""
    _ENGINE.append(answer)
    return answer


def find(vector: Vector, *, formula: bool = False) -> Answer | None:
    """Return the function for a vector's form: the one that reads most of its keys.

    Of two that read as many, the one that runs the engine, unless only a `formula` is wanted.
    """
    have = frozenset(vector["inputs"])
    fits = [
        (len(needs), answer in _ENGINE, answer)
        for needs, allowed, answer in _FORMS.get(vector["kind"], [])
        if needs <= have <= allowed and not (formula and answer in _ENGINE)
    ]
    return max(fits, key=lambda fit: fit[:2])[2] if fits else None


def unmade(vector: Vector) -> tuple[str, str]:
    """Return ('not applicable' | 'not yet' | '', why)."""
    kind, venue = vector["kind"], vector["venue"]
    for key in vector["inputs"]:
        if (kind, key) in ELSEWHERE_KEYS:
            return "not applicable", f"belongs to {ELSEWHERE_KEYS[kind, key]}"
    if kind in ELSEWHERE:
        return "not applicable", f"belongs to {ELSEWHERE[kind]}"
    if venue in LENDING:
        return "not applicable", "belongs to lending"
    if kind in STAGES and venue not in FORMULA and find(vector) not in _ENGINE:
        return "not yet", f"the engine lacks {STAGES[kind]}"
    return "", ""


def preset(vector: Vector, fee: Any = None) -> dict[str, Any]:
    """Return what the venue's preset says of every schedule, with a fee where it takes one.

    A venue without a preset: at the mark, strict, the fee at the mark.
    """
    name = str(vector["venue"]).replace("_", "-")
    said = presets.options(name) if name in presets.names() else {"fee_base": "mark"}
    if fee is not None and "fee_base" in said:
        said["fee_ppm"] = whole(exact(fee) * 10**6)
    return said


def exact(value: Any) -> Fraction:
    """Return the number that is printed."""
    return Fraction(str(value))


def sign(side: str) -> int:
    return {"long": 1, "short": -1}[side]


def places(*values: Any) -> int:
    """Return how many decimals the values are printed with."""
    exponents = [Decimal(str(value)).normalize().as_tuple().exponent for value in values]
    return max([0, *(-int(exponent) for exponent in exponents)])


class Grid:
    """Ticks, lots and units fine enough for a vector's numbers, and as fine as 64 bits allow."""

    def __init__(
        self, prices: list[Any], sizes: list[Any], money: list[Any], *, inverse: bool = False
    ) -> None:
        self.inverse = inverse
        self.tick = min(places(*prices), 9)
        self.lot = places(*sizes)
        most = max([abs(exact(value)) for value in money] + [Fraction(1)])
        largest = max(abs(exact(size)) for size in sizes)
        high = max(exact(price) for price in prices)
        low = min(exact(price) for price in prices)
        while self.tick and high * 8 * 10**self.tick >= 2**31:
            self.tick -= 1  # Ticks end at 2^31; a cost is exact all the same.
        most = max(most, largest / low if inverse else largest * high)
        self.unit = 0
        while most * 10 ** (self.unit + 1) < 2**57 and self.unit < 15:
            self.unit += 1
        if inverse:  # A whole lot's multiplier has its own bound.
            while largest * 10**self.lot * 10 ** (self.unit + self.tick - self.lot) > 2**60:
                self.unit -= 1
        power = self.unit + (self.tick if inverse else -self.tick) - self.lot
        if power < 0:
            raise ValueError("the vector's numbers need more than 64 bits")
        self.multiplier: int = 10**power

    def price(self, price: Any) -> int:
        return whole(exact(price) * 10**self.tick)

    def size(self, size: Any) -> int:
        return whole(exact(size) * 10**self.lot)

    def money(self, money: Any) -> int:
        """Return units, rounded to the nearest: printed money may be finer than a unit."""
        return round((money if isinstance(money, Fraction) else exact(money)) * 10**self.unit)

    def people(self, units: int) -> Fraction:
        return Fraction(units, 10**self.unit)

    def cost(self, size: int, entry: Any) -> int:
        """Return the cost of lots at a printed price, which may lie between ticks."""
        lots, price = Fraction(size, 10**self.lot), exact(entry)
        return round((-lots / price if self.inverse else lots * price) * 10**self.unit)

    def flat(self, rate: Any, **options: Any) -> Schedule:
        """Return a schedule of one rate for this grid."""
        ppm = whole(exact(rate) * 10**6)
        return Schedule.flat(maintenance_ppm=ppm, initial_ppm=0, **self.options(), **options)

    def options(self) -> dict[str, Any]:
        contract = "inverse" if self.inverse else "linear"
        return {"multiplier": self.multiplier, "contract": contract}


def whole(number: Fraction) -> int:
    if number.denominator != 1:
        raise ValueError(f"{float(number)} is no whole number of ticks, lots or ppm")
    return int(number)

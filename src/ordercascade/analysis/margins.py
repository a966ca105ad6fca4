"""A market's margin as its tape tells it: what the trigger asks of positions, in whole units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ordercascade.errors import InputError
from ordercascade.exact import PPM
from ordercascade.margin import Schedule, what_if
from ordercascade.schedules import Margins, schedule_of, steps_of
from ordercascade.tape import Tape

Ints = npt.NDArray[np.int64]


class Margin(NamedTuple):
    """The schedule of a market; `asked` has the closing fee of the trigger in its rates.

    Where rates cannot hold it (by size, by skew, at entry), `fee_ppm` is added apart: rounded up
    by itself, so that it may ask a unit more than the engine. `closing_ppm` is a fee valued at
    the bankruptcy price, in ppm; `sign`: 1, or -1 of an inverse contract.
    """

    schedule: Schedule
    asked: Schedule
    fee_ppm: int
    closing_ppm: int = 0
    sign: int = 1

    def need(self, size: Ints, cost: Ints, price: int) -> Ints:
        """Return what the trigger asks of positions at a price: maintenance, and the fee in it."""
        at = np.array([price])
        found = np.asarray(what_if(self.asked, at, size, cost, 0)[1]).reshape(-1)
        if self.fee_ppm:
            value = np.abs(np.asarray(what_if(self.asked, at, size, 0, 0)[0]).reshape(-1))
            found = found + -(-value * self.fee_ppm // PPM)
        return found

    def closing(self, size: Ints, cost: Ints, behind: Ints) -> Ints:
        """Return the fee of a value at which equity is just the fee: spec/MARGIN.md §3.

        `behind`: what stands behind each position beside its own gain.
        """
        sign = self.sign * np.sign(size)
        room = np.maximum(0, sign * (cost - behind)).astype(object)  # times ppm beyond 64 bits
        fee = -(-room * self.closing_ppm // (PPM - sign * self.closing_ppm).astype(object))
        return np.asarray(fee, dtype=np.int64)


def margin_of(tape: Tape, market: Mapping[str, Any]) -> Margin:
    """Return a market's margin; InputError where the tape does not say it."""
    if "schedule" in market:
        return _scheduled(dict(market["schedule"]))
    if "brackets" not in market:
        rule = "must carry the market's brackets: run its scenario again"
        raise InputError("source", str(market["name"]), rule)
    venue = next((v for v in tape.venues if v["id"] == market["venue"]), {})
    rows: list[tuple[int, int, int, int]] = [tuple(row) for row in market["brackets"]]
    options = {
        "multiplier": int(market["multiplier"]),
        "contract": "inverse" if market["kind"] == "inverse" else "linear",
        "strict": bool(venue.get("trigger_strict", True)),
    }
    if len(rows) < 2 or any(amount for _, _, amount, _ in rows):
        made = Schedule.tiers(rows, **options)
    else:
        made = Schedule.slab([(floor, rate, first) for floor, rate, _, first in rows], **options)
    return Margin(made, made, 0)


def _scheduled(said: dict[str, Any]) -> Margin:
    """Return the margin of a schedule: a closing fee taken at the mark belongs to the trigger."""
    kind = str(said.pop("kind"))
    made = schedule_of(Margins(kind, said))
    fee = int(said.get("fee_ppm", 0))
    if said.get("fee_base", "mark") != "mark":
        return Margin(made, made, 0, fee, -1 if said.get("contract") == "inverse" else 1)
    if not fee:
        return Margin(made, made, 0)
    if kind == "steps" and said.get("base") != "entry":
        numbers = {
            key: said.pop(key) for key in ("limit", "step", "maintenance_ppm", "initial_ppm")
        }
        kind, said["rows"] = "slab", steps_of(numbers)
    if said.get("base") == "entry" or kind not in ("tiers", "slab", "flat"):
        return Margin(made, made, fee)
    whole = dict(said) | {"fee_ppm": 0}
    if kind == "flat":
        rate = int(said["maintenance_ppm"]) + fee
        whole |= {"maintenance_ppm": rate, "initial_ppm": max(rate, int(said["initial_ppm"]))}
    else:
        # (floor, rate, amount, initial), of a slab without the amount. A fee that is the same in
        # all rows leaves the amounts as they are.
        rows = [list(row) for row in said["rows"]]
        for row in rows:
            row[1] += fee
            row[-1] = max(row[-1], row[1])
        whole["rows"] = [tuple(row) for row in rows]
    return Margin(made, schedule_of(Margins(kind, whole)), 0)

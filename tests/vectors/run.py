"""Run a file of worked examples of venues against the engine's questions and formulas.

    python tests/vectors/run.py FILE

A vector's form (its kind and the keys of its inputs) says how it is answered, never its id. Prints
what passed, failed, is not applicable (other parts of the work) and not yet (needs a stage of the
engine that does not exist; its arithmetic is checked where it can be, and a mistake there is a
failure). Exit code 0 only without failures; 2 where the file is none of this form.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from vectors import accounts, blocks, disposals, prices, requirements, risked, safeguards, stages  # noqa: E402, F401
from vectors.form import NotYet, Vector, find, places, unmade  # noqa: E402

LONG = 6  # a number printed with so many decimals, and no tolerance, holds to half the last one
OUTCOMES = ("passed", "failed", "not applicable", "not yet")


class Result(NamedTuple):
    """How one vector ended."""

    venue: str
    id: str
    outcome: str
    why: str = ""


def vectors(path: Path) -> list[Vector]:
    """Return the vectors of a file, or raise ValueError."""
    found = json.loads(path.read_text("utf-8"))
    if not isinstance(found, dict) or not isinstance(found.get("vectors"), list):
        raise ValueError("must be an object with a list 'vectors'")
    for index, vector in enumerate(found["vectors"]):
        if not isinstance(vector, dict) or not {"id", "venue", "kind", "inputs"} <= set(vector):
            raise ValueError(f"vectors[{index}] must have id, venue, kind, inputs, expected")
    return list(found["vectors"])


def judge(vector: Vector) -> Result:
    """Answer one vector and compare."""
    name = str(vector["venue"]), str(vector["id"])
    outcome, why = unmade(vector)
    form = find(vector)
    if form is None:
        if outcome:
            return Result(*name, outcome, why)
        keys = ", ".join(vector["inputs"])
        return Result(*name, "failed", f"no form of kind {vector['kind']!r} has the keys {keys}")
    try:
        try:
            found = form(vector)
        except NotYet as lacking:
            outcome, why = "not yet", f"the engine lacks {lacking}"
            form = find(vector, formula=True)
            if form is None:
                return Result(*name, outcome, why)
            found = form(vector)
        wrong = list(differences(vector, found))
    except Exception as error:  # A vector must not stop the rest.
        wrong = [f"{type(error).__name__}: {error}"]
    if wrong:
        return Result(*name, "failed", "; ".join(wrong))
    if outcome:
        return Result(*name, outcome, f"{why}; the arithmetic holds")
    return Result(*name, "passed")


def differences(vector: Vector, answers: dict[str, Any]) -> Iterator[str]:
    """Yield where the answers differ from what is expected."""
    for key, want in vector["expected"].items():
        if key not in answers:
            yield f"{key}: no answer"
        elif not near(want, answers[key], vector):
            yield f"{key}: expected {want}, got {shown(answers[key])}"


def near(want: Any, got: Any, vector: Vector) -> bool:
    """Say whether an answer is what is expected, within the vector's own tolerance."""
    if isinstance(want, list):
        return len(want) == len(got) and all(
            near(one, other, vector) for one, other in zip(want, got, strict=True)
        )
    if isinstance(want, dict):
        return set(want) == set(got) and all(near(want[k], got[k], vector) for k in want)
    if isinstance(want, bool | str) or want is None or isinstance(got, bool):
        return bool(want == got)
    exact = Fraction(str(want))
    within = Fraction(str(vector.get("tolerance", 0)))
    if not within and places(want) >= LONG:
        within = Fraction(1, 2 * 10 ** places(want))
    within = max(within, abs(exact) * Fraction(str(vector.get("tolerance_rel", 0))))
    return abs(exact - Fraction(got)) <= within


def shown(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(shown(one) for one in value) + "]"
    return str(float(value)) if isinstance(value, Fraction) else str(value)


def report(results: list[Result]) -> Iterator[str]:
    """Yield the lines: counts by venue, then every vector by outcome."""
    venues: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        venues[result.venue][result.outcome] += 1
    total = Counter(result.outcome for result in results)
    width = max([len(venue) for venue in venues] + [5])
    yield f"{'':{width}}" + "".join(f"{outcome:>16}" for outcome in OUTCOMES)
    for venue, counts in [*sorted(venues.items()), ("total", total)]:
        yield f"{venue:{width}}" + "".join(f"{counts[outcome]:>16}" for outcome in OUTCOMES)
    for outcome in OUTCOMES:
        if found := [result for result in results if result.outcome == outcome]:
            yield f"\n{outcome}:"
            for result in sorted(found):
                yield f"  {result.venue} {result.id}" + (f": {result.why}" if result.why else "")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python tests/vectors/run.py FILE", file=sys.stderr)
        return 2
    try:
        found = vectors(Path(arguments[0]))
    except (OSError, ValueError) as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 2
    results = [judge(vector) for vector in found]
    print("\n".join(report(results)))
    return 1 if any(result.outcome == "failed" for result in results) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""What every swarm has: random subsets of operations, and a failure that says how to replay it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")


class Failed(AssertionError):
    """A seed that failed, with the one command that replays it."""

    def __init__(self, target: str, seed: int, number: int, what: str, why: BaseException) -> None:
        self.command = f"python -m tests.swarm --target {target} --seed {seed} --ops {number + 1}"
        super().__init__(f"{target} seed {seed}, operation {number}: {what}\n{why}\n{self.command}")


def weighed(draw: random.Random, kinds: Sequence[tuple[str, int]], always: Sequence[str]) -> Any:
    """Choose a random subset of the operation kinds and return a long list to draw from.

    Swarm testing: each seed leaves some kinds out, so that states which those would end are seen.
    """
    share = draw.choice([0.35, 0.6, 0.85, 1.0])
    kept = [(kind, n) for kind, n in kinds if kind in always or draw.random() < share]
    if draw.random() < 0.3:
        kept = [(kind, n * draw.choice([1, 1, 5])) for kind, n in kept]
    return [kind for kind, n in kept for _ in range(n)]


def rules_of(draw: random.Random, choices: dict[str, list[Any]]) -> dict[str, Any]:
    """Choose values for a random subset of a venue's rules."""
    share = draw.choice([0.0, 0.3, 0.6, 1.0])
    return {name: draw.choice(ways) for name, ways in choices.items() if draw.random() < share}

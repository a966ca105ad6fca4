from typing import Any

from ordercascade.core.world import World
from ordercascade.duties import ExpiryRule

def set_answers(world: World, venue: int, first: int, count: int = 1, **answer: Any) -> None: ...
def schedule_expiry(
    world: World,
    time_ns: int,
    venue: int,
    market: int,
    *,
    rule: ExpiryRule,
    window_ns: int = 0,
    price: int = 0,
) -> None: ...

from ordercascade.core.world import World
from ordercascade.enums import Told

def schedule_dislocation(
    world: World, time_ns: int, venue: int, market: int, told: Told, shift_ppm: int
) -> None: ...
def schedule_collateral(
    world: World,
    time_ns: int,
    venue: int,
    asset: int,
    *,
    price: int | None = ...,
    peg_ppm: int | None = ...,
) -> None: ...

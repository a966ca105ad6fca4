from ordercascade.core.world import World

SPAN_NS_MAX: int

def schedule_interest(
    world: World,
    time_ns: int,
    venue: int,
    *,
    asset: int = ...,
    every_ns: int,
    times: int = ...,
    base_ppb: int = ...,
    slope_ppb: int,
    steep_ppb: int,
    optimum_ppb: int,
    reserve_ppm: int = ...,
    elasticity_ppm: int = ...,
) -> None: ...

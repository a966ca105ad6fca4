from ordercascade.duties import OptionKind

def normal(z: float) -> float: ...
def option_value(
    kind: OptionKind | int,
    *,
    spot: float,
    strike: int,
    seconds: int,
    volatility_ppm: int,
    rate_ppm: int = 0,
) -> float: ...

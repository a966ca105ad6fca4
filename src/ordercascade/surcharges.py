"""From the words of `[[venue.surcharge]]` to surcharges: which keys go together.

| kind | needs | may have |
|---|---|---|
| volatility_margin | k, mpor_s, cap | floor, apply_to (all), stressed + buffer, stress_weight; * |
| volatility_fee | slope, cap, volatility_reference | to_fund (0); * |
| contagion_buffer | reach, cap | weight (1), every_s (60), apply_to (all) |

`*`: ewma_lambda (0.94), sample_s (60), volatility_start (0), max_step_per_hour (no limit). Rates
and volatilities are fractions; volatilities are of a day, days being alike. The fee's base is the
venue's taker fee; the margin's is what a market asks of its smallest position, and `floor` may
not be below that. spec/MECHANISMS.md §10, §12; docs/adr/0017.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from ordercascade.config import VenueConfig
from ordercascade.errors import ConfigError, InputError
from ordercascade.exact import PPM, Exact, located, plain, ppb, ppm, time_ns
from ordercascade.mechanisms.surcharges import ContagionBuffer, VolatilityFee, VolatilityMargin
from ordercascade.safeguards import Put, Read, Safeguard, register
from ordercascade.stagekeys import SurchargeConfig
from ordercascade.wording import worded

CLASSES = {
    "volatility_margin": VolatilityMargin,
    "volatility_fee": VolatilityFee,
    "contagion_buffer": ContagionBuffer,
}
VOLATILE = {"ewma_lambda", "sample_s", "volatility_start", "max_step_per_hour"}
NEEDED = {
    "volatility_margin": {"k", "mpor_s", "cap"},
    "volatility_fee": {"slope", "cap", "volatility_reference"},
    "contagion_buffer": {"reach", "cap"},
}
ALLOWED = {
    "volatility_margin": {"floor", "apply_to", "stressed", "buffer", "stress_weight"} | VOLATILE,
    "volatility_fee": {"to_fund"} | VOLATILE,
    "contagion_buffer": {"weight", "every_s", "apply_to"},
}
# Schedules to which no constant can be added.
FIXED = {
    "skew": "its maintenance is a share of its initial rate",
    "risk": "its initial margin is a multiple of maintenance",
}
FACTOR_MAX = 1000 * PPM  # of k, slope, weight
# Key -> (argument, the most it may be in ppm).
SHARES = {
    "k": ("k_ppm", FACTOR_MAX),
    "slope": ("slope_ppm", FACTOR_MAX),
    "weight": ("weight_ppm", FACTOR_MAX),
    "floor": ("floor_ppm", PPM),
    "cap": ("cap_ppm", PPM),
    "ewma_lambda": ("decay_ppm", 999_000),
    "max_step_per_hour": ("step_ppm", PPM),
    "stressed": ("stressed_ppm", PPM),
    "buffer": ("buffer_ppm", PPM),
    "stress_weight": ("weight_ppm", PPM),
    "to_fund": ("to_fund_ppm", PPM),
    "reach": ("reach_ppm", PPM - 1),
}
SIGMAS = {"volatility_reference": "reference_ppb", "volatility_start": "start_ppb"}
TIMES = {"mpor_s": "mpor_ns", "sample_s": "sample_ns", "every_s": "every_ns"}
Arguments = dict[str, Any]


def surcharges_of(
    config: VenueConfig, tables: Sequence[tuple[Any, str]], fees: Mapping[str, int], path: str
) -> tuple[Arguments, ...]:
    """Return a venue's surcharges; `tables` are brackets and kind of schedule of each market."""
    said = config.surcharge or ()
    for (_, kind), market in zip(tables, config.market, strict=True):
        if said and kind in FIXED:
            rule = f"cannot move the rates of {market.name}: {FIXED[kind]}"
            raise ConfigError(f"{path}.surcharge", rule, kind)
    rows = [table for table, _ in tables]
    return tuple(
        surcharge_numbers(each, rows, fees, f"{path}.surcharge[{index}]")
        for index, each in enumerate(said)
    )


def surcharge_numbers(
    config: SurchargeConfig, rows: Sequence[Any], fees: Mapping[str, int], path: str
) -> Arguments:
    """Return `class` and its arguments, judged; `rows` are the margin rows of each market."""
    _judge(config, path)
    numbers: Arguments = {}
    for key, (name, most) in SHARES.items():
        if getattr(config, key) is not None:
            numbers[name] = located(path, ppm, key, getattr(config, key), high=most)
    for key, name in SIGMAS.items():
        if getattr(config, key) is not None:
            numbers[name] = located(path, ppb, key, getattr(config, key), low=0)
    for key, name in TIMES.items():
        if getattr(config, key) is not None:
            numbers[name] = located(path, time_ns, key, getattr(config, key))
    if config.kind != "volatility_fee":
        numbers["new_only"] = config.apply_to == "new"
    if config.kind == "volatility_margin":
        numbers["bases_ppm"] = tuple(table[0][1] for table in rows) or (0,)
        _judge_floor(config, numbers, path)
    elif config.kind == "volatility_fee":
        numbers["base_ppm"] = max(0, fees["taker_fee_ppm"])
        _judge_rebate(numbers, fees, path)
    try:
        CLASSES[config.kind](**numbers)
    except (ConfigError, InputError) as error:
        said = {key: getattr(config, key) for key in config.__struct_fields__}
        units = [(name, key, PPM) for key, (name, _) in SHARES.items()]
        units += [(name, key, 10**9) for key, name in (SIGMAS | TIMES).items()]  # ppb and ns
        names = {name: (key, scale) for name, key, scale in units if said[key] is not None}
        raise worded(error, names, said, path) from None
    return {"class": config.kind} | numbers


def made(numbers: Arguments) -> Any:
    """Return a fresh surcharge of these numbers."""
    return CLASSES[numbers["class"]](**{k: v for k, v in numbers.items() if k != "class"})


def told(numbers: Arguments) -> Arguments:
    """Return the numbers as plain values for a tape."""
    return {name: list(value) if isinstance(value, tuple) else value
            for name, value in numbers.items()}  # fmt: skip


def _judge(config: SurchargeConfig, path: str) -> None:
    needed, allowed = NEEDED[config.kind], ALLOWED[config.kind]
    for key in config.__struct_fields__:
        said = getattr(config, key) is not None
        if not said and key in needed:
            raise ConfigError(f"{path}.{key}", f"is required by kind {config.kind!r}")
        if said and key != "kind" and key not in needed | allowed:
            kinds = [kind for kind in CLASSES if key in NEEDED[kind] | ALLOWED[kind]]
            rule = f"belongs to kind {' or '.join(map(repr, kinds))}, not {config.kind!r}"
            raise ConfigError(f"{path}.{key}", rule)
    if config.kind != "volatility_margin":
        return
    stress = config.buffer is not None or config.stress_weight is not None
    if stress != bool(config.stressed):
        rule = "must be given with buffer or stress_weight, and only with them"
        raise ConfigError(f"{path}.stressed", rule)


def _judge_floor(config: SurchargeConfig, numbers: Arguments, path: str) -> None:
    """No market's table is relaxed."""
    base = max(numbers["bases_ppm"])
    for key in ("floor", "cap"):
        if f"{key}_ppm" in numbers and numbers[f"{key}_ppm"] < base:
            rule = f"must be at least what the markets ask anyway, {plain(Exact(base) / PPM)}"
            raise ConfigError(f"{path}.{key}", rule, plain(getattr(config, key)))


def _judge_rebate(numbers: Arguments, fees: Mapping[str, int], path: str) -> None:
    """What the fund takes of fees must leave enough for the rebates of makers."""
    rebate = -min(0, fees["maker_fee_ppm"], fees["external_maker_fee_ppm"])
    taken = numbers.get("to_fund_ppm", 0)
    low = max(0, min(fees["taker_fee_ppm"], fees["external_taker_fee_ppm"]))
    if rebate * PPM > low * (PPM - taken):
        rule = "must leave the venue what maker rebates cost"
        raise ConfigError(f"{path}.to_fund", rule, plain(Exact(taken) / PPM))


def _safeguard(default: SurchargeConfig, key: str) -> tuple[Read, Put]:
    """Return reader and setter of one kind of surcharge, by its main key."""

    def own(venue: VenueConfig) -> SurchargeConfig | None:
        return next((each for each in venue.surcharge or () if each.kind == default.kind), None)

    def read(venue: VenueConfig) -> str | None:
        said = getattr(own(venue), key, None)
        return plain(said) if said else None

    def put(venue: VenueConfig, value: str | None) -> VenueConfig:
        found, mine = list(venue.surcharge or ()), own(venue)
        if value is None or not Decimal(value):
            found = [each for each in found if each.kind != default.kind]
        elif mine is not None:  # In its place: the others stay as they are.
            found[found.index(mine)] = msgspec.structs.replace(mine, **{key: Exact(value)})
        else:
            found.append(msgspec.structs.replace(default, **{key: Exact(value)}))
        return msgspec.structs.replace(venue, surcharge=tuple(found) or None)

    return read, put


register(
    Safeguard(
        "volatility_margin",
        "volatility margin",
        "standard deviations of ten minutes that margin covers",
        "money",
        "3",
        *_safeguard(
            SurchargeConfig(kind="volatility_margin", k=Exact(3), mpor_s=Exact(600), cap=Exact(1)),
            "k",
        ),
    )
)
register(
    Safeguard(
        "contagion_buffer",
        "contagion buffer",
        "how far around the mark clustered liquidations are priced",
        "share",
        "0.02",
        *_safeguard(
            SurchargeConfig(kind="contagion_buffer", reach=Exact("0.02"), cap=Exact("0.05")),
            "reach",
        ),
    )
)
register(
    Safeguard(
        "volatility_fee",
        "volatility fee",
        "more taker fee for each 3 % a day that volatility exceeds 3 % a day",
        "share",
        "0.0005",
        *_safeguard(
            SurchargeConfig(
                kind="volatility_fee",
                slope=Exact("0.0005"),
                cap=Exact("0.01"),
                volatility_reference=Exact("0.03"),
            ),
            "slope",
        ),
    )
)

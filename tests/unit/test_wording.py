"""A refusal from within speaks of the scenario's key, value and units."""

from __future__ import annotations

import pytest

import ordercascade as oc
from ordercascade.errors import ConfigError

pytest.importorskip("ordercascade.core.world")

BREAKER = "venue[0].breaker=[{%s}]"
SURCHARGE = "venue[0].surcharge=[{%s}]"
ORACLE = "venue[0].market[0].oracle={%s}"
HALT = 'kind="halt",band_pct=5,halt_s=5,'
FEE = 'kind="volatility_fee",slope=1,'
MARGIN = 'kind="volatility_margin",k=3,mpor_s=60,cap=0.1,'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (BREAKER % 'kind="price_band",band_pct=500',
         "band_pct: must be above 0, at most 100, got '500'"),
        (BREAKER % 'kind="price_band",band_pct=0',
         "band_pct: must be above 0, at most 100, got '0'"),
        (BREAKER % 'kind="halt",band_pct=5,halt_s=0', "halt_s: must be above 0, got '0'"),
        (BREAKER % f'{HALT}release="drip"',
         "drip_fraction: must be above 0 where release is 'drip', which needs it, got '0'"),
        (BREAKER % f'{HALT}release="drip",drip_fraction=0.1',
         "drip_s: must be above 0 where release is 'drip', which needs it, got '0'"),
        (BREAKER % f"{HALT}drip_fraction=0.1,drip_s=1",
         "drip_fraction: says nothing unless release is 'drip'"),
        (BREAKER % 'kind="gas_pause",gas_gwei=1,gas_pause_gwei=0,halt_s=5',
         "gas_pause_gwei: must be above 0, got '0'"),
        (BREAKER % 'kind="lag_pause",band_pct=1,halt_s=0.000001',
         "halt_max_s: must be at most a million times halt_s, 0.000001, got '3600'"),
        (BREAKER % 'kind="halt",band_pct=5,halt_s=3000000000',
         "halt_s: must be in [0, 2305843009.213693952], got '3000000000'"),
        (ORACLE % 'kind="twap",window_s=0', "window_s: must be above 0, got '0'"),
        (ORACLE % 'kind="twap",window_s=-1', "window_s: must be above 0, got '-1'"),
        (ORACLE % 'kind="last",latency_s=-1', "latency_s: must be 0 or more, got '-1'"),
        (ORACLE % 'kind="twap",window_s=3000000000',
         "window_s: must be in [0, 2305843009.213693952], got '3000000000'"),
        (SURCHARGE % f"{FEE}cap=0.0001,volatility_reference=0.03",
         "cap: must be in [0.0005, 1], got '0.0001'"),
        (SURCHARGE % f"{FEE}cap=0.1,volatility_reference=0",
         "volatility_reference: must be in [0.000000001, 1], got '0'"),
        (SURCHARGE % f"{MARGIN}floor=0.2", "floor: must be in [0, 0.1], got '0.2'"),
        (SURCHARGE % f"{MARGIN}stressed=0,buffer=0.1",
         "stressed: must be given with buffer or stress_weight, and only with them"),
        (SURCHARGE % 'kind="contagion_buffer",reach=0,cap=0.1',
         "reach: must be in [0.000001, 0.999999], got '0'"),
    ],
)  # fmt: skip
def test_the_key_the_value_as_written_and_the_rule_in_its_units(line: str, said: str) -> None:
    place = line.partition("=")[0] + ("" if "oracle" in line else "[0]")
    with pytest.raises(ConfigError) as caught:
        oc.scenarios.load("thin-book", line)
    assert str(caught.value) == f"thin-book.toml: {place}.{said}"
    inner = ("_ppm", "_ns", "_ppb", "BAND", "DRIP", "TWAP")
    assert not any(word in str(caught.value) for word in inner)

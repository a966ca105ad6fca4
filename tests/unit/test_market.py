"""Market: people's numbers become whole numbers here, or are refused by name."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal

import numpy as np
import pytest

import ordercascade as oc
from ordercascade.exact import CASH_MAX

BTC = oc.Market("BTCUSDT", tick_size="0.1", lot_size="0.001", settle="USDT", decimals=6)
CENT = oc.Market("CENT", tick_size="0.01", lot_size="1", settle="USD", decimals=2)


def test_prices_sizes_and_money_go_there_and_back() -> None:
    """0.1 x 0.001 x 10**6 = 100 units of USDT a tick and lot."""
    assert BTC.multiplier == 100
    assert BTC.to_ticks("60000.1") == 600_001
    assert BTC.to_price(600_001) == Decimal("60000.1")
    assert BTC.to_lots("0.05") == 50
    assert BTC.to_size(-50) == Decimal("-0.050")
    assert BTC.to_amount("12.5") == 12_500_000
    assert BTC.to_money(-12_345) == Decimal("-0.012345")


@pytest.mark.parametrize("price", ["60000.1", Decimal("60000.10"), 60000.1, np.float64(60000.1)])
def test_every_kind_of_number_means_its_shortest_decimal(price: str | Decimal | float) -> None:
    assert BTC.to_ticks(price) == 600_001


def test_whole_numbers_of_numpy_are_numbers() -> None:
    assert BTC.to_ticks(np.int64(60000)) == 600_000


def test_a_long_decimal_is_not_rounded_by_the_decimal_context() -> None:
    with pytest.raises(oc.InputError, match="off tick"):
        BTC.to_ticks("60000.1000000000000000000000000000000001")


@pytest.mark.parametrize("price", ["0", "-1", 0, -0.1])
def test_a_price_below_one_tick_is_refused(price: str | float) -> None:
    with pytest.raises(oc.InputError, match="must be in"):
        BTC.to_ticks(price)


@pytest.mark.parametrize("text", ["1e3", "1_000", "٣", "１２", " 7", "0x10", "inf", "", "1.", ".5"])
def test_text_that_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(oc.InputError, match="must be a plain decimal"):
        BTC.to_ticks(text)


@pytest.mark.parametrize("value", [True, None, [1], b"1", 1j])
def test_other_kinds_of_objects_are_type_errors(value: object) -> None:
    with pytest.raises(oc.InputTypeError, match="price must be"):
        BTC.to_ticks(value)  # type: ignore[arg-type]


def test_a_huge_int_does_not_fill_the_message() -> None:
    with pytest.raises(oc.RangeError) as caught:
        BTC.to_ticks(10**400)
    assert len(str(caught.value)) < 200


def test_a_multiplier_below_one_names_the_smallest_decimals_that_work() -> None:
    with pytest.raises(oc.ConfigError, match="smallest decimals that work are 8, got 6"):
        oc.Market("X", tick_size="0.0001", lot_size="0.0001", settle="USD", decimals=6)


def test_a_market_that_no_decimals_can_serve_says_so() -> None:
    with pytest.raises(oc.ConfigError, match="no decimals up to 9 work"):
        oc.Market("X", tick_size="0.000001", lot_size="0.00001", settle="USD")


@pytest.mark.parametrize("kind", ["spot"])
def test_contract_kinds_of_later_work_are_named_as_such(kind: str) -> None:
    with pytest.raises(oc.ConfigError, match="does not exist yet"):
        oc.Market("X", tick_size=1, lot_size=1, settle="USD", kind=kind)


def test_default_bounds_use_the_room_there_is() -> None:
    assert BTC.price_max * BTC.size_max * BTC.multiplier <= CASH_MAX
    assert BTC.price_max * (BTC.size_max + 1) * BTC.multiplier > CASH_MAX


def test_an_average_entry_may_lie_between_ticks_but_costs_whole_units() -> None:
    assert BTC.to_cost("61234.567", -3) == -183_703_701
    with pytest.raises(oc.InputError, match="must be a whole number of USDT units"):
        BTC.to_cost("61234.5678", 1)


def test_amounts_finer_than_a_unit_are_refused() -> None:
    with pytest.raises(oc.InputError, match=r"nearest are 0\.000000 and 0\.000001"):
        BTC.to_amount("0.0000001")


def test_a_market_is_a_value() -> None:
    other = pickle.loads(pickle.dumps(BTC))
    assert other == BTC
    assert hash(other) == hash(BTC)
    assert copy.deepcopy(BTC) == BTC
    assert BTC != CENT
    with pytest.raises(AttributeError, match="cannot change"):
        BTC.decimals = 2
    assert repr(BTC).startswith("Market('BTCUSDT', tick_size='0.1'")

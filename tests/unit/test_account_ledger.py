"""The stand-alone ledger: money moves by posts and trades only, and a refusal changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ordercascade.core.ledger import AccountLedger
from ordercascade.errors import ConfigError, InputError, RangeError

EXTERNAL, FUND, FEES, BAD_DEBT = 0, 1, 3, 4


def two() -> tuple[AccountLedger, int, int]:
    """One asset, one market, two accounts with 1,000 units each in a cross scope."""
    ledger = AccountLedger()
    ledger.add_market()
    scopes = [ledger.add_scope(ledger.add_account()) for _ in range(2)]
    for scope in scopes:
        ledger.deposit(scope, 1_000)
    return ledger, scopes[0], scopes[1]


def test_holder_ids_are_five_an_asset_one_a_market_then_scopes() -> None:
    ledger, first, second = two()
    assert (first, second, len(ledger)) == (6, 7, 8)


def test_a_trade_enters_two_equal_and_opposite_costs_and_realises_what_it_closes() -> None:
    """10 lots at 100 each, then 4 of them back at 110: the seller of the four gains 40."""
    ledger, first, second = two()
    assert ledger.trade(first, second, 0, 10, 1_000) == (0, 0)
    assert ledger.trade(second, first, 0, 4, 440) == (-40, 40)
    assert (ledger.position(first, 0), ledger.position(second, 0)) == ((6, 600), (-6, -600))
    assert (ledger.balance(first), ledger.balance(second)) == (1_040, 960)
    assert not any(ledger.audit().values())
    ledger._check()


def test_a_cost_that_does_not_divide_leaves_its_remainder_with_the_rest() -> None:
    """3 lots for 100: what is left after one costs ⌊200/3⌋ = 66 for the long and ⌊−200/3⌋ = −67 for
    the short, so one unit stays in clearing until the last lot is gone."""
    ledger, first, second = two()
    ledger.trade(first, second, 0, 3, 100)
    assert ledger.trade(second, first, 0, 1, 34) == (-1, 0)
    assert (ledger.position(first, 0)[1], ledger.position(second, 0)[1]) == (66, -67)
    assert not any(ledger.audit().values())
    ledger.trade(second, first, 0, 2, 66)
    assert (ledger.balance(first), ledger.balance(second)) == (1_000, 1_000)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda book, a, b: book.deposit(a, 2**60), RangeError),
        (lambda book, a, b: book.post(EXTERNAL, a, 2**60 - 999), RangeError),
        (lambda book, a, b: book.trade(a, b, 0, 2**40, 5), RangeError),
        (lambda book, a, b: book.trade(a, b, 0, 1, 2**60), RangeError),
        (lambda book, a, b: book.trade(a, b, 0, 0, 5), InputError),
        (lambda book, a, b: book.trade(a, a, 0, 1, 5), InputError),
        (lambda book, a, b: book.trade(a, FUND, 0, 1, 5), InputError),
        (lambda book, a, b: book.trade(a, b, 1, 1, 5), InputError),
        (lambda book, a, b: book.post(a, a, 1), InputError),
        (lambda book, a, b: book.post(a, 99, 1), InputError),
        (lambda book, a, b: book.add_scope(9), InputError),
        (lambda book, a, b: book.add_market(), ConfigError),
    ],
)
def test_a_refused_call_changes_nothing(
    call: Callable[[AccountLedger, int, int], object], error: type[Exception]
) -> None:
    ledger, first, second = two()
    ledger.trade(first, second, 0, 10, 1_000)
    before = ledger.state_hash()
    with pytest.raises(error):
        call(ledger, first, second)
    assert ledger.state_hash() == before
    ledger.post(first, second, 5)
    assert ledger.balance(first) == 995


def test_a_second_entry_that_is_refused_takes_back_the_first() -> None:
    """The buyer has room for a cost of 2**60; the seller's −2**60 − 1,000 has none."""
    ledger, first, second = two()
    other = EXTERNAL
    ledger.trade(other, second, 0, 1, 1_000)
    before = ledger.state_hash()
    with pytest.raises(RangeError, match="would pass"):
        ledger.trade(first, second, 0, 1, 2**60)
    assert ledger.state_hash() == before
    assert ledger.position(first, 0) == (0, 0)
    assert not any(ledger.audit().values())


def test_assets_do_not_mix() -> None:
    ledger = AccountLedger(2)
    ledger.add_market(1)
    account = ledger.add_account()
    dollars, coins = (ledger.add_scope(account, asset) for asset in (0, 1))
    with pytest.raises(InputError, match="same asset"):
        ledger.post(dollars, coins, 1)
    with pytest.raises(InputError, match="settles in"):
        ledger.trade(coins, dollars, 0, 1, 1)


def test_a_ledger_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        AccountLedger().__reduce__()


def test_amounts_go_up_to_2_to_the_60_in_both_directions() -> None:
    ledger, first, second = two()
    for scope in (first, second):
        ledger.deposit(scope, -1_000)
    ledger.deposit(first, 2**60)
    ledger.post(first, second, 2**60)
    ledger.post(first, second, -(2**60))
    ledger.deposit(first, -(2**60))
    assert (ledger.balance(first), ledger.balance(second)) == (0, 0)
    for amount in (2**60 + 1, -(2**60) - 1):
        with pytest.raises(InputError, match="amount must be in"):
            ledger.deposit(first, amount)
        with pytest.raises(InputError, match="amount must be in"):
            ledger.post(first, second, amount)
    assert ledger.trade(first, second, 0, 2**40, 2**60) == (0, 0)
    ledger._check()

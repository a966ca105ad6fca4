"""The trigger index: what is armed, what fires, and what each refusal says."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from ordercascade.core.triggers import TriggerIndex
from ordercascade.errors import InputError, InputTypeError, RangeError

FALLS, RISES = 0, 1
TICK_MAX = 2**31 - 1


def fired(index: TriggerIndex, market: int, price: int) -> list[int]:
    """Return the sorted nodes that fire, and check the index afterwards."""
    nodes = sorted(index.fire(market, price).tolist())
    index._check()
    return nodes


def test_a_falling_trigger_fires_at_its_tick_and_not_one_above() -> None:
    index = TriggerIndex([1000])
    index.arm(7, 0, FALLS, 95)
    assert fired(index, 0, 96) == []
    assert fired(index, 0, 95) == [7]
    assert len(index) == 0


def test_a_rising_trigger_fires_at_its_tick_and_not_one_below() -> None:
    index = TriggerIndex([1000])
    index.arm(7, 0, RISES, 105)
    assert fired(index, 0, 104) == []
    assert fired(index, 0, 105) == [7]


def test_a_jump_fires_everything_it_passes_and_keeps_the_rest() -> None:
    index = TriggerIndex([100_000])
    for node, tick in enumerate((10, 4096, 4097, 8191, 8192, 50_000)):
        index.arm(node, 0, FALLS, tick)
    assert fired(index, 0, 4097) == [2, 3, 4, 5]
    assert len(index) == 2
    assert fired(index, 0, 0) == [0, 1]


def test_a_fired_node_does_not_fire_again_until_it_is_armed_again() -> None:
    index = TriggerIndex([1000])
    index.arm(1, 0, FALLS, 50)
    assert fired(index, 0, 50) == [1]
    assert fired(index, 0, 1) == []
    index.arm(1, 0, FALLS, 50)
    assert fired(index, 0, 50) == [1]


def test_arming_an_armed_node_replaces_its_trigger_even_across_markets_and_sides() -> None:
    index = TriggerIndex([1000, 1000])
    index.arm(3, 0, FALLS, 50)
    index.arm(3, 1, RISES, 60)
    assert len(index) == 1
    assert fired(index, 0, 1) == []
    assert fired(index, 1, 60) == [3]


def test_disarm_is_exact_at_the_head_the_middle_and_the_end_of_a_bucket() -> None:
    for gone in range(3):
        index = TriggerIndex([1000])
        for node in range(3):
            index.arm(node, 0, RISES, 500)
        index.disarm(gone)
        index.disarm(gone)
        index._check()
        assert fired(index, 0, 500) == [node for node in range(3) if node != gone]


def test_one_side_firing_leaves_the_other_side_and_other_markets_alone() -> None:
    index = TriggerIndex([1000, 1000])
    index.arm(0, 0, FALLS, 90)
    index.arm(1, 0, RISES, 110)
    index.arm(2, 1, FALLS, 90)
    assert fired(index, 0, 80) == [0]
    assert index.armed(1) and index.armed(2)


def test_both_sides_fire_together_when_their_triggers_have_crossed() -> None:
    index = TriggerIndex([1000])
    index.arm(0, 0, FALLS, 110)
    index.arm(1, 0, RISES, 90)
    assert fired(index, 0, 100) == [0, 1]


@pytest.mark.parametrize("price_max", [2**21, 2**25, TICK_MAX])
def test_a_bucket_wider_than_a_tick_still_fires_exactly(price_max: int) -> None:
    index = TriggerIndex([price_max])
    base = price_max // 2
    for node in range(16):
        index.arm(node, 0, FALLS, base + node)
        index.arm(16 + node, 0, RISES, base + 100 + node)
    assert fired(index, 0, base + 13) == [13, 14, 15]
    assert fired(index, 0, base + 12) == [12]
    assert fired(index, 0, base + 12) == []
    assert fired(index, 0, base + 103) == [16, 17, 18, 19]


@pytest.mark.parametrize("price_max", [1, 100, 2**20, TICK_MAX])
def test_triggers_beyond_the_price_range_are_kept_and_judged_exactly(price_max: int) -> None:
    index = TriggerIndex([price_max])
    index.arm(0, 0, RISES, TICK_MAX)
    index.arm(1, 0, FALLS, 0)
    index.arm(2, 0, FALLS, TICK_MAX)
    index.arm(3, 0, RISES, 0)
    assert fired(index, 0, 1) == [2, 3]
    assert fired(index, 0, TICK_MAX - 1) == []
    assert fired(index, 0, TICK_MAX) == [0]
    assert fired(index, 0, 0) == [1]


def test_disarming_the_nearest_trigger_leaves_the_next_one_exact() -> None:
    index = TriggerIndex([2**24])
    index.arm(0, 0, FALLS, 9_000)
    index.arm(1, 0, FALLS, 8_990)
    index.disarm(0)
    assert fired(index, 0, 8_991) == []
    assert fired(index, 0, 8_990) == [1]


@pytest.mark.parametrize("price_max", [2**20, TICK_MAX])
def test_nearest_lists_nodes_in_firing_order_with_ties_by_node(price_max: int) -> None:
    index = TriggerIndex([price_max])
    for node, tick in ((5, 90), (4, 90), (3, 95), (2, 10), (1, 89)):
        index.arm(node, 0, FALLS, tick)
        index.arm(node + 10, 0, RISES, 1000 - tick)
    assert index.nearest(0, FALLS, 3).tolist() == [3, 4, 5]
    assert index.nearest(0, RISES, 4).tolist() == [13, 14, 15, 11]
    assert index.nearest(0, FALLS, 99).tolist() == [3, 4, 5, 1, 2]
    assert index.nearest(0, FALLS, 0).tolist() == []
    assert len(index) == 10


def test_a_copy_lives_on_its_own() -> None:
    index = TriggerIndex([1000, 2**25])
    for node in range(100):
        index.arm(node, node & 1, (node >> 1) & 1, 10 * node)
    other = copy.copy(index)
    assert fired(index, 0, 0) == list(range(0, 100, 4))
    other._check()
    assert len(other) == 100
    assert fired(other, 0, 0) == list(range(0, 100, 4))
    other.disarm(51)
    assert index.armed(51)


def test_what_fired_stays_as_it_was_when_the_index_goes_on() -> None:
    index = TriggerIndex([1000])
    index.arm(0, 0, FALLS, 500)
    first = index.fire(0, 400)
    index.arm(1, 0, FALLS, 300)
    index.fire(0, 200)
    assert first.dtype == np.int32
    assert first.tolist() == [0]


def test_a_node_costs_at_most_40_bytes_when_many_are_armed() -> None:
    index = TriggerIndex([20_000])
    for node in range(2**16):
        index.arm(node, 0, FALLS, 1 + node % 10_000)
    index.fire(0, 9_999)
    assert index.memory <= 40 * 2**16


def test_an_index_without_markets_refuses_every_market() -> None:
    with pytest.raises(InputError, match="has none"):
        TriggerIndex([]).arm(0, 0, 0, 1)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((-1, 0, 0, 5), "node"),
        ((2**26, 0, 0, 5), "node"),
        ((0, 1, 0, 5), "market"),
        ((0, -1, 0, 5), "market"),
        ((0, 0, 2, 5), "side"),
        ((0, 0, 0, -1), "tick"),
        ((0, 0, 0, 2**31), "tick"),
    ],
)
def test_an_argument_out_of_range_is_named_and_changes_nothing(
    arguments: tuple[int, int, int, int], field: str
) -> None:
    index = TriggerIndex([1000])
    index.arm(0, 0, FALLS, 7)
    with pytest.raises(InputError, match=rf"^{field} must be in \[0, ") as caught:
        index.arm(*arguments)
    assert caught.value.field == field
    assert index.tick(0) == 7
    index._check()


def test_a_number_beyond_int64_is_a_range_error() -> None:
    with pytest.raises(RangeError, match="^tick does not fit int64"):
        TriggerIndex([1000]).arm(0, 0, 0, 2**70)


@pytest.mark.parametrize("value", [1.0, True, np.True_, "1", None])
def test_only_whole_numbers_are_ticks(value: object) -> None:
    index = TriggerIndex([1000])
    with pytest.raises(InputTypeError, match="^tick must be an int, got"):
        index.arm(0, 0, 0, value)  # type: ignore[arg-type]
    index.arm(np.int64(3), np.uint8(0), np.int8(1), np.int32(9))
    assert index.tick(3) == 9


def test_asking_for_the_tick_of_an_unarmed_node_says_so() -> None:
    with pytest.raises(InputError, match="node must be armed, got 4"):
        TriggerIndex([1000]).tick(4)


def test_pickle_and_deepcopy_are_refused_with_a_way_out() -> None:
    index = TriggerIndex([1000])
    for action in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match=r"copy\(\)"):
            action(index)

"""Users act between settlements: never while one is under way, at whatever step it stands."""

from __future__ import annotations

import pytest

from ordercascade.enums import Side
from ordercascade.errors import InputError
from unit.worlds import holding, make


def test_users_wait_from_the_first_step_of_a_settlement_to_its_last() -> None:
    """The first step is the shock at 96: nobody is queued yet, and still the order must wait.

    A long of 10 lots entered at 100 with 8,000 has equity 4,000 and maintenance 4,800 at 96.
    """
    world, venue = make(bids={96: 5, 95: 50}, asks={101: 5})
    scope = holding(venue, 10, 100, 8_000)
    world.start()
    world.run()
    world.schedule_shock(world.time_ns, 0, 0, Side.ASK, size=5)
    refused = 0
    while world.step() >= 0:
        if world.settling:
            before = world.state_hash()
            for call in (
                lambda: venue.submit(1, 0, Side.BID, 95, 1),
                lambda: venue.deposit(1, 0, 10),
                lambda: venue.set_index(0, 100),
            ):
                with pytest.raises(InputError, match="must wait until the settlement is over"):
                    call()
            assert world.state_hash() == before
            refused += 1
    assert refused >= 2
    assert not world.settling
    assert venue.deposit(1, 0, 10) == scope

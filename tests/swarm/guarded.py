"""Conservation with everything on: the operations of conserve.py behind every safeguard at once.

A venue with breakers of all kinds, slowed and smoothed marks, planned slices, moving margins and
fees, a contagion buffer, another asset as margin that is sold through a spot book, margin calls,
gates, a fund, ADL and shared losses; and beside the operations of conserve.py payments of interest
and funding, dislocations, depegs, answers, and time that passes. Numbers and kinds by the seed.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from ordercascade.core.dislocation import schedule_collateral, schedule_dislocation
from ordercascade.core.lending import schedule_interest
from ordercascade.core.planning import set_answers
from ordercascade.duties import CallAction
from ordercascade.engine import raise_venue
from ordercascade.enums import Told
from ordercascade.scenario import Scenario
from reference.collateral import Pledge, made
from reference.scenarios import SECOND
from swarm.common import weighed
from swarm.conserve import ACCOUNTS, ALWAYS, BASE, KINDS, SETTLING, Economy, played
from swarm.mirror import Mirror, Terms

COIN = 1  # the asset that backs, not settles
OUTSIDERS = 0  # the account of `external`, which owes no margin
MORE = (
    ("interest", 2), ("funding", 2), ("dislocate", 1), ("depeg", 1), ("wait", 4), ("coins", 3),
)  # fmt: skip
VENUE = """schema = 1
name = "guarded"
[[venue]]
name = "perp"
preset = "simple"
{rules}
exit_buffer = 0.01
liquidation_fee = 0.004
liquidation_pays_taker = true
social = {social}
adl = {{ rule = "{adl}" }}
fees = {{ maker = -0.0001, taker = 0.0005, external_taker = 0.0005 }}
liquidation = [{{ {planner} }}]
haircut_impact = 0.8
margin_calls = {{ call = 1.5, release = 2 }}
gates = {{ stop_s = 2, stays = 0.05, rates = [{{ window_s = 5, share = 0.2, least = 50 }}] }}
breaker = [
  {{ kind = "price_band", band_pct = {band}, ref_window_s = 5 }},
  {{ kind = "halt", band_pct = {halt}, ref_window_s = 3, halt_s = 2, scope = "all", {release} }},
  {{ kind = "gas_pause", gas_gwei = 20, gas_beta = 0.1, gas_pause_gwei = 60, halt_s = 1 }},
]
[[venue.surcharge]]
kind = "volatility_margin"
k = 2
mpor_s = 1
cap = 0.2
sample_s = 4
ewma_lambda = 0.5
apply_to = "{apply}"
[[venue.surcharge]]
kind = "contagion_buffer"
reach = 0.02
cap = 0.05
every_s = 5
[[venue.surcharge]]
kind = "volatility_fee"
slope = 0.0005
cap = 0.01
volatility_reference = 0.03
sample_s = 4
ewma_lambda = 0.5
to_fund = 0.5
"""
MARKET = """
[[venue.market]]
name = "{name}"
tick_size = 1
lot_size = 1
settle = "U"
decimals = 3
price_max = 5_000
size_max = 10_000
oracle = {{ index = {base}, {oracle} }}
brackets = [
  {{ floor = 0, maintenance = 0.01, initial = 0.02 }},
  {{ floor = 10_000, maintenance = 0.02, initial = 0.04 }},
]
funding = {{ rule = "premium", interest = 0.0001, clamp = 0.0005, cap = 0.01 }}
"""
BACKING = """
[[venue.collateral]]
name = "C"
decimals = 3
price = { kind = "mark", market = "C" }
haircut = 0.1
volatility = 0.3
volume = 500
spot = true
"""
ORACLES = (
    'kind = "twap", window_s = 3',
    'kind = "ema", ema_tau_s = 2, heartbeat_s = 1',
    'kind = "median3", ema_tau_s = 2, heartbeat_s = 1',
    'kind = "basis3", ema_tau_s = 2, heartbeat_s = 1',
    'kind = "last", latency_s = 1, latency_sigma = 0.5, congestion = 0.1',
    'kind = "mid", heartbeat_s = 2, deviation = 0.005, clamp = 0.1',
    'kind = "last", own_book_weight = 0.3, clamp_round = 0.01, clamp_per_s = 0.02',
)
PLANNERS = (
    'kind = "tranche", fraction = 0.3, cooldown_s = 1, then = "fraction"',
    'kind = "equal", slices = 4, cooldown_s = 1',
    'kind = "almgren_chriss", slices = 4, cooldown_s = 1, kappa_per_s = 0.3',
    'kind = "obizhaeva_wang", slices = 4, cooldown_s = 1, resilience_per_s = 0.5',
    'kind = "restore", target_margin = 0.05, cooldown_s = 1, book_share = 0.2, book_range = 0.02',
)
RELEASES = (
    'release = "auction"',
    'release = "at_once"',
    'release = "drip", drip_fraction = 0.2, drip_s = 1',
)


def venue_text(draw: random.Random) -> str:
    """Return a scenario with everything on, its kinds and numbers drawn."""
    lines = [
        VENUE.format(
            rules=draw.choice(['ordering = "block_batch"', 'ordering = "price_time"', ""]),
            social=draw.choice(["true", "false"]),
            adl=draw.choice(["queue", "pro_rata", "account_risk"]),
            planner=draw.choice(PLANNERS),
            band=draw.choice([2, 5]),
            halt=draw.choice([4, 8]),
            release=draw.choice(RELEASES),
            apply=draw.choice(["all", "new"]),
        )
    ]
    for name in ("A", "B", "C"):
        lines.append(MARKET.format(name=name, base=BASE, oracle=draw.choice(ORACLES)))
    return "".join([*lines, BACKING])


class Backed(Mirror):
    """A mirror that knows what coins add to a scope; a peg that just jumped may not stand yet."""

    def __init__(self, world: Any, terms: list[Terms], pledge: Pledge) -> None:
        self.pledge = pledge
        self.pegs = [pledge.peg_ppm] * 2  # the one before, and the one now
        super().__init__(world, terms)

    def bare(self, equities: list[int]) -> list[int]:
        price = self.venue.marks()[self.pledge.market]
        for peg in self.pegs:
            found = list(equities)
            for (account, kept_in), purse in self.scopes.items():
                if kept_in == -1 - COIN and account > OUTSIDERS and equities[purse] > 0:
                    weighted = self.pledge.weighted(equities[purse])
                    found[self.scopes[account, -1]] -= self.pledge.worth(weighted, price, peg)
            if found == self.equity:
                return found
        return found


class Guarded(Economy):
    """One seed's world with every safeguard on."""

    fund_unit = 1_000
    extra_assets = 1
    settling = SETTLING | {"wait", "interest", "funding", "dislocate", "depeg"}

    def _raise(self, draw: random.Random) -> None:
        self.kinds = weighed(draw, KINDS + MORE, (*ALWAYS, "wait"))
        plan = Scenario.from_toml(venue_text(draw)).venues[0]
        self.venue = raise_venue(self.world, plan, seed=draw.randrange(100))
        self.assets = (0, 0)  # and a book for coins alone
        self.multipliers = [1_000] * 2
        self.terms = [Terms(1_000), Terms(1_000), Terms(1_000, spot=True)]
        assert [item.market.multiplier for item in plan.markets] == [1_000] * 3
        self.pledge = made(plan.collaterals[0].terms)
        for number in range(3):
            self._book(draw, number)

    def _reflect(self) -> Mirror:
        return Backed(self.world, self.terms, self.pledge)

    def _open(self, draw: random.Random) -> None:
        super()._open(draw)
        for account in range(1, ACCOUNTS + 1):
            if draw.random() < 0.5:
                self._deposit(account, COIN, draw.randrange(1, 20_000))
            if draw.random() < 0.3:
                answer = {"action": CallAction.ADD, "target_ppm": 2 * 10**6, "wallet": 10**6}
                if draw.random() < 0.5:
                    answer = {"action": CallAction.REDUCE, "share_ppm": 300_000}
                delay = draw.choice([0, SECOND])
                set_answers(self.world, 0, account, **answer, delay_ns=delay)

    # What else happens here.

    def wait(self) -> None:
        """Time passes: what is planned happens, feeds hear of prices, halts end."""
        later = self.world.time_ns + int(self.draw.random() * 4 * SECOND)
        self.what = f"settle({later})"
        self._settled(self.world.settle(later))

    def interest(self) -> None:
        self.what = "interest"
        numbers = {"slope_ppb": 4 * 10**7, "steep_ppb": 6 * 10**8, "optimum_ppb": 8 * 10**8}
        schedule_interest(
            self.world, self.world.time_ns, 0, every_ns=10**4 * SECOND, reserve_ppm=10**5, **numbers
        )
        self._stepped()

    def funding(self) -> None:
        market = int(self.draw.random() * 3)
        self.what = f"funding of {market}"
        rate = None if self.draw.random() < 0.5 else int(self.draw.random() * 10**7) - 5 * 10**6
        self.world.schedule_funding(self.world.time_ns, 0, market, rate_ppb=rate)
        self._stepped()

    def dislocate(self) -> None:
        market, now = int(self.draw.random() * 3), self.world.time_ns
        told = Told.INDEX if self.draw.random() < 0.5 else Told.OWN
        shift = int((self.draw.random() - 0.5) * 10**5)
        self.what = f"dislocation of {market}, {told.name}, {shift} for a second"
        schedule_dislocation(self.world, now, 0, market, told, shift)
        schedule_dislocation(self.world, now + SECOND, 0, market, told, 0)
        self._stepped()

    def depeg(self) -> None:
        peg = 900_000 + int(self.draw.random() * 10**5)
        self.what = f"peg of {peg} ppm"
        schedule_collateral(self.world, self.world.time_ns, 0, COIN, peg_ppm=peg)
        assert isinstance(self.mirror, Backed)
        self.mirror.pegs = [self.mirror.pegs[1], peg]
        self._stepped()

    def coins(self) -> None:
        account, amount = self._where()[0], 1 + int(self.draw.random() * 5_000)
        if self.draw.random() < 0.5:
            self.what = f"deposit({account}, {COIN}, {amount})"
            self._deposit(account, COIN, amount)
            return
        self.what = f"withdraw({account}, {COIN}, {amount})"
        result = self.venue.withdraw(account, COIN, amount)
        self._note(result)
        if result == 0:
            self.paid_in[COIN] -= amount


def play(seed: int, ops: int) -> Counter[str]:
    """Run one seed with everything on."""
    return played("guarded", lambda: Guarded(seed), seed, ops)

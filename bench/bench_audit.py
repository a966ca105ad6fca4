"""What an audit of a long tape costs: the crash workload, 10^5 liquidations and more."""

from __future__ import annotations

import sys
import time

import ordercascade as oc
from crash import BRACKETS, MULTIPLIER, PRICE, build
from ordercascade.engine import MARKET_RULES
from ordercascade.replay.terms import Rules
from ordercascade.tape import Tape

ACCOUNTS = 120_000
SAID = {"queue": 1, "round_max": 100_000, "trigger_strict": 1, "liquidation_fee_ppm": 5_000}
SAID |= {"fraction_ppm": 10**6}


def main(accounts: int = ACCOUNTS) -> None:
    world = build(accounts)
    start = time.process_time()
    world.run()
    ran = time.process_time() - start
    market = {"venue": 0, "id": 0, "multiplier": MULTIPLIER, "price_max": 2 * PRICE}
    market |= dict.fromkeys(MARKET_RULES, 0) | {"own_weight_ppm": 10**6, "brackets": BRACKETS}
    rules = dict.fromkeys(Rules._fields, 0) | SAID
    meta = {"stop": int(world.stop), "markets": [market], "venues": [{"id": 0, "rules": rules}]}
    tape = Tape(world.log, meta)
    start = time.process_time()
    found = oc.audit(tape)
    spent = time.process_time() - start
    state = "ok" if found.ok and not found.gaps else "NOT OK"
    orders, rows = len(tape.liquidations), sum(len(table) for table in tape.tables.values())
    print(f"audit of {orders:,} liquidations, {rows:,} rows: {spent:.1f} s CPU,", end=" ")
    print(f"{spent / rows * 1e6:.1f} us a row, {state}; the run itself {ran:.2f} s CPU")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))

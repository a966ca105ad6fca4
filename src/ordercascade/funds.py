"""What a venue's insurance funds open with: one for all, or one a market. SEMANTICS §5.8."""

from __future__ import annotations

from collections.abc import Sequence

from ordercascade.config import FundConfig
from ordercascade.errors import ConfigError
from ordercascade.exact import Exact, located, plain
from ordercascade.market import Market


def opening_balances(
    fund: FundConfig | None, markets: Sequence[Market], path: str
) -> tuple[int, ...]:
    """Return the funds' balances in settlement units: by market, or one for all of them.

    A venue settles in one asset, so that scopes `venue` and `asset` are the same here.
    """
    if fund is None:
        return ()
    if fund.balances is not None:
        if fund.scope != "market":
            rule = "needs scope 'market': there is one fund"
            raise ConfigError(f"{path}.fund.balances", rule)
        names = [market.name for market in markets]
        for name in fund.balances:
            if name not in names:
                rule = f"must be a market of the venue ({', '.join(names)})"
                raise ConfigError(f"{path}.fund.balances", rule, name)
    said = fund.balances or {}
    found = []
    for market in markets if fund.scope == "market" else markets[:1]:
        own = market.name in said
        balance = said.get(market.name, fund.balance) or Exact(0)
        where = f"{path}.fund.balances.{market.name}" if own else f"{path}.fund.balance"
        amount = located(where, market.to_amount, balance)
        if amount < 0:
            raise ConfigError(where, "must be 0 or more", plain(balance))
        found.append(amount)
    return tuple(found)

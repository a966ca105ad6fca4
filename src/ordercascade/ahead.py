"""From words to the engine's numbers: gates of withdrawals, margin calls and answers, expiries.

| key | says |
|---|---|
| `[venue.gates]` | `stop_s`, `stays`, `rates = [{ window_s, share, least }]`: core/gates.pyx |
| `[venue.margin_calls]` | `call` and `release`, levels in maintenance margins: core/calls.pyx |
| `[[venue.answer]]` | what an account, or a share of a population, does when it is called |
| `[venue.market.expiry]` | `at_s`, `price`, `window_s` or `stated`: core/expiry.pyx |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ordercascade.config import MarketConfig, VenueConfig
from ordercascade.duties import CallAction, CallSource, ExpiryRule
from ordercascade.errors import ConfigError, InputError
from ordercascade.exact import PPM, Exact, located, plain, ppm, time_ns
from ordercascade.market import Market
from ordercascade.venuekeys import AnswerConfig, ExpiryConfig, GatesConfig, MarginCallsConfig

Arguments = dict[str, Any]
LEVEL_HIGH = 1000 * PPM  # a thousand maintenance margins
RATES = 4  # core/state.pxd: LIMITERS
ACTIONS = {"add": CallAction.ADD, "reduce": CallAction.REDUCE, "ignore": CallAction.NOTHING}


class Answering(NamedTuple):
    """Who answers how: an account, or a share of a population."""

    account: str | None
    population: str | None
    share_ppm: int
    arguments: Arguments
    path: str


class Ahead(NamedTuple):
    """Arguments of `add_venue`, and the answers of its accounts."""

    rules: Arguments = {}  # noqa: RUF012  (never changed)
    answers: tuple[Answering, ...] = ()


class Expiry(NamedTuple):
    """When and how a market ends: the arguments of `schedule_expiry`."""

    time_ns: int
    rule: ExpiryRule
    window_ns: int
    price: int


def ahead(config: VenueConfig, market: Market | None, path: str) -> Ahead:
    """Return a venue's gates, levels and answers; `market` says the unit of its money."""
    if market is None:
        return Ahead()
    rules: Arguments = {}
    if config.gates is not None:
        rules["gates"] = _gates(config.gates, market, f"{path}.gates")
    if config.margin_calls is not None:
        rules["calls"] = _levels(config.margin_calls, f"{path}.margin_calls")
    if config.answer and config.margin_calls is None:
        raise ConfigError(f"{path}.margin_calls", "is required: nobody is called who could answer")
    answers = tuple(
        answer_of(item, market, f"{path}.answer[{index}]")
        for index, item in enumerate(config.answer)
    )
    _judge(answers, config)
    return Ahead(rules, answers)


def _gates(config: GatesConfig, market: Market, path: str) -> Arguments:
    rates = config.rates or ()
    if len(rates) > RATES:
        raise ConfigError(f"{path}.rates", f"must be at most {RATES}", len(rates))
    rows = []
    for index, rate in enumerate(rates):
        at = f"{path}.rates[{index}]"
        window = located(at, time_ns, "window_s", rate.window_s)
        least = located(f"{at}.least", market.to_amount, rate.least)
        if window == 0:
            raise ConfigError(f"{at}.window_s", "must be above 0")
        if least < 0:
            raise ConfigError(f"{at}.least", "must be 0 or more", plain(rate.least))
        rows.append((window, located(at, ppm, "share", rate.share), least))
    return {
        "stop_ns": located(path, time_ns, "stop_s", config.stop_s or 0),
        "stays_ppm": located(path, ppm, "stays", config.stays or 0),
        "rates": tuple(rows),
    }


def _levels(config: MarginCallsConfig, path: str) -> Arguments:
    call = _level(path, "call", config.call)
    release = call if config.release is None else _level(path, "release", config.release)
    if release < call:
        rule = "must be at least call: who is called is not at the release level"
        raise ConfigError(f"{path}.release", rule, plain(config.release or Exact(0)))
    return {"call_ppm": call, "release_ppm": release}


def _level(path: str, key: str, level: Exact) -> int:
    """Return a level in ppm of maintenance; below maintenance there is nobody left to warn."""
    if level < 1:
        raise ConfigError(f"{path}.{key}", "must be 1, maintenance, or more", plain(level))
    return located(path, ppm, key, level, high=LEVEL_HIGH)


def answer_of(config: AnswerConfig, market: Market, path: str) -> Answering:
    """Return who answers how, in the engine's numbers."""
    arguments: Arguments = {
        "action": ACTIONS[config.action],
        "delay_ns": located(path, time_ns, "delay_s", config.delay_s or 0),
    }
    if config.action == "add":
        if config.target is not None:
            arguments["target_ppm"] = _level(path, "target", config.target)
        if config.wallet is not None:
            arguments["wallet"] = located(f"{path}.wallet", market.to_amount, config.wallet)
            if arguments["wallet"] <= 0:
                raise ConfigError(f"{path}.wallet", "must be above 0", plain(config.wallet))
        arguments["source"] = CallSource[(config.source or "outside").upper()]
    if config.action == "reduce":
        fraction = Exact(1) if config.fraction is None else config.fraction
        arguments["share_ppm"] = located(path, ppm, "fraction", fraction, low=1)
    share = PPM if config.share is None else located(path, ppm, "share", config.share)
    return Answering(config.account, config.population, share, arguments, path)


def _judge(answers: Sequence[Answering], config: VenueConfig) -> None:
    """Refuse unknown populations, shares beyond the whole, and an account with two answers."""
    crowds = [crowd.name for crowd in config.population]
    shares: dict[str, int] = {}
    said: set[str] = set()
    for answer in answers:
        if answer.population is not None:
            if answer.population not in crowds:
                rule = f"must be a population of the venue ({', '.join(crowds) or 'it has none'})"
                raise ConfigError(f"{answer.path}.population", rule, answer.population)
            shares[answer.population] = shares.get(answer.population, 0) + answer.share_ppm
            if shares[answer.population] > PPM:
                rule = "and the shares before it must add up to at most 1"
                raise ConfigError(f"{answer.path}.share", rule)
        elif answer.account in said:
            raise ConfigError(f"{answer.path}.account", "has an answer already", answer.account)
        else:
            said.add(str(answer.account))


def give_answers(
    world: Any, venue: int, answers: Sequence[Answering], seed: int, stream: str, named: Any
) -> None:
    """Tell the engine: accounts by name, and each population's accounts drawn by the seed.

    `named` are the venue's names (populations.Names); a population's draw has a stream of its own.
    """
    crowds: dict[str, list[Answering]] = {}
    for answer in answers:
        if answer.population is None:
            if answer.account not in named:
                rule = "must be an account of the venue"
                raise ConfigError(f"{answer.path}.account", rule, answer.account)
            _tell(world, venue, named[answer.account], 1, answer.arguments)
        else:
            crowds.setdefault(answer.population, []).append(answer)
    for name, first, count in named.runs:
        if name in crowds and count:
            _draw(world, venue, first, count, crowds[name], seed, f"{stream}/{name}")


def _draw(
    world: Any,
    venue: int,
    first: int,
    count: int,
    answers: Sequence[Answering],
    seed: int,
    stream: str,
) -> None:
    """Give each account of a population one of the answers, or none, by their shares."""
    from ordercascade.core.laws import Law, LawKind
    from ordercascade.core.populate import sample

    weights = [float(answer.share_ppm) for answer in answers]
    places = tuple(float(number) for number in range(len(answers) + 1))
    rest = max(0.0, PPM - sum(weights))
    law = Law(LawKind.VALUES, values=places, weights=(*weights, rest))
    drawn = sample(law, count, seed, stream).astype("int64").tolist()
    begin = 0
    for number in range(1, count + 1):
        if number < count and drawn[number] == drawn[begin]:
            continue
        if drawn[begin] < len(answers):
            _tell(world, venue, first + begin, number - begin, answers[drawn[begin]].arguments)
        begin = number


def _tell(world: Any, venue: int, first: int, count: int, arguments: Mapping[str, Any]) -> None:
    from ordercascade.core.planning import set_answers

    set_answers(world, venue, first, count, **arguments)


def schedule_ends(world: Any, venues: Sequence[Any]) -> None:
    """Put the expiries of all planned venues on an engine's agenda."""
    from ordercascade.core.planning import schedule_expiry

    for number, plan in enumerate(venues):
        for market, item in enumerate(plan.markets):
            if item.expiry is not None and item.option is None:
                at, rule, window, price = item.expiry
                how = {"rule": rule, "window_ns": window, "price": price}
                schedule_expiry(world, at, number, market, **how)


def told(rules: Mapping[str, Any]) -> Arguments:
    """Return what the tape says of gates and levels: whole numbers."""
    said = {name: dict(rule) for name, rule in rules.items()}
    if "gates" in said:
        said["gates"]["rates"] = [list(rate) for rate in said["gates"]["rates"]]
    return said


def expiry(config: MarketConfig, market: Market, path: str) -> Expiry | None:
    """Return when and how a market ends, or None."""
    return None if config.expiry is None else expiry_of(config.expiry, market, f"{path}.expiry")


def expiry_of(said: ExpiryConfig, market: Market, path: str) -> Expiry:
    """Return when and how a market ends; ConfigError names the key."""
    price = 0
    if said.stated is not None:
        price = located(f"{path}.stated", market.to_ticks, said.stated)
        if price < 1:
            raise ConfigError(f"{path}.stated", "must be above 0", plain(said.stated))
    window = located(path, time_ns, "window_s", said.window_s or 0)
    rule = ExpiryRule[said.price.upper()]
    averages = (ExpiryRule.AVERAGE_MARK, ExpiryRule.AVERAGE_INDEX)
    try:
        if (rule in averages) != (window > 0):
            raise InputError("window_s", window, "must be above 0 for an average, and only then")
        if (rule == ExpiryRule.STATED) != (price > 0):
            raise InputError("stated", price, "must be given with price 'stated', and only then")
    except InputError as error:
        raise ConfigError(f"{path}.{error.field}", error.rule) from None
    return Expiry(located(path, time_ns, "at_s", said.at_s), rule, window, price)

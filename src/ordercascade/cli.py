"""The command `ordercascade`: run, check, demo, schema.

The result goes to stdout, progress and log to stderr. Exit codes: 0 ok, 1 internal error, 2 bad
usage or configuration, 3 some scenarios failed, 4 a store or tape does not match, 5 an optional
part is missing, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ordercascade.errors import (
    ConfigError,
    DataFileError,
    InputError,
    InputTypeError,
    MechanismError,
    MissingExtraError,
    RangeError,
    SnapshotError,
)

if TYPE_CHECKING:
    from ordercascade.figures import Figures
    from ordercascade.scenario import Scenario
    from ordercascade.tape import Tape

# What takes time to import is imported by the verb that needs it: --help and a misspelt option
# answer at once.

OK, INTERNAL, USAGE, MISMATCH, MISSING, INTERRUPTED = 0, 1, 2, 4, 5, 130
DEMO = "btc-cascade"
HEADINGS = ("Generation ", "Where it stopped")
EXIT_CODES = """\
exit codes: 0 ok; 1 internal error; 2 bad usage or configuration; 3 some scenarios failed;
            4 a store or tape does not match; 5 an optional part is missing; 130 interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # A terminal without "→" still gets the rest.
    sys.excepthook = _report
    try:
        code = _guarded(argv)
        print(end="", flush=True)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return code


def _guarded(argv: Sequence[str] | None) -> int:
    """Parse and run a verb; turn what a user can cause into one message and a code."""
    try:
        arguments = _parser().parse_args(argv)
        verb = arguments.verb
        return int(verb(arguments))
    except SystemExit as stop:  # argparse: --help, --version, or bad usage already explained.
        return stop.code if isinstance(stop.code, int) else USAGE
    except KeyboardInterrupt:
        return _say("interrupted; nothing was kept", INTERRUPTED)
    except MissingExtraError as error:
        return _say(str(error), MISSING)
    except SnapshotError as error:
        return _say(str(error), MISMATCH)
    except (ConfigError, DataFileError, InputError, InputTypeError, RangeError) as error:
        return _say(str(error), USAGE)
    except MechanismError as error:
        return _say(str(error), INTERNAL)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _say(f"{error.filename or 'output'}: {error.strerror}", INTERNAL)


def _say(text: str, code: int) -> int:
    """Write one line of error to stderr and return the code."""
    print(f"{_paint('ordercascade', '31;1', sys.stderr)}: {text}", file=sys.stderr)
    return code


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show an error that should not exist, and how to report it; Python then exits with 1."""
    from ordercascade import __version__

    traceback.print_exception(kind, error, trace)
    python = ".".join(str(part) for part in sys.version_info[:3])
    _say(
        "this is a bug in ordercascade, not in what you asked for.\n"
        "Please report it with the text above, the scenario file, and this line:\n"
        f"    ordercascade {__version__}, Python {python}, {sys.platform};"
        f" command: {' '.join(sys.argv)}",
        INTERNAL,
    )


def _parser() -> argparse.ArgumentParser:
    from ordercascade import __version__

    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="ordercascade",
        description="Liquidation cascades, exactly: an order book, a margin engine, and what"
        " follows when accounts fall.",
        epilog=EXIT_CODES,
        formatter_class=raw,
    )
    parser.add_argument("--version", action="version", version=f"ordercascade {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    run = verbs.add_parser(
        "run", help="run a scenario and print its summary", epilog=EXIT_CODES, formatter_class=raw
    )
    _scenario(run)
    run.add_argument("--seed", type=int, metavar="N", help="the seed, instead of the scenario's")
    run.add_argument(
        "-o",
        dest="out",
        metavar="DIR",
        type=Path,
        help="write summary.json, tape.oct and cascade.png there",
    )
    run.add_argument("--json", action="store_true", help="print the summary as JSON, raw units")
    run.add_argument("--story", action="store_true", help="tell the run step by step as well")
    run.add_argument("--quiet", action="store_true", help="no progress and no log on stderr")
    run.set_defaults(verb=_run)

    check = verbs.add_parser("check", help="validate a scenario and its files; run nothing")
    _scenario(check)
    check.set_defaults(verb=_check)

    demo = verbs.add_parser("demo", help=f"run the shipped scenario {DEMO} and tell its story")
    demo.add_argument(
        "-o",
        dest="out",
        metavar="DIR",
        type=Path,
        default=Path("demo"),
        help="where summary.json, tape.oct and cascade.png go (default ./demo)",
    )
    demo.add_argument("--json", action="store_true", help="print the summary as JSON, raw units")
    demo.set_defaults(verb=_demo)

    schema = verbs.add_parser("schema", help="print the JSON Schema of a scenario file")
    schema.set_defaults(verb=_schema)
    return parser


def _scenario(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "scenario", metavar="SCENARIO", help="a TOML file, or the name of a shipped scenario"
    )
    parser.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a key, such as fund.balance=0; may be given again",
    )


# Verbs.


def _run(arguments: argparse.Namespace) -> int:
    scenario = _load(arguments)
    tape = _tape(scenario, arguments.out, quiet=arguments.quiet)
    summary = tape.summary()
    if arguments.json:
        print(json.dumps(summary, indent=2))
        return OK
    from ordercascade.figures import read

    if arguments.story:
        _tell(tape)
        print()
    print(summary_table(read(tape)))
    return OK


def _demo(arguments: argparse.Namespace) -> int:
    from ordercascade import scenarios

    tape = _tape(scenarios.load(DEMO), arguments.out, quiet=False)
    if arguments.json:
        print(json.dumps(tape.summary(), indent=2))
    else:
        _tell(tape)
    return OK


def _check(arguments: argparse.Namespace) -> int:
    from ordercascade.figures import plural
    from ordercascade.run import World

    scenario = _load(arguments)
    with World(scenario) as world:  # Reads every file and judges the opening, without a step.
        accounts = len(world.tape().accounts)
    markets = sum(len(venue.markets) for venue in scenario.venues)
    counts = [(len(scenario.venues), "venue"), (markets, "market"), (accounts, "account")]
    counted = ", ".join(plural(count, noun) for count, noun in counts)
    print(f"{scenario.file or arguments.scenario}: ok ({scenario.name}: {counted})")
    return OK


def _schema(_: argparse.Namespace) -> int:
    from ordercascade.config import schema

    print(json.dumps(schema(), indent=2))
    return OK


def _load(arguments: argparse.Namespace) -> Scenario:
    """Load a scenario by its path, else by the name of a shipped one, with keys changed."""
    from ordercascade import scenarios, toml
    from ordercascade.scenario import Scenario

    word, changes = arguments.scenario, list(arguments.changes)
    if getattr(arguments, "seed", None) is not None:
        changes.append(f"seed={arguments.seed}")
    if Path(word).exists():
        return Scenario.load(word, *changes)
    if word in scenarios.names():
        return scenarios.load(word, *changes)
    nearest = toml.nearest(word, scenarios.names())
    raise ConfigError("SCENARIO", f"must be a file or a shipped scenario{nearest}", word)


def _tape(scenario: Scenario, out: Path | None, *, quiet: bool) -> Tape:
    """Run, and write what was asked for before anything is printed: a closed pipe loses nothing."""
    from ordercascade.run import run

    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                "-o", f"must be a folder that can be made: {error.strerror}", str(out)
            ) from None
    tape = run(scenario, progress=False if quiet else None)
    if out is not None:
        _write(tape, out, quiet=quiet)
    return tape


def _write(tape: Tape, out: Path, *, quiet: bool) -> None:
    """Write summary.json, tape.oct and cascade.png; without matplotlib a line, and no picture."""
    from ordercascade import plot

    text = json.dumps(tape.summary(), indent=2) + "\n"
    (out / "summary.json").write_text(text, encoding="utf-8")
    tape.save(out / "tape.oct")
    written = ["summary.json", "tape.oct"]
    try:
        plot.save(tape, out / "cascade.png")
        written.append("cascade.png")
    except MissingExtraError as error:
        print(f"cascade.png was not drawn: {error}", file=sys.stderr)
    if not quiet:
        print(f"wrote {', '.join(written)} to {out}{os.sep}", file=sys.stderr)


def _tell(tape: Tape) -> None:
    from ordercascade import story

    for line in story.tell(tape).splitlines():
        print(_paint(line, "1", sys.stdout) if line.startswith(HEADINGS) else line)


def _paint(text: str, code: str, stream: Any) -> str:
    """Colour text for a terminal that wants it: NO_COLOR and TERM=dumb do not."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain or stream is None or not stream.isatty() else f"\x1b[{code}m{text}\x1b[0m"


# The summary, in people's units.

Row = tuple[str, str, str]


def summary_table(f: Figures) -> str:
    """Return the summary as a table: what, how much, of what."""
    s = f.summary
    sections = [
        (f"{s['scenario']}, seed {s['seed']}", list(_counts(s))),
        *((units.name, list(_market(f, key))) for key, units in f.units.items()),
        ("Money", list(_amounts(f))),
        ("Run", list(_facts(s))),
    ]
    rows = [row for _, found in sections for row in found]
    label, number = (max(len(row[i]) for row in rows) for i in (0, 1))
    lines = []
    for title, found in sections:
        lines += [_paint(title, "1", sys.stdout)]
        lines += [f"  {a:<{label}}  {b:>{number}}  {c}".rstrip() for a, b, c in found]
    return "\n".join([*lines, f"state hash {s['state_hash']}"])


def _counts(s: Mapping[str, Any]) -> Iterator[Row]:
    yield "liquidations", f"{s['liquidations']:,}", "orders"
    yield "accounts liquidated", f"{s['accounts_liquidated']:,}", ""
    yield "generations", f"{s['generations']:,}", ""
    yield "rounds", f"{s['rounds']:,}", ""
    yield "steps", f"{s['steps']:,}", ""
    for name, key in (("amplification", "amplification"), ("R, first", "r_initial")):
        if s[key] is not None:
            yield name, f"{s[key]:.3f}", ""
    if s["r_max"] is not None:
        yield "R, largest", f"{s['r_max']:.3f}", ""


def _market(f: Figures, key: tuple[int, int]) -> Iterator[Row]:
    from ordercascade.figures import percent

    units, prices = f.units[key], f.prices(*key)
    first, last = prices["first_mark"], prices["last_mark"]
    for name in ("first_mark", "last_mark", "lowest_mark", "highest_mark", "last_price"):
        if prices[name] is not None:
            note = f"{units.settle}  {percent(last - first, first)}"
            yield (
                name.replace("_", " "),
                units.price(prices[name]),
                note if name == "last_mark" else units.settle,
            )
    place = list(f.units).index(key)
    lots, value = (
        list(f.summary[name].values())[place] for name in ("lots_liquidated", "notional_liquidated")
    )
    yield "liquidated", units.number(lots), units.base
    yield ("liquidated, value", *_split(units.money(value)))


def _amounts(f: Figures) -> Iterator[Row]:
    """Yield sums over all venues; in smallest units where they settle in different assets."""
    s = f.summary
    alike = len({(u.settle, u.cash) for u in f.units.values()}) == 1
    money = next(iter(f.units.values())).money if alike else "{:,} units".format
    sums = {
        "outside orders, value": "shock_notional",
        "fees": "fees",
        "shortfall": "shortfall",
        "insurance fund, before": "fund_before",
        "insurance fund, after": "fund_after",
        "paid by the fund": "fund_paid",
        "paid by the vault": "vault_paid",
        "handed over by ADL, value": "adl_notional",
        "socialised": "socialised",
        "bad debt": "bad_debt",
        "borne outside": "borne_outside",
        "lost by accounts": "users_loss",
    }
    for name, key in sums.items():
        yield (name, *_split(money(s[key])))
    for asset, amount in s["money_check"].items():
        yield "money check", f"{amount:,}", f"units of {asset} that do not add up"


def _split(text: str) -> tuple[str, str]:
    number, _, unit = text.partition(" ")
    return number, unit


def _facts(s: Mapping[str, Any]) -> Iterator[Row]:
    from ordercascade.enums import Stop

    yield "stopped", Stop(int(s["stop"] or 0)).name.lower().replace("_", " "), ""
    yield "bounds reached", f"{s['bounds_reached']:,}", ""
    yield "time", f"{s['wall_s'] or 0:.3f}", f"s, engine {s['engine_s'] or 0:.3f} s"

"""The command `ordercascade`: run, check, ablate, demo, lab, book, preset, schema.

The result goes to stdout, progress and log to stderr. Exit codes: 0 ok, 1 internal error, 2 bad
usage or configuration or a plug-in that failed, 3 some scenarios failed, 4 a store or tape does
not match, 5 an optional part is missing, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ordercascade import ablateview, bookview, presetview
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
    from ordercascade.audit import Audit
    from ordercascade.scenario import Scenario
    from ordercascade.tape import Tape

# What takes time to import is imported by the verb that needs it: --help and a misspelt option
# answer at once.

OK, INTERNAL, USAGE, MISMATCH, MISSING, INTERRUPTED = 0, 1, 2, 4, 5, 130
DEMO = "btc-cascade"
HEADINGS = ("Generation ", "Where it stopped")
EXIT_CODES = """\
exit codes: 0 ok; 1 internal error; 2 bad usage or configuration, or a plug-in that failed;
            3 some scenarios failed; 4 a store or tape does not match; 5 an optional part is
            missing; 130 interrupted"""


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
        return _say(f"{error}{', at ' if error.where else ''}{error.where}", USAGE)
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
    run.add_argument(
        "--check",
        action="store_true",
        help="audit every step from the tape alone and say what was checked; exit 4 if it is wrong",
    )
    run.add_argument(
        "--html",
        metavar="FILE",
        type=Path,
        help="write a page that plays the run in a browser, without kernel and network",
    )
    run.add_argument("--story", action="store_true", help="tell the run step by step as well")
    run.add_argument("--quiet", action="store_true", help="no progress and no log on stderr")
    run.set_defaults(verb=_run)

    check = verbs.add_parser(
        "check", help="validate a scenario and its files and run nothing; or audit a saved tape"
    )
    _scenario(check, also=", or a saved tape (.oct, or its folder) to audit")
    check.add_argument("--json", action="store_true", help="print the audit of a tape as JSON")
    check.set_defaults(verb=_check)

    demo = verbs.add_parser("demo", help=f"run the shipped scenario {DEMO} and tell its story")
    demo.add_argument(
        "-o",
        dest="out",
        metavar="DIR",
        type=Path,
        default=Path("demo"),
        help="where summary.json, tape.oct, cascade.html and cascade.png go (default ./demo)",
    )
    demo.add_argument("--json", action="store_true", help="print the summary as JSON, raw units")
    demo.set_defaults(verb=_demo)

    _lab_parser(verbs)

    ablateview.add_verb(verbs, _scenario, _load)
    bookview.add_verb(verbs)
    presetview.add_verb(verbs)

    schema = verbs.add_parser("schema", help="print the JSON Schema of a scenario file")
    schema.set_defaults(verb=_schema)
    return parser


def _lab_parser(verbs: Any) -> None:
    from ordercascade.lab import command

    lab = verbs.add_parser("lab", help="open the notebooks in JupyterLab, or the stepper alone")
    _scenario(lab, also=f", to step through (with --app default {DEMO})", optional=True)
    command.options(lab)
    lab.set_defaults(verb=_lab)


def _scenario(parser: argparse.ArgumentParser, also: str = "", optional: bool = False) -> None:
    parser.add_argument(
        "scenario",
        nargs="?" if optional else None,
        metavar="SCENARIO",
        help=f"a TOML file, or the name of a shipped scenario{also}",
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
    html = arguments.html
    if html is not None and (html.is_dir() or not html.parent.is_dir()):
        raise ConfigError("--html", "must be a file in a folder that is there", str(html))
    tape = _tape(scenario, arguments.out, quiet=arguments.quiet)
    if html is not None:
        from ordercascade.lab.export import export_html

        export_html(tape, html)
        if not arguments.quiet:
            print(f"wrote {html}: open it in a browser", file=sys.stderr)
    summary = tape.summary()
    found = _audited(tape) if arguments.check else None
    code = OK if found is None or found.ok else MISMATCH
    if arguments.json:
        checked = {} if found is None else {"check": found.to_dict()}
        print(json.dumps(summary | checked, indent=2))
        return code
    from ordercascade.figures import read
    from ordercascade.sheet import summary_table

    if arguments.story:
        _tell(tape)
        print()
    print(summary_table(read(tape), lambda title: _paint(title, "1", sys.stdout)))
    if found is not None:
        print(f"\n{found}")
    return code


def _demo(arguments: argparse.Namespace) -> int:
    from ordercascade import scenarios

    tape = _tape(scenarios.load(DEMO), arguments.out, quiet=False, page=True)
    if arguments.json:
        print(json.dumps(tape.summary(), indent=2))
    else:
        _tell(tape)
    return OK


def _check(arguments: argparse.Namespace) -> int:
    from ordercascade import tape_file
    from ordercascade.figures import plural
    from ordercascade.run import World

    place = Path(arguments.scenario)
    if place.suffix == tape_file.SUFFIX or (place / tape_file.MANIFEST).is_file():
        return _check_tape(place, arguments)
    if arguments.json:
        raise ConfigError("--json", "must not be given with a scenario: only audits have it")
    scenario = _load(arguments)
    with World(scenario) as world:  # Reads every file and judges the opening, without a step.
        accounts = len(world.tape().accounts)
    markets = sum(len(venue.markets) for venue in scenario.venues)
    counts = [(len(scenario.venues), "venue"), (markets, "market"), (accounts, "account")]
    counted = ", ".join(plural(count, noun) for count, noun in counts)
    print(f"{scenario.file or arguments.scenario}: ok ({scenario.name}: {counted})")
    return OK


def _check_tape(place: Path, arguments: argparse.Namespace) -> int:
    """Audit a saved tape."""
    from ordercascade.tape import Tape

    if arguments.changes:
        raise ConfigError("--set", "must not be given with a tape", str(place))
    try:
        tape = Tape.load(place)
    except OSError as error:
        raise ConfigError(
            "SCENARIO", f"must be a tape that can be read: {error.strerror}", str(place)
        ) from None
    found = _audited(tape)
    print(json.dumps(found.to_dict(), indent=2) if arguments.json else found)
    return OK if found.ok else MISMATCH


def _audited(tape: Tape) -> Audit:
    """Audit a tape; what is wrong also goes to stderr in one line."""
    from ordercascade.audit import audit

    found = audit(tape)
    if not found.ok:
        first = found.failures[0]
        _say(f"the tape contradicts itself, check {first.check!r} first: {first}", MISMATCH)
    return found


def _lab(arguments: argparse.Namespace) -> int:
    from ordercascade.lab import command

    code = command.run(arguments, _load, DEMO)
    return OK if code == 0 else _say(f"the server ended with code {code}", INTERNAL)


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


def _tape(scenario: Scenario, out: Path | None, *, quiet: bool, page: bool = False) -> Tape:
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
        _write(tape, out, quiet=quiet, page=page)
    return tape


def _write(tape: Tape, out: Path, *, quiet: bool, page: bool) -> None:
    """Write summary.json, tape.oct, perhaps cascade.html, and cascade.png.

    Without matplotlib that is a line, and no picture; the page needs numpy alone.
    """
    from ordercascade import plot
    from ordercascade.lab.export import export_html

    text = json.dumps(tape.summary(), indent=2) + "\n"
    (out / "summary.json").write_text(text, encoding="utf-8")
    tape.save(out / "tape.oct")
    written = ["summary.json", "tape.oct"]
    if page:
        export_html(tape, out / "cascade.html")
        written.append("cascade.html")
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

"""The verb `ordercascade ablate`: each safeguard alone, together, and left out, in one table.

Result on stdout, progress on stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ordercascade.errors import ConfigError

if TYPE_CHECKING:
    from ordercascade.scenario import Scenario

JOBS_MAX = 256


def add_verb(
    verbs: Any,
    scenario: Callable[[argparse.ArgumentParser], None],
    load: Callable[[argparse.Namespace], Scenario],
) -> None:
    """Add `ablate` to the verbs; `scenario` adds the argument, `load` reads what it names."""
    parser = verbs.add_parser(
        "ablate",
        help="compare a scenario's safeguards: each alone, all together, all but one",
        epilog="By default every safeguard that this scenario can have takes part: with its own"
        " value where it is on, else with its default. All columns run the same seeds.",
    )
    scenario(parser)
    parser.add_argument(
        "--seeds", type=int, default=20, metavar="N", help="from the scenario's own on (default 20)"
    )
    parser.add_argument(
        "--safeguard",
        dest="safeguards",
        action="append",
        metavar="NAME[=VALUE]",
        help="take this one, such as tranches=0.1; given again for each",
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default 1)")
    parser.add_argument(
        "--method", choices=("t", "bootstrap"), default="t", help="of the intervals (default t)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with the differences")
    parser.add_argument("--picture", metavar="FILE", type=Path, help="draw it: .png, .svg or .pdf")
    parser.add_argument("--quiet", action="store_true", help="no word on stderr")
    parser.set_defaults(verb=lambda arguments: show(arguments, load(arguments)))


def show(arguments: argparse.Namespace, scenario: Scenario) -> int:
    """Run the ablation and print it."""
    from ordercascade.analysis import ablation

    if not 1 <= arguments.jobs <= JOBS_MAX:
        raise ConfigError("--jobs", f"must be in [1, {JOBS_MAX}]", arguments.jobs)
    if arguments.seeds < 1:
        raise ConfigError("--seeds", "must be 1 or more", arguments.seeds)
    place = arguments.picture
    if place is not None and (place.is_dir() or not place.parent.is_dir()):
        raise ConfigError("--picture", "must be a file in a folder that is there", str(place))
    if place is not None and place.suffix not in (".png", ".svg", ".pdf"):
        raise ConfigError("--picture", "must end in .png, .svg or .pdf", str(place))
    asked = None
    if arguments.safeguards is not None:
        parts = [text.partition("=") for text in arguments.safeguards]
        names = [name for name, _, _ in parts]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ConfigError("--safeguard", "must name each safeguard once", twice[0])
        asked = {name: value if equals else None for name, equals, value in parts}

    def told(executor: Executor | None) -> Any:
        return ablation(
            scenario, asked, seeds=arguments.seeds, executor=executor, method=arguments.method
        )

    if arguments.jobs > 1:
        with ProcessPoolExecutor(arguments.jobs) as pool:
            found = told(pool)
    else:
        found = told(None)
    if place is not None:
        found.picture().savefig(place, dpi=110)
        if not arguments.quiet:
            print(f"wrote {place}", file=sys.stderr)
    print(json.dumps(found.to_dict(), indent=2) if arguments.json else found)
    return 0

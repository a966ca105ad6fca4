"""The verb `ordercascade preset`: the rules of venues, listed, shown with sources, compared."""

from __future__ import annotations

import argparse
from typing import Any


def add_verb(verbs: Any) -> None:
    """Add `preset list | show NAME | diff A B`."""
    preset = verbs.add_parser("preset", help="list, show or compare the rules of venues")
    asks = preset.add_subparsers(title="asks", metavar="ASK", required=True)
    listed = asks.add_parser(
        "list", help="name every preset, and what a run lacks or does otherwise"
    )
    listed.set_defaults(verb=_list)
    show = asks.add_parser("show", help="print a preset's file, with its sources")
    show.add_argument("name", metavar="NAME")
    show.set_defaults(verb=_show)
    diff = asks.add_parser("diff", help="print the rules in which two venues differ")
    diff.add_argument("first", metavar="A")
    diff.add_argument("second", metavar="B")
    diff.set_defaults(verb=_diff)


def _list(_: argparse.Namespace) -> int:
    from ordercascade import presets

    for name in presets.names():
        found = presets.load(name)
        print(f"{name:<16}{found.about}")
        if found.not_yet:
            print(f"{'':<16}cannot be run yet, the engine lacks: {'; '.join(found.not_yet)}")
        if found.differs:
            print(f"{'':<16}a run differs: {'; '.join(found.differs)}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from ordercascade import presets

    print(presets.text(arguments.name, path="NAME"), end="")
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    from ordercascade import presets

    for name in (arguments.first, arguments.second):
        presets.text(name, path="A and B")  # A wrong name is said before anything is printed.
    rows = presets.differences(arguments.first, arguments.second)
    table = [("", arguments.first, arguments.second), *rows]
    wide = [max(len(row[column]) for row in table) for column in (0, 1)]
    for key, mine, its in table:
        print(f"{key:<{wide[0]}}  {mine:<{wide[1]}}  {its}".rstrip())
    return 0

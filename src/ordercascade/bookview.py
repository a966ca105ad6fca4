"""The verb `ordercascade book`: the top of a recorded book at a time, and checks of its recording.

Result on stdout, progress on stderr. Exit 0 where every check holds, 4 where one does not.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ordercascade.errors import ConfigError

if TYPE_CHECKING:
    from ordercascade.data.show import Shown

OK, MISMATCH = 0, 4
# As in data.show, which a --help must not wait for; a test holds the two together.
FORMATS = (
    *("binance", "bitmex", "bybit", "hyperliquid", "id-keyed", "lobster", "neutral-l2"),
    *("neutral-l3", "tardis-incremental", "tardis-snapshot"),
)
DECIMAL = ("binance", "bitmex", "bybit", "hyperliquid", "tardis-incremental", "tardis-snapshot")


def add_verb(verbs: Any) -> None:
    """Add `book` to the verbs of a parser."""
    parser = verbs.add_parser(
        "book",
        help="follow a recorded order book and print its top at a time",
        epilog=f"Files of {', '.join(DECIMAL)} hold decimals: they need both steps. Levels are"
        " printed in ticks and lots where a step is not given.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="plain, .gz, .zst or .lz4")
    parser.add_argument("--format", required=True, choices=FORMATS, help="the form of the file")
    parser.add_argument(
        "--at", metavar="TIME", help="UTC, as 2024-08-08T23:55:00Z or Unix ns (default: the end)"
    )
    parser.add_argument("--levels", type=int, default=10, metavar="N", help="a side (default 10)")
    parser.add_argument("--tick-size", metavar="STEP", help="such as 0.1")
    parser.add_argument("--lot-size", metavar="STEP", help="such as 0.001")
    parser.add_argument("--sha256", metavar="HEX", help="refuse the file if its digest differs")
    parser.add_argument(
        "--limit", type=int, default=2**30, metavar="BYTES", help="largest file (default 2**30)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, in ticks and lots")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    parser.set_defaults(verb=show)


def show(arguments: argparse.Namespace) -> int:
    """Follow the file and print its book."""
    from ordercascade.data import show as recorded
    from ordercascade.data.source import Source

    if arguments.levels < 1:
        raise ConfigError("--levels", "must be 1 or more", arguments.levels)
    at_ns = None if arguments.at is None else recorded.time_ns(arguments.at)
    source = Source(
        arguments.file,
        limit=arguments.limit,
        sha256=arguments.sha256,
        progress=False if arguments.quiet else None,
    )
    steps = {"tick_size": arguments.tick_size, "lot_size": arguments.lot_size}
    try:
        rows = recorded.reader(arguments.format, source, **steps)
        found = recorded.book_at(rows, at_ns, arguments.levels, file=source.name)
    except (FileNotFoundError, PermissionError) as error:
        rule = f"must be a file that can be read: {error.strerror}"
        raise ConfigError("FILE", rule, str(arguments.file)) from None
    if arguments.json:
        print(json.dumps(_plain(found, arguments), indent=2))
    else:
        _print(found, recorded.table(found, **steps), arguments)
    return OK if found.ok else MISMATCH


def _plain(found: Shown, arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "file": arguments.file.name,
        "format": arguments.format,
        "time_ns": found.time_ns,
        "bids": found.bids.tolist(),
        "asks": found.asks.tolist(),
        "checks": {name: count for name, count, _ in found.checks},
        "ok": found.ok,
    }


def _print(found: Shown, rows: tuple[tuple[str, ...], ...], arguments: argparse.Namespace) -> None:
    heads = ("bid size", "bid", "ask", "ask size")
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(4)]
    print(f"{ascii(arguments.file.name)[1:-1]}, {arguments.format}, at {_clock(found.time_ns)}")
    for row in (heads, *rows):
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    print()
    for name, count, ok in found.checks:
        print(f"{count:>12,}  {name}{'' if ok else '   <- WRONG'}")


def _clock(time_ns: int) -> str:
    """Return Unix nanoseconds as people read them, exactly."""
    import time

    seconds, rest = divmod(time_ns, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"

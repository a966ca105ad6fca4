"""One HTML file that plays a run without kernel and without network.

>>> export_html(tape, "cascade.html")                                           # doctest: +SKIP

Style and script are inside, under a content policy that allows just them; the same tapes give the
same bytes. Whatever a tape says of itself arrives as JSON and is shown as text, never as markup.
"""

from __future__ import annotations

import base64
import json
import os
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ordercascade import __version__
from ordercascade.lab.gather import gather

if TYPE_CHECKING:
    from ordercascade.tape import Tape

SCRIPTS = ("page_model.js", "page_draw.js", "page.js")


def export_html(
    tape: Tape,
    path: str | os.PathLike[str],
    *,
    compare: Tape | None = None,
    market: str | None = None,
) -> None:
    """Write a page that plays a tape, or two side by side with shared scales.

    `market` names the market that is shown, else the one with most liquidated. InputError for one
    that is not there, or for a tape of more than 100,000 steps.
    """
    write(path, html_of(tape, compare, market=market))


def write(path: str | os.PathLike[str], page: str) -> None:
    """Write a page, the same bytes on every system."""
    Path(path).write_text(page, encoding="utf-8", newline="\n")


def html_of(tape: Tape, compare: Tape | None = None, *, market: str | None = None) -> str:
    """Return the page as text."""
    runs = [gather(tape, market)]
    if compare is not None:
        runs.append(gather(compare, runs[0]["market"], must=False))
    data = json.dumps({"version": __version__, "runs": runs}, separators=(",", ":"))
    # Inside a script element only "<" could end it; the others are for parsers of other kinds.
    for sign in "<>&":
        data = data.replace(sign, f"\\u{ord(sign):04x}")
    style, script = _read("page.css"), "\n".join(_read(name) for name in SCRIPTS)
    parts = {
        "policy": f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}",
        "title": escape(str(runs[0]["name"])),
        "style": style,
        "script": script,
        "data": data,
    }
    page = _read("page.html")
    head, *rest = page.split("{{")
    filled = [head]
    for piece in rest:
        name, _, after = piece.partition("}}")
        filled += [parts[name], after]
    return "".join(filled)


def _read(name: str) -> str:
    return (files("ordercascade.lab") / "static" / name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode('ascii')}'"

"""The notebooks that ship with the package, and laying them out in a folder of the user's.

A notebook that the user has changed, if only by running it, is never replaced without being told.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from ordercascade.errors import ConfigError

What: TypeAlias = Literal["copied", "there", "kept", "replaced"]

# In a wheel they lie beside this file (setup.py puts them there), in a checkout at its root.
_HERE = Path(__file__).resolve().parent
_PLACES = (_HERE / "notebooks", _HERE.parents[2] / "notebooks")
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_INTRODUCTION = """\
# The stepper

Run the cell, then step: ▶| takes one step, ▶ plays, *jump* goes to the next liquidation. With the
focus inside, the arrow keys step too, and `?` shows all keys."""


class Laid(NamedTuple):
    """A notebook and what became of it: kept means that the user's differs, and stays."""

    name: str
    what: What


def notebooks() -> tuple[Path, ...]:
    """Return the shipped notebooks, in reading order."""
    found = (sorted(place.glob("*.ipynb")) for place in _PLACES)
    return tuple(next(filter(None, found), ()))


def lay_out(folder: Path, *, overwrite: bool = False) -> list[Laid]:
    """Copy the notebooks to a folder, which is made; say what became of each."""
    _make(folder)
    laid = []
    for source in notebooks():
        content, target = source.read_bytes(), folder / source.name
        if not os.path.lexists(target):
            what: What = "copied"
        elif target.is_file() and target.read_bytes() == content:
            what = "there"
        else:
            what = "replaced" if overwrite else "kept"
        if what in ("copied", "replaced"):
            _put(target, content)
        laid.append(Laid(source.name, what))
    return laid


def stepper(word: str, changes: Iterable[str] = ()) -> str:
    """Return a notebook that shows a scenario: a file where there is one, else a shipped one."""
    if Path(word).exists():
        source = f"oc.Scenario.load({_said(os.path.abspath(word))}"
    else:
        source = f"oc.scenarios.load({_said(word)}"
    source += "".join(f", {_said(change)}" for change in changes)
    code = f"import ordercascade as oc\nfrom ordercascade.lab import Stepper\n\nStepper({source}))"
    cells = [
        {"cell_type": "markdown", "id": "introduction", "metadata": {}, "source": _INTRODUCTION},
        {
            "cell_type": "code",
            "execution_count": None,
            "id": "stepper",
            "metadata": {},
            "outputs": [],
            "source": code,
        },
    ]
    notebook = {"cells": cells, "metadata": {"kernelspec": _KERNEL}, "nbformat": 4}
    return json.dumps(notebook | {"nbformat_minor": 5}, ensure_ascii=False, indent=1) + "\n"


def place(folder: Path, name: str, text: str) -> str:
    """Put a stepper's notebook beside the others under the first name that is free for it.

    A file that has the same cells, perhaps with outputs by now, is the one meant.
    """
    _make(folder)
    stem = "stepper-" + (re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run")
    number = 1
    while True:
        file = f"{stem}.ipynb" if number == 1 else f"{stem}-{number}.ipynb"
        target = folder / file
        if not os.path.lexists(target):
            _put(target, text.encode())
            return file
        if _cells(target.read_bytes() if target.is_file() else b"") == _cells(text.encode()):
            return file
        number += 1


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            "-o", f"must be a folder that can be made: {error.strerror}", str(folder)
        ) from None


def _put(target: Path, content: bytes) -> None:
    """Write a file as a whole, or not at all; what stood there, a link too, is replaced."""
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        part.write_bytes(content)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ConfigError(
            "-o", f"must be a folder that can be written to: {error.strerror}", str(target)
        ) from None


def _cells(content: bytes) -> list[str] | None:
    """Return the code of a notebook's cells; None where it is no notebook."""
    try:
        cells = json.loads(content)["cells"]
        code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError):
        return None
    return ["".join(source) for source in code]


def _said(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)

"""Check a folder of recorded books: `python tests/data/check.py DIR`.

Every l2_* and l3_* file is followed and held against the figures, snapshots and golden books that
lie beside it. Prints a table; exits 1 if a check fails or there is nothing to check.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(CLONE / "tests"), str(CLONE / "src")]

from data.recordings import Check, check_folder  # noqa: E402


def line(check: Check, width: int) -> str:
    """Return a check as a line of the table."""
    mark = {True: "ok", False: "WRONG", None: ""}[check.ok]
    wanted = "" if check.wanted == "" else f"   (wanted {check.wanted})"
    return f"{mark:5}  {check.name:{width}}  {check.got}{wanted if check.ok is not True else ''}"


def main(argv: list[str] | None = None) -> int:
    """Check the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    folder = parser.parse_args(argv).folder
    if not folder.is_dir():
        parser.error(f"no folder: {folder}")
    file = ""
    judged = wrong = 0
    for check in check_folder(folder):
        if check.file != file:
            print(f"{chr(10) if file else ''}{check.file}", flush=True)
            file = check.file
        print(line(check, 58))
        judged += check.ok is not None
        wrong += check.ok is False
    print(f"\n{judged} checks, {wrong} wrong" if judged else "nothing to check")
    return 1 if wrong or not judged else 0


if __name__ == "__main__":
    raise SystemExit(main())

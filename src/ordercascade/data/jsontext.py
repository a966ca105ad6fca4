"""Read JSON strictly: exact decimals, no duplicate keys, no NaN, or refuse it with the place."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from ordercascade.data.table import read_bytes
from ordercascade.errors import DataFileError


def read_json(path: Path) -> Any:
    """Return the tree of a JSON file in UTF-8, plain or gzip; numbers with a point are Decimals."""
    file = path.name
    data = read_bytes(path).removeprefix(b"\xef\xbb\xbf")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise DataFileError(file, f"duplicate key {twice!r}")
        return made

    def refuse(word: str) -> NoReturn:
        raise DataFileError(file, "must hold finite numbers", value=word)

    try:
        return json.loads(
            data.decode("utf-8"),
            parse_float=Decimal,
            parse_constant=refuse,
            object_pairs_hook=unique,
        )
    except UnicodeDecodeError as error:
        raise DataFileError(file, "must be UTF-8 text", byte=error.start) from None
    except json.JSONDecodeError as error:
        rule = f"is no JSON: {error.msg}"
        raise DataFileError(file, rule, row=error.lineno, byte=error.pos) from None
    except (RecursionError, ValueError) as error:
        if isinstance(error, DataFileError):
            raise
        raise DataFileError(file, "is no JSON that can be read: too deep or too long") from None


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` or nothing."""
    close = difflib.get_close_matches(word, list(choices), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""

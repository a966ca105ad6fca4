"""Take home: a picture of what is shown, the tape's tables, the standalone page."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

import ipywidgets

from ordercascade.errors import OrderCascadeError
from ordercascade.lab.controls import button, row
from ordercascade.lab.fields import problem, tell
from ordercascade.lab.keys import Root
from ordercascade.tape import Tape


def csv_of(tape: Tape) -> bytes:
    """Return a zip with one CSV a table, in people's units."""
    return _zipped(tape, "csv", _csv)


def parquet_of(tape: Tape) -> bytes:
    """Return a zip with one Parquet file a table, in raw units; needs the extra `data`."""
    return _zipped(tape, "parquet", _parquet)


def _zipped(tape: Tape, ending: str, form: Callable[[Any], bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, table in tape.tables.items():
            archive.writestr(f"{name}.{ending}", form(table))
    return out.getvalue()


def _csv(table: Any) -> bytes:
    columns = table.to_numpy(units="human")
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
    return text.getvalue().encode()


def _parquet(table: Any) -> bytes:
    out = io.BytesIO()
    table.to_polars().write_parquet(out)
    return out.getvalue()


class TakePanel:
    """Buttons that have the browser save a file."""

    def __init__(self, root: Root, tape: Callable[[], Tape], page: Callable[[], str]) -> None:
        """`tape` and `page` say what is shown now: the left run, and all of it as HTML."""
        self._root, self._tape = root, tape
        self.png = button("PNG", "picture-o", "oc-png", "save the pictures as they are now")
        self.csv = button("CSV", "table", "oc-csv", "save the tape's tables as CSV in a zip")
        self.parquet = button(
            "Parquet", "table", "oc-parquet", "save the tape's tables as Parquet in a zip"
        )
        self.html = button(
            "HTML", "globe", "oc-export", "save one page that plays without kernel and network"
        )
        self.error = problem("take")
        self.png.on_click(lambda _: root.photograph(f"{self._name()}.png"))
        self.csv.on_click(lambda _: self._save("csv.zip", "application/zip", self._of(csv_of)))
        self.parquet.on_click(
            lambda _: self._save("parquet.zip", "application/zip", self._of(parquet_of))
        )
        self.html.on_click(lambda _: self._save("html", "text/html", lambda: page().encode()))
        label = ipywidgets.Label("take home")
        self.box = ipywidgets.VBox(
            [row([label, self.png, self.csv, self.parquet, self.html]), self.error]
        )

    def _name(self) -> str:
        return re.sub(r"[^A-Za-z0-9._-]+", "-", str(self._tape().meta["name"])) or "tape"

    def _of(self, form: Callable[[Tape], bytes]) -> Callable[[], bytes]:
        return lambda: form(self._tape())

    def _save(self, ending: str, kind: str, made: Callable[[], bytes]) -> None:
        tell(self.error, "")
        try:
            content = made()
        except OrderCascadeError as error:
            tell(self.error, str(error))
            return
        self._root.save(f"{self._name()}.{ending}", kind, content)

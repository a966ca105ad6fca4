"""A plug-in of coverage.py that records the lines of the compiled core, those of .pxd files too.

Cython's own plug-in looks for a C file beside each source and keeps one C file a source, so it
loses the inline functions of a .pxd, which are compiled into every module that uses them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coverage.plugin import CoveragePlugin, FileTracer

ROOT = Path(__file__).resolve().parent.parent


class Source(FileTracer):
    """A file whose line numbers are true as they come."""

    def __init__(self, filename: str) -> None:
        self.filename = filename

    def source_filename(self) -> str:
        return self.filename


class Lines(CoveragePlugin):
    """Trace what Cython compiled."""

    def file_tracer(self, filename: str) -> FileTracer | None:
        compiled = filename.endswith((".pyx", ".pxd"))
        return Source(str(ROOT / filename)) if compiled else None


def coverage_init(registry: Any, options: dict[str, str]) -> None:
    """Register the plug-in; coverage.py calls this."""
    registry.add_file_tracer(Lines())

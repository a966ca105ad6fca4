"""Every error the package raises: class, the facts it carries, and one message form.

The form is always `<what> must be <rule>, got <value>` plus the place. Values are shown by
`show()`, cut and escaped, so that a message cannot carry terminal codes or a megabyte.
"""

from __future__ import annotations

SHOWN_MAX = 80


def show(value: object) -> str:
    """Return a printable, escaped `repr` of `value`, at most 80 characters."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
        return f"an int of {value.bit_length()} bits"
    text = ascii(value)
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…"


def place(name: str) -> str:
    """Return a file's name for a message: as it is, or escaped if a terminal could obey it."""
    return name if name.isprintable() else ascii(name)[1:-1]


def span(low: int, high: int) -> str:
    """Return a range as people read it: [1, 2**40]."""
    return f"[{_power(low)}, {_power(high)}]"


def _power(number: int) -> str:
    size = abs(number)
    if size == 2**63 - 1:
        return "2**63 - 1"
    if size >= 2**31 and size & (size - 1) == 0:
        return f"{'-' if number < 0 else ''}2**{size.bit_length() - 1}"
    return str(number)


class OrderCascadeError(Exception):
    """The base of every error of this package."""


class InputError(OrderCascadeError, ValueError):
    """A value lies outside its domain."""

    def __init__(self, field: str, value: object, rule: str, *, row: int | None = None) -> None:
        self.field, self.value, self.rule, self.row = field, value, rule, row
        place = "" if row is None else f" (row {row})"
        super().__init__(f"{field} {rule}, got {show(value)}{place}")


class InputTypeError(OrderCascadeError, TypeError):
    """The wrong kind of object."""

    def __init__(self, field: str, want: str, got: object, *, hint: str = "") -> None:
        self.field, self.want = field, want
        self.got = got if isinstance(got, str) else type(got).__name__
        super().__init__(f"{field} must be {want}, got {self.got}{'; ' + hint if hint else ''}")


class RangeError(OrderCascadeError, OverflowError):
    """A number does not fit, or would overflow a cell of the book or the ledger."""

    def __init__(self, field: str, rule: str, *, bits: int | None = None) -> None:
        self.field, self.rule, self.bits = field, rule, bits
        super().__init__(f"{field} {rule}")


class ConfigError(OrderCascadeError, ValueError):
    """A contradictory or misspelt set-up, found at construction; `path` is the key path."""

    def __init__(self, path: str, rule: str, value: object = None, *, file: str = "") -> None:
        self.path, self.rule, self.value, self.file = path, rule, value, file
        got = "" if value is None else f", got {show(value)}"
        super().__init__(f"{place(file) + ': ' if file else ''}{path}: {rule}{got}")


class DataFileError(OrderCascadeError, ValueError):
    """A file cannot be trusted; says file and, where known, row, column and byte."""

    def __init__(
        self,
        file: str,
        rule: str,
        *,
        row: int | None = None,
        column: str | None = None,
        byte: int | None = None,
        value: object = None,
    ) -> None:
        self.file, self.rule, self.row, self.column, self.byte = file, rule, row, column, byte
        where = [f"row {row}"] if row is not None else []
        where += [f"column {column!r}"] if column is not None else []
        where += [f"byte {byte}"] if byte is not None else []
        got = "" if value is None else f", got {show(value)}"
        said = f" ({', '.join(where)})" if where else ""
        super().__init__(f"{place(file)}{said}: {rule}{got}")


class SnapshotError(OrderCascadeError, ValueError):
    """A saved tape, world or book is damaged, foreign or of another version."""

    def __init__(self, file: str, rule: str, *, part: str = "", byte: int | None = None) -> None:
        self.file, self.rule, self.part, self.byte = file, rule, part, byte
        super().__init__(f"{place(file)}{' (' + part + ')' if part else ''}: {rule}")


class MechanismError(OrderCascadeError, RuntimeError):
    """A mechanism raised or returned rubbish."""

    def __init__(self, plugin: str, hook: str, rule: str, *, round: int | None = None) -> None:
        self.plugin, self.hook, self.rule, self.round = plugin, hook, rule, round
        self.seq: int | None = None
        self.hooked: object = None  # the hook that was asked
        super().__init__(f"{plugin}.{hook}: {rule}{'' if round is None else f' (round {round})'}")

    @property
    def where(self) -> str:
        """The file and line of the user's code: what raised in it, else the hook; or nothing."""
        trace = self.__cause__.__traceback__ if self.__cause__ is not None else None
        lines: list[tuple[str, int]] = []
        while trace is not None:
            file = trace.tb_frame.f_code.co_filename
            if not file.endswith(".pyx"):  # the engine's own, compiled
                lines.append((file, trace.tb_lineno))
            trace = trace.tb_next
        code = getattr(self.hooked, "__code__", None)
        if code is not None and not any(file == code.co_filename for file, _ in lines):
            lines = [(code.co_filename, code.co_firstlineno)]
        # The deepest line of the first file: it may have called others that are not the user's.
        mine = [(file, line) for file, line in lines if file == lines[0][0]]
        return f"{place(mine[-1][0])}:{mine[-1][1]}" if mine else ""

    def placed(self, round: int, seq: int) -> None:
        """Say in which round of its settlement it was, and how many steps stand."""
        self.round, self.seq = round, seq
        self.args = (f"{self.plugin}.{self.hook}: {self.rule} (round {round})",)


class BusyError(OrderCascadeError, RuntimeError):
    """The engine is in use: a second thread, or a call from inside a call."""

    def __init__(self, holder: str) -> None:
        self.holder = holder
        super().__init__(f"{holder} is running already; one call at a time")


class PoisonedError(OrderCascadeError, RuntimeError):
    """An earlier call failed half-way and could not be taken back; nothing can be trusted here."""

    def __init__(self, holder: str) -> None:
        self.holder = holder
        super().__init__(
            f"{holder} failed half-way through an earlier call: build it again, or go on"
            " with a fork() made before"
        )


class InvariantError(OrderCascadeError, AssertionError):
    """Our bug: an invariant of the engine does not hold."""

    def __init__(self, which: str, delta: object) -> None:
        self.which, self.delta = which, delta
        super().__init__(f"{which}: {show(delta)}")


class MissingExtraError(OrderCascadeError, ImportError):
    """An optional part is not installed; says which extra brings it."""

    def __init__(self, part: str, extra: str) -> None:
        self.part, self.extra = part, extra
        super().__init__(f"{part} is not installed: pip install 'ordercascade[{extra}]'")

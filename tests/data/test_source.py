"""Files as streams: lines across blocks, progress, and numbers as whole steps."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ordercascade as oc
from data import typed
from data.typed import put
from ordercascade import progress
from ordercascade.data import source
from ordercascade.data.lobster import lobster_messages
from ordercascade.data.numbers import Place, lots, nanoseconds, ticks
from ordercascade.data.source import Source, lines


@given(text=st.text(st.sampled_from("ab\r\n\ufeffé"), max_size=30), block=st.integers(1, 9))
def test_lines_end_alike_wherever_a_block_ends(
    tmp_path_factory: pytest.TempPathFactory, text: str, block: int
) -> None:
    place = put(tmp_path_factory.getbasetemp(), text, "lines.txt")
    whole = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    wanted = whole.split("\n")
    last_ended = wanted[-1] == ""
    if last_ended:
        wanted.pop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "BLOCK", block)
        found = list(lines(Source(place)))
    assert [line for _, line, _ in found] == wanted
    assert [row for row, _, _ in found] == list(range(1, len(wanted) + 1))
    assert [ended for _, _, ended in found] == [
        *([True] * (len(wanted) - 1)),
        *([last_ended] if wanted else []),
    ]


@given(st.integers(1, 2**31 - 1), st.sampled_from(["0.1", "0.25", "0.00001", "1", "5", "100"]))
def test_a_price_is_as_many_ticks_as_the_decimals_say(count: int, step: str) -> None:
    text = format(Decimal(step) * count, "f")
    assert ticks(step).of(Place("f"), "p", text) == count
    if "." in text:
        assert ticks(step).of(Place("f"), "p", text + "000") == count
    with pytest.raises(oc.DataFileError, match="must be a whole number of ticks"):
        ticks(step).of(Place("f"), "p", format(Decimal(step) * count + Decimal(step) / 2, "f"))


def test_steps_must_be_above_nothing_and_counts_within_bounds() -> None:
    for bad in ("0", "-0.1"):
        with pytest.raises(oc.InputError, match="tick must be above 0"):
            ticks(bad)
    with pytest.raises(oc.InputTypeError):
        lots(None)
    with pytest.raises(oc.DataFileError, match=r"must be in \[1, 2147483647\] ticks"):
        ticks("0.1").of(Place("f"), "p", "0", low=1)
    with pytest.raises(oc.DataFileError, match="ticks"):
        ticks("0.1").of(Place("f"), "p", "214748364.8")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2023-05-19T08:51:43.911Z", 1684486303911000000),
        ("2024-02-29T00:00:00.000000001Z", 1709164800000000001),
        ("2023-02-29T00:00:00Z", None),
        ("2023-13-01T00:00:00Z", None),
        ("2023-01-01T24:00:00Z", None),
        ("2023-01-01T00:00:00+01:00", None),
        ("yesterday", None),
    ],
)
def test_times_are_read_as_utc_or_refused(text: str, wanted: int | None) -> None:
    if wanted is None:
        with pytest.raises(oc.DataFileError, match="must be a time such as"):
            nanoseconds(Place("f"), "t", text)
    else:
        assert nanoseconds(Place("f"), "t", text) == wanted


@pytest.mark.parametrize(
    ("asked", "terminal", "patience", "shown"),
    [
        (None, False, -1.0, False),
        (None, True, -1.0, True),
        (None, True, 99.0, False),
        (True, False, -1.0, True),
        (False, True, -1.0, False),
    ],
)
def test_progress_is_shown_on_a_terminal_after_a_while(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: bool | None,
    terminal: bool,
    patience: float,
    shown: bool,
) -> None:
    monkeypatch.setattr(progress, "PATIENCE_S", patience)
    monkeypatch.setattr(source, "BLOCK", 40)
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: terminal, raising=False)
    place = put(tmp_path, typed.LOBSTER_MESSAGES, "long.csv")
    assert list(lobster_messages(Source(place, progress=asked)))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ("long.csv" in printed.err) == shown

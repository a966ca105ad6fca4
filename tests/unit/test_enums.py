"""The small integers of the domain are the same in C and in Python."""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path

import pytest

from ordercascade import enums
from ordercascade.duties import RateKind, TrancheRule
from ordercascade.enums import (
    AdlRule,
    AdlTrigger,
    AdlWhen,
    BreakerAction,
    BreakerKind,
    CancelPolicy,
    FeedKind,
    FeeTo,
    FundingRule,
    HolderKind,
    LegRule,
    MarketKind,
    MarkRefresh,
    NoteKind,
    OrderFlag,
    OrderLimit,
    OrderType,
    Outcome,
    PostReason,
    PriceMode,
    PriceSource,
    QueueOrder,
    Reject,
    ReleaseRule,
    Residual,
    ShortfallAt,
    Side,
    SocialRule,
    StepKind,
    Takeover,
    TakeoverWhen,
    TimeInForce,
    Told,
)

PACKAGE = Path(enums.__file__).parent

# (file, what the C names begin with, the Python list, whether C must name every member)
PAIRS: list[tuple[str, str, type[IntEnum], bool]] = [
    ("core/records.pxd", "", Side, True),
    ("core/records.pxd", "", OrderType, True),
    ("core/records.pxd", "", TimeInForce, True),
    ("core/records.pxd", "", OrderFlag, False),  # NONE has no bit.
    ("core/records.pxd", "REJECT_", Reject, True),
    ("core/contracts.pxd", "", MarketKind, True),
    ("core/funding.pxd", "FUNDING_", FundingRule, True),
    ("core/ledger.pxd", "", HolderKind, True),
    ("core/state.pxd", "STEP_", StepKind, False),
    ("core/state.pxd", "", Outcome, True),
    ("core/state.pxd", "REASON_", PostReason, True),
    ("core/state.pxd", "NOTE_", NoteKind, True),
    ("core/state.pxd", "REFRESH_", MarkRefresh, True),
    ("core/state.pxd", "QUEUE_", QueueOrder, True),
    ("core/state.pxd", "LEG_", LegRule, True),
    ("core/state.pxd", "CANCEL_", CancelPolicy, True),
    ("core/state.pxd", "SHORTFALL_AT_", ShortfallAt, True),
    ("core/state.pxd", "RESIDUAL_", Residual, True),
    ("core/state.pxd", "FEE_TO_", FeeTo, True),
    ("core/state.pxd", "ADL_ON_", AdlTrigger, True),
    ("core/state.pxd", "WHEN_", AdlWhen, True),
    ("core/state.pxd", "BY_", Takeover, True),
    ("core/state.pxd", "TAKE_", TakeoverWhen, True),
    ("core/state.pxd", "AT_", PriceMode, True),
    ("core/state.pxd", "SOCIAL_", SocialRule, True),
    ("core/records.pxd", "", BreakerAction, True),
    ("mechanisms/breakers.pyx", "", BreakerKind, True),
    ("core/records.pxd", "RELEASE_", ReleaseRule, True),
    ("core/outside.pyx", "TILT_", Told, False),
    ("mechanisms/feeds.pyx", "", FeedKind, True),
    ("mechanisms/feeds.pyx", "", PriceSource, True),
    ("mechanisms/tranches.pyx", "", TrancheRule, True),
    ("mechanisms/tranches.pyx", "", OrderLimit, True),
    ("mechanisms/prices.pyx", "", PriceSource, True),
    ("mechanisms/closing.pyx", "", AdlRule, True),
    ("core/mechanism.pxd", "ADD_", RateKind, True),
    ("core/rating.pyx", "OF_", RateKind, True),
]


def c_enums(text: str) -> dict[str, int]:
    """Return the members of all `cdef enum:` blocks of a Cython text."""
    members: dict[str, int] = {}
    for block in re.finditer(
        r"^c(?:def|typedef) enum\b[^\n]*:[^\n]*\n((?:    .*\n|\n)+)", text, re.M
    ):
        for name, value in re.findall(r"^    (\w+) *= *(-?\d+)", block[1], re.M):
            assert name not in members, f"{name} stands twice"
            members[name] = int(value)
    return members


@pytest.mark.parametrize(
    ("file", "prefix", "listed", "complete"), PAIRS, ids=[pair[2].__name__ for pair in PAIRS]
)
def test_the_c_names_have_the_numbers_of_the_python_list(
    file: str, prefix: str, listed: type[IntEnum], complete: bool
) -> None:
    members = c_enums((PACKAGE / file).read_text("utf-8"))
    expected = {prefix + member.name: int(member) for member in listed}
    found = {name: members[name] for name in expected if name in members}
    assert found
    assert found == {name: expected[name] for name in found}
    if complete:
        assert sorted(found) == sorted(expected)


def test_a_prefixed_c_name_belongs_to_its_python_list() -> None:
    strangers = []
    for file, prefix, listed, _ in PAIRS:
        if prefix:
            members = c_enums((PACKAGE / file).read_text("utf-8"))
            mine = [name for name in members if name.startswith(prefix)]
            strangers += [
                name for name in mine if name.removeprefix(prefix) not in listed.__members__
            ]
    assert strangers == []


def test_every_reject_code_is_below_minus_one() -> None:
    assert all(code <= -2 for code in Reject)

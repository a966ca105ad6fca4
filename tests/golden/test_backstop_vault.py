"""The shipped scenario of a backstop vault, trace by trace, and the figures its comment gives."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import ordercascade as oc
from ordercascade.enums import HolderKind, PostReason, StepKind
from ordercascade.story import tell


@pytest.fixture(scope="module")
def tape() -> oc.Tape:
    return oc.run(oc.scenarios.load("backstop-vault"), progress=False)


def ends(*changes: str) -> tuple[int, int, int, int]:
    """Return accounts liquidated and taken over, the last mark, the vault's balance."""
    tape = oc.run(oc.scenarios.load("backstop-vault", *changes), progress=False)
    s = tape.summary()
    kinds = tape.tables["accounts"]["kind"].tolist()
    mine = tape.funds["holder"] == kinds.index(HolderKind.VAULT)
    mark = s["by_market"]["ETHUSDT"]["last_mark"]
    return s["accounts_liquidated"], s["accounts_taken_over"], mark, tape.funds["balance"][mine][-1]


def test_the_figures_of_the_comment_come_out() -> None:
    assert ends() == (3, 52, 290_170, -297_785_127)
    assert ends("takeover.mode=none") == (117, 0, 285_700, 0)
    assert ends("disposal.fraction=1", "disposal.max_fraction=1") == ends()


def test_the_trace_is_that_of_the_rules(tape: oc.Tape) -> None:
    kinds = Counter(StepKind(kind) for kind in tape.steps["kind"].tolist())
    assert kinds == {
        StepKind.SHOCK: 1,
        StepKind.MARK: 2,
        StepKind.TAKEOVER: 52,
        StepKind.LIQUIDATION: 3,
        StepKind.WATERFALL: 44,
        StepKind.DISPOSAL: 28,
    }
    # Takeovers are at the mark that stands, for all the lots, and the collateral goes along.
    mark = 290_170
    first = int(np.flatnonzero(tape.steps["kind"] == StepKind.MARK)[0])
    stood = int(tape.marks["mark"][tape.marks["step"] == first][0])
    for lots, cost in zip(tape.adl["lots"].tolist(), tape.adl["cost"].tolist(), strict=True):
        assert abs(cost) in (lots * stood * 10, lots * mark * 10)
    left = tape.postings["amount"][tape.postings["reason"] == PostReason.TAKEOVER]
    assert len(left) == 52 - 44
    # A tenth of the range at most, every ten seconds, and the mark stays.
    times = tape.steps["time_ns"][tape.steps["kind"] == StepKind.DISPOSAL]
    assert set(np.diff(times).tolist()) == {10**10}
    assert not (tape.steps["kind"][int(np.argmax(tape.steps["kind"] == StepKind.DISPOSAL)) :]
                == StepKind.MARK).any()  # fmt: skip


def test_the_audit_finds_every_row_of_it_to_follow(tape: oc.Tape) -> None:
    found = oc.audit(tape)
    assert found.ok, str(found)
    assert not found.gaps


def test_it_is_told_in_words(tape: oc.Tape) -> None:
    text = tell(tape)
    assert "Taken over instead of an order: 52 accounts, " in text
    assert "the vault takes over account trader-" in text
    assert "28 disposals: " in text or "the vault sells" in text
    assert "Taken over: 52 accounts, " in text
    assert "; sold again: " in text

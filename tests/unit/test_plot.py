"""The picture of a tape: right numbers in the panels, right size, no global state of matplotlib."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ordercascade.enums import HolderKind, Outcome, Side, StepKind
from ordercascade.errors import InputError, MissingExtraError
from unit.hand_tape import BAD_DEBT, FUND, SCOPE, HandTape, t2a

pytest.importorskip("matplotlib")

from ordercascade import plot


def panels(hand: HandTape) -> dict[str, object]:
    """Draw a tape and return its panels by title; axes without one are right-hand scales."""
    return {axes.get_title("left"): axes for axes in plot.cascade(hand.tape()).axes}


def bars(axes: object) -> dict[str, np.ndarray]:
    """Return width and place of the bars of each series."""
    return {
        group.get_label(): np.array([[bar.get_y() + bar.get_height() / 2, bar.get_width()]
                                     for bar in group])
        for group in axes.containers  # type: ignore[attr-defined]
    }  # fmt: skip


def test_a_picture_is_a_png_of_1600_by_1000(tmp_path: Path) -> None:
    plot.save(t2a().tape(), tmp_path / "cascade.png")
    data = (tmp_path / "cascade.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (1600, 1000)


def test_every_panel_has_a_title_and_axes_with_units() -> None:
    figure = plot.cascade(t2a().tape())
    titles = [axes.get_title("left") for axes in figure.axes if axes.get_title("left")]
    assert titles == [
        "TOY: price and liquidations",
        "Depth at each price",
        "Insurance fund, bad debt (no ADL)",
        "How it grew: value by generation",
    ]
    for axes in figure.axes:
        if axes.get_title("left") and axes.get_title("left") != "Depth at each price":
            assert axes.get_xlabel()
            assert axes.get_ylabel()
    assert "3 liquidations in 3 generations" in figure.get_suptitle()
    assert "stopped: nobody at risk" in figure.get_suptitle()


def test_depth_shows_what_was_eaten_earlier_last_and_what_rests() -> None:
    """15 sold, then A 10, B 20: 45 of 60; C, generation 3, eats 5 at 96 and 10 at 95."""
    hand = t2a()
    hand.levels(Side.BID, range(100, 94, -1), size=0)
    found = bars(panels(hand)["Depth at each price"])
    earlier, last = found["eaten earlier"], found["eaten by generation 3"]
    resting = found["resting at the end"]
    assert earlier[:, 1].sum() == 15 + 10 + 20
    assert {price: lots for price, lots in last if lots} == {95: 10, 96: 5}
    assert dict(resting)[94] == 10
    assert dict(resting)[95] == 0
    assert dict(resting)[101] == 10


def test_generations_show_their_value_and_the_ratio_between_them() -> None:
    figure = plot.cascade(t2a().tape())
    axes = next(a for a in figure.axes if a.get_title("left").startswith("How it grew"))
    heights = {group.get_label(): [bar.get_height() for bar in group] for group in axes.containers}
    assert heights["outside orders"] == [15 * 100 - 5, 0, 0, 0]
    assert heights["liquidations"] == [0, 985, 1940, 1430]
    ratio = figure.axes[-1].get_lines()[0].get_ydata()
    np.testing.assert_allclose(ratio, [10 / 15, 2.0, 0.75, 0])


def test_longs_point_down_and_shorts_up() -> None:
    hand = HandTape()
    for size, price in ((5, 99), (-5, 101)):
        step = hand.shock(Side.ASK, 1, [(100, 1)])
        hand.liquidation(hand.account(f"a{size}", size), [(price, 5)], parent=step)
    axes = panels(hand)["TOY: price and liquidations"]
    where = {}
    for points in axes.collections:  # type: ignore[attr-defined]
        shape = points.get_paths()[0].vertices[:3, 1]
        where[points.get_offsets()[0][1]] = "down" if shape[0] < shape[1] else "up"
    assert where == {99: "down", 101: "up"}


def test_the_fund_bad_debt_and_adl_are_drawn_as_they_were() -> None:
    hand = HandTape(fund=50)
    hand.account("L", 10)
    step = hand.shock(Side.ASK, 5, [(100, 5)])
    step = hand.liquidation(1, [(80, 2)], parent=step, outcome=Outcome.DELEVERAGED)
    hand.row("funds", step=step, holder=FUND, balance=20)
    step = hand.step(StepKind.ADL, parent=step, scope=SCOPE)
    hand.row("adl", step=step, scope_from=SCOPE, lots=8, cost=640)
    step = hand.step(StepKind.WATERFALL, parent=step, scope=SCOPE)
    hand.row("funds", step=step, holder=BAD_DEBT, balance=-7)
    figure = plot.cascade(hand.tape())
    axes = next(a for a in figure.axes if a.get_title("left") == "Insurance fund, bad debt, ADL")
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}
    assert drawn == {"insurance fund": [50, 20, 20], "bad debt": [0, 7, 7]}
    adl = [line for a in figure.axes for line in a.get_lines() if "ADL" in str(line.get_label())]
    assert list(adl[0].get_ydata()) == [0, 640, 640]
    assert HolderKind.FUND == FUND + 1


def test_wide_price_ranges_are_put_into_round_bins() -> None:
    edges = plot._edges(57_000, 60_000)
    assert len(edges) - 1 <= plot.BINS + 2
    assert set(np.diff(edges)) == {50}
    assert edges[0] + 0.5 <= 57_000 < 60_000 <= edges[-1]
    np.testing.assert_array_equal(plot._edges(95, 101), np.arange(95, 103) - 0.5)


def test_a_tape_without_steps_or_trades_is_drawn() -> None:
    assert len(plot.cascade(HandTape().tape()).axes) >= 4


def test_a_hundred_generations_keep_a_short_legend() -> None:
    hand = HandTape()
    step = hand.shock(Side.ASK, 1, [(100, 1)])
    for n in range(100):
        step = hand.liquidation(hand.account(f"a{n}", 1), [(99, 1)], parent=step)
    axes = panels(hand)["TOY: price and liquidations"]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]  # type: ignore[attr-defined]
    assert sum(label.startswith("generation") for label in labels) == plot.NAMED


def test_a_market_that_the_tape_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="market must be one of TOY, got 'ETHUSDT'"):
        plot.cascade(t2a().tape(), market="ETHUSDT")


def test_without_matplotlib_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ordercascade\[plot\]'"):
        plot.cascade(t2a().tape())


def test_neither_importing_nor_drawing_loads_pyplot() -> None:
    program = (
        "import sys; from ordercascade import plot; assert 'matplotlib' not in sys.modules;"
        "from unit.hand_tape import t2a; plot.cascade(t2a().tape());"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    tests = str(Path(__file__).resolve().parent.parent)
    program = f"import sys; sys.path.insert(0, {tests!r}); {program}"
    subprocess.run([sys.executable, "-c", program], check=True)

"""The notebooks: stored without outputs, with questions, run top to bottom by nbmake."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from browser import servers

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
RECORDED = next(path for path in NOTEBOOKS if path.name.startswith("05-"))  # needs a file
NEEDS = "nbmake ipykernel pandas ipywidgets bqplot anywidget"
CPU_S = 60
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# What the cells must have said, as the beginning of a line.
SAID = {
    "01": ["3 of 4 accounts fall from a sale of 11 lots on", "amplification: 5 times"],
    "02": ["step 0: shock"],
    "03": ["1290 accounts liquidated, 1051 of them too late"],
    "04": ["fills: [(100, 10), (99, 15)]", "compiled: Small proceeds", "the same answer: True"],
    "06": ["forecast 1.96, in the engine 1.96", "step 0: shock", "76% of the longs are drawn"],
    "07": ["8 crowds under each of", "change against all at once"],
    "08": [
        "the turnstile spares 474 accounts",
        "the same run: True",
        "refused: Hasty.judge: ZeroDivisionError",
        "as it was before the step: True",
        "the end is the same: True",
        "the same tape: True",
    ],
}
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def said(notebook: dict[str, Any]) -> list[str]:
    """Return the lines that the cells printed; a warning or an error on stderr is none."""
    lines = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            assert output["output_type"] != "error", output
            assert output.get("name") != "stderr", output
            lines += "".join(output.get("text", "")).splitlines()
    return lines


def ran(path: Path, folder: Path, **more: str) -> list[str]:
    """Run a copy of a notebook with nbmake; return what it printed."""
    for part in NEEDS.split():
        pytest.importorskip(part)
    copy = folder / path.name
    shutil.copy(path, copy)
    (folder / "jupyter").mkdir()
    env = servers.environment(folder / "jupyter") | more
    command = [sys.executable, "-m", "pytest", "-q", "--nbmake", "--overwrite"]
    command += ["--nbmake-timeout=300", "-p", "no:cacheprovider", "-c", os.devnull, str(copy)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=900)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout[-4000:]
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < CPU_S, f"{spent:.0f} s"
    return said(json.loads(copy.read_text("utf-8")))


def test_the_notebooks_are_numbered_in_reading_order() -> None:
    assert [path.name[:3] for path in NOTEBOOKS] == [f"{k + 1:02}-" for k in range(len(NOTEBOOKS))]
    assert {path.name[:2] for path in NOTEBOOKS} == {*SAID, RECORDED.name[:2]}


@each_notebook
def test_a_notebook_is_stored_without_outputs_and_without_traces_of_a_kernel(path: Path) -> None:
    notebook = json.loads(path.read_text("utf-8"))
    assert notebook["metadata"] == METADATA
    assert notebook["nbformat"] == 4
    for cell in notebook["cells"]:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
            assert "attachments" not in cell


@each_notebook
def test_a_notebook_asks_its_reader(path: Path) -> None:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    assert texts[0].startswith("# ")
    assert sum(text.count("?") for text in texts) >= 4
    codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert max(len(line) for code in codes for line in code.splitlines()) <= 100


@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path != RECORDED], ids=lambda path: path.stem
)
def test_a_notebook_runs_top_to_bottom(path: Path, tmp_path: Path) -> None:
    lines = ran(path, tmp_path)
    for wanted in SAID[path.name[:2]]:
        assert any(line.startswith(wanted) for line in lines), (wanted, lines)


def test_the_fifth_one_says_where_the_recording_is_missing(tmp_path: Path) -> None:
    lines = ran(RECORDED, tmp_path, ORDERCASCADE_SHARED=str(tmp_path / "nowhere"))
    assert lines[0].startswith("THE RECORDING IS NOT HERE: a book by formula stands in")


def test_the_fifth_one_runs_on_the_recording_where_it_is(tmp_path: Path, shared: Path) -> None:
    pytest.importorskip("pyarrow")
    lines = ran(RECORDED, tmp_path, ORDERCASCADE_SHARED=str(shared.resolve()))
    assert lines[0] == "Recorded book of 2024-08-08, 23:59:30 UTC."


@pytest.mark.filterwarnings("ignore:Passing unrecognized arguments:DeprecationWarning")
def test_bad_K12_cells_that_run_twice_and_out_of_order_give_the_same_run() -> None:
    """The first five cells of the first notebook, in one namespace, and in another one anew."""
    for part in NEEDS.split():
        pytest.importorskip(part)
    notebook = json.loads(NOTEBOOKS[0].read_text("utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    runs = []
    for order in ((0, 1, 2, 3, 4), (0, 1, 1, 4, 2, 0, 3, 1, 4, 2, 0, 1)):
        names: dict[str, Any] = {}
        for number in order:
            exec(compile(cells[number], f"cell {number}", "exec"), names)
            if number in (1, 4):
                said = names["tape"].summary() if number == 1 else names["together"]
                runs.append({key: said[key] for key in said if not key.endswith("_s")})
    assert len(runs) == 8
    assert all(run == runs[0] for run in runs)

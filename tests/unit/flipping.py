"""A compiled hand inside a world: changes one named field of its state at a time.

The names come from the text of the shipped .pxd files, so a field that is added there appears here
by itself. `build()` writes and compiles the hand; see test_state_hash_fields.py for its use.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import ordercascade

PACKAGE = Path(ordercascade.__file__).parent

# Where the rows of a struct are reached from a world `w`, its venue `v`, that one's state `s` and
# market `m`; and how many rows there are.
PLACES = {
    "World": ("core/world.pxd", "w", "1"),
    "Item": ("core/due.pxd", "w.agenda[row]", "w.agenda_count"),
    "Stream": ("core/stream.pxd", "w.streams[row]", "len(w.stream_names)"),
    "State": ("core/state.pxd", "s", "1"),
    "Rules": ("core/state.pxd", "s.rules", "1"),
    "Stages": ("core/state.pxd", "s.stages", "s.stages.on"),
    "Funding": ("core/state.pxd", "s.markets[row].funding", "s.market_count"),
    "Gates": ("core/state.pxd", "s.gates", "s.gates.on"),
    "Limiter": ("core/state.pxd", "s.gates.limiters[row]", "s.gates.limiter_count"),
    "Room": (
        "core/state.pxd",
        "s.rooms[row]",
        "s.ledger.asset_count if s.gates.limiter_count else 0",
    ),
    "Pledge": (
        "core/pledges.pxd",
        "s.pledges[row]",
        "s.ledger.asset_count if s.pledges != NULL else 0",
    ),
    "HaircutTier": (
        "core/pledges.pxd",
        "s.pledges[1].tiers[row]",
        "s.pledges[1].tier_count if s.pledges != NULL else 0",
    ),
    "Market": ("core/state.pxd", "s.markets[row]", "s.market_count"),
    "Scope": ("core/state.pxd", "s.scopes[row]", "s.ledger.holder_count"),
    "Entry": ("core/state.pxd", "s.queue[row]", "s.queue_count"),
    "Ledger": ("core/ledger.pxd", "s.ledger", "1"),
    "Holder": ("core/ledger.pxd", "s.ledger.holders[row]", "s.ledger.holder_count"),
    "Position": ("core/ledger.pxd", "s.ledger.positions[row]", "s.ledger.position_count"),
    "Bracket": ("core/records.pxd", "m.brackets[row]", "m.bracket_count"),
    "Book": ("core/queues.pxd", "m.book", "1"),
    "Order": ("core/queues.pxd", "order_at(&m.book, row)[0]", "m.book.used"),
    "Triggers": ("core/triggers.pxd", "s.triggers", "1"),
    "TriggerNode": ("core/triggers.pxd", "s.triggers.nodes[row]", "s.triggers.node_count"),
    "Tranche": ("mechanisms/closing.pxd", "(<Tranche>v.policy)", "isinstance(v.policy, Tranche)"),
    "Tranches": (
        "mechanisms/tranches.pxd",
        "(<Tranches>v.policy)",
        "isinstance(v.policy, Tranches)",
    ),
    "Sale": (
        "mechanisms/tranches.pxd",
        "(<Tranches>v.policy).sales[row]",
        "(<Tranches>v.policy).sale_count if isinstance(v.policy, Tranches) else 0",
    ),
    "Deleverage": ("mechanisms/closing.pxd", "(<Deleverage>v.backstop)", "1"),
    "Score": (
        "mechanisms/closing.pxd",
        "(<Deleverage>v.backstop).score[row]",
        "(<Deleverage>v.backstop).score_count",
    ),
    "OwnBook": (
        "mechanisms/prices.pxd",
        "(<OwnBook>v.oracles[0])",
        "isinstance(v.oracles[0], OwnBook)",
    ),
    "Feed": ("mechanisms/feeds.pxd", "(<Feed>v.oracles[0])", "isinstance(v.oracles[0], Feed)"),
    "Report": (
        "mechanisms/feeds.pxd",
        "(<Feed>v.oracles[0]).reports[row]",
        "(<Feed>v.oracles[0]).report_count if isinstance(v.oracles[0], Feed) else 0",
    ),
    "Seen": (
        "mechanisms/window.pxd",
        "(<Feed>v.oracles[0]).window.seen[(<Feed>v.oracles[0]).window.first + row]",
        "(<Feed>v.oracles[0]).window.count - (<Feed>v.oracles[0]).window.first"
        " if isinstance(v.oracles[0], Feed) else 0",
    ),
    "Slices": ("mechanisms/slices.pxd", "(<Slices>v.policy)", "isinstance(v.policy, Slices)"),
    "Breaker": ("mechanisms/breakers.pxd", "(<Breaker>v.breakers[0])", "len(v.breakers)"),
    "Watch": (
        "mechanisms/breakers.pxd",
        "(<Breaker>v.breakers[0]).watches[row]",
        "(<Breaker>v.breakers[0]).watch_count if v.breakers else 0",
    ),
    "Rates": ("core/rates.pxd", "(<Rates*>s.rates)", "s.rates != NULL"),
    "Lending": ("core/rates.pxd", "(<Rates*>s.rates).lending", "s.rates != NULL"),
    "RateRow": (
        "core/rates.pxd",
        "(<Rates*>s.rates).rows[row]",
        "(<Rates*>s.rates).row_count if s.rates != NULL else 0",
    ),
    "Volatile": ("mechanisms/surcharges.pxd", "(<Volatile>v.surcharges[0])", "len(v.surcharges)"),
    "VolatilityMargin": (
        "mechanisms/surcharges.pxd",
        "(<VolatilityMargin>v.surcharges[0])",
        "len(v.surcharges)",
    ),
    "VolatilityFee": (
        "mechanisms/surcharges.pxd",
        "(<VolatilityFee>v.surcharges[1])",
        "len(v.surcharges)",
    ),
    "ContagionBuffer": (
        "mechanisms/surcharges.pxd",
        "(<ContagionBuffer>v.surcharges[2])",
        "len(v.surcharges)",
    ),
    "Gauge": (
        "mechanisms/surcharges.pxd",
        "(<Volatile>v.surcharges[0]).gauges[row]",
        "(<Volatile>v.surcharges[0]).gauge_count if v.surcharges else 0",
    ),
    "Sigma": (
        "mechanisms/sigma.pxd",
        "(<Volatile>v.surcharges[0]).gauges[row].sigma",
        "(<Volatile>v.surcharges[0]).gauge_count if v.surcharges else 0",
    ),
    "Look": (
        "mechanisms/surcharges.pxd",
        "(<ContagionBuffer>v.surcharges[2]).looks[row]",
        "(<ContagionBuffer>v.surcharges[2]).look_count if v.surcharges else 0",
    ),
    "Brakes": ("core/brakes.pxd", "(<Brakes*>s.brakes)", "s.brakes != NULL"),
    "Valve": (
        "core/brakes.pxd",
        "(<Brakes*>s.brakes).valves[row]",
        "(<Brakes*>s.brakes).valve_count if s.brakes != NULL else 0",
    ),
    "Calls": ("core/called.pxd", "(<Calls*>s.calls)", "s.calls != NULL"),
    "Answer": (
        "core/called.pxd",
        "(<Calls*>s.calls).answers[row]",
        "(<Calls*>s.calls).answer_count if s.calls != NULL else 0",
    ),
    "Endings": ("core/ending.pxd", "(<Endings*>s.endings)", "s.endings != NULL"),
    "Ending": (
        "core/ending.pxd",
        "(<Endings*>s.endings).rows[row]",
        "(<Endings*>s.endings).capacity if s.endings != NULL else 0",
    ),
    "Highs": ("core/funds.pxd", "(<Highs*>s.highs)", "s.highs != NULL"),
    "High": (
        "core/funds.pxd",
        "(<Highs*>s.highs).rows[row]",
        "(<Highs*>s.highs).count if s.highs != NULL else 0",
    ),
    "Grids": ("core/grids.pxd", "(<Grids*>s.grids)", "s.grids != NULL"),
    "Contract": (
        "core/grids.pxd",
        "(<Grids*>s.grids).contracts[row]",
        "s.market_count if s.grids != NULL else 0",
    ),
    "Terms": (
        "mechanisms/options.pxd",
        "(<Grids*>s.grids).contracts[1].terms",
        "s.grids != NULL",
    ),
    "Grid": (
        "core/grids.pxd",
        "(<Grids*>s.grids).grids[row]",
        "(<Grids*>s.grids).grid_count if s.grids != NULL else 0",
    ),
    "Row": (
        "core/grids.pxd",
        "(<Grids*>s.grids).grids[0].rows[row]",
        "(<Grids*>s.grids).grids[0].row_count if s.grids != NULL else 0",
    ),
    "Offset": (
        "core/grids.pxd",
        "(<Grids*>s.grids).offsets[row]",
        "(<Grids*>s.grids).offset_count if s.grids != NULL else 0",
    ),
    "Waiting": (
        "core/brakes.pxd",
        "(<Brakes*>s.brakes).waiting[row]",
        "(<Brakes*>s.brakes).waiting_count if s.brakes != NULL else 0",
    ),
}
# Lists of plain numbers that a struct points to: cell and length.
LISTS = {
    "State.loose": ("s.loose[row]", "s.loose_count"),
    "State.hot": ("s.hot[row]", "s.hot_count"),
    "State.pending": ("s.pending[row]", "s.pending_count"),
    "State.broke": ("s.broke[row]", "s.broke_count"),
    "State.rows": ("s.rows[row]", "s.row_count"),
    "Slices.part": (
        "(<Slices>v.policy).part[row]",
        "(<Slices>v.policy).part_count if isinstance(v.policy, Slices) else 0",
    ),
    "VolatilityMargin.bases": (
        "(<VolatilityMargin>v.surcharges[0]).bases[row]",
        "(<VolatilityMargin>v.surcharges[0]).base_count if v.surcharges else 0",
    ),
    "Rates.shares": (
        "(<Rates*>s.rates).shares[row]",
        "(<Rates*>s.rates).share_count if s.rates != NULL else 0",
    ),
    "Calls.called": (
        "(<Calls*>s.calls).called[row]",
        "min((<Calls*>s.calls).called_capacity, s.ledger.holder_count) if s.calls != NULL else 0",
    ),
    "Calls.due": (
        "(<Calls*>s.calls).due[(<Calls*>s.calls).cursor + row]",
        "(<Calls*>s.calls).due_count - (<Calls*>s.calls).cursor if s.calls != NULL else 0",
    ),
    "State.written": (
        "s.written[row]",
        "3 * s.ledger.asset_count + s.stages.fund_market * s.market_count",
    ),
    "State.day_base": (
        "s.day_base[row]",
        "min(s.day_capacity, s.ledger.holder_count) if s.day_next else 0",
    ),
    "State.restless": ("s.restless[row]", "s.restless_count"),
    "State.since": ("s.since[row]", "min(s.since_capacity, s.ledger.holder_count)"),
    "State.variation": (
        "s.variation[row]",
        "min(s.variation_capacity, s.ledger.position_count)",
    ),
    "Ledger.twins": ("s.ledger.twins[row]", "s.ledger.twin_count"),
    "Ledger.deposited": ("s.ledger.deposited[row]", "s.ledger.asset_count"),
}
# Links that the state hash leaves out, for those who break them by hand: cell and rows.
LINKS = {
    "TriggerRun.prev": ("s.triggers.runs[row].prev", "s.triggers.run_count"),
    "TriggerRun.first": ("s.triggers.runs[row].node[0]", "s.triggers.run_count"),
    "Sided.open": ("s.ledger.sided[row].open", "s.market_count"),
}
WHOLE = frozenset(
    "int bint int8_t int32_t int64_t uint8_t uint16_t uint64_t Cash Lot Tick Ppm TimeNs".split()
)


class Field(NamedTuple):
    """One line of a struct: `kind` is its C type with stars, `length` 0 unless an array."""

    name: str
    kind: str
    length: int


def fields_of(struct: str) -> list[Field]:
    """Return every field that the .pxd gives a struct or cdef class, in its order."""
    text = (PACKAGE / PLACES[struct][0]).read_text("utf-8")
    start = re.search(rf"^(?:ctypedef struct|cdef class) {struct}\b.*:.*\n", text, re.MULTILINE)
    assert start is not None, struct
    found = []
    for line in text[start.end() :].splitlines():
        line = line.partition("#")[0].rstrip()
        if line and not line.startswith("    "):
            break
        if not line or "(" in line or line.strip() == ")":
            continue
        shape = r" +(?:cdef )?(?:readonly |const )?(\w+\**) (\w+)(?:\[(\d+)\])?$"
        declared = re.match(shape, line)
        assert declared is not None, f"{struct}: {line!r} is not understood"
        found.append(Field(declared[2], declared[1], int(declared[3] or 0)))
    return found


def cells() -> dict[str, str]:
    """Return the C expression of every number: scalars, elements of arrays, lists."""
    out = {}
    for struct, (_, place, _) in PLACES.items():
        for name, kind, length in fields_of(struct):
            if kind not in WHOLE:
                continue
            if not length:
                out[f"{struct}.{name}"] = f"{place}.{name}"
            for i in range(length):
                out[f"{struct}.{name}[{i}]"] = f"{place}.{name}[{i}]"
    return out | {name: cell for name, (cell, _) in LISTS.items()}


def source() -> str:
    """Return the Cython text of the hand."""
    lines = [
        "from ordercascade.core.ledger cimport Ledger",
        "from ordercascade.core.queues cimport order_at",
        "from ordercascade.core.state cimport Market, State",
        "from ordercascade.core.venue cimport Venue",
        "from ordercascade.core.world cimport World",
        "from ordercascade.core.brakes cimport Brakes",
        "from ordercascade.core.rates cimport Rates",
        "from ordercascade.core.called cimport Calls",
        "from ordercascade.core.ending cimport Endings",
        "from ordercascade.core.funds cimport Highs",
        "from ordercascade.core.grids cimport Grids",
        "from ordercascade.mechanisms.breakers cimport Breaker",
        "from ordercascade.mechanisms.feeds cimport Feed",
        "from ordercascade.mechanisms.slices cimport Slices",
        "from ordercascade.mechanisms.closing cimport Deleverage, Tranche",
        "from ordercascade.mechanisms.prices cimport OwnBook",
        "from ordercascade.mechanisms.surcharges cimport (",
        "    ContagionBuffer, VolatilityFee, VolatilityMargin, Volatile)",
        "from ordercascade.mechanisms.tranches cimport Tranches",
    ]
    start = ["    cdef Venue v = w.venues[0]", "    cdef State* s = &v.s"]
    start += ["    cdef Market* m = &s.markets[0]"]
    lines += ["", "", "def count(World w, str name):", *start]
    counts = {struct: count for struct, (_, _, count) in PLACES.items()}
    counts |= {name: length for name, (_, length) in (LISTS | LINKS).items()}
    for name, length in counts.items():
        lines += [f"    if name == {name!r}:", f"        return {length}"]
    for verb, arguments in (("read", ""), ("write", ", object value")):
        lines += ["", "", f"def {verb}(World w, str name, Py_ssize_t row{arguments}):", *start]
        for name, cell in (cells() | {name: cell for name, (cell, _) in LINKS.items()}).items():
            body = f"{cell} = value" if arguments else f"return {cell}"
            lines += [f"    if name == {name!r}:", f"        {body}"]
            lines += ["        return"] if arguments else []
    return "\n".join(lines) + "\n"


SETUP = """
from Cython.Build import cythonize
from setuptools import Extension, setup
setup(
    script_args=["-q", "build_ext", "--inplace"],
    ext_modules=cythonize(
        [Extension("hand", ["hand.pyx"], extra_compile_args=["-O0", "-w"])],
        include_path=[{include!r}],
        compiler_directives={{"language_level": 3, "cdivision": True}},
    ),
)
"""


def build(folder: Path) -> Any:
    """Import the hand, compiled in this folder; tests/mutants keeps it in one of its own."""
    kept = Path(os.environ.get("ORDERCASCADE_HAND", folder)) / "hand.so"
    if not kept.exists():
        (folder / "hand.pyx").write_text(source(), "utf-8")
        (folder / "setup.py").write_text(SETUP.format(include=str(PACKAGE.parent)), "utf-8")
        command = [sys.executable, "setup.py"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        (library,) = folder.glob("hand.*.so")
        kept.parent.mkdir(exist_ok=True)
        shutil.move(library, kept)
    spec = importlib.util.spec_from_file_location("hand", kept)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

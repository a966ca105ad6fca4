"""The house rules that a tool can hold: who imports whom, sizes, and what never appears."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ordercascade

CLONE = Path(__file__).resolve().parent.parent
PACKAGE = CLONE / "src" / "ordercascade"
PYTHON = sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyi")])
CYTHON = sorted([*PACKAGE.rglob("*.pyx"), *PACKAGE.rglob("*.pxd")])
OPTIONAL = frozenset(
    "pyarrow polars pandas matplotlib tqdm bqplot ipywidgets anywidget traitlets".split()
)

# The rooms of DESIGN §3: (layer, corridor). A room may import what lies in a lower layer and what
# stands before it in its own corridor; a package is one room.
CORRIDORS = [
    (
        0,
        "errors enums duties checks contracts core.arguments core.units core.contracts core.check"
        " core.slab core.ladder core.digest core.heap core.records core.margin core.pledges"
        " core.rules core.ends core.queues core.messages core.shapes core.stream core.real"
        " core.laws",
    ),
    (1, "core.tapemark core.events"),
    (1, "core.arrow"),
    (
        1,
        "core.matching core.desk core.auction core.conditional core.directory core.naming"
        " core.views core.snapshot core.reading core.book core.scalar",
    ),
    (1, "core.levels"),
    (1, "core.ledger"),
    (1, "core.triggers"),
    (1, "core.mechanism"),
    (1, "core.schedule core.answers"),
    (2, "core.populate"),
    # The built-ins stand before the orchestrators: add_venue() makes them from numbers (door 1).
    (
        2,
        "mechanisms core.brakes core.rates core.called core.state core.grids core.ending"
        " core.portfolio core.options core.collateral"
        " core.funds core.statecopy core.bounds core.arriving core.reserve core.initial core.gates"
        " core.flock core.watch"
        " core.opening core.steps core.hedging core.conversion core.halting core.blocks"
        " core.outside core.users core.bulk"
        " core.losses core.pairs core.insured core.variation core.funding core.expiry core.takeover"
        " core.stages core.listing core.closefee core.questions core.closeout core.reopening"
        " core.rating core.interest core.due"
        " core.calls core.settle core.venue core.monitor core.turns core.undo core.world"
        " core.changing core.dislocation core.planning core.lending core.derivatives",
    ),
    (
        3,
        "exact wording progress margin keys venuekeys optionkeys record market data stagekeys"
        " config"
        " funds hedges collaterals safeguards guards toml override presets surcharges books"
        " populations staging schedules marks brakes slices policies plugged ahead portfolios"
        " marketplan plan agenda silent scenario scenarios tables legs frames handed backed summary"
        " tape_file tape engine standing upcoming venue run",
    ),
    (4, "sweeps"),
    (4, "plot"),
    # The stepper offers an ablation.
    (4, "figures analysis inheritance calling outcome story lab sheet"),
    (4, "replay audit"),
    (5, "report ablateview bookview presetview cli __main__"),
]
RANK = {
    room: (layer, corridor, place)
    for corridor, (layer, rooms) in enumerate(CORRIDORS)
    for place, room in enumerate(rooms.split())
}


def where(file: Path, line: int = 0) -> str:
    """Return a place that an editor can open."""
    return f"{file.relative_to(CLONE)}:{line}"


def code_of(text: str) -> str:
    """Return Cython or Python text with comments and strings blanked, lines kept.

    The C text of a `cdef extern from *:` stays: it is code."""
    pattern = re.compile(
        r"(?P<verbatim>extern\s+from\s+\*[^:\n]*:\s*\n\s*\"\"\".*?\"\"\")"
        r"|(?P<blank>\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|\#[^\n]*)",
        re.DOTALL,
    )
    return pattern.sub(
        lambda found: found["verbatim"] or re.sub(r"[^\n]", " ", found["blank"]), text
    )


def matches(pattern: str, files: list[Path]) -> list[str]:
    """Return where the code of the files, strings and comments apart, matches."""
    return [
        f"{where(file, number)}: {line.strip()}"
        for file in files
        for number, line in enumerate(code_of(file.read_text("utf-8")).splitlines(), 1)
        if re.search(pattern, line)
    ]


def module_of(file: Path) -> str:
    """Return a file's module name inside the package: `core.book`, or `` for the facade."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """Return the room that a module lies in, or `` if it has none."""
    while module and module not in RANK:
        module = module.rpartition(".")[0]
    return module


def python_imports(file: Path) -> Iterator[tuple[int, str]]:
    """Yield line and full name of everything a Python file imports, lazily or not."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def cython_imports(file: Path) -> Iterator[tuple[int, str]]:
    """Yield line and full name of everything a Cython file imports or cimports."""
    text = code_of(file.read_text("utf-8"))
    for found in re.finditer(r"^[ \t]*c?import[ \t]+([\w., \t]+)", text, re.MULTILINE):
        for name in found[1].split(","):
            yield text.count("\n", 0, found.start(1)) + 1, name.split()[0]
    line_or_parens = r"(\([^)]*\)|[^\n]*)"
    for found in re.finditer(
        r"^[ \t]*from[ \t]+([\w.]+)[ \t]+c?import[ \t]+" + line_or_parens, text, re.MULTILINE
    ):
        for name in found[2].strip("()").split(","):
            if name.strip():
                yield text.count("\n", 0, found.start(1)) + 1, f"{found[1]}.{name.split()[0]}"


def imports(file: Path) -> Iterator[tuple[int, str]]:
    yield from (python_imports if file in PYTHON else cython_imports)(file)


def wrong_import(source: str, target: str) -> str:
    """Say what is wrong with `source` importing `target`, both full names; `` if nothing is."""
    if target.startswith("."):
        return "write the absolute name"
    if target.split(".")[0] != "ordercascade" or target == "ordercascade.__version__":
        return ""
    here = room_of(source)
    there = room_of(target.removeprefix("ordercascade").removeprefix("."))
    if not here:
        return f"{source} has no room: give it one in CORRIDORS"
    if not there:
        return f"{target} lies in no room below"
    if here == there:
        return ""
    mine, its = RANK[here], RANK[there]
    if its[0] < mine[0] or (its[:2] == mine[:2] and its[2] < mine[2]):
        return ""
    return f"{here} may not import {there}"


def test_every_import_points_strictly_downwards() -> None:
    found = {
        f"{where(file, line)}: {problem}"
        for file in PYTHON + CYTHON
        if module_of(file)  # The facade re-exports from everywhere.
        for line, target in imports(file)
        if (problem := wrong_import(module_of(file), target))
    }
    wrong = sorted(found)
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_import_rule_can_fail() -> None:
    assert wrong_import("core.book", "ordercascade.core.ledger.Ledger")
    assert wrong_import("core.units", "ordercascade.core.slab.NIL")
    assert wrong_import("core.watch", "ordercascade.core.venue.Venue")
    assert wrong_import("story", "ordercascade.plot.draw")
    assert wrong_import("tape", "ordercascade.run")
    assert wrong_import("cli", "ordercascade.OrderBook")
    assert wrong_import("newcomer", "ordercascade.enums")
    assert not wrong_import("run", "ordercascade.tape.Tape")
    assert not wrong_import("core.venue", "ordercascade.core.watch.scan")


def function_level(tree: ast.Module) -> set[ast.AST]:
    """Return the nodes that run only in a call, or never (`if TYPE_CHECKING`)."""
    inside: set[ast.AST] = set()
    for node in ast.walk(tree):
        lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if lazy or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            inside.update(ast.walk(node))
    return inside


def test_optional_libraries_are_imported_only_where_they_are_needed() -> None:
    wrong = []
    for file in PYTHON:
        if file.suffix == ".pyi" or room_of(module_of(file)) in ("plot", "lab"):
            continue
        tree = ast.parse(file.read_text("utf-8"))
        inside = function_level(tree)
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if node not in inside and OPTIONAL & {name.split(".")[0] for name in names}:
                wrong.append(f"{where(file, node.lineno)}: {names}")
    wrong += [
        f"{where(file, line)}: {name}"
        for file in CYTHON
        for line, name in cython_imports(file)
        if name.split(".")[0] in OPTIONAL
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_package_and_its_public_names_load_nothing_beyond_numpy_and_msgspec() -> None:
    program = (
        "import sys; before = set(sys.modules); import ordercascade;"
        "[getattr(ordercascade, name) for name in ordercascade.__all__];"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split()) - sys.stdlib_module_names
    # Cython's own shared types appear as modules without a file.
    mine = {name for name in loaded if name.startswith(("_cython_", "cython_runtime"))}
    # msgspec takes typing_extensions where something else has brought it.
    assert loaded - mine - {"typing_extensions"} == {"ordercascade", "numpy", "msgspec"}


def cython_functions(text: str) -> Iterator[tuple[int, int]]:
    """Yield first line and number of lines of each function of a Cython file."""
    lines = code_of(text).splitlines()
    start = re.compile(
        r"^( *)(?:async +)?(?:def|cdef|cpdef)\b(?! *(?:class|extern|enum|struct|union|packed)\b)"
        r"[^=#]*\("
    )
    for first, line in enumerate(lines):
        if not (found := start.match(line)):
            continue
        last = first
        depth = line.count("(") - line.count(")")
        while depth > 0:  # The signature's own lines may stand at any indent.
            last += 1
            depth += lines[last].count("(") - lines[last].count(")")
        indent = len(found[1])
        end = last
        for number in range(last + 1, len(lines)):
            if lines[number].strip() and len(lines[number]) - len(lines[number].lstrip()) <= indent:
                break
            if lines[number].strip():
                end = number
        yield first + 1, end - first + 1


def test_functions_have_at_most_70_lines() -> None:
    wrong = []
    for file in PYTHON:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > 70:
                    wrong.append(f"{where(file, node.lineno)}: {node.name} has {length} lines")
    for file in CYTHON:
        for line, length in cython_functions(file.read_text("utf-8")):
            if length > 70:
                wrong.append(f"{where(file, line)}: {length} lines")
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_length_of_a_cython_function_is_counted() -> None:
    text = "cdef int f(int a,\n           int b) except -1 nogil:\n    cdef int c = g(a)\n\n"
    text += "    return c\n\n\ncdef class A:\n    def m(self):\n        return 1\n"
    assert list(cython_functions(text)) == [(1, 5), (9, 2)]


def test_files_and_lines_keep_their_size() -> None:
    wrong = []
    for file in PYTHON + CYTHON:
        lines = file.read_text("utf-8").splitlines()
        most = {".pyx": 700, ".py": 400}.get(file.suffix, 700)
        if len(lines) > most:
            wrong.append(f"{where(file)}: {len(lines)} lines, at most {most}")
        wrong += [
            f"{where(file, n)}: long line" for n, line in enumerate(lines, 1) if len(line) > 100
        ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_core_computes_with_whole_numbers_only() -> None:
    real = ("real", "populate")  # Drawn before a run; what they hand on is whole.
    core = [file for file in CYTHON if file.parent.name == "core" and file.stem not in real]
    # `isinstance(value, float)` is how a door refuses one.
    types = r"\bdouble\b|(?<!, )(?<!\()\bfloat\b"
    literals = r"(?<![\w.])\d+\.\d|(?<![\w.])\d+[eE][-+]?\d"
    wrong = matches(f"{types}|{literals}", core)
    assert not wrong, "\n" + "\n".join(wrong)


def test_there_is_no_cpdef_in_the_core() -> None:
    wrong = matches(r"\bcpdef\b", [file for file in CYTHON if file.parent.name == "core"])
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_extension_has_its_contract_and_its_stub() -> None:
    wrong = [
        where(file.with_suffix(suffix))
        for file in CYTHON
        if file.suffix == ".pyx"
        for suffix in (".pxd", ".pyi")
        if not file.with_suffix(suffix).exists()
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_nothing_is_asserted_in_python_where_an_optimised_run_would_drop_it() -> None:
    wrong = matches(r"^\s*assert\b", PYTHON + CYTHON)
    assert not wrong, "\n" + "\n".join(wrong)


def test_nothing_that_runs_what_it_reads() -> None:
    modules = r"\b(?:c?import|from)\s+(?:pickle|cPickle|dill|marshal|shelve|yaml)\b"
    calls = r"(?<![\w.])(?:eval|exec)\(|\bshell\s*=\s*True|\b(?:np|numpy)\.load\("
    wrong = matches(f"{modules}|{calls}", PYTHON + CYTHON)
    assert not wrong, "\n" + "\n".join(wrong)


def sort_key(name: str) -> tuple[int, str]:
    """Return the order of ruff's RUF022: CONSTANTS, then Classes, then functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def listed(tree: ast.Module) -> list[str] | None:
    """Return the names of `__all__`, or None without one."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return None


def re_exported(tree: ast.Module) -> set[str]:
    """Return the names that a file imports from the package, `if TYPE_CHECKING` included."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ordercascade")
        for alias in node.names
    }


def test_every_list_of_public_names_is_sorted() -> None:
    lists = {file: listed(ast.parse(file.read_text("utf-8"))) for file in PYTHON}
    wrong = [
        where(file) for file, names in lists.items() if names != sorted(names or [], key=sort_key)
    ]
    assert wrong == [where(file) for file, names in lists.items() if names is None]


def test_the_package_lists_exactly_what_it_re_exports_and_has_it() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    names = listed(tree) or []
    assert sorted(set(names) - {"__version__"}) == sorted(re_exported(tree))
    assert [name for name in names if not hasattr(ordercascade, name)] == []


def test_an_extension_and_its_stub_list_the_same_public_names() -> None:
    wrong = []
    for file in CYTHON:
        if file.suffix == ".pyx" and (stub := file.with_suffix(".pyi")).exists():
            found = re.search(r"^__all__ = (\[.*?\])", file.read_text("utf-8"), re.DOTALL | re.M)
            mine = list(ast.literal_eval(found[1])) if found else None
            its = listed(ast.parse(stub.read_text("utf-8")))
            if mine != its or (mine and mine != sorted(mine, key=sort_key)):
                wrong.append(f"{where(file)}: {mine}, stub {its}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_no_file_names_a_place_on_somebody_s_machine() -> None:
    folders = ["src", "tests", "bench", "docs", "notebooks", ".ci"]
    files = [file for folder in folders for file in (CLONE / folder).rglob("*")]
    files += [file for file in CLONE.iterdir() if file.is_file()]
    kinds = {".py", ".pyi", ".pyx", ".pxd", ".toml", ".md", ".ipynb", ".sh", ".in", ""}
    place = re.compile(r"(?<![\w.])/(?:work|tmp|root|home|opt|mnt|Users)/\w")
    wrong = [
        f"{where(file, number)}: {line.strip()[:80]}"
        for file in files
        if file.is_file() and file.suffix in kinds and ".stamp" not in file.name
        if "findings" not in file.parts  # Bytes that a fuzzer made.
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if place.search(line)
    ]
    assert not wrong, "\n" + "\n".join(wrong)

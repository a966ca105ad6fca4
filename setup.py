"""Build the compiled rooms. Flavours by ORDERCASCADE_BUILD=release|debug|trace|asan.

ORDERCASCADE_ONLY=core.book,core.events compiles just those (development); `none` compiles nothing.
ORDERCASCADE_EXTRA=tests/fuzz/fuzz_entry.pyx compiles a test's module with the flavour's flags.
"""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

FLAVOUR = os.environ.get("ORDERCASCADE_BUILD", "release")
FLAGS = {
    "release": ["-O2", "-g0"],
    "debug": ["-O0", "-g"],
    "trace": ["-O0", "-g", "-DCYTHON_TRACE_NOGIL=1"],
    # CPython's own flags carry -fwrapv, which would switch the overflow check off.
    "asan": ["-O1", "-g", "-fsanitize=address,undefined", "-fno-wrapv", "-fno-omit-frame-pointer"],
    # Built by clang for tests/fuzz; the program that loads it brings the sanitizers' runtimes.
    # Cython's own code for calls without arguments adds 0 to NULL, which only clang minds.
    "fuzz": [
        *("-O1", "-g", "-fsanitize=fuzzer-no-link,address,undefined", "-fno-wrapv"),
        *("-fno-sanitize-recover=undefined", "-fno-sanitize=pointer-overflow"),
        # A fuzzer never fills a big table: small pages, rows, blocks and buckets.
        *("-DOC_PAGE_BITS=6", "-DOC_ROWS_MIN=1", "-DOC_SLAB_MIN=1"),
        *("-DOC_BLOCK_BITS=8", "-DOC_BUCKET_BITS=5", "-DOC_LEVEL_MAX=((int64_t)1<<40)"),
    ],
}
if FLAVOUR not in FLAGS:
    raise SystemExit(f"ORDERCASCADE_BUILD must be one of {', '.join(FLAGS)}, got {FLAVOUR!r}")
# Where a batch of messages spends its time: -O3 is a fourteenth faster there (bench_book.py).
HOT = ("core.directory", "core.matching", "core.naming")
LINK = [flag for flag in FLAGS[FLAVOUR] if flag.startswith("-fsanitize=")]
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "embedsignature": True,
    "auto_pickle": False,
    "autotestdict": False,
    "linetrace": FLAVOUR == "trace",
}
ROOT = Path(__file__).resolve().parent
os.chdir(ROOT)
ONLY = [name for name in os.environ.get("ORDERCASCADE_ONLY", "").split(",") if name]
EXTRA = [Path(name) for name in os.environ.get("ORDERCASCADE_EXTRA", "").split(",") if name]


def extensions() -> list[Extension]:
    """Return one extension for each .pyx; the folder says the module name."""
    sources = sorted(Path("src/ordercascade").glob("*/*.pyx"))
    wanted = {".".join(source.with_suffix("").parts[1:]): source for source in sources}
    if ONLY:
        wanted = {f"ordercascade.{name}": wanted.get(f"ordercascade.{name}") for name in ONLY}
    wanted |= {source.stem: source for source in EXTRA}
    found = []
    for name, source in wanted.items():
        if source is None:  # `none`
            continue
        flags = [*FLAGS[FLAVOUR], "-std=c11", "-ffp-contract=off", "-Wno-unused-function"]
        if FLAVOUR == "release" and name.removeprefix("ordercascade.") in HOT:
            flags.append("-O3")
        found.append(
            Extension(
                name,
                [str(source)],
                depends=["setup.py"],  # Other flags are another object file.
                extra_compile_args=flags,
                extra_link_args=LINK,
            )
        )
    return found


class Build(build_py):
    """Put the notebooks beside the code that copies them to a user's folder."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            shelf = Path(self.build_lib, "ordercascade", "lab", "notebooks")
            self.mkpath(str(shelf))
            for notebook in sorted(Path("notebooks").glob("*.ipynb")):
                self.copy_file(str(notebook), str(shelf / notebook.name))


# Each flavour keeps its own objects; in place there is room for one, and only a newer file is
# copied there, so the other flavour's go first.
mark = Path("build/flavour")
if "--inplace" in sys.argv and not ONLY and (not mark.exists() or mark.read_text() != FLAVOUR):
    for library in Path("src/ordercascade").glob("*/*.so"):
        library.unlink()
    mark.parent.mkdir(exist_ok=True)
    mark.write_text(FLAVOUR)

setup(
    cmdclass={"build_py": Build},
    ext_modules=cythonize(
        extensions(),
        # The flavours are the compiler's; only lines that trace themselves are other C.
        build_dir="build/cython-trace" if FLAVOUR == "trace" else "build/cython",
        include_path=["src", *{str(source.parent) for source in EXTRA}],
        compiler_directives=DIRECTIVES,
        nthreads=os.cpu_count() or 1,
        emit_linenums=FLAVOUR != "trace",
    ),
    options={
        "build": {"build_base": f"build/{FLAVOUR}"},
        "build_ext": {"parallel": os.cpu_count() or 1},
    },
)

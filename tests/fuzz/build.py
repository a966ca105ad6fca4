"""Build the fuzzer: the package with coverage and sanitizers, the entry, and the program.

python tests/fuzz/build.py            -> build/fuzz-lib/ with the program fuzz in it
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLONE = HERE.parent.parent
LIBRARY = CLONE / "build" / "fuzz-lib"
SANITIZE = "-fsanitize=fuzzer-no-link,address,undefined"
FLAGS = ["-O1", "-g", SANITIZE, "-fno-wrapv", "-fno-sanitize-recover=undefined"]
FLAGS += ["-fno-sanitize=pointer-overflow", "-w"]
MISSING = (
    "fuzz: clang with libFuzzer is missing: apt-get install clang libclang-rt-dev (make clang)"
)


def entry(folder: Path, cc: str, flags: list[str], link: list[str]) -> None:
    """Compile fuzz_entry into `folder`; the package's .pxd files are read from the source."""
    from Cython.Build import cythonize
    from setuptools import Extension
    from setuptools.command.build_ext import build_ext
    from setuptools.dist import Distribution

    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".pyx", ".pxd"):
        shutil.copy(HERE / f"fuzz_entry{suffix}", folder)
    module = Extension(
        "fuzz_entry",
        [str(folder / "fuzz_entry.pyx")],
        extra_compile_args=flags,
        extra_link_args=link,
    )
    directives = {"language_level": 3, "cdivision": True, "boundscheck": False}
    made = cythonize(
        [module],
        include_path=[str(CLONE / "src"), str(folder)],
        compiler_directives=directives,
        quiet=True,
    )
    if cc:
        os.environ["CC"] = cc
    command = build_ext(Distribution({"ext_modules": made}))
    command.build_lib, command.build_temp = str(folder), str(folder / "objects")
    command.ensure_finalized()
    command.run()


def program(cc: str) -> None:
    """Link the fuzzer with an embedded Python."""
    found = sysconfig.get_config_vars()
    library = f"-lpython{sys.version_info.major}.{sys.version_info.minor}"
    places = [f"-L{found[key]}" for key in ("LIBDIR", "LIBPL") if found.get(key)]
    system = " ".join(filter(None, (found.get("LIBS"), found.get("SYSLIBS")))).split()
    sanitize = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=undefined"]
    command = [cc, "-O1", "-g", *sanitize, f"-I{sysconfig.get_path('include')}"]
    command += [str(HERE / "main.c"), "-o", str(LIBRARY / "fuzz"), "-Wl,--export-dynamic"]
    command += [*places, library, f"-Wl,-rpath,{found.get('LIBDIR')}", *system]
    subprocess.run(command, check=True)


def main() -> None:
    """Build all three; say what is missing in one line."""
    cc = shutil.which("clang") or ""
    probe = [cc, "-fsanitize=fuzzer", "-x", "c", "-", "-o", os.devnull]
    text = "int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return 0; }"
    if not cc or subprocess.run(probe, input=text, text=True, capture_output=True).returncode:
        raise SystemExit(MISSING)
    environment = os.environ | {"CC": cc, "ORDERCASCADE_BUILD": "fuzz"}
    command = [sys.executable, "setup.py", "-q", "build", "--build-lib", str(LIBRARY)]
    subprocess.run(command, cwd=CLONE, env=environment, check=True)
    entry(LIBRARY, cc, FLAGS, [SANITIZE])
    program(cc)


if __name__ == "__main__":
    main()

"""Judge the built wheel and sdist: what must be inside, and what must not."""

import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
# Tests, and what is compiled for them alone.
FOREIGN = ("tests/", "fuzz", "seeded")
HARNESS = "tests/fuzz/main.c"  # The one .c that nobody generates.
NOTEBOOKS = "ordercascade/lab/notebooks/"
SHIPPED = {".py", ".pxd", ".pyi", ".toml", ".csv", ".typed", ".js", ".css"}


def in_source() -> set[str]:
    """Return what the package's folder holds that users need, relative to src/."""
    files = (ROOT / "src" / "ordercascade").rglob("*")
    return {file.relative_to(ROOT / "src").as_posix() for file in files if file.suffix in SHIPPED}


def problems(folder: Path) -> list[str]:
    """Return one line for each thing that is wrong."""
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    names = set(zipfile.ZipFile(wheel).namelist())
    shelf = {NOTEBOOKS + file.name for file in (ROOT / "notebooks").glob("*.ipynb")}
    found = [f"the wheel lacks {name}" for name in sorted((in_source() | shelf) - names)]
    modules = [name for name in in_source() if (ROOT / "src" / name).with_suffix(".pyx").exists()]
    for stub in sorted(name for name in modules if name.endswith(".pyi")):
        stem = stub.removesuffix(".pyi")
        if not any(name.startswith(stem + ".") and name.endswith(".so") for name in names):
            found.append(f"the wheel lacks the compiled {stem}")
    strangers = {".c", ".o", ".pyx", ".pyc", ".ipynb"}
    found += [
        f"the wheel holds {name}"
        for name in sorted(names - shelf)
        if PurePosixPath(name).suffix in strangers or name.startswith(FOREIGN)
    ]
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    needed = {f"src/{name}" for name in in_source()} | {"LICENSE", "Makefile", "setup.py", HARNESS}
    needed |= {file.relative_to(ROOT).as_posix() for file in (ROOT / "src").rglob("*.pyx")}
    needed |= {f"notebooks/{PurePosixPath(name).name}" for name in shelf}
    found += [f"the sdist lacks {name}" for name in sorted(needed - inside)]
    found += [
        f"the sdist holds {name}"
        for name in sorted(inside - {HARNESS})
        if name.endswith((".c", ".o", ".so", ".pyc"))
    ]
    return found


if __name__ == "__main__":
    lines = problems(Path(sys.argv[1]))
    print("\n".join(lines) or "wheel and sdist are complete")
    sys.exit(bool(lines))

"""Print requirements of pyproject.toml, one a line, for `pip install -r`.

Names on the command line: `build-system`, `project`, an extra, or a dependency group.
(`pip install --group` needs pip 25.1, and a fresh venv of Python 3.11 brings pip 23.2.)
"""

import sys
import tomllib
from pathlib import Path


def requirements(parsed: dict, name: str) -> list[str]:
    """Return what a name stands for; a group may include other groups."""
    if name == "build-system":
        return list(parsed["build-system"]["requires"])
    if name == "project":
        return list(parsed["project"]["dependencies"])
    extras = parsed["project"]["optional-dependencies"]
    if name in extras:
        return list(extras[name])
    found: list[str] = []
    for item in parsed["dependency-groups"][name]:
        found += [item] if isinstance(item, str) else requirements(parsed, item["include-group"])
    return found


if __name__ == "__main__":
    file = Path(__file__).resolve().parent.parent / "pyproject.toml"
    pyproject = tomllib.loads(file.read_text(encoding="utf-8"))
    for group in sys.argv[1:]:
        print("\n".join(requirements(pyproject, group)))

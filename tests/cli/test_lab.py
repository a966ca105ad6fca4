"""`ordercascade lab` without a server: what it lays out, what it refuses, how it ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ordercascade import cli
from ordercascade.errors import ConfigError
from ordercascade.lab import serve, shelf

pytest.importorskip("ordercascade.core.world")

CLONE = Path(__file__).resolve().parents[2]
SHIPPED = sorted((CLONE / "notebooks").glob("*.ipynb"))
NAMES = [path.name for path in SHIPPED]


class Asked:
    """Stands where the servers are started, and keeps what they were asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int = 0) -> None:
        self.calls: list[tuple[Any, ...]] = []

        def started(*words: object, **options: object) -> int:
            self.calls.append((*words, options))
            return code

        monkeypatch.setattr(serve, "check", lambda: None)
        monkeypatch.setattr(serve, "lab", started)
        monkeypatch.setattr(serve, "app", started)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    monkeypatch.chdir(tmp_path)
    return Asked(monkeypatch)


def test_the_notebooks_are_copied_and_the_first_one_opens(
    asked: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["lab"]) == 0
    folder = Path("ordercascade-notebooks")
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    assert all((folder / path.name).read_bytes() == path.read_bytes() for path in SHIPPED)
    options = {"host": "127.0.0.1", "port": None, "password": None, "browser": True}
    assert asked.calls == [(folder, NAMES[0], options)]
    assert "notebooks are in ordercascade-notebooks/" in capsys.readouterr().err


def test_a_notebook_that_was_changed_stays_until_it_is_told_otherwise(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["lab", "-o", "mine/deep", "--no-browser"]
    cli.main(words)
    mine = Path("mine/deep") / NAMES[0]
    mine.write_text("my own")
    (Path("mine/deep") / NAMES[1]).unlink()
    capsys.readouterr()
    assert cli.main(words) == 0
    said = capsys.readouterr().err
    assert f"kept {NAMES[0]}, which you have changed (--overwrite replaces it)" in said
    assert said.count("kept") == 1
    assert mine.read_text() == "my own"
    assert (Path("mine/deep") / NAMES[1]).read_bytes() == SHIPPED[1].read_bytes()
    assert cli.main([*words, "--overwrite"]) == 0
    assert "kept" not in capsys.readouterr().err
    assert mine.read_bytes() == SHIPPED[0].read_bytes()
    assert sorted(path.name for path in mine.parent.iterdir()) == NAMES


def test_a_link_is_a_change_and_what_it_points_to_is_never_written(tmp_path: Path) -> None:
    far = tmp_path / "far"
    far.write_text("precious")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / NAMES[0]).symlink_to(far)
    (folder / NAMES[1]).symlink_to(tmp_path / "nowhere")
    first, second, *_ = shelf.lay_out(folder)
    assert (first.what, second.what) == ("kept", "kept")
    first, *_ = shelf.lay_out(folder, overwrite=True)
    assert first.what == "replaced"
    assert far.read_text() == "precious"
    assert not (folder / NAMES[0]).is_symlink()


def test_a_scenario_gets_a_notebook_with_its_stepper(asked: Asked) -> None:
    assert cli.main(["lab", "t2a", "--set", "shock.size=7"]) == 0
    folder, name, _ = asked.calls[0]
    assert (folder / name).name == "stepper-t2a.ipynb"
    (_, code) = json.loads((folder / name).read_text("utf-8"))["cells"]
    assert code["source"].endswith('Stepper(oc.scenarios.load("t2a", "shock.size=7"))')


def test_the_notebook_of_a_file_finds_it_from_anywhere(asked: Asked, tmp_path: Path) -> None:
    import ordercascade as oc

    text = oc.scenarios.load("t2a").to_toml()
    (tmp_path / 'odd "näme"\\.toml').write_text(text, encoding="utf-8")
    assert cli.main(["lab", 'odd "näme"\\.toml', "--app"]) == 0
    page, _ = asked.calls[0]
    code = json.loads(page)["cells"][1]["source"]
    names: dict[str, Any] = {"Stepper": lambda scenario: scenario}
    os.chdir(tmp_path.parent)
    line = code.splitlines()[-1]
    exec(f"import ordercascade as oc\nfound = {line}", names)
    assert names["found"].name == "t2a"


def test_the_same_cells_are_the_same_notebook_and_others_get_a_name_of_their_own(
    tmp_path: Path,
) -> None:
    text = shelf.stepper("t2a")
    assert shelf.place(tmp_path, "t2a", text) == "stepper-t2a.ipynb"
    saved = json.loads(text)
    saved["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    saved["cells"][1]["source"] = saved["cells"][1]["source"].splitlines(keepends=True)
    (tmp_path / "stepper-t2a.ipynb").write_text(json.dumps(saved))
    assert shelf.place(tmp_path, "t2a", text) == "stepper-t2a.ipynb"
    assert "outputs" in (tmp_path / "stepper-t2a.ipynb").read_text()
    other = shelf.stepper("t2a", ["seed=2"])
    assert shelf.place(tmp_path, "t2a", other) == "stepper-t2a-2.ipynb"
    assert shelf.place(tmp_path, "../x y", other) == "stepper-x-y.ipynb"


def test_the_app_copies_nothing_and_shows_the_demo_where_nothing_is_named(
    asked: Asked, tmp_path: Path
) -> None:
    assert cli.main(["lab", "--app", "--port", "9", "--no-browser"]) == 0
    page, options = asked.calls[0]
    assert 'load("btc-cascade")' in json.loads(page)["cells"][1]["source"]
    assert (options["port"], options["browser"]) == (9, False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--host", "0.0.0.0"], "--host: must be 127.0.0.1, or come with --password"),
        (["--host", "::"], "--host: must be 127.0.0.1, or come with --password"),
        (["--host", ""], "--host: must be 127.0.0.1, or come with --password"),
        (["--host", "192.168.1.2", "--app"], "--host: must be 127.0.0.1, or come with"),
        (["--host", "localhost.example.org"], "--host: must be 127.0.0.1, or come with"),
        (["--host", "0.0.0.0", "--password", "short"], "must have at least 8 characters"),
        (["--host", "0.0.0.0", "--password", ""], "must have at least 8 characters"),
        (["t2c"], "SCENARIO: must be a file or a shipped scenario"),
        (["t2a", "--set", "seed=x"], "seed: must be"),
        (["--set", "seed=1"], "--set: must come with a SCENARIO"),
        (["-o", "file"], "-o: must be a folder that can be made"),
        (["--port", "x"], "--port: invalid int value"),
    ],
)
def test_bad_K07_K08_what_is_wrong_is_said_before_anything_starts(
    words: list[str],
    part: str,
    asked: Asked,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    assert cli.main(["lab", *words]) == 2
    said = capsys.readouterr()
    assert part in said.err
    assert "short" not in said.err
    assert said.out == ""
    assert asked.calls == []
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_another_address_is_served_with_a_password_and_a_warning(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt: "long enough")
    assert cli.main(["lab", "--host", "0.0.0.0", "--password", "-"]) == 0
    assert asked.calls[0][-1]["password"] == "long enough"
    assert "without TLS" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_this_machine_s_own_addresses_need_no_password(host: str, asked: Asked) -> None:
    assert cli.main(["lab", "--host", host]) == 0
    assert asked.calls


def test_a_server_that_ends_in_an_error_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Asked(monkeypatch, code=3)
    assert cli.main(["lab"]) == 1
    assert "the server ended with code 3" in capsys.readouterr().err


@pytest.mark.parametrize("name", serve.NEEDS)
def test_a_missing_part_ends_with_5_and_the_pip_line_and_writes_nothing(
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serve, "find_spec", lambda part: None if part == name else part)
    assert cli.main(["lab"]) == 5
    assert f"{name} is not installed: pip install 'ordercascade[lab]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_refused_and_another_one_found_where_none_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=r"--port: must be a port that is free"):
            serve.free_port("127.0.0.1", port, 8888)
        assert serve.free_port("127.0.0.1", None, port) != port
    assert serve.free_port("127.0.0.1", port, 8888) == port
    for bad in (-1, 70_000):
        with pytest.raises(ConfigError, match=r"--port: must be in \[0, 65535\], got"):
            serve.free_port("127.0.0.1", bad, 8888)
    with pytest.raises(ConfigError, match=r"--host: must be an address of this machine"):
        serve.free_port("203.0.113.7", None, 8888)


def test_a_password_is_kept_as_a_hash_only() -> None:
    auth = pytest.importorskip("jupyter_server.auth")
    made = serve.hashed("long enough")
    assert "long enough" not in made
    assert auth.security.passwd_check(made, "long enough")
    assert serve.hashed(made) == made


def test_a_built_package_holds_the_notebooks_where_the_command_looks(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)],
        cwd=CLONE,
        env=os.environ | {"ORDERCASCADE_ONLY": "none"},
        check=True,
        capture_output=True,
    )
    program = "from ordercascade.lab import shelf; print(*shelf.notebooks(), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    found = [Path(line) for line in done.stdout.splitlines()]
    assert [path.name for path in found] == NAMES
    for mine, shipped in zip(found, SHIPPED, strict=True):
        assert mine.is_relative_to(tmp_path)
        assert mine.read_bytes() == shipped.read_bytes()

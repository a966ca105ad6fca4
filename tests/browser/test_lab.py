"""`ordercascade lab` for real: it answers to its token only, shows the stepper, ends cleanly."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from browser.shown import READY, WAIT_MS, Shown
from ordercascade.lab import serve

LAB = [sys.executable, "-m", "ordercascade", "lab", "--no-browser", "--port", "0"]
POLITE_S = serve.PATIENCE_S - 3  # later it is not asked any more, but killed
DRAWN = ".oc-depth svg path.line"


class Served(NamedTuple):
    """A running `ordercascade lab`, and what it said its address is."""

    running: subprocess.Popen[str]
    url: str

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.url).query)["token"][0]

    def get(self, path: str) -> int:
        """Return the status of a page."""
        place = urlsplit(self.url)
        asked = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        with contextlib.closing(asked):
            asked.request("GET", path)
            return asked.getresponse().status


def hears_ctrl_c() -> None:
    """Undo what a shell does to what it starts in the background, these tests among them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def served(env: dict[str, str], folder: Path, *words: str) -> Iterator[Served]:
    """Run the command in a folder until the block ends; the end is judged as well."""
    with (
        (folder / "lab.log").open("w+") as log,
        subprocess.Popen(
            [*LAB, *words],
            cwd=folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=hears_ctrl_c,
        ) as running,
    ):
        try:
            assert running.stdout is not None
            line = running.stdout.readline()
            log.seek(0)
            assert ": http://127.0.0.1:" in line, (line, log.read())
            yield Served(running, line.partition(": ")[2].strip())
            running.send_signal(signal.SIGINT)
            assert running.wait(POLITE_S) == 0
            log.seek(0)
            said = log.read()
            assert "is stopped" in said
            assert "Traceback" not in said
        finally:
            running.terminate()


def gone(server: Served) -> bool:
    """Return whether nobody listens there any more."""
    try:
        server.get("/")
    except OSError:
        return True
    return False


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(place.read_text().rpartition(")")[2].split()[1]) == pid:
                found += [int(place.parent.name), *children(int(place.parent.name))]
    return found


def careless(jupyter: dict[str, str], folder: Path) -> dict[str, str]:
    """Return an environment whose user has opened every door of Jupyter in their settings."""
    place = folder / "settings"
    place.mkdir()
    opened = {
        "ServerApp": {"ip": "0.0.0.0", "port": 9, "allow_origin": "*"},
        "IdentityProvider": {"token": ""},
        "PasswordIdentityProvider": {"hashed_password": ""},
        "LabApp": {"expose_app_in_browser": True},  # as `READY` needs it
    }
    (place / "jupyter_config.json").write_text(json.dumps(opened), encoding="utf-8")
    (place / "jupyter_server_config.json").write_text(json.dumps(opened), encoding="utf-8")
    return jupyter | {"JUPYTER_CONFIG_DIR": str(place)}


def test_jupyterlab_answers_to_its_token_only_and_runs_a_notebook(
    jupyter: dict[str, str], browser: Any, tmp_path: Path, screenshots: Path
) -> None:
    with served(careless(jupyter, tmp_path), tmp_path, "t2a") as server:
        assert len(server.token) == 48
        with pytest.raises(ConnectionRefusedError):  # It listens at 127.0.0.1 and nowhere else.
            socket.create_connection(("127.0.0.2", urlsplit(server.url).port or 0), 5)
        for path in ("/api/contents", "/api/kernels", "/api/terminals"):
            assert server.get(path) == 403
            assert server.get(f"{path}?token={'0' * 48}") == 403
            assert server.get(f"{path}?token={server.token}") == 200
        assert server.get("/lab") == 302  # to the login
        commands = []
        for pid in children(server.running.pid):
            with contextlib.suppress(FileNotFoundError):  # It has just ended.
                commands.append(Path(f"/proc/{pid}/cmdline").read_bytes())
        assert commands
        assert not any(server.token.encode() in command for command in commands)
        shown = Shown(browser.new_context().new_page(), "lab", "")
        page = shown.page
        page.goto(server.url)
        page.wait_for_function(READY, timeout=WAIT_MS)
        shown.run("notebook:run-all-cells")
        page.wait_for_selector(DRAWN, state="attached", timeout=WAIT_MS)
        page.screenshot(path=str(screenshots / "command_lab.png"))
        started = children(server.running.pid)
        assert len(started) >= 2  # the server and a kernel
        assert not shown.complaints()
        page.context.close()
    assert gone(server)
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)
    copied = sorted(path.name for path in (tmp_path / "ordercascade-notebooks").glob("*.ipynb"))
    assert copied[0].startswith("01-")
    assert copied[-1] == "stepper-t2a.ipynb"


def test_voila_shows_the_stepper_to_its_token_only_and_lets_nobody_run_code(
    jupyter: dict[str, str], browser: Any, tmp_path: Path, screenshots: Path
) -> None:
    with served(jupyter, tmp_path, "--app", "short-squeeze", "--set", "shock.size=14") as server:
        assert server.get("/") == 302  # to the login
        assert server.get(f"/?token={'0' * 48}") == 302
        shown = Shown(browser.new_context().new_page(), "voila", "")
        page = shown.page
        page.goto(server.url)
        page.wait_for_selector(DRAWN, state="attached", timeout=WAIT_MS)
        page.wait_for_selector(".oc-root[data-ready]", timeout=WAIT_MS)
        assert page.input_value(".oc-field-shock input") == "14"
        shown.click("oc-next")
        shown.at(1)
        assert page.locator(".jp-CodeCell .cm-content").count() == 0
        shown.still()
        shown.picture(screenshots, "command_app")
        assert not shown.complaints()
        page.context.close()
    assert gone(server)
    assert [path.name for path in tmp_path.iterdir()] == ["lab.log"]


def test_a_password_opens_as_well_and_a_wrong_one_does_not(
    jupyter: dict[str, str], browser: Any, tmp_path: Path
) -> None:
    with served(jupyter, tmp_path, "--app", "t2a", "--password", "open, please") as server:
        page = browser.new_context().new_page()
        for word in ("open, pleese", "open, please"):
            page.goto(server.url.partition("?")[0])
            page.fill("input[name=password]", word)
            with page.expect_navigation(wait_until="commit"):
                page.keyboard.press("Enter")
            assert ("/login" in page.url) == (word == "open, pleese")
        page.wait_for_selector(DRAWN, state="attached", timeout=WAIT_MS)
        page.context.close()


def test_a_server_is_ended_with_the_command(jupyter: dict[str, str], tmp_path: Path) -> None:
    env = jupyter | {"TMPDIR": str(tmp_path)}
    with served(env, tmp_path, "--app", "t2a") as server:
        assert list(tmp_path.glob("ordercascade-lab-*"))
        started = children(server.running.pid)
        server.running.terminate()
        assert server.running.wait(POLITE_S) == 0
        assert gone(server)
        assert not any(Path(f"/proc/{pid}").exists() for pid in started)
        assert not list(tmp_path.glob("ordercascade-lab-*"))


def test_a_port_that_is_taken_is_refused(jupyter: dict[str, str], tmp_path: Path) -> None:
    with served(jupyter, tmp_path, "--app", "t2a") as server:
        port = str(urlsplit(server.url).port)
        done = subprocess.run(
            [*LAB[:-1], port, "--app", "t2a"],
            env=jupyter | {"TMPDIR": os.fspath(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 2
        rule = "--port: must be a port that is free at 127.0.0.1 (Address already in use)"
        assert f"{rule}, got {port}" in done.stderr

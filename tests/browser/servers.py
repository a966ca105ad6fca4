"""Servers and a browser of their own, for the browser tests and for bench/bench_lab.py."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NAMES = "chromium chromium-browser google-chrome google-chrome-stable chrome msedge"
NEEDS = "playwright ipywidgets bqplot anywidget jupyterlab voila"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb"),
]
FOLDERS = "CONFIG_DIR RUNTIME_DIR DATA_DIR"
NOTEBOOK = {
    "cells": [],
    "metadata": {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
    },
    "nbformat": 4,
    "nbformat_minor": 5,
}


def chrome() -> str | None:
    """Return ORDERCASCADE_CHROME, else the first browser on the path."""
    named = os.environ.get("ORDERCASCADE_CHROME")
    return named or next(filter(None, map(shutil.which, NAMES.split())), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serve(command: list[str], ready: str, env: dict[str, str], log: Path) -> Iterator[None]:
    """Run a server until the block ends; it is ready when a page answers."""
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env=env, start_new_session=True
        )
    try:
        end = time.monotonic() + 90
        while True:
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server did not start\n{log.read_text('utf-8')[-4000:]}")
            with contextlib.suppress(OSError), urllib.request.urlopen(ready, timeout=2) as answer:
                if answer.status < 500:
                    break
            time.sleep(0.1)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def missing() -> list[str]:
    """Return what is not installed."""
    return [name for name in NEEDS.split() if find_spec(name) is None]


def environment(base: Path) -> dict[str, str]:
    """Return an environment of its own: nobody's settings are read, nothing is written to them."""
    env = dict(os.environ)
    places = [f"JUPYTER_{name}" for name in FOLDERS.split()]
    places += ["IPYTHONDIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"]
    for place in places:
        env[place] = str(base / place.lower())
        Path(env[place]).mkdir()
    news = Path(env["JUPYTERLAB_SETTINGS_DIR"]) / "@jupyterlab" / "apputils-extension"
    news.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (news / "notification.jupyterlab-settings").write_text(json.dumps(quiet), encoding="utf-8")
    env["PYTHONWARNINGS"] = "ignore"
    env["PYTHONPATH"] = os.pathsep.join(str(Path(p).resolve()) for p in sys.path if p)
    return env


def write(folder: Path, pages: Mapping[str, tuple[str, ...]]) -> None:
    """Write notebooks without outputs, one a page, from the texts of their cells."""
    for name, sources in pages.items():
        cells = [
            {
                "cell_type": "code",
                "id": f"{name}-{number}",
                "execution_count": None,
                "metadata": {},
                "outputs": [],
                "source": source,
            }
            for number, source in enumerate(sources)
        ]
        text = json.dumps({**NOTEBOOK, "cells": cells})
        (folder / f"{name}.ipynb").write_text(text, encoding="utf-8")


@contextlib.contextmanager
def lab(env: dict[str, str], folder: Path) -> Iterator[str]:
    """Run a JupyterLab over a folder; the address."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"),
        *("--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"),
        *(f"--ServerApp.root_dir={folder}", "--expose-app-in-browser"),
        "--LabApp.extension_manager=readonly",
    ]
    with serve(command, f"http://127.0.0.1:{port}/api", env, folder / "lab.log"):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def voila(env: dict[str, str], folder: Path) -> Iterator[str]:
    """Run a Voila over a folder; the address."""
    port = free_port()
    # A list of what to leave out, never of what to load: that would drop its widget manager.
    denied = "['jupyterlab-jupytext','@voila-dashboards/jupyterlab-preview']"
    command = [
        *(sys.executable, "-m", "voila", str(folder), "--no-browser", f"--port={port}"),
        *("--Voila.ip=127.0.0.1", f"--VoilaConfiguration.extension_denylist={denied}"),
        "--VoilaConfiguration.allow_theme_override=YES",
    ]
    ready = f"http://127.0.0.1:{port}/voila/static/voila.js"
    with serve(command, ready, env, folder / "voila.log"):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Run a browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chrome(), headless=True, args=FLAGS)
        yield started
        started.close()

"""JupyterLab over a folder, or Voila over one notebook, until Ctrl-C, for nobody but the user.

Whoever reaches such a server runs code as the user. So it listens on 127.0.0.1 and wants a token
that is drawn anew each time; any other address needs a password besides. The secrets go to the
server in a file that only the user can read: a command line is visible to everybody.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from html import escape
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from ordercascade.errors import ConfigError, MissingExtraError

NEEDS = ("jupyterlab", "voila", "ipywidgets", "bqplot", "anywidget")
LOCAL = "127.0.0.1"
PORT_LAB, PORT_APP = 8888, 8866
PASSWORD_MIN = 8
PATIENCE_S = 30.0
# A list of what to leave out, never of what to load: that would drop Voila's widget manager.
_DENIED = ["jupyterlab-jupytext", "@voila-dashboards/jupyterlab-preview"]
_HASHED = re.compile(r"argon2:\$argon2|(?:sha1|sha256|sha512):[0-9a-f]+:[0-9a-f]+$")
_WILDCARDS = {"0.0.0.0": LOCAL, "::": "::1"}


def check() -> None:
    """Raise MissingExtraError for the first part that is not installed."""
    for name in NEEDS:
        if sys.modules.get(name, name) is None or find_spec(name) is None:
            raise MissingExtraError(name, "lab")


def is_local(host: str) -> bool:
    """Return whether an address reaches nobody beyond this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def judge(host: str, password: str | None) -> None:
    """Refuse an address of the network without a password, and a password that is none."""
    if not is_local(host) and password is None:
        rule = f"must be {LOCAL}, or come with --password: who reaches it runs code as you"
        raise ConfigError("--host", rule, host)
    if password is not None and not _HASHED.match(password) and len(password) < PASSWORD_MIN:
        raise ConfigError("--password", f"must have at least {PASSWORD_MIN} characters")


def hashed(password: str) -> str:
    """Return a password's hash; one that is hashed already (`jupyter server password`) as it is."""
    if _HASHED.match(password):
        return password
    return str(import_module("jupyter_server.auth").passwd(password))


def free_port(host: str, wanted: int | None, first: int) -> int:
    """Return the wanted port (0: any), else the first free one from `first` on."""
    if wanted is not None and not 0 <= wanted < 2**16:
        raise ConfigError("--port", "must be in [0, 65535]", wanted)
    for port in (*range(first, first + 20), 0) if wanted is None else (wanted,):
        try:
            kind, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(place)
                return int(probe.getsockname()[1])
        except socket.gaierror:
            raise ConfigError("--host", "must be an address of this machine", host) from None
        except OSError as error:
            if wanted is not None:
                rule = f"must be a port that is free at {host} ({error.strerror})"
                raise ConfigError("--port", rule, wanted) from None
    raise ConfigError("--host", "must be an address of this machine", host)


def lab(folder: Path, file: str, **options: Any) -> int:
    """Serve a folder with JupyterLab, at one of its notebooks; options as of `serve()`."""

    def settings(host: str, port: int, token: str) -> dict[str, Any]:
        server = {"ip": host, "port": port, "port_retries": 0, "open_browser": False}
        server |= {"root_dir": os.path.abspath(folder), "allow_root": os.geteuid() == 0}
        # The lab is JupyterLab alone: what else is served would be one more way in.
        server["jpserver_extensions"] = {"voila.server_extension": False}
        return {
            "ServerApp": server,
            "IdentityProvider": {"token": token},
            "LabApp": {"default_url": f"/lab/tree/{file}"},
        }

    def command(config: Path) -> list[str]:
        return ["jupyterlab", f"--config={config}"]

    return serve(
        "JupyterLab", command, settings, first=PORT_LAB, path=f"lab/tree/{file}", **options
    )


def app(notebook: str, **options: Any) -> int:
    """Serve the text of one notebook with Voila, without its code; options as of `serve()`."""

    def settings(host: str, port: int, token: str) -> dict[str, Any]:
        server = {"ip": host, "port": port, "port_retries": 0, "open_browser": False}
        shown = {"extension_denylist": _DENIED, "allow_theme_override": "YES"}
        return {"Voila": server | {"token": token}, "VoilaConfiguration": shown}

    def command(config: Path) -> list[str]:
        page = config.parent / "page" / "stepper.ipynb"  # Nothing else may be asked for.
        page.parent.mkdir()
        page.write_text(notebook, encoding="utf-8")
        paths = f"--Voila.config_file_paths={config.parent}"
        return ["voila", str(page), paths]

    return serve("Voila", command, settings, first=PORT_APP, path="", **options)


def serve(
    name: str,
    command: Callable[[Path], list[str]],
    settings: Callable[[str, int, str], dict[str, Any]],
    *,
    first: int,
    path: str,
    host: str = LOCAL,
    port: int | None = None,
    password: str | None = None,
    browser: bool = True,
) -> int:
    """Run a server until Ctrl-C, SIGTERM or its own end; return its exit code, 0 if stopped."""
    port = free_port(host, port, first)
    token = secrets.token_hex(24)
    said = settings(host, port, token) | {"Application": {"log_level": "WARN"}}
    if password is not None:
        hash_ = {"hashed_password": hashed(password), "allow_password_change": False}
        said["PasswordIdentityProvider"] = hash_
    with tempfile.TemporaryDirectory(prefix="ordercascade-lab-") as private, _stoppable():
        config = Path(private) / f"{name.lower()}.json"
        config.write_text(json.dumps(said), encoding="utf-8")
        # A process group of its own: Ctrl-C is for us, who then end the server without a question.
        # -P: a module that lies in the user's folder is not taken for one of the server's.
        server = subprocess.Popen(
            [sys.executable, "-P", "-m", *command(config)],
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
        try:
            _wait(server, host, port)
            if server.poll() is None:
                _tell(name, f"{_address(host, port)}/{path}?token={token}", private, browser)
            return server.wait()
        except KeyboardInterrupt:
            print(f"\n{name} is stopped", file=sys.stderr)
            return 0
        finally:
            _end(server)


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Have SIGTERM and a terminal that is closed end the block as Ctrl-C does."""

    def interrupt(_: int, __: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _wait(server: subprocess.Popen[bytes], host: str, port: int) -> None:
    """Wait until the server answers anything, or has ended."""
    while server.poll() is None:
        asked = http.client.HTTPConnection(_WILDCARDS.get(host, host), port, timeout=5)
        try:
            asked.request("GET", "/login")
            asked.getresponse()
            return
        except (OSError, http.client.HTTPException):
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(0.2)
        finally:
            asked.close()


def _address(host: str, port: int) -> str:
    name = socket.gethostname() if host in _WILDCARDS else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _tell(name: str, url: str, private: str, browser: bool) -> None:
    """Say where the server is, and open it; by a page, since a command line shows its token."""
    print(f"{name}: {url}", flush=True)
    print("Ctrl-C stops it", file=sys.stderr, flush=True)
    if browser:
        page = Path(private) / "open.html"
        target = f'<meta http-equiv="refresh" content="0; url={escape(url)}"/>'
        page.write_text(f"<!doctype html><title>ordercascade</title>{target}", encoding="utf-8")
        webbrowser.open(page.as_uri())


def _end(server: subprocess.Popen[bytes]) -> None:
    """Have the server end its kernels and itself; after a while, or a second Ctrl-C, at once."""
    try:
        if server.poll() is None:
            server.terminate()
            server.wait(PATIENCE_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        pass
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()

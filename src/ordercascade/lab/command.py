"""The verb `ordercascade lab`: its options, and what it does."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ordercascade.errors import ConfigError


def options(lab: argparse.ArgumentParser) -> None:
    """Add the options; the scenario is the command line's own."""
    lab.add_argument(
        "-o",
        dest="out",
        metavar="DIR",
        type=Path,
        default=Path("ordercascade-notebooks"),
        help="where the notebooks are copied to (default ./ordercascade-notebooks)",
    )
    lab.add_argument(
        "--overwrite", action="store_true", help="replace notebooks there that have been changed"
    )
    lab.add_argument(
        "--app", action="store_true", help="serve the stepper alone, with Voila; copy nothing"
    )
    lab.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    lab.add_argument("--port", type=int, metavar="N", help="the port (default 8888, --app 8866)")
    lab.add_argument(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        help="listen there; beyond this machine only with --password",
    )
    lab.add_argument(
        "--password",
        metavar="WORD",
        help="what others log in with: - asks for it; or a hash of `jupyter server password`",
    )


def run(
    arguments: argparse.Namespace, load: Callable[[argparse.Namespace], object], demo: str
) -> int:
    """Serve what was asked for; return the server's exit code. `load` judges the scenario."""
    from ordercascade.lab import serve, shelf

    word, password = arguments.scenario, arguments.password
    if word is None and arguments.app:
        word = demo
    if word is None and arguments.changes:
        raise ConfigError("--set", "must come with a SCENARIO")
    if password == "-":
        password = getpass.getpass("Password: ")
    serve.judge(arguments.host, password)
    serve.check()
    page = ""
    if word is not None:
        arguments.scenario = word
        load(arguments)  # What is wrong with it is said here, not in a notebook.
        page = shelf.stepper(word, arguments.changes)
    where = {"host": arguments.host, "port": arguments.port, "password": password}
    where["browser"] = not arguments.no_browser
    if not serve.is_local(arguments.host):
        print("without TLS: who can listen on the way can read the password", file=sys.stderr)
    if arguments.app:
        return serve.app(page, **where)
    laid = shelf.lay_out(arguments.out, overwrite=arguments.overwrite)
    for name in (each.name for each in laid if each.what == "kept"):
        print(f"kept {name}, which you have changed (--overwrite replaces it)", file=sys.stderr)
    print(f"notebooks are in {arguments.out}{os.sep}", file=sys.stderr)
    first = shelf.place(arguments.out, Path(word).stem, page) if page else laid[0].name
    return serve.lab(arguments.out, first, **where)

"""The order book beside the Python packages that a user could take instead: make compare.

One session of `workloads.mixed`, the same for all. Books that match get the orders; those that only
keep what an exchange publishes get the feed of the same session (an L3 feed, or totals of levels).
Thread CPU time, minimum of N on fresh books. Each peer runs in its own process, in an environment
of the peers' own (build/peers); one that fails is reported with its error.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import workloads
from ordercascade.core.book import OrderBook
from ordercascade.enums import OrderType, Side
from peers.drive import ADD, CANCEL, DROP, MARKET, PEERS, REDUCE, SET

HERE = Path(__file__).resolve().parent
PLACE = HERE.parent / "build" / "peers"
Row = dict[str, Any]


class Session:
    """The messages as orders by number, and what an exchange would publish of them."""

    def __init__(self, messages: np.ndarray) -> None:
        self.book = OrderBook(workloads.PRICE_MAX)
        self.orders: list[list[int]] = []
        self.feed: list[list[int]] = []
        self.levels: list[list[int]] = []
        self.number: dict[int, int] = {}  # of a resting order, by its id
        self.open: dict[int, tuple[int, int, int]] = {}  # number -> side, price, size
        self.total: dict[tuple[int, int], int] = {}  # side, price -> size
        self.fills = self.volume = 0
        for at, row in enumerate(messages.tolist()):
            self.play(at, *row)

    def play(self, at: int, kind: int, side: int, _t: int, _f: int, account: int, order: int,
             price: int, size: int) -> None:  # fmt: skip
        if kind == OrderType.LIMIT:
            self.orders.append([ADD, side, price, size, at])
            made = self.book.submit(Side(side), price, size, account=account)
            left = size - self.eaten()
            if made > 0 and left:
                self.number[made] = at
                self.publish(ADD, side, price, left, at)
        elif kind == OrderType.MARKET:
            self.orders.append([MARKET, side, 0, size, at])
            self.book.market(Side(side), size, account=account)
            self.eaten()
        elif kind == OrderType.CANCEL:
            number = self.number.pop(order)
            self.orders.append([CANCEL, 0, 0, 0, number])
            self.book.cancel(order, account=account)
            self.publish(DROP, *self.open[number][:2], 0, number)
        else:
            number = self.number[order]
            self.orders.append([REDUCE, 0, 0, size, number])
            self.book.amend(order, size=size, account=account)
            self.publish(SET, *self.open[number][:2], size, number)

    def eaten(self) -> int:
        """Publish the makers' fills; return the lots."""
        lots = 0
        for maker, rest, size in self.book.fills[["maker_order", "maker_rest", "size"]].tolist():
            number = self.number[maker] if rest else self.number.pop(maker)
            self.publish(SET if rest else DROP, *self.open[number][:2], rest, number)
            lots += size
            self.fills += 1
        self.volume += lots
        return lots

    def publish(self, op: int, side: int, price: int, size: int, number: int) -> None:
        before = self.open.pop(number, (side, price, 0))[2]
        if size:
            self.open[number] = side, price, size
        self.feed.append([op, side, price, size, number])
        total = self.total.get((side, price), 0) + size - before
        self.total[side, price] = total
        self.levels.append([SET if total else DROP, side, price, total, 0])

    def state(self) -> dict[str, int]:
        """What a peer may be asked for."""
        depth = self.book.depth(10**6)
        return {
            "fills": self.fills,
            "volume": self.volume,
            "resting": len(self.book),
            "levels": len(depth.bids) + len(depth.asks),
            "best_bid": self.book.best_bid or 0,
            "best_ask": self.book.best_ask or 0,
        }


def best_of(repeat: int, start: Callable[[], Callable[[], Any]]) -> float:
    """Return the seconds of thread CPU of the fastest play."""
    best = float("inf")
    for _ in range(repeat):
        play = start()
        began = time.thread_time()
        play()
        best = min(best, time.thread_time() - began)
    return best


def ours(messages: np.ndarray, repeat: int) -> list[Row]:
    """One call a message, and one call for all."""
    rows = [(kind, side, account, order, price, size)
            for kind, side, _t, _f, account, order, price, size in messages.tolist()]  # fmt: skip

    def called() -> Callable[[], None]:
        book = OrderBook(workloads.PRICE_MAX)
        submit, market, cancel, amend = book.submit, book.market, book.cancel, book.amend
        sides = (Side.BID, Side.ASK)
        limit, sold, cancelled = OrderType.LIMIT, OrderType.MARKET, OrderType.CANCEL

        def play() -> None:
            for kind, side, account, order, price, size in rows:
                if kind == limit:
                    submit(sides[side], price, size, account=account)
                elif kind == cancelled:
                    cancel(order, account=account)
                elif kind == sold:
                    market(sides[side], size, account=account)
                else:
                    amend(order, size=size, account=account)

        return play

    def applied() -> Callable[[], Any]:
        book = OrderBook(workloads.PRICE_MAX)
        return lambda: book.apply(messages)

    count = len(messages)
    return [
        {"book": "ordercascade, one call a message", "given": "orders",
         "ns": best_of(repeat, called) / count * 1e9},
        {"book": "ordercascade, one call for all", "given": "orders",
         "ns": best_of(repeat, applied) / count * 1e9},
    ]  # fmt: skip


def install(python: Path) -> dict[str, str]:
    """Bring the peers; name -> why not."""
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PLACE)], check=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    failed = {}
    for _, distribution, _ in PEERS.values():
        done = subprocess.run([*pip, distribution], capture_output=True, text=True)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "ERROR" in line]
            failed[distribution] = (errors or ["pip failed"])[-1]
    return failed


def play(python: Path, name: str, work: Path, repeat: int, state: dict[str, int]) -> Row:
    """Let a peer play; its row says what went wrong, or where its end state differs."""
    command = [str(python), str(HERE / "peers" / "drive.py"), name, str(work), str(repeat)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no word"])[-1]
        return {"book": name, "error": f"exit {done.returncode}: {said}"}
    found = json.loads(done.stdout.strip().splitlines()[-1])
    row = {"book": f"{name} {found.pop('version')}", "given": found.pop("given"),
           "ns": found.pop("ns")}  # fmt: skip
    differs = {key: value for key, value in found.items() if value != state[key]}
    row["end"] = "same" if found and not differs else ""
    if differs:
        row["end"] = ", ".join(f"{key} {value} not {state[key]}" for key, value in differs.items())
    return row


def table(rows: list[Row]) -> str:
    """The rows, slowest last, as times of our call."""
    call = rows[0]["ns"]
    lines = [f"{'book':<36} {'given':<7} {'million/s':>9} {'ns':>9} {'times ours':>10}  end state"]
    for row in sorted(rows, key=lambda row: row.get("ns", float("inf"))):
        if "error" in row:
            lines.append(f"{row['book']:<36} {row['error']}")
            continue
        lines.append(
            f"{row['book']:<36} {row['given']:<7} {1e3 / row['ns']:>9.3f} {row['ns']:>9.0f}"
            f" {row['ns'] / call:>10.2f}  {row.get('end', '')}"
        )
    return "\n".join(lines)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    python = PLACE / "bin" / "python"
    failed = install(python)
    messages = workloads.mixed(arguments.messages)
    session = Session(messages)
    rows = ours(messages, max(arguments.repeat, 5))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder, "work.json")
        made = {"orders": session.orders, "feed": session.feed, "levels": session.levels}
        work.write_text(json.dumps(made), "utf-8")
        for name, (_, distribution, _) in PEERS.items():
            if distribution in failed:
                rows.append({"book": name, "error": f"not installed: {failed[distribution]}"})
            else:
                rows.append(play(python, name, work, arguments.repeat, session.state()))
    print(json.dumps(rows) if arguments.json else table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What is checked of a folder of recorded books: each file against the figures that lie beside it.

Nothing here knows a symbol, a tick or a date. A form is known by its columns, the figures by their
names in `<name>.expected.json`; snapshots and golden books by `<name>.l2snapshots.jsonl.gz` and
`<name>.book_at_<messages>.csv.gz`. What a figure file says and nobody here computes is listed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.matching import matched
from ordercascade.data import recorded
from ordercascade.data.follow import KeyFollower, LevelFollower, OrderFollower, Tops, tops_of
from ordercascade.data.forms import KeyedRows, LevelEvent, LevelRows, OrderEvent, OrderRows, joined
from ordercascade.data.parquet import column_names
from ordercascade.data.source import Source, lines
from ordercascade.errors import OrderCascadeError

NAMES = re.compile(r"(l[23]_.+?)\.(parquet|csv|csv\.gz)")
GOLDEN = re.compile(r"\.book_at_([0-9]+)\.csv(\.gz)?$")
# Shares of agreement may be better than another replay's; all else is equal.
AT_LEAST = {"equal", "best_bid_match", "best_ask_match"}
UNTOLD = {"tick_size", "lot_size", "note"}
CLOCK_NS = 10**6
# Checks that a file without figures is judged by, and the figure that says the same.
IMPLIED = {
    "messages that leave the book crossed": "'crossed",
    "top of book equals bookTicker": "'equal'",
    "unknown ids": "'unknown_ids'",
    "snapshots with the book crossed": "'crossed'",
}


class Check(NamedTuple):
    """One line of the table. `ok` None: told, not judged."""

    file: str
    name: str
    got: object
    wanted: object
    ok: bool | None


def check_folder(folder: Path) -> Iterator[Check]:
    """Yield the checks of every recorded book of a folder."""
    for path in sorted(folder.iterdir()):
        found = NAMES.fullmatch(path.name)
        if found is None or GOLDEN.search(path.name):
            continue
        try:
            yield from check_file(path, found[1])
        except OrderCascadeError as error:
            yield Check(path.name, "can be read", str(error), "", False)


def check_file(path: Path, stem: str) -> Iterator[Check]:
    """Yield the checks of one file."""
    place = path.with_name(f"{stem}.expected.json")
    wanted = json.loads(place.read_text()) if place.is_file() else {}
    measure = _measure_of(path)
    if measure is None:
        yield Check(path.name, "has a known form", "columns of none", "", False)
        return
    got: dict[str, Any] = {}
    for check in measure(path, stem, got):
        # What the figures say is theirs to judge; without them none may be wrong.
        told = check.name in IMPLIED and IMPLIED[check.name] in str(wanted)
        yield check._replace(ok=None) if told else check
    yield from compare(path.name, "", got, wanted)


def _measure_of(path: Path) -> Callable[..., Iterator[Check]] | None:
    if path.suffix != ".parquet":
        return order_messages
    columns = set(column_names(Source(path)))
    forms = ((recorded.LEVELS, levels), (recorded.ORDERS, orders), (recorded.KEYED, keyed))
    return next((measure for form, measure in forms if set(form) <= columns), None)


def compare(file: str, path: str, got: Any, wanted: dict[str, Any]) -> Iterator[Check]:
    """Hold what was measured against each figure of an expected.json, storey by storey."""
    for key, value in wanted.items():
        name = f"{path}{key}"
        if key in UNTOLD:
            continue
        if not isinstance(got, dict) or key not in got:
            yield Check(file, name, "not computed here", value, None)
        elif isinstance(value, dict):
            yield from compare(file, f"{name}.", got[key], value)
        else:
            mine = got[key]
            ok = mine >= value if key in AT_LEAST else mine == value
            if isinstance(value, list) and not ok and len(str(value)) > 60:
                first = next(
                    (pair for pair in zip(mine, value, strict=False) if pair[0] != pair[1]),
                    (len(mine), len(value)),
                )
                yield Check(file, name, str(first[0])[:300], str(first[1])[:300], False)
            elif isinstance(value, list) and len(str(value)) > 60:
                yield Check(file, name, f"{len(mine)} equal", f"{len(value)}", True)
            else:
                yield Check(file, name, mine, value, bool(ok))


# ------------------------------------------------------------------ levels


def levels(path: Path, stem: str, got: dict[str, Any]) -> Iterator[Check]:
    """Follow a neutral-l2 file; the top of the book against the exchange's own best prices."""
    follower, tops, parts = LevelFollower(), [], []
    for rows in recorded.neutral_levels(path, extra=True):
        tops.append(follower.feed(rows))
        parts.append(LevelRows(*(c[rows.event > LevelEvent.DIFF] for c in rows)))
        _spans(got, rows)
    tops.append(follower.finish())
    follower.book._check()
    top, other = tops_of(tops), joined(LevelRows, parts)
    diffs = top.event == LevelEvent.DIFF
    compared, equal = against_best(Tops(*(column[diffs] for column in top)), other)
    depth = follower.book.depth(1)
    trades = other.event == LevelEvent.TRADE
    got.update(
        level_updates_applied=follower.applied,
        book_updates=follower.messages,
        compared_with_bookTicker=compared,
        equal=equal,
        crossed=follower.crossed,
        final_levels=[follower.book.count(side) for side in (0, 1)],
        trades=int(trades.sum()),
        trade_lots=int(other.size[trades].sum()),
        trade_px_range=[int(f(other.price[trades])) for f in (np.min, np.max)]
        if trades.any()
        else [],
    )
    if len(depth.bids) and len(depth.asks):
        cells = [int(cell) for cell in (*depth.bids[0], *depth.asks[0])]
        got["final_top"] = dict(
            zip(("bid_ticks", "bid_lots", "ask_ticks", "ask_lots"), cells, strict=True)
        )
    best = other.update[other.event == LevelEvent.BEST]
    kinds = {
        "depthUpdate": follower.messages + follower.dropped,
        "bookTicker": int((np.diff(best) != 0).sum()) + bool(len(best)),
        "trade": got["trades"],
        "snapshot": follower.snapshots,
    }
    got["messages"] = kinds | {"messages": sum(kinds.values())}
    yield Check(
        path.name,
        "messages that leave the book crossed",
        follower.crossed,
        0,
        follower.crossed == 0,
    )
    share = f"{equal} of {compared}"
    ok = equal == compared if compared else None
    yield Check(path.name, "top of book equals bookTicker", share, "all", ok)
    if follower.gaps or follower.late:
        told = f"{follower.gaps} missing, {follower.late} out of order"
        yield Check(path.name, "messages", told, "none", None)


def _spans(got: dict[str, Any], rows: LevelRows) -> None:
    got["rows"] = got.get("rows", 0) + len(rows.event)
    got.setdefault("first_local_ns", int(rows.time_ns[0]))
    got["last_local_ns"] = int(rows.time_ns[-1])


def against_best(top: Tops, other: LevelRows) -> tuple[int, int]:
    """Return how many messages have a bookTicker as of their update, and how many equal it."""
    compared, equal = np.ones(len(top.update), bool), np.ones(len(top.update), bool)
    for side in (0, 1):
        best = (other.event == LevelEvent.BEST) & (other.side == side)
        order = np.argsort(other.update[best], kind="stable")
        update = other.update[best][order]
        at = np.searchsorted(update, top.update, side="right") - 1
        compared &= at >= 0
        if len(update) == 0:
            continue
        equal &= other.price[best][order][at] == top.top[:, 2 * side]
        equal &= other.size[best][order][at] == top.top[:, 2 * side + 1]
    return int(compared.sum()), int((compared & equal).sum())


def keyed(path: Path, stem: str, got: dict[str, Any]) -> Iterator[Check]:
    """Follow an id-keyed file."""
    ids, follower, parts = KeyFollower(), LevelFollower(), []
    widths: set[tuple[int, int]] = set()
    for rows in recorded.neutral_keyed(path, extra=True):
        parts.append(rows)
        for cut in np.split(
            np.arange(len(rows.message)), np.flatnonzero(np.diff(rows.message)) + 1
        ):
            follower.feed(ids.feed(KeyedRows(*(column[cut] for column in rows))))
            if follower.snapshots:
                widths.add((follower.book.count(0), follower.book.count(1)))
    follower.finish()
    follower.book._check()
    rows = joined(KeyedRows, parts)
    actions = Counter(str(action) for action in rows.action.tolist())
    got.update(
        rows=len(rows.message),
        messages=len(np.unique(rows.message)),
        actions=dict(actions),
        unknown_ids=ids.unknown,
        duplicate_inserts=ids.duplicates,
        crossed=follower.crossed,
        final={
            "best_bid_ticks": follower.book.best_bid,
            "best_ask_ticks": follower.book.best_ask,
            "bid_levels": follower.book.count(0),
            "ask_levels": follower.book.count(1),
        },
    )
    yield Check(path.name, "unknown ids", ids.unknown, 0, ids.unknown == 0)
    crossed = follower.crossed
    yield Check(path.name, "messages that leave the book crossed", crossed, 0, crossed == 0)
    told = " ".join(f"{bids}+{asks}" for bids, asks in sorted(widths)[:4])
    yield Check(path.name, "levels after each message", told, "", None)


# ------------------------------------------------------------------ orders


def orders(path: Path, stem: str, got: dict[str, Any]) -> Iterator[Check]:
    """Follow a neutral-l3 Parquet file against the exchange's snapshots, and match its orders."""
    rows = joined(OrderRows, recorded.neutral_orders(path, extra=True))
    snapshots = _snapshots(path.with_name(f"{stem}.l2snapshots.jsonl.gz"))
    follower, at = OrderFollower(), 0
    seen: Counter[str] = Counter()
    last = None
    for snapshot in snapshots:
        until = int(np.searchsorted(rows.seq, snapshot["seq"]))
        follower.feed(_cut(rows, at, until))
        at = until
        bid, ask = follower.best_bid, follower.best_ask
        same = [_best(snapshot, "bids") == bid, _best(snapshot, "asks") == ask]
        seen.update(n=1, best_bid_match=same[0], best_ask_match=same[1])
        seen["crossed"] += bid is not None and ask is not None and bid >= ask
        last = last if all(same) else snapshot["recv_ms"]
    follower.feed(_cut(rows, at, len(rows.seq)))
    for book in follower.sides:
        book._check()
    trade = rows.event == OrderEvent.TRADE
    got["events"] = {
        "created": follower.counts[OrderEvent.ADD],
        "changed": follower.counts[OrderEvent.RESIZE],
        "deleted": follower.counts[OrderEvent.DELETE],
        "trade": follower.counts[OrderEvent.TRADE],
        "trade_vol": int(rows.size[trade].sum()),
        "unknown_deleted": follower.unknown[OrderEvent.DELETE],
        "unknown_changed": follower.unknown[OrderEvent.RESIZE],
    }
    got["snapshot_check"] = {key: int(value) for key, value in seen.items()}
    got["end_state"] = {
        "n_orders": len(follower.ids),
        "best_bid": follower.best_bid,
        "best_ask": follower.best_ask,
    }
    if snapshots:
        crossed = int(seen["crossed"])
        yield Check(path.name, "snapshots with the book crossed", crossed, 0, crossed == 0)
        yield Check(path.name, "last snapshot that differs at the top, recv_ms", last, "", None)
    yield from _matching(path.name, rows)


def _cut(rows: OrderRows, start: int, stop: int) -> OrderRows:
    return OrderRows(*(column[start:stop] for column in rows))


def _best(snapshot: dict[str, Any], side: str) -> int | None:
    return snapshot[side][0][0] if snapshot[side] else None


def _snapshots(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [json.loads(line) for _, line, _ in lines(Source(path))]


def _matching(file: str, rows: OrderRows) -> Iterator[Check]:
    """The created orders matched by our book, against the trades the exchange reported."""
    found = matched(rows)
    share = f"{found.agreed} of {found.trades} ({found.agreed / max(found.trades, 1):.1%})"
    yield Check(file, "matching: trades with an equal fill", share, "", None)
    for reason, count in found.reasons.items():
        yield Check(file, f"matching: {reason}", count, "", None)
    unexplained = found.trades - found.agreed - sum(found.reasons.values())
    yield Check(file, "matching: trades not explained", unexplained, "", None)


def order_messages(path: Path, stem: str, got: dict[str, Any]) -> Iterator[Check]:
    """Follow a neutral-l3 CSV message by message, against golden books and checkpoints."""
    rows = joined(OrderRows, recorded.neutral_orders(path, extra=True))
    step = int(np.gcd.reduce(rows.price[rows.price > 0])) if len(rows.price) else 1
    rows = rows._replace(price=rows.price // step)
    wanted = path.with_name(f"{stem}.expected.json")
    stops = json.loads(wanted.read_text()).get("checkpoints", []) if wanted.is_file() else []
    golden = {
        int(found[1]): place
        for place in path.parent.glob(f"{stem}.book_at_*")
        if (found := GOLDEN.search(place.name))
    }
    follower, state = OrderFollower(), Counter[str]()
    got["checkpoints"] = []
    reported = executed(rows)
    for number in range(len(rows.seq)):
        if reported[number]:
            state.update(_execution(follower, int(rows.order_id[number])))
        follower.feed(_cut(rows, number, number + 1))
        bid, ask = follower.best_bid, follower.best_ask
        state["crossed"] += bid is not None and ask is not None and bid >= ask
        if number + 1 in golden:
            yield _against_golden(path.name, golden[number + 1], follower, step)
        if any(stop["messages"] == number + 1 for stop in stops):
            got["checkpoints"].append(_checkpoint(follower, number + 1, step))
    for book in follower.sides:
        book._check()
    trade = rows.event == OrderEvent.TRADE
    counts = {"A": OrderEvent.ADD, "T": OrderEvent.TRADE, "C": OrderEvent.DELETE}
    got.update(
        messages=len(rows.seq),
        counts={k: follower.counts[v] for k, v in (counts | {"R": OrderEvent.RESIZE}).items()},
        crossed_events=state["crossed"],
        exec_cancel_or_replace_records={key: state[key] for key in ("n", "best", "front")},
        trades=int(trade.sum()),
        trade_volume=int(rows.size[trade].sum()),
    )
    yield Check(
        path.name,
        "messages that leave the book crossed",
        state["crossed"],
        0,
        state["crossed"] == 0,
    )
    yield Check(path.name, "events of unknown orders", sum(follower.unknown.values()), "", None)


def executed(rows: OrderRows) -> np.ndarray:
    """Return which removals and new sizes record a trade: one of that order is reported then."""
    reports = rows.event == OrderEvent.TRADE
    pairs = set(zip(rows.order_id[reports].tolist(), rows.time_ns[reports].tolist(), strict=True))
    change = (rows.event == OrderEvent.DELETE) | (rows.event == OrderEvent.RESIZE)
    here = zip(rows.order_id.tolist(), rows.time_ns.tolist(), strict=True)
    return change & np.array([pair in pairs for pair in here], bool)


def _execution(follower: OrderFollower, order_id: int) -> dict[str, int]:
    """Whether the order stands at the best price, and whether our book would fill it first."""
    if order_id not in follower.ids:
        return {"n": 1}
    side, handle = follower.ids[order_id]
    book = follower.sides[side]
    order = book.order(handle)
    if order is None or order.price != (book.best_bid, book.best_ask)[side]:
        return {"n": 1}
    trial = book.copy()
    trial.market(1 - side, 1)
    return {"n": 1, "best": 1, "front": int(trial.fills["maker_order"][0] == handle)}


def _checkpoint(follower: OrderFollower, messages: int, step: int) -> dict[str, int]:
    """Return the figures of the book as the checkpoints name them."""
    resting = follower.orders()
    made = {"messages": messages, "time_ms": follower.time_ns // CLOCK_NS}
    tail: dict[str, int] = {}
    for side, name in enumerate(("bid", "ask")):
        rows = resting[resting[:, 1] == side]
        made[f"n_{name}_orders"] = len(rows)
        made[f"{name}_levels"] = len(np.unique(rows[:, 2]))
        level = follower.sides[side].depth(1)[side]
        if len(level):
            tail[f"best_{name}_1e4"] = int(level[0, 0]) * step
            tail[f"best_{name}_size"] = int(level[0, 1])
            tail[f"best_{name}_orders"] = int((rows[:, 2] == level[0, 0]).sum())
    return made | tail


def _against_golden(file: str, place: Path, follower: OrderFollower, step: int) -> Check:
    header, *body = (line.split(",") for _, line, _ in lines(Source(place)))
    at = [header.index(name) for name in ("order_id", "side", "price_1e4", "size")]
    sides = {"BID": 0, "ASK": 1}
    wanted = sorted(
        (int(row[at[0]]), sides[row[at[1]]], int(row[at[2]]), int(row[at[3]])) for row in body
    )
    mine = [
        (key, side, price * step, size) for key, side, price, size in follower.orders().tolist()
    ]
    equal = len(set(mine) & set(wanted))
    name = f"orders equal to {place.name.removeprefix(file.split('.')[0])}"
    return Check(file, name, f"{equal} of {len(mine)}", len(wanted), mine == wanted)

"""The stepper: from a click to the last change of the page, messages and bytes a step, frames.

`python bench/bench_lab.py [--json] [--repeat N] [--events N] [--no-browser]`. Click to DOM is the
time from the click on Step to the last change anywhere in the stepper, in headless Chromium over
JupyterLab, in the full stepper; the rest needs no browser. Minimum and median of N.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

CLONE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CLONE / "tests"))

import ordercascade as oc  # noqa: E402
from ordercascade.lab.player import Player  # noqa: E402

LEVELS = (1_000, 5_000)
DEEP = """
schema = 1
name = "deep"
[[venue]]
name = "v"
[[venue.market]]
name = "AUSD"
tick_size = 0.01
lot_size = 0.01
settle = "USD"
decimals = 6
brackets = [{ floor = 0, maintenance = 0.01, leverage_max = 50 }]
book = { kind = "ladder", mid = 200.005, step = 0.01, levels = LEVELS, size = SIZE }
[[venue.population]]
market = "AUSD"
accounts = ACCOUNTS
long_share = 0.9
leverage = { values = [5, 10, 20, 50] }
notional = { kind = "lognormal", median = 400, sigma = 1 }
entry = { kind = "normal", sigma_bps = 300 }
[[shock]]
at_s = 1
side = "ask"
size = SHOCK
"""
CLICK = """() => new Promise(done => {
  const root = document.querySelector('.oc-root'), start = performance.now();
  let last = start;
  const seen = new MutationObserver(() => { last = performance.now(); });
  seen.observe(root, { childList: true, subtree: true, attributes: true, characterData: true });
  root.querySelector('.oc-next').click();
  setTimeout(() => { seen.disconnect(); done(last - start); }, 400); })"""
PLAY = """async () => { const oc = window.ordercascade, start = performance.now();
  for (let i = 0; i < 40; i++) {
    await new Promise(requestAnimationFrame); oc.show((oc.state.k + 1) % (oc.count + 1)); }
  return 40000 / (performance.now() - start); }"""
PAINT = """async () => { const start = performance.now();
  window.jupyterapp.commands.execute('notebook:run-cell');
  const drawn = () => { const path = document.querySelector('.oc-depth svg path.area');
    return path && (path.getAttribute('d') || '').length > 20
      && document.querySelector('.oc-status [data-step]'); };
  while (!drawn()) await new Promise(r => setTimeout(r, 10));
  return performance.now() - start; }"""


def deep(levels: int, *, size: str = "0.5", accounts: int = 400, shock: int = 200) -> str:
    """Return a scenario with so many levels a side."""
    put = {"LEVELS": levels, "SIZE": size, "ACCOUNTS": accounts, "SHOCK": shock}
    text = DEEP
    for word, value in put.items():
        text = text.replace(word, str(value))
    return text


def milliseconds(times: list[float]) -> dict[str, float]:
    return {"min": round(min(times), 2), "median": round(median(times), 2)}


def frames(tape: oc.Tape, repeat: int) -> dict[str, Any]:
    """Time `tape.frame(k)` and the view-model of random steps of a long tape."""
    rows = sum(int((t["step"] >= 0).sum()) for t in tape.tables.values() if "step" in t.columns)
    start = time.perf_counter()
    player = Player(tape)
    player.at(len(tape) - 1)
    built = time.perf_counter() - start
    places = np.random.default_rng(1).integers(0, len(tape), repeat).tolist()
    zoom = player.reach.ticks(True)
    found: dict[str, list[float]] = {"frame": [], "view": []}
    for k in places:  # Keyframes are made when first needed.
        tape.frame(k, zoom=zoom)
    for k in places:
        start = time.perf_counter()
        tape.frame(k, zoom=zoom)
        found["frame"].append(1000 * (time.perf_counter() - start))
        start = time.perf_counter()
        player.at(k)
        found["view"].append(1000 * (time.perf_counter() - start))
    timed = {f"{name}_ms": milliseconds(times) for name, times in found.items()}
    return {"events": rows, "steps": len(tape), "player_s": round(built, 2), **timed}


def orders(events: int) -> oc.Tape:
    """Return a tape of outside orders, one a second, on a book of 9,000 levels; some fall."""
    world = oc.World(oc.Scenario.from_toml(deep(9_000, size="400", accounts=2_000, shock=9_000)))
    for number in range(events // 105):  # Each also writes the scopes nearest to liquidation.
        side, size = number % 2, 200 + 7 * (number % 100)
        world._open().schedule_shock((2 + number) * 10**9, 0, 0, side, size=size)
    world.run()
    return world.tape()


def crowd(events: int) -> oc.Tape:
    """Return a tape of as many events in one cascade of a ninth as many accounts."""
    text = deep(9_000, size="40", accounts=max(100, events // 9), shock=3_000)
    return oc.run(oc.Scenario.from_toml(text), progress=False)


def traffic(levels: int) -> dict[str, Any]:
    """Count messages and bytes of a step with two panels; the worst of all steps tried."""
    import ipywidgets

    from ordercascade.lab import Stepper

    scenario = oc.Scenario.from_toml(deep(levels))
    app = Stepper(scenario, compare=scenario.set("seed=3"))
    sent: list[int] = []

    def record(self: Any, msg: Any, buffers: Any = None) -> None:
        size = sum(memoryview(each).nbytes for each in buffers or [])
        sent.append(len(json.dumps(msg, default=str)) + size)

    kept, ipywidgets.Widget._send = ipywidgets.Widget._send, record
    steps = []
    for _ in range(min(60, app.steps)):
        sent.clear()
        start = time.perf_counter()
        app.controls.next.click()
        steps.append((1000 * (time.perf_counter() - start), len(sent), sum(sent)))
    ipywidgets.Widget._send = kept
    spent, counts, sizes = (list(column) for column in zip(*steps, strict=True))
    kernel = milliseconds(spent)
    return {"messages": max(counts), "kB": round(max(sizes) / 1000, 1), "kernel_ms": kernel}


def clicks(repeat: int) -> dict[str, Any]:
    """Time clicks and the first paint in a browser."""
    from browser import servers
    from browser.shown import READY, Shown

    if servers.missing() or servers.chrome() is None:
        return {"not measured": f"no browser, or not installed: {servers.missing()}"}
    made = "import ordercascade as oc\nfrom ordercascade.lab import Stepper\n"
    pages = {
        f"deep-{levels}": (
            f"{made}tape = oc.run(oc.Scenario.from_toml({deep(levels)!r}), progress=False)",
            "Stepper(tape)",
        )
        for levels in LEVELS
    }
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pages"
        folder.mkdir()
        servers.write(folder, pages)
        env = servers.environment(Path(place))
        with servers.lab(env, folder) as address, servers.chromium() as browser:
            for levels in LEVELS:
                tab = browser.new_context(viewport={"width": 1280, "height": 1200}).new_page()
                page = Shown(tab, "lab", address)
                tab.goto(f"{address}/doc/tree/deep-{levels}.ipynb?reset")
                tab.wait_for_function(READY, timeout=60_000)
                page.run("notebook:run-cell-and-select-next")
                tab.wait_for_timeout(3000)
                paint = tab.evaluate(PAINT)
                tab.wait_for_timeout(2000)
                times = [tab.evaluate(CLICK) for _ in range(repeat)][3:]
                done = int(tab.get_attribute(".oc-status [data-step]", "data-step"))
                if done != repeat:
                    raise SystemExit(f"{repeat} clicks made {done} steps")
                found[str(levels)] = {
                    "click_to_dom_ms": milliseconds(times),
                    "first_paint_ms": round(paint),
                }
    return found


def page(repeat: int) -> dict[str, Any]:
    """Play the standalone page at 5,000 levels, best and median of bursts, and weigh 500 steps.

    `cpu_ms` is what a frame costs the page's main thread, whoever else uses the machine.
    """
    from browser import servers
    from ordercascade.lab.export import html_of

    tape = oc.run(oc.Scenario.from_toml(deep(5_000, accounts=450, shock=220)), progress=False)
    text = html_of(tape)
    found: dict[str, Any] = {"steps": len(tape), "kB": round(len(text.encode()) / 1000)}
    if servers.chrome() is None:
        return found | {"not measured": "no browser"}
    with tempfile.TemporaryDirectory() as folder, servers.chromium() as browser:
        place = Path(folder) / "page.html"
        place.write_text(text, encoding="utf-8")
        for view in ("cumulative touched", "level touched", "cumulative all", "level all"):
            tab = browser.new_context(viewport={"width": 1280, "height": 1350}).new_page()
            tab.goto(place.as_uri())
            for word in view.split():
                tab.check(f"input[value={word}]")
            found[view] = burst(tab, repeat)
            tab.context.close()
    return found


def burst(tab: Any, repeat: int) -> dict[str, float]:
    """Show 40 steps, one a screen, again and again: screens a second, main thread a screen."""
    session = tab.context.new_cdp_session(tab)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        found = session.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in found if each["name"] == "TaskDuration"))

    rates, costs = [], []
    for _ in range(repeat):
        before = spent()
        rates.append(tab.evaluate(PLAY))
        costs.append(1000 * (spent() - before) / 40)
    return {
        "fps_best": round(max(rates), 1),
        "fps_median": round(median(rates), 1),
        "cpu_ms_min": round(min(costs), 2),
        "cpu_ms_median": round(median(costs), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--no-browser", action="store_true")
    asked = parser.parse_args()
    found: dict[str, Any] = {
        "frames": {made.__name__: frames(made(asked.events), 200) for made in (orders, crowd)}
    }
    found["step"] = {str(levels): traffic(levels) for levels in LEVELS}
    if not asked.no_browser:
        found["browser"] = clicks(asked.repeat)
        found["page"] = page(asked.repeat)
    if asked.json:
        print(json.dumps(found))
        return
    for name, part in found.items():
        print(name)
        for key, value in part.items():
            print(f"  {key}: {value}")


if __name__ == "__main__":
    main()

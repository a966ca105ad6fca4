"""Opening a page with a stepper, and reading what it shows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

WAIT_MS = 60_000
READY = """() => { const w = window.jupyterapp?.shell?.currentWidget;
  return !!(w?.context?.isReady && w.sessionContext?.session?.kernel?.status === 'idle'); }"""
# bqplot lays out twice, first at a size of its own: wait until two looks agree.
STILL = """() => { const all = [...document.querySelectorAll('.oc-depth svg')];
  const now = all.map(e => JSON.stringify(e.getBoundingClientRect())).join();
  const same = now && window.__oc === now; window.__oc = now; return same; }"""
PATHS = """es => es.map(e => e.getAttribute('d'))"""
CURVES = ".oc-depth svg path.line, .oc-depth svg path.area"
# What a server of its own says about itself, not about the stepper.
BENIGN = re.compile(r"ERR_NAME_NOT_RESOLVED|ERR_INTERNET_DISCONNECTED|favicon|source map", re.I)


class Shown:
    """A page that shows a stepper."""

    def __init__(self, page: Any, surface: str, base: str) -> None:
        self.page, self.surface, self.base = page, surface, base
        self.said: list[tuple[str, str]] = []
        page.on("console", lambda m: self.said.append((m.type, f"{m.text} ({m.location['url']})")))
        page.on("pageerror", lambda e: self.said.append(("pageerror", str(e))))

    def open(self, name: str, theme: str = "light") -> Shown:
        page, base = self.page, self.base
        if self.surface == "lab":
            page.goto(f"{base}/doc/tree/{name}.ipynb?reset")
            page.wait_for_function(READY, timeout=WAIT_MS)
            if theme == "dark":
                self.run("apputils:change-theme", {"theme": "JupyterLab Dark"})
                dark = "body[data-jp-theme-light='false']"
                page.wait_for_selector(dark, state="attached", timeout=WAIT_MS)
            self.run("notebook:run-all-cells")
        else:
            page.goto(f"{base}/voila/render/{name}.ipynb?theme={theme}")
        page.wait_for_selector(".oc-depth svg path.line", state="attached", timeout=WAIT_MS)
        page.wait_for_selector(".oc-root[data-ready]", timeout=WAIT_MS)
        page.wait_for_selector(".oc-status [data-step]", timeout=WAIT_MS)
        self.still()
        return self

    def still(self) -> None:
        """Wait until the pictures have their size; bqplot waits 300 ms itself."""
        self.page.wait_for_timeout(400)
        self.page.wait_for_function(STILL, polling=250, timeout=WAIT_MS)

    def run(self, command: str, arguments: dict[str, Any] | None = None) -> None:
        said = json.dumps(arguments or {})
        page = self.page
        page.evaluate(
            f"() => window.jupyterapp.commands.execute('{command}', {said}).then(() => 0)"
        )

    @property
    def step(self) -> int:
        return int(self.page.get_attribute(".oc-status [data-step]", "data-step"))

    @property
    def paths(self) -> list[str]:
        found: list[str] = self.page.eval_on_selector_all(CURVES, PATHS)
        return found

    def click(self, name: str) -> None:
        self.page.click(f".{name}")

    def at(self, step: int) -> None:
        """Wait until a step is shown."""
        selector = f'.oc-status [data-step="{step}"]'
        self.page.wait_for_selector(selector, state="attached", timeout=WAIT_MS)

    def until(self, script: str, argument: object = None) -> None:
        self.page.wait_for_function(script, arg=argument, timeout=WAIT_MS)

    def until_paths(self, relation: str, paths: list[str]) -> None:
        """Wait until the depth pictures are (===), or are no longer (!==), what they were."""
        now = f"[...document.querySelectorAll('{CURVES}')].map(e => e.getAttribute('d'))"
        self.until(f"was => JSON.stringify({now}) {relation} JSON.stringify(was)", paths)

    def idle(self) -> None:
        """Wait until a run is over."""
        self.until("() => document.querySelector('.oc-busy').textContent.includes('done')")

    def picture(self, folder: Path, name: str) -> None:
        self.page.screenshot(path=str(folder / f"{name}_{self.surface}.png"), full_page=True)

    def complaints(self) -> list[tuple[str, str]]:
        """Return what the console said that should not have been said."""
        bad = ("error", "pageerror")
        return [each for each in self.said if each[0] in bad and not BENIGN.search(each[1])]

"""Render the pictures of the README: `python -m browser.pictures docs/pictures`.

Three views of the stepper as a user has it: in JupyterLab, light; in JupyterLab, dark, two runs
beside each other; and as an app in Voila, with a branch.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from browser import servers
from browser.shown import Shown

IMPORTS = "import ordercascade as oc\nfrom ordercascade.lab import Stepper\n\n"
PAGES = {
    "first": (
        IMPORTS + 'app = Stepper(oc.scenarios.load("btc-cascade"))\n'
        "app.goto(114)  # an account sells 9.7 BTC into 49 levels\n"
        "app",
    ),
    "beside": (
        IMPORTS + 'tranches = oc.scenarios.load("btc-cascade", "name=tranches")\n'
        "at_once = tranches.set('name=\"all at once\"', 'liquidation=[{ kind = \"full\" }]')\n"
        "app = Stepper(at_once, compare=tranches)\n"
        "app.goto(25)  # the same account under both rules\n"
        "app",
    ),
    "squeeze": (IMPORTS + 'Stepper(oc.scenarios.load("short-squeeze"))',),
}
STEP = ".oc-status [data-step]"
WIDE = 1280
MOST = 300_000  # bytes


def main(folder: Path) -> None:
    """Render all three into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, servers.chromium() as browser:
        base = Path(place)
        for name in ("jupyter", "pages"):
            (base / name).mkdir()
        env = servers.environment(base / "jupyter")
        servers.write(base / "pages", PAGES)
        with servers.lab(env, base / "pages") as lab:
            picture(browser, ("lab", lab), folder / "stepper-light.png", "first", there)
            picture(browser, ("lab", lab), folder / "stepper-dark.png", "beside", there, "dark")
        with servers.voila(env, base / "pages") as voila:
            picture(browser, ("voila", voila), folder / "stepper-app.png", "squeeze", branched)


def picture(
    browser: Any,
    surface: tuple[str, str],
    file: Path,
    page: str,
    prepare: Callable[[Shown], None],
    theme: str = "light",
) -> None:
    """Open a page, bring it to where it is worth a look, and save what is seen."""
    context = browser.new_context(viewport={"width": WIDE, "height": 1500})
    shown = Shown(context.new_page(), *surface).open(page, theme)
    prepare(shown)
    shown.still()
    box = shown.page.locator(".oc-root").first.bounding_box()
    margin = 60 if surface[0] == "lab" else 24  # JupyterLab has its status bar below.
    height = int(box["y"] + box["height"]) + margin
    shown.page.set_viewport_size({"width": WIDE, "height": height})
    shown.still()
    shown.page.screenshot(path=str(file))
    context.close()
    with Image.open(file) as drawn:  # 256 colours are enough for flat areas and text.
        few = drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    few.save(file, optimize=True)
    size = file.stat().st_size
    print(f"{file}: {size:,} bytes")
    if size > MOST:
        raise SystemExit(f"{file} must have at most {MOST:,} bytes")


def jump(shown: Shown, kind: str, times: int) -> None:
    """Press the button that jumps, so many times."""
    shown.page.select_option(".oc-kind select", label=kind)
    for _ in range(times):
        before = shown.step
        shown.click("oc-jump")
        shown.until(f"() => +document.querySelector('{STEP}').dataset.step > {before}")


def there(_: Shown) -> None:
    """The notebook's code has gone to the step."""


def branched(shown: Shown) -> None:
    """A squeeze, and the same with other rules from its second liquidation on."""
    jump(shown, "liquidation", 2)
    shown.page.select_option(".oc-branch-rule select", label="tranches")
    shown.click("oc-branch")
    shown.until("() => document.querySelectorAll('.oc-panel').length === 2")
    jump(shown, "liquidation", 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

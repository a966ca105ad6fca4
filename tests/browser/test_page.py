"""The standalone page, opened from a file with the network off."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import ordercascade as oc
from lab import random_runs
from ordercascade.enums import Side
from ordercascade.lab import Player
from ordercascade.lab.export import export_html
from ordercascade.lab.player import JUMPS

HOSTILE = "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 1'>&<b>"
READY = "() => window.ordercascade && document.querySelector('canvas').width > 300"
# What is drawn and what is said.
DRAWN = """() => [...document.querySelectorAll('canvas')].map(c => c.toDataURL()).join()
  + document.querySelector('#below').innerText + document.querySelector('#panels').innerText"""
DEPTH = "() => document.querySelector('canvas.depth').toDataURL()"
STEP = "#status"
INSIDE = "() => document.documentElement.scrollWidth <= window.innerWidth"
# The page's own numbers at a position, to be compared with the view-model's.
NUMBERS = """steps => steps.map(k => { const r = window.ordercascade.runs[0]; r.seek(k);
  const levels = []; r.price.forEach((p, i) => { const now = r.eatenNow[i];
    levels.push([i < r.bids ? 0 : 1, p, r.eatenSoFar[i] - now, now, r.rest[i]]); });
  return { levels: levels.filter(l => l[2] || l[3] || l[4]), fund: r.fund[k], debt: r.debt[k],
    adl: r.adl[k], mark: r.marks[k], ratios: r.ratios().map(x => Number.isNaN(x) ? null : x),
    rows: r.nearest(12).map(x => [r.scopeName[x.place], r.records.equity[x.row]]),
    status: r.status(k) }; })"""


def tape_of(name: str, *changes: str) -> oc.Tape:
    return oc.run(oc.scenarios.load(name, *changes), progress=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a page for each name used below."""
    folder = tmp_path_factory.mktemp("pages")
    cascade = tape_of("btc-cascade")
    safer = tape_of("btc-cascade", "name=safer", "fund.balance=1000000", "venue.limit=bankruptcy")
    export_html(cascade, folder / "cascade.html")
    export_html(cascade, folder / "compare.html", compare=safer)
    export_html(tape_of("short-squeeze"), folder / "squeeze.html")
    export_html(random_runs.renamed(tape_of("t2a"), HOSTILE), folder / "bad.html")
    export_html(tape_of("t2a", "shock=[]"), folder / "empty.html")
    return folder


@contextmanager
def opened(browser: Any, made: Path, name: str, **how: Any) -> Iterator[Any]:
    """Open a page without network; nothing may be asked of it, and the console stays silent."""
    how = {"viewport": {"width": 1280, "height": 1350}, "color_scheme": "light"} | how
    context = browser.new_context(offline=True, **how)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda m: said.append(m.text))
    page.on("pageerror", lambda e: said.append(str(e)))
    page.on("dialog", lambda d: said.append(d.message))
    page.on("request", lambda r: said.append(r.url) if not r.url.startswith("file:") else None)
    try:
        page.goto((made / f"{name}.html").as_uri())
        page.wait_for_function(READY)
        yield page
        assert said == []
    finally:
        context.close()


@pytest.fixture
def page(browser: Any, made: Path) -> Iterator[Any]:
    with opened(browser, made, "cascade") as found:
        yield found


def step(page: Any) -> int:
    return int(page.get_attribute(STEP, "data-step"))


def show(page: Any, k: int) -> str:
    """Go to a position; what is drawn and said there."""
    page.evaluate(f"() => window.ordercascade.show({k})")
    found: str = page.evaluate(DRAWN)
    return found


def test_a_step_changes_the_picture_and_back_restores_every_pixel(page: Any) -> None:
    opening = page.evaluate(DRAWN)
    page.click("[data-go=step]")
    assert step(page) == 1
    first = page.evaluate(DEPTH)
    assert page.evaluate(DRAWN) != opening
    page.click("[data-go=step]")
    page.click("[data-go=step]")
    assert page.evaluate(DEPTH) != first
    for _ in range(3):
        page.click("[data-go=back]")
    assert page.evaluate(DRAWN) == opening
    assert step(page) == 0


@pytest.mark.parametrize("view", ["cumulative touched 1", "level touched 1", "level all 50"])
def test_a_position_looks_the_same_from_wherever_it_is_reached(page: Any, view: str) -> None:
    depth, zoom, group = view.split()
    page.check(f"input[value={depth}]")
    page.check(f"input[value={zoom}]")
    page.select_option("#group", group)
    steps = (150, 23, 301)
    first = [show(page, k) for k in steps]
    assert len(set(first)) == 3
    show(page, 402)
    again = [show(page, k) for k in reversed(steps)][::-1]
    assert again == first


def test_what_is_eaten_now_is_orange_and_hatched(page: Any) -> None:
    page.evaluate("() => window.ordercascade.show(1)")
    found = page.evaluate(
        """() => { const c = document.querySelector('canvas.depth');
          const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
          const n = {orange: 0, stripe: 0}; for (let i = 0; i < d.length; i += 4) {
            if (d[i] === 230 && d[i+1] === 159 && d[i+2] === 0) n.orange++;
            if (d[i] === 122 && d[i+1] === 75 && d[i+2] === 0) n.stripe++; } return n; }"""
    )
    assert found["orange"] > 2_000
    assert found["stripe"] > 100


def test_keys_do_what_the_help_says(page: Any) -> None:
    for key, at in (("ArrowRight", 1), ("Shift+ArrowRight", 11), ("ArrowLeft", 10),
                    ("Shift+ArrowLeft", 0), ("End", 402), ("Home", 0)):  # fmt: skip
        page.keyboard.press(key)
        assert step(page) == at, key
    for keys, speed in (("]", "2"), ("]]]", "8"), ("[", "4")):
        for key in keys:
            page.keyboard.press(key)
        assert page.input_value("#speed") == speed
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("ArrowRight")
    assert step(page) == 0
    page.keyboard.press("Escape")
    assert not page.is_visible("#help")


def test_a_control_keeps_the_keys_it_needs(page: Any) -> None:
    page.focus("input[value=cumulative]")
    page.keyboard.press("ArrowRight")
    assert page.is_checked("input[value=level]")
    assert step(page) == 0
    page.focus("[data-go=step]")
    page.keyboard.press(" ")
    assert step(page) == 1
    page.focus("#scrub")
    page.keyboard.press("ArrowRight")
    assert step(page) == 2


def test_twenty_fast_clicks_are_twenty_steps(page: Any) -> None:
    page.evaluate(
        "() => { for (let i = 0; i < 20; i++) document.querySelector('[data-go=step]').click(); }"
    )
    assert step(page) == 20


def test_play_goes_on_until_it_is_paused_or_over(page: Any) -> None:
    page.select_option("#speed", "8")
    page.keyboard.press("Escape")
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press(" ")
    page.wait_for_function("() => +document.querySelector('#status').dataset.step >= 5")
    assert page.get_attribute("#play", "aria-label") == "Pause"
    assert page.get_attribute(STEP, "aria-live") == "off"
    page.keyboard.press(" ")
    at = step(page)
    page.wait_for_timeout(400)
    assert step(page) == at
    assert page.get_attribute(STEP, "aria-live") == "polite"
    page.evaluate("() => window.ordercascade.show(395)")
    page.click("#play")
    page.wait_for_function("() => +document.querySelector('#status').dataset.step === 402")
    page.wait_for_function("() => document.querySelector('#play').ariaLabel === 'Play'")


def test_scrubbing_and_the_path_lead_to_a_step(page: Any) -> None:
    page.evaluate(
        """() => { const s = document.querySelector('#scrub'); s.value = 200;
          s.dispatchEvent(new Event('input')); }"""
    )
    assert step(page) == 200
    box = page.locator("canvas.path").bounding_box()
    page.mouse.click(box["x"] + 62 + (box["width"] - 74) / 2, box["y"] + 40)
    assert abs(step(page) - 201) <= 1


def test_the_log_the_tree_and_an_account_can_be_clicked(page: Any) -> None:
    page.evaluate("() => window.ordercascade.show(300)")
    page.click("#log li:nth-child(4) button")
    assert step(page) == 297
    page.evaluate("() => window.ordercascade.show(300)")
    before = page.evaluate("() => document.querySelector('canvas.path').toDataURL()")
    page.click("#accounts tr.now button")
    assert page.locator("#accounts tr.chosen").count() == 1
    assert page.locator("#log li.chosen").count() >= 1
    assert page.evaluate("() => document.querySelector('canvas.path').toDataURL()") != before
    box = page.locator("#tree").bounding_box()
    page.mouse.click(box["x"] + 22, box["y"] + 8 + (box["height"] - 34) / 2)
    assert step(page) == 1


@pytest.mark.parametrize("word", JUMPS)
def test_jumps_land_where_the_view_model_lands(page: Any, word: Any) -> None:
    player = Player(tape_of("btc-cascade"))
    k, button = -1, page.locator("#jumps button", has_text=word)
    if player.jump(-1, word) == -1:
        assert button.is_disabled()
        return
    for _ in range(5):
        k = player.jump(k, word)
        button.click()
        assert step(page) == k + 1
    k = player.jump(k, word, back=True)
    button.click(modifiers=["Shift"])
    assert step(page) == k + 1


def test_hovering_says_price_size_sum_value_and_share(page: Any) -> None:
    page.evaluate("() => window.ordercascade.show(1)")
    box = page.locator("canvas.depth").bounding_box()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 150)
    text = page.inner_text("#tip")
    for words in ("bid 59,", "eaten now ", "value ", "from the best price on ", "% of the opening"):
        assert words in text
    page.mouse.move(box["x"] + 10, box["y"] + 150)
    assert page.is_hidden("#tip")
    box = page.locator("canvas.path").bounding_box()
    page.mouse.move(box["x"] + 63, box["y"] + 60)
    assert "an outside order sells" in page.inner_text("#tip")


def numbers_of(player: Player, k: int) -> dict[str, Any]:
    """Return what the page should say at the position after step k."""
    frame = player.frame(k, zoom=False)
    found: dict[tuple[int, int], list[int]] = {}
    for place, rows in enumerate((frame.touched, frame.eaten)):
        for side, price, lots in rows.tolist():
            found.setdefault((side, price), [0, 0, 0])[place] = lots
    for side, book in ((Side.BID, frame.bids), (Side.ASK, frame.asks)):
        for price, lots in book.tolist():
            found.setdefault((int(side), price), [0, 0, 0])[2] = lots
    return {
        "levels": [[*key, *lots] for key, lots in sorted(found.items())],
        "fund": frame.fund,
        "debt": -frame.bad_debt,
        "adl": round(player.at(k).adl / float(player.units.lot)),
        "ratios": [None if math.isnan(r) else r for r in player.ratios(k)],
    }


@pytest.mark.parametrize("number", range(8))
def test_the_page_says_what_the_view_model_says(browser: Any, tmp_path: Path, number: int) -> None:
    """Every step forwards, and some of them once more backwards."""
    tape = random_runs.tape(number)
    player = Player(tape)
    export_html(tape, tmp_path / "random.html")
    with opened(browser, tmp_path, "random") as page:
        steps = list(range(-1, len(tape)))[:150]
        for k in [*steps, *steps[::-7]]:
            said, wanted = page.evaluate(NUMBERS, [0, k + 1]), numbers_of(player, k)
            assert {name: said[name] for name in wanted} == wanted
            view = player.at(k)
            assert said["status"][-1] == view.status.split(" · ")[-1]
            fallen = [row for row in view.rows if row.state == "now" and row.ratio > -math.inf]
            assert {row.name for row in fallen} <= {name for name, _ in said["rows"]}


def test_names_are_shown_and_do_nothing_else(browser: Any, made: Path) -> None:
    with opened(browser, made, "bad") as page:
        for k in range(9):
            show(page, k)
        assert page.evaluate("() => window.broken") is None
        assert page.inner_text("#title") == HOSTILE
        assert page.title() == HOSTILE
        assert HOSTILE in page.inner_text("#log")
        assert HOSTILE in page.inner_text(".panel h2")
        assert HOSTILE in page.inner_text(".meters")
        assert page.locator("img, #log b b, h1 b, h2 b, #accounts b").count() == 0


def test_a_run_without_a_step_can_be_looked_at(browser: Any, made: Path) -> None:
    with opened(browser, made, "empty") as page:
        page.keyboard.press("ArrowRight")
        page.keyboard.press(" ")
        assert step(page) == 0
        assert "the opening" in page.inner_text(STEP)


def test_a_short_squeeze_eats_asks(browser: Any, made: Path) -> None:
    with opened(browser, made, "squeeze") as page:
        page.evaluate("() => window.ordercascade.show(10)")
        sides = page.evaluate(
            """() => { const r = window.ordercascade.runs[0];
              return [...r.eatenSoFar].map((n, i) => n > 0 ? (i < r.bids ? 'bid' : 'ask') : '')
                .filter(s => s); }"""
        )
        assert set(sides) == {"ask"}
        assert "short liquidated: buys" in page.inner_text("#log")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 800])
@pytest.mark.parametrize("name", ["cascade", "compare", "squeeze"])
def test_it_fits_and_looks_right(
    browser: Any, made: Path, screenshots: Path, name: str, width: int, theme: str
) -> None:
    how = {"viewport": {"width": width, "height": 1350}, "color_scheme": theme}
    with opened(browser, made, name, **how) as page:
        page.evaluate("() => window.ordercascade.show(Math.ceil(window.ordercascade.count * 0.6))")
        assert page.evaluate(INSIDE)
        red = page.evaluate("() => parseInt(getComputedStyle(document.body).backgroundColor.slice(4))")
        assert red < 60 if theme == "dark" else red > 200
        page.screenshot(path=str(screenshots / f"page_{name}_{width}_{theme}.png"), full_page=True)


def test_the_theme_can_be_chosen_and_repaints_the_pictures(page: Any) -> None:
    light = page.evaluate(DEPTH)
    for word in ("light", "dark", "auto"):
        page.click("#theme")
        assert page.get_attribute("html", "data-theme") == word
        assert (page.evaluate(DEPTH) == light) == (word != "dark")


def test_two_runs_share_their_scales_and_steps(browser: Any, made: Path) -> None:
    with opened(browser, made, "compare") as page:
        assert page.locator(".panel").count() == 2
        page.keyboard.press("End")
        assert page.evaluate("() => window.ordercascade.runs.map(r => r.at)") == [402, 288]
        page.check("#runs label:nth-child(2) input")
        assert "account" in page.inner_text("#log li:nth-child(3)")
        assert len(page.inner_text(STEP).splitlines()) == 2


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_page(browser: Any, made: Path, theme: str) -> None:
    axe = pytest.importorskip("axe_core_python.sync_playwright").Axe()
    context = browser.new_context(offline=True, color_scheme=theme, bypass_csp=True)
    page = context.new_page()
    page.goto((made / "compare.html").as_uri())
    page.wait_for_function(READY)
    page.evaluate("() => window.ordercascade.show(40)")
    found = axe.run(page)["violations"]
    context.close()
    bad = [
        (each["id"], each["help"], [node["html"][:200] for node in each["nodes"]][:4])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    assert not bad, bad

"""The standalone page, opened from a file with the network off."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ordercascade as oc
from bench_lab import burst, deep
from lab import random_runs
from ordercascade.enums import Side, StepKind
from ordercascade.lab import Player
from ordercascade.lab.export import export_html
from ordercascade.lab.levels import levels_of
from ordercascade.lab.player import JUMPS

HOSTILE = "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 1'>&<b>"
FALL = int(StepKind.LIQUIDATION)
READY = "() => window.ordercascade && document.querySelector('canvas').width > 300"
# What is drawn and what is said.
DRAWN = """() => [...document.querySelectorAll('canvas')].map(c => c.toDataURL()).join()
  + document.querySelector('#below').innerText + document.querySelector('#panels').innerText"""
DEPTH = "() => document.querySelector('canvas.depth').toDataURL()"
STEP = "#status"
INSIDE = "() => document.documentElement.scrollWidth <= window.innerWidth"
# All that the page shows at a position, in the shape of lab/view.py; JSON knows no infinity.
TIPS = 170  # of so many levels one is pointed at
DUMP = """({steps, views, tips}) => { const r = window.ordercascade.runs[0];
  const plain = (x) => (Number.isFinite(x) ? x : null);
  return JSON.stringify(steps.map((k) => { r.seek(k); const parent = k ? r.parent[k - 1] : 0;
    const eaten = r.eatenNow.reduce((a, b) => a + b, 0), fall = k > 0 && r.isFall(k);
    return { status: r.status(k).join(" · "),
      kind: k ? r.data.steps.kinds[r.kind[k - 1]] : "opening", account: k ? r.whoOf(k) : "",
      scope: fall ? r.data.steps.margins[r.who[k - 1]] : "",
      generation: k ? r.generation[k - 1] : 0, parent: parent - 1, cause: k ? r.cause(k) : "",
      levels_eaten: k ? r.eaten[k - 1] : 0, size_eaten: r.sized(eaten), prices: r.prices(),
      fund_text: r.paid(r.fund[k]), bad_debt_text: r.paid(r.debt[k]), adl_text: r.sized(r.adl[k]),
      rows: r.rows(12).map((x) =>
        [x.name, x.margin, x.equity, x.maintenance, plain(x.ratio), x.state]),
      log: r.newest(14).map((s) => [s - 1, r.lines[s - 1]]),
      tree: r.fell.slice(0, r.fell.filter((s) => s <= k).length).reduce((all, s, i) =>
        [...all, [s - 1, r.generation[s - 1], r.fellLots[i]]], []).slice(-80),
      ancestors: r.ancestors(14).map((s) => s - 1), ratios: r.ratios().map(plain),
      fallen: r.fallen.filter((s) => s <= k).length,
      bars: views.map((v) => r.bars(v).map((b) =>
        [b.side, b.price, b.rest, b.now, b.gone, b.total,
          b.price % tips ? "" : r.tip(b, v.group)])) }; })); }"""
VIEWS = ((True, 1), (False, 1), (True, 5), (False, 7))  # zoomed or the whole book; ticks a level


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
    assert page.locator("#log li.now b").all_inner_texts() == ["297"]
    page.evaluate("() => window.ordercascade.show(300)")
    before = page.evaluate("() => document.querySelector('canvas.path').toDataURL()")
    page.click("#accounts tr.now button")
    assert page.locator("#accounts tr.chosen").count() == 1
    assert page.locator("#log li.chosen").count() >= 1
    assert page.evaluate("() => document.querySelector('canvas.path').toDataURL()") != before
    box = page.locator("#tree").bounding_box()
    page.mouse.click(box["x"] + 22, box["y"] + 8 + (box["height"] - 34) / 2)
    assert step(page) == 1


def test_the_way_from_the_outside_to_a_step_is_walked_by_keyboard(page: Any) -> None:
    """Step 242 was set off by 94, that by step 1; Enter on a button goes there."""
    page.evaluate("() => window.ordercascade.show(242)")
    chain = page.locator("#chain li:not([hidden]) button")
    steps = [int(text.split()[0]) for text in chain.all_inner_texts()]
    player = Player(tape_of("btc-cascade"))
    led = [k + 1 for k in player.at(241).ancestors[::-1]]
    assert steps[: len(led) + 1] == [*led, 242]
    assert steps == [1, 94, 242] or (len(steps) == 4 and steps[3] > 242)
    assert page.locator("#chain [aria-current=step]").inner_text().startswith("242")
    chain.nth(1).focus()
    page.keyboard.press("Enter")
    assert step(page) == 94
    assert page.locator("#chain [aria-current=step]").inner_text().startswith("94")


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
    for words in ("bid 59,", "BTC eaten now", "cumulative ", " USDT", "% of the opening bids"):
        assert words in text
    page.mouse.move(box["x"] + 10, box["y"] + 150)
    assert page.is_hidden("#tip")
    box = page.locator("canvas.path").bounding_box()
    page.mouse.move(box["x"] + 63, box["y"] + 60)
    assert "an outside order sells" in page.inner_text("#tip")


def shown(player: Player, k: int) -> dict[str, Any]:
    """Return what the page should show after step k, by the view-model."""
    view, units = player.at(k), player.units
    unit = f" {units.settle}"
    same = (
        *("status", "kind", "account", "scope", "generation", "parent", "cause", "levels_eaten"),
        *("size_eaten", "fund_text", "bad_debt_text", "adl_text", "fallen"),
    )
    prices = (view.mark, view.index, view.last)
    fell = [node for node in view.tree if player.tape.steps["kind"][node.step] == FALL]
    return {name: getattr(view, name) for name in same} | {
        "prices": [0 if math.isnan(p) else round(p / float(units.tick)) for p in prices],
        "rows": [[r.name, r.margin, *(x.removesuffix(unit) for x in (r.equity, r.maintenance)),
                  plain(r.ratio), r.state] for r in view.rows],
        "log": [list(each) for each in view.log],
        "tree": [[n.step, n.generation, round(n.size / float(units.lot))] for n in fell][-80:],
        "ancestors": list(view.ancestors),
        "ratios": [plain(ratio) for ratio in view.ratios],
        "bars": [bars(player, k, zoom, group) for zoom, group in VIEWS],
    }  # fmt: skip


def plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def bars(player: Player, k: int, zoom: bool, group: int) -> list[list[Any]]:
    """Return the levels from the best price out, with what the pointer says about some."""
    frame, tick = player.frame(k, zoom=zoom), float(player.units.tick)
    found = []
    for side in levels_of(frame, player.reach.ticks(zoom), group):
        held, sums = np.flatnonzero(side.lots.any(axis=0)), side.cumulative().tolist()
        for i in held[::-1] if side.side == Side.BID else held:
            price, lots = int(side.price[i]), side.lots[:, i].tolist()
            asked = price % TIPS == 0
            tip = player.tip(k, price * tick, zoom=zoom, group=group) if asked else ""
            # Where the sides overlap the stepper's pointer reads the bids.
            tip = tip if tip.startswith("ask" if side.side == Side.ASK else "bid") else ""
            found.append([side.side, price, *lots, sums[i], tip])
    return found


@pytest.mark.parametrize("number", [*range(10), "two venues", "btc-cascade"])
def test_the_page_shows_what_the_view_model_shows(
    browser: Any, tmp_path: Path, number: int | str
) -> None:
    """Each step forwards, then back in strides, then here and there; of a long run some steps."""
    made = {"two venues": random_runs.two_venues, "btc-cascade": lambda: tape_of("btc-cascade")}
    tape = random_runs.tape(number) if isinstance(number, int) else made[number]()
    player = Player(tape)
    export_html(tape, tmp_path / "random.html")
    forwards = list(range(0, len(tape) + 1, 1 if len(tape) < 200 else len(tape) // 3))
    steps = [*forwards, *forwards[::-5], *forwards[1::9], *forwards[:-2:13]]
    views = [dict(zip(("low", "high"), player.reach.ticks(zoom), strict=True)) | {"group": group}
             for zoom, group in VIEWS]  # fmt: skip
    wanted = {k: shown(player, k - 1) for k in forwards}
    with opened(browser, tmp_path, "random") as page:
        found = json.loads(page.evaluate(DUMP, {"steps": steps, "views": views, "tips": TIPS}))
    for k, said in zip(steps, found, strict=True):
        for mine, its in zip(said["bars"], wanted[k]["bars"], strict=True):
            for one, other in zip(mine, its, strict=True):
                one[-1] = one[-1] if other[-1] else ""
        assert said == wanted[k], k


def test_names_are_shown_and_do_nothing_else(browser: Any, made: Path) -> None:
    """BAD_INPUTS K11."""
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
        red = page.evaluate(
            "() => parseInt(getComputedStyle(document.body).backgroundColor.slice(4))"
        )
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
        assert page.evaluate("() => window.ordercascade.runs.map(r => r.at)") == [402, 281]
        page.check("#runs label:nth-child(2) input")
        assert "account" in page.inner_text("#log li:nth-child(3)")
        assert len(page.inner_text(STEP).splitlines()) == 2
        bars = page.eval_on_selector_all(".meter.adl", "es => es.map(e => +e.ariaValueMax)")
        assert bars[0] == bars[1] > 0


@pytest.mark.parametrize("view", ["cumulative touched", "level all"])
def test_a_screen_of_5000_levels_takes_less_than_a_fiftieth_of_a_second(
    browser: Any, tmp_path: Path, view: str
) -> None:
    """By the time of the page's main thread: how busy the machine is else does not matter."""
    tape = oc.run(oc.Scenario.from_toml(deep(5_000, accounts=450, shock=220)), progress=False)
    export_html(tape, tmp_path / "deep.html")
    with opened(browser, tmp_path, "deep") as page:
        for word in view.split():
            page.check(f"input[value={word}]")
        assert burst(page, 5)["cpu_ms_min"] < 20


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

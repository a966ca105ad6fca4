"""The stepper in a real browser: the same sentences about JupyterLab and about Voila."""

from __future__ import annotations

import contextlib
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser.shown import Shown

FAST = """async () => { const b = document.querySelector('.oc-next');
  for (let i = 0; i < 20; i++) { b.click(); await new Promise(r => setTimeout(r, 30)); } }"""
INSIDE = """() => [...document.querySelectorAll('.oc-depth, .oc-path')].every(figure => {
  const drawn = figure.querySelector('svg').getBoundingClientRect();
  const box = figure.getBoundingClientRect();
  return drawn.right <= box.right + 1 && drawn.width > 250; })"""
STEP = ".oc-status [data-step]"
TICKS = "es => es.map(e => [...e.querySelectorAll('.tick text')].map(t => t.textContent))"
BACK = "() => getComputedStyle(document.querySelector('.oc-status')).backgroundColor"
CONTROLS = ".oc-root button, .oc-root select, .oc-root input, .oc-root [role=slider]"
UNNAMED = """those => [...document.querySelectorAll(those)]
  .filter(e => e.offsetParent && !(e.getAttribute('aria-label') || e.title
  || e.textContent.trim() || (e.labels && [...e.labels].some(l => l.textContent.trim()))))
  .map(e => e.outerHTML.slice(0, 160))"""


@pytest.fixture(scope="module", params=["lab", "voila"])
def surface(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Return JupyterLab's or Voila's name and address."""
    return request.param, request.getfixturevalue(request.param)


@contextlib.contextmanager
def opened(browser: Any, surface: tuple[str, str], height: int = 1450) -> Iterator[Shown]:
    """A page without a stepper yet; what the console said is judged when it closes."""
    context = browser.new_context(viewport={"width": 1280, "height": height}, accept_downloads=True)
    page = Shown(context.new_page(), *surface)
    yield page
    complaints = page.complaints()
    context.close()
    assert not complaints, complaints


@pytest.fixture(scope="module")
def one(browser: Any, surface: tuple[str, str]) -> Iterator[Shown]:
    """One run, opened once for all tests that step through it."""
    with opened(browser, surface) as page:
        yield page.open("stepper")


@pytest.fixture
def shown(one: Shown, request: pytest.FixtureRequest, screenshots: Path) -> Iterator[Shown]:
    """The same page at the opening, as a user finds it; a screenshot of how the test left it."""
    one.page.select_option(".oc-sum select", label="cumulative")
    one.page.select_option(".oc-zoom select", label="what is touched")
    one.click("oc-first")
    one.at(0)
    yield one
    one.picture(screenshots, request.node.name.partition("[")[0].removeprefix("test_"))
    assert not one.complaints(), one.complaints()


def test_a_step_eats_the_book_and_back_restores_the_same_path(shown: Shown) -> None:
    assert shown.step == 0
    assert not shown.page.locator(".oc-still").first.is_visible()
    before = shown.paths
    shown.click("oc-next")
    shown.at(1)
    shown.until_paths("!==", before)
    shown.click("oc-back")
    shown.at(0)
    shown.until_paths("===", before)


def test_twenty_fast_clicks_advance_twenty_steps(shown: Shown) -> None:
    shown.page.evaluate(FAST)
    shown.at(20)
    shown.page.wait_for_timeout(1000)
    assert shown.step == 20
    assert "step 20 of" in shown.page.inner_text(".oc-status")


def test_it_plays_and_pauses_and_the_scrubber_and_the_ends_agree(shown: Shown) -> None:
    play = shown.page.get_by_role("button", name="Play or pause").first
    play.click()
    shown.until("() => +document.querySelector('.oc-status [data-step]').dataset.step >= 4")
    play.click()
    shown.page.wait_for_timeout(700)
    paused = shown.step
    shown.page.wait_for_timeout(700)
    assert shown.step == paused
    shown.page.focus(".oc-scrub [role=slider]")
    for _ in range(3):
        shown.page.keyboard.press("ArrowRight")
    shown.at(paused + 3)
    shown.click("oc-last")
    shown.until("() => /bad debt/.test(document.querySelector('.oc-funds').textContent)")
    shown.until("() => +document.querySelector('.oc-status [data-step]').dataset.step > 300")
    shown.click("oc-first")
    shown.at(0)


def test_keys_step_and_do_not_edit_the_notebook(shown: Shown) -> None:
    keyboard = shown.page.keyboard
    shown.page.focus(".oc-root")
    keyboard.press("ArrowRight")
    shown.at(1)
    keyboard.press("Shift+ArrowRight")
    shown.at(11)
    keyboard.press("ArrowLeft")
    shown.at(10)
    keyboard.press("Home")
    shown.at(0)
    keyboard.press("?")
    shown.until("() => document.querySelector('.oc-help').textContent.includes('Keys')")
    cells = shown.page.locator(".jp-Cell").count()
    for name in ("oc-next", "oc-preset select", "oc-run"):
        shown.page.focus(f".{name}")
        for key in ("x", "d", "d", "a", "b", "z"):
            keyboard.press(key)
    shown.page.wait_for_timeout(400)
    assert shown.page.locator(".jp-Cell").count() == cells
    assert shown.page.locator(".oc-root").count() == 1


def test_jumps_the_log_and_the_tree_go_where_they_say(shown: Shown) -> None:
    shown.page.select_option(".oc-kind select", label="ADL")
    shown.click("oc-jump")
    shown.until("() => document.querySelector('.oc-status').textContent.includes('deleveraged')")
    there = shown.step
    shown.click("oc-jump-back")
    shown.until("() => document.querySelector('.oc-help').textContent.includes('no ADL before')")
    assert shown.step == there
    line = shown.page.locator(".oc-log button").nth(3)
    number = int(line.locator(".oc-at").inner_text())
    line.click()
    shown.at(number)
    shown.page.select_option(".oc-kind select", label="halt")
    shown.click("oc-jump")
    shown.until("() => document.querySelector('.oc-help').textContent.includes('no halt after')")
    shown.page.locator(".oc-tree circle").first.click(force=True)
    shown.at(1)


def test_accounts_and_the_tree_are_reached_by_keyboard(shown: Shown) -> None:
    page, focused = shown.page, "() => document.activeElement.dataset.key"
    shown.page.select_option(".oc-kind select", label="liquidation")
    for _ in range(3):
        before = shown.step
        shown.click("oc-jump")
        shown.until(f"() => +document.querySelector('{STEP}').dataset.step > {before}")
    here = shown.step
    account = page.locator(".oc-accounts tr.oc-row-now button")
    name = account.get_attribute("data-key")
    account.focus()
    page.keyboard.press("Enter")
    assert account.get_attribute("aria-pressed") == "true"
    assert page.locator(".oc-log .oc-lit").count() >= 1
    page.keyboard.press("ArrowRight")
    shown.at(here + 1)
    # The account may have left the table: then the focus stays in its place.
    shown_names = page.locator(".oc-accounts tbody button").all_inner_texts()
    assert page.evaluate(focused) in ([name] if name in shown_names else shown_names)
    # One stop for the tab key in the whole tree; it is where the run is.
    page.keyboard.press("ArrowLeft")
    shown.at(here)
    stops = page.locator(".oc-tree circle[tabindex='0']")
    assert stops.count() == 1
    stops.focus()
    assert page.evaluate(focused) == str(here - 1)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    there = int(page.evaluate(focused))
    assert there < here - 1
    page.keyboard.press("Enter")
    shown.at(there + 1)
    shown.until(f"() => document.activeElement.dataset.key === '{there}'")
    page.keyboard.press("ArrowUp")
    page.keyboard.press(" ")
    shown.at(1)
    cells = page.locator(".jp-Cell").count()
    for key in ("x", "d", "d"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert page.locator(".jp-Cell").count() == cells


def test_the_pointer_reads_a_level(shown: Shown) -> None:
    shown.click("oc-next")
    shown.at(1)
    box = shown.page.locator(".oc-depth svg").first.bounding_box()
    shown.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    shown.page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"])
    price = "+(document.querySelector('.oc-tip').textContent.match(/[0-9,.]+/) || ['0'])[0]"
    price = f"() => {price.replace('[0]', '[0].replaceAll(`,`, ``)')}"
    shown.until(f"{price} > 59400")
    assert 59_400 < shown.page.evaluate(price) < 59_600
    text = shown.page.inner_text(".oc-tip")
    assert "cumulative" in text
    assert "BTC" in text
    assert "USDT" in text


def test_other_pictures_of_the_same_book(shown: Shown) -> None:
    shown.page.select_option(".oc-kind select", label="liquidation")
    shown.click("oc-jump")
    shown.until("() => +document.querySelector('.oc-status [data-step]').dataset.step > 1")
    curved = shown.paths
    shown.page.select_option(".oc-sum select", label="level by level")
    shown.until_paths("!==", curved)
    bars = shown.paths
    shown.page.select_option(".oc-zoom select", label="the whole book")
    shown.until_paths("!==", bars)


def test_pictures_and_tables_are_taken_home(
    shown: Shown, tmp_path: Path, screenshots: Path
) -> None:
    shown.click("oc-next")
    shown.at(1)
    for name, ending in (
        ("oc-png", ".png"),
        ("oc-csv", ".csv.zip"),
        ("oc-parquet", ".parquet.zip"),
        ("oc-export", ".html"),
    ):
        with shown.page.expect_download() as waiting:
            shown.click(name)
        place = tmp_path / waiting.value.suggested_filename
        assert place.name == f"btc-cascade{ending}"
        waiting.value.save_as(place)
        if ending == ".png":
            content = place.read_bytes()
            assert content[:4] == b"\x89PNG"
            assert struct.unpack(">I", content[16:20])[0] > 1500
            place.replace(screenshots / f"taken_{shown.surface}.png")
        elif ending == ".html":
            standalone(shown.page.context.browser, place)
        else:
            with zipfile.ZipFile(place) as archive:
                assert archive.testzip() is None
                assert f"liquidations{ending.removesuffix('.zip')}" in archive.namelist()


def standalone(browser: Any, place: Path) -> None:
    """Open the page that was taken home, without network, and step through it."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(place.as_uri())
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#status", "data-step") == "1"
    context.close()


def test_every_control_has_a_name(shown: Shown) -> None:
    assert shown.page.evaluate(UNNAMED, CONTROLS) == []
    status = shown.page.locator(".oc-status [role=status]")
    assert status.get_attribute("aria-live") == "polite"
    assert shown.page.locator(".oc-accounts table thead th").count() == 6


def test_axe_finds_nothing_serious(shown: Shown) -> None:
    axe = pytest.importorskip("axe_core_python.sync_playwright").Axe()
    shown.click("oc-next")
    shown.at(1)
    found = axe.run(shown.page, context=".oc-root")["violations"]
    bad = [
        (each["id"], each["help"], [node["html"][:200] for node in each["nodes"]][:4])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    assert not bad, bad


def test_a_branch_runs_on_beside_the_original(shown: Shown) -> None:
    page = shown.page
    page.select_option(".oc-kind select", label="liquidation")
    shown.click("oc-jump")
    shown.until("() => +document.querySelector('.oc-status [data-step]').dataset.step > 1")
    here = shown.step
    page.select_option(".oc-branch-rule select", label="exit buffer")
    shown.click("oc-branch")
    shown.until("() => document.querySelectorAll('.oc-panel').length === 2")
    assert shown.step == here
    assert "exit buffer from step" in page.inner_text(".oc-panels")
    shown.still()
    assert page.evaluate(INSIDE)
    # And a branch of the branch, some steps on.
    shown.page.evaluate(FAST)
    shown.at(here + 20)
    page.select_option(".oc-branch-of select", index=1)
    page.select_option(".oc-branch-rule select", label="bankruptcy limit")
    shown.click("oc-branch")
    shown.until(
        "() => document.querySelector('.oc-panels').textContent.includes('branch 2 with other')"
    )
    assert page.locator(".oc-panel").count() == 2
    assert shown.step == here + 20
    assert "exit buffer from step" in page.inner_text(".oc-panels")
    assert page.inner_text(".oc-problem-branch").strip() == ""


def test_safeguards_are_compared_and_one_stands_beside_the_run(shown: Shown) -> None:
    page = shown.page
    page.fill(".oc-field-ablate-seeds input", "1")
    shown.click("oc-ablate")
    shown.until("() => document.querySelectorAll('.oc-ablated tr').length > 10")
    table = page.inner_text(".oc-ablated")
    assert "all but limit" in table
    assert "one seed: no intervals" in table
    assert page.evaluate(
        "() => document.querySelector('.oc-ablated').getBoundingClientRect().right"
        " <= document.querySelector('.oc-root').getBoundingClientRect().right + 1"
    )
    page.select_option(".oc-ablate-column select", label="limit")
    shown.click("oc-ablate-show")
    shown.until("() => document.querySelector('.oc-panels').textContent.includes(' with limit')")
    assert page.locator(".oc-panel").count() == 2
    page.locator(".oc-ablated").scroll_into_view_if_needed()
    assert page.inner_text(".oc-problem-ablate").strip() == ""


def test_a_new_shock_runs_and_a_bad_value_says_so_by_its_field(shown: Shown) -> None:
    page = shown.page
    page.fill(".oc-field-shock input", "much")
    page.keyboard.press("Tab")
    shown.click("oc-run")
    shown.until("() => document.querySelector('.oc-problem-shock').textContent.includes('number')")
    page.fill(".oc-field-shock input", "9000000")
    page.keyboard.press("Tab")
    page.check(".oc-beside input")
    shown.click("oc-run")
    shown.idle()
    shown.still()
    assert page.locator(".oc-panel").count() == 2
    assert page.evaluate(INSIDE)
    assert page.inner_text(".oc-problem-shock").strip() == ""


def test_two_runs_step_together_and_fit_in_both_themes_and_widths(
    browser: Any, surface: tuple[str, str], screenshots: Path
) -> None:
    """The text of every tick is the same on both sides: the axes are shared."""
    for theme in ("light", "dark"):
        with opened(browser, surface, height=1950) as page:
            page.open("compare", theme)
            assert page.page.locator(".oc-panel").count() == 2
            for _ in range(6):
                before = page.step
                page.page.select_option(".oc-kind select", label="generation")
                page.click("oc-jump")
                page.until(f"() => +document.querySelector('{STEP}').dataset.step > {before}")
            left, right = page.page.eval_on_selector_all(".oc-depth", TICKS)
            assert left == right
            back = page.page.evaluate(BACK)
            red = int(back.partition("(")[2].partition(",")[0])
            assert red < 90 if theme == "dark" else red > 200, back
            for width in (1280, 800):
                page.page.set_viewport_size({"width": width, "height": 1950})
                page.still()
                assert page.page.evaluate(INSIDE)
                page.picture(screenshots, f"{theme}_{width}")


def test_bad_K09_a_saved_notebook_shows_a_picture_without_a_kernel_and_how_to_trust_it(
    browser: Any, lab: str, pages: Path, screenshots: Path
) -> None:
    """Executed and saved, then opened where its kernel does not exist, by who never ran it."""
    import json

    from ordercascade import run, scenarios
    from ordercascade.lab.player import Player
    from ordercascade.lab.still import still_of

    notebook = json.loads((pages / "stepper.ipynb").read_text("utf-8"))
    html = still_of([Player(run(scenarios.load("btc-cascade"), progress=False))])
    widget = {"model_id": "0", "version_major": 2, "version_minor": 0}
    mime = "application/vnd.jupyter.widget-view+json"
    notebook["cells"][0]["outputs"] = [
        {"output_type": "display_data", "metadata": {}, "data": {mime: widget}},
        {"output_type": "display_data", "metadata": {}, "data": {"text/html": html}},
    ]
    notebook["metadata"]["kernelspec"] = {"name": "gone", "display_name": "gone"}
    (pages / "saved.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(f"{lab}/doc/tree/saved.ipynb?reset")
    picture = page.locator(".oc-still img")
    picture.wait_for(state="attached", timeout=60_000)
    page.wait_for_timeout(500)
    page.screenshot(path=str(screenshots / "saved_without_kernel.png"))
    assert picture.evaluate("img => img.complete && img.naturalWidth > 100")
    assert picture.is_visible()
    assert page.locator(".oc-root").count() == 0
    assert "jupyter trust FILE" in page.locator(".oc-still p").inner_text()
    page.context.close()

"""A first user's way: from a link to a saved and running strategy, with nothing wrong in the browser."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from candleray.market_data.candle_store import CandleStore
from tests.support.api.in_process_api import stored_walk
from tests.support.api.served import served_api
from tests.support.browser.job_runner import running_jobs
from tests.support.browser.tab import Tab

SCREENS = ("data", "build", "searches", "strategies", "live", "account")
NARROW = 320


@pytest.fixture(scope="module")
def api_url(embedded_store: CandleStore, postgres_url: str) -> Iterator[str]:
    stored_walk(embedded_store, "BTCUSDT", 20 * 1440)
    stored_walk(embedded_store, "HELDUSDT", 60 * 1440)
    with served_api(embedded_store) as url, running_jobs(embedded_store, postgres_url):
        yield url


def add_indicator(tab: Tab, name: str) -> None:
    tab.click(".finder input")
    tab.send("Input.insertText", text=name)
    tab.wait_for(f"document.querySelector('.finder li')?.innerText.includes('{name}')")
    tab.press("Enter")


def searched(tab: Tab, link: str) -> None:
    """Build a small search and wait for its ranking."""
    tab.open(link)
    tab.see("Add an indicator")
    add_indicator(tab, "Simple Moving Average")
    add_indicator(tab, "Relative Strength Index")
    tab.fill("window step", "50")
    tab.see("52")
    tab.click("button", "Search")
    tab.see("Best variants")


AXE = (Path(__file__).parent / "vendor/axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def barriers(tab: Tab) -> list[str]:
    """Return what keeps somebody from using the screen that is shown, by the rules of WCAG 2.2 AA."""
    if not tab.evaluate("'axe' in window"):
        tab.evaluate(f"{AXE};0")
    wrong = "one.id + ': ' + one.nodes[0].html.slice(0, 200)"
    asked = f"axe.run(document, {{ runOnly: {RULES}, resultTypes: ['violations'] }})"
    found: list[str] = tab.evaluate(f"{asked}.then((told) => told.violations.map((one) => {wrong}))")
    return found


def test_from_an_idea_to_a_running_strategy(tab: Tab, link: str, tmp_path: Path):
    searched(tab, link)
    tab.see("Skill or luck:")
    tab.wait_for("document.querySelector('img.pictures')?.naturalWidth > 0")
    tab.screenshot(tmp_path / "result.png")
    best = tab.evaluate("document.querySelector('tbody td.number.gain, tbody td.number.loss').innerText")
    tab.click("a.row", "Report")
    tab.see("All metrics")
    assert tab.evaluate("document.querySelector('.metric dd').innerText") == f"{best} %"
    tab.see("1h candles")
    tab.wait_for("document.querySelectorAll('.chart canvas').length > 4")
    tab.screenshot(tmp_path / "report.png")
    tab.click("button", "Save as strategy")
    tab.see("What it is")
    tab.click("button", "Run")
    tab.see("starting")
    tab.click("a.row")
    tab.see("asked for by the user")
    tab.click("button", "Stop")
    tab.see("stopping since")


def test_what_is_typed_is_counted_at_once_and_stays_in_the_address(tab: Tab, link: str):
    tab.open(link)
    tab.see("Add an indicator")
    add_indicator(tab, "Simple Moving Average")
    assert tab.evaluate("document.querySelector('.size').innerText") == "40"
    tab.fill("window to", "19")
    assert tab.evaluate("document.querySelector('.size').innerText") == "3"
    tab.fill("window to", "")
    assert tab.evaluate("document.querySelector('.size').innerText") == "–"
    tab.see("A number is missing.")
    tab.fill("window to", "99999")
    tab.see("99999 is outside 2 to 20000.")
    tab.fill("window to", "24")
    tab.see("variants over 480 bars")
    tab.evaluate("location.reload()")
    tab.wait_for("document.querySelector('.size')?.innerText === '4'")


def test_a_refusal_stands_at_its_field(tab: Tab, link: str):
    tab.open(link)
    tab.see("Add an indicator")
    add_indicator(tab, "Moving Average Convergence")
    tab.fill("fast: how", "one")
    tab.fill("fast", "30")
    tab.see("fast 30 must be below slow 26")


def test_every_screen_is_whole_light_dark_and_on_a_phone(tab: Tab, link: str, tmp_path: Path):
    searched(tab, link)
    origin = tab.evaluate("location.origin")
    for screen in SCREENS:
        tab.open(f"{origin}/#/{screen}")
        tab.wait_for("!document.querySelector('.loading') && !!document.querySelector('h1')")
        for name, look in (("light", {}), ("dark", {"dark": True}), ("phone", {"width": NARROW, "phone": True})):
            tab.look(**look)
            tab.screenshot(tmp_path / f"{screen}-{name}.png")
            assert tab.evaluate("document.documentElement.scrollWidth") <= look.get("width", 1400), screen
            if name == "dark":  # the scheme in which contrast was lost before
                assert barriers(tab) == [], screen


def test_a_delete_is_taken_back(tab: Tab, link: str):
    searched(tab, link)
    # At every frame: how far to the right the name of the market pushes what is clicked.
    tab.evaluate(
        "window.places = new Set(); const look = () => { const one = document.querySelector('td .buttons');"
        "if (one && document.querySelector('h1')?.innerText === 'Searches')"
        " window.places.add(Math.round(one.getBoundingClientRect().left)); requestAnimationFrame(look); };"
        "requestAnimationFrame(look); 0"
    )
    tab.click("nav a", "Searches")
    tab.see("Begun")
    tab.see("BTCUSDT · binance-spot · 1h")
    tab.click("button", "Delete")
    tab.see("The search and its results are deleted.")
    tab.see("No search yet")
    tab.click("button", "Undo")
    tab.see("succeeded")
    assert tab.evaluate("[...window.places].length") == 1
    assert tab.evaluate("fetch('/backtests/jobs').then((one) => one.json()).then((one) => one.jobs.length)") == 1


def test_text_of_others_is_text(tab: Tab, link: str):
    hostile = "<img src=x onerror=alert(1)>"
    request = {"instrument": {"market_id": 1, "symbol": hostile}, "timeframe": "1h"}
    draft = base64.urlsafe_b64encode(json.dumps(request).encode()).decode().rstrip("=")
    tab.open(link)
    tab.see("Add an indicator")
    tab.evaluate(f"location.hash = '#/build?d={draft}'")
    tab.evaluate("location.reload()")
    tab.wait_for("document.querySelector('select')?.innerText.includes('<img')")
    assert tab.evaluate("document.images.length") == 0


def chosen(tab: Tab, label: str, option: str) -> None:
    """Choose the option of a select whose words have this text."""
    fields = "[...document.querySelectorAll('select')]"
    found = f"{fields}.find((one) => (one.ariaLabel ?? one.parentElement.innerText).startsWith({label!r}))"
    pick = f"[...field.options].find((one) => one.text.includes({option!r})).value"
    tab.evaluate(f"(() => {{ const field = {found}; field.value = {pick}; {_told('change')}; }})()")


def dated(tab: Tab, label: str, day: str) -> None:
    """Have a date typed."""
    fields = "[...document.querySelectorAll('input[type=date]')]"
    found = f"{fields}.find((one) => one.parentElement.innerText.startsWith({label!r}))"
    tab.evaluate(f"(() => {{ const field = {found}; field.value = {day!r}; {_told('input')}; }})()")


def _told(event: str) -> str:
    return f"field.dispatchEvent(new Event({event!r}, {{ bubbles: true }}))"


def test_no_row_of_an_ended_search_moves_once_it_is_there(tab: Tab, link: str):
    searched(tab, link)
    tab.wait_for("location.hash.startsWith('#/result/')")
    tab.click("a", "Account")
    tab.see("Tokens")
    # At every frame: where the first row is.
    tab.evaluate(
        "(() => { window.places = new Set(); const look = () => { const row = document.querySelector('a.row');"
        "if (row) window.places.add(Math.round(row.getBoundingClientRect().top)); requestAnimationFrame(look); };"
        "look(); })()"
    )
    tab.evaluate("history.back()")
    tab.see("Skill or luck")
    tab.wait_for("document.querySelector('img.pictures')?.complete")
    tab.wait_for("document.querySelector('a.row') !== null")
    assert len(tab.evaluate("[...window.places]")) == 1


def test_a_search_says_where_orders_fill_and_a_copy_of_it_too(tab: Tab, link: str, tmp_path: Path):
    tab.open(link)
    tab.see("Add an indicator")
    add_indicator(tab, "Relative Strength Index")
    tab.click("button", "Add stop-loss")
    tab.click("button", "Add take-profit")
    tab.click("button", "Add trailing stop")
    tab.click("button", "Add stop-loss, times ATR")
    tab.see("ATR over bars")
    chosen(tab, "Signals fill", "at the next open")
    chosen(tab, "Levels are looked at", "in every minute, a tie is a profit")
    tab.screenshot(tmp_path / "fills-build.png")
    tab.click("button", "Search")
    tab.see("Best variants")
    tab.click("a.row", "Report")
    tab.see("Deepest drawdowns")
    tab.see("Levels fill inside bars, by the minute; a minute that touches both is a take-profit.")
    tab.see("Exits in a minute that touched both levels")
    tab.screenshot(tmp_path / "fills-report.png")
    assert barriers(tab) == []
    tab.click("a", "Edit a copy")
    tab.see("Levels are looked at")
    tab.see("Trailing stop %")
    tab.see("Stop loss, times ATR")
    fields = "[...document.querySelectorAll('select')].map((one) => one.selectedOptions[0]?.text)"
    said = tab.evaluate(fields)
    assert {"at the next open", "in every minute, a tie is a profit"} <= set(said)


def test_candles_are_held_out_and_looked_at_once(tab: Tab, link: str, tmp_path: Path):
    tab.open(link)
    tab.see("Add an indicator")
    chosen(tab, "Instrument", "HELDUSDT")
    chosen(tab, "Hold out", "the last month")
    dated(tab, "Until", "2025-03-01")
    tab.see("Nothing of yours reads them until you open them")
    add_indicator(tab, "Simple Moving Average")
    tab.see("variants over ")
    tab.screenshot(tmp_path / "holdout-build.png")
    tab.click("button", "Search")
    tab.see("Sealed: ")
    tab.see("Best variants")
    tab.click("a.row", "Report")
    tab.see("All metrics")
    tab.click("button", "Save as strategy")
    tab.see("Held-out candles")
    tab.see("sealed")
    tab.screenshot(tmp_path / "holdout-sealed.png")
    chosen(tab, "Strategy to open them with", "HELDUSDT")
    tab.click("button", "Open once")
    tab.see("On the held-out candles: ")
    tab.see("opened ")
    tab.screenshot(tmp_path / "holdout-opened.png")
    tab.click("a.row", "HELDUSDT")
    tab.see("Saved from a search whose verdict was")
    tab.see("On the held-out candles of")
    tab.screenshot(tmp_path / "holdout-strategy.png")
    assert barriers(tab) == []

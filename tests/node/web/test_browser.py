"""The desk in headless Chromium: clicked paths, both widths, both languages, no script needed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from desk_town import EVERY_ROLE, Town, invite, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).resolve().parents[3]
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def missing(reason: str) -> None:
    """Skip aloud; in CI nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, else the one playwright installed."""
    if importlib.util.find_spec("playwright") is None:
        missing("playwright is not installed: `uv pip sync` the development lock")
    from playwright.sync_api import Error, sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        except Error as error:
            missing(f"no Chromium here: {str(error).splitlines()[0]}")
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(town: Town) -> Iterator[str]:
    """The desk of both institutions."""
    with served({"firm": town.firm, "bank": town.bank}) as base:
        yield base


def enter(context: BrowserContext, base: str, town: Town, login: str) -> Page:
    """Use a one-time link as a person would; return the first screen."""
    page = context.new_page()
    page.goto(f"{base}/firm{invite(town.firm, *EVERY_ROLE, login=login)}")
    page.click("button[value=once]")
    page.wait_for_url("**/firm/")
    return page


def problems_of(page: Page) -> list[str]:
    """Collect what the browser complains about: scripts, policy, missing files."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on(
        "console",
        lambda message: found.append(message.text) if message.type == "error" else None,
    )
    return found


def test_from_the_days_table_to_a_break_with_both_entries(
    browser: Browser, address: str, town: Town
) -> None:
    """Click the day's row, then a two-sided break: both entries stand beside each other."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, locale="en-GB")
    context.add_cookies([{"name": "kanhe_language", "value": "en", "url": address}])
    hosts: set[str] = set()
    context.on("request", lambda request: hosts.add(re.sub(r"(://[^/]+).*", r"\1", request.url)))
    page = enter(context, address, town, "clicks")
    problems = problems_of(page)
    page.click(f"text={town.relation.label.split()[0]}")
    page.wait_for_url("**/windows/*")
    page.click("tr:has-text('AMOUNT') th a")
    page.wait_for_url("**/breaks/*")
    cells = page.locator("tr.differs", has_text="Amount").locator("td").all_inner_texts()
    assert len(cells) == 2
    assert cells[0] != cells[1]
    assert page.locator(".pair thead th").count() == 3
    page.click("table.pair a")
    page.wait_for_url("**/entries/**")
    assert page.locator("text=Who can read it").is_visible()
    assert problems == []
    assert hosts == {address}, "no request to any other host"
    context.close()


def test_the_keyboard_walks_through_the_rows(browser: Browser, address: str, town: Town) -> None:
    """J and k move, enter opens, / goes to the search box, ? shows the keys."""
    context = browser.new_context(locale="en-GB")
    page = enter(context, address, town, "keys")
    short = town.agreement.hex()[:16]
    page.goto(f"{address}/firm/agreements/{short}/windows/{town.agreed}")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.locator("tr.is-here").count() == 1
    first = page.locator("tr[data-href]").first
    assert "is-here" in str(first.get_attribute("class"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/breaks/*")
    context.close()


def test_the_desk_fits_a_phone_and_a_screen_in_both_languages(
    browser: Browser, address: str, town: Town
) -> None:
    """No page is wider than 390 or 1280 pixels, in Chinese or English, light or dark."""
    short = town.agreement.hex()[:16]
    here = f"/firm/agreements/{short}"
    paths = ["/firm/", "/firm/breaks", here, f"{here}/windows/{town.agreed}", f"{here}/import"]
    paths += ["/firm/ageing", f"{here}/decisions", f"{here}/windows/{town.agreed}/bookings"]
    paths += [f"{here}/windows/{town.agreed}/adjustment.html"]
    paths += ["/firm/ledger", "/firm/members", "/firm/audit", "/firm/me"]
    seed = browser.new_context()
    enter(seed, address, town, "sizes")
    state = seed.storage_state()
    seed.close()
    for language, theme, width in (("zh", "light", 1280), ("en", "dark", 390), ("zh", "dark", 390)):
        context = browser.new_context(
            storage_state=state,
            viewport={"width": width, "height": 800},
            color_scheme=theme,  # type: ignore[arg-type]
        )
        page = context.new_page()
        problems = problems_of(page)
        for path in paths:
            page.goto(f"{address}{path}?lang={language}")
            excess = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert excess <= 0, f"{path} at {width} in {language}: {excess} px too wide"
        assert problems == []
        context.close()


def axe_source() -> str:
    """Return axe-core as the set-up installs it."""
    path = ROOT / "contracts" / "node_modules" / "axe-core" / "axe.min.js"
    if not path.is_file():
        missing("axe-core is not installed: scripts/setup.sh")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("language", "theme", "width"), [("zh", "light", 1280), ("en", "dark", 390)]
)
def test_nothing_serious_stands_in_the_way_of_anybody(
    browser: Browser, address: str, town: Town, language: str, theme: str, width: int
) -> None:
    """axe-core finds no serious or critical fault: labels, contrast, keyboard, structure."""
    source = axe_source()
    here = f"/agreements/{town.agreement.hex()[:16]}"
    window = f"{here}/windows/{town.agreed}"
    broken = town.firm.breaks.breaks(town.agreement, kind="AMOUNT")[0].key.hex()[:16]
    paths = ["/", "/breaks", "/ageing", here, window, f"{here}/breaks/{broken}", f"{here}/import"]
    paths += [f"{here}/decisions", f"{window}/bookings", f"{window}/adjustment.html"]
    paths += [f"{window}/report.html", "/ledger", "/members", "/chains", "/audit", "/me"]
    seed = browser.new_context()
    enter(seed, address, town, f"axe-{language}")
    context = browser.new_context(
        storage_state=seed.storage_state(),
        viewport={"width": width, "height": 900},
        color_scheme=theme,  # type: ignore[arg-type]
    )
    seed.close()
    page = context.new_page()
    faults = []
    for path in paths:
        page.goto(f"{address}/firm{path}?lang={language}")
        page.evaluate(source)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        faults += [
            f"{path}: {item['id']} {item['nodes'][0]['html'][:120]}"
            for item in found["violations"]
            if item["impact"] in {"serious", "critical"}
        ]
    context.close()
    assert not faults, "\n".join(faults)


def test_what_moves_comes_by_itself(browser: Browser, address: str, town: Town) -> None:
    """A note by a colleague moves the page's live part without a click."""
    context = browser.new_context(locale="en-GB")
    page = enter(context, address, town, "live")
    page.evaluate("window.moved = 0; document.body.addEventListener('moved', () => window.moved++)")
    # Asked again and again: waiting inside the page would need the eval that its policy forbids.
    for _ in range(150):
        if page.evaluate("window.moved"):
            break
        page.wait_for_timeout(100)
    assert page.evaluate("window.moved") >= 1
    with page.expect_response(lambda answer: answer.url.endswith("/firm/"), timeout=15_000):
        invite(town.firm, "viewer", login="somebody-else")
    assert page.locator("#live").count() == 1
    context.close()


def test_everything_but_the_live_view_works_without_scripts(
    browser: Browser, address: str, town: Town
) -> None:
    """With JavaScript off one logs in, filters the breaks and opens one."""
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies([{"name": "kanhe_language", "value": "en", "url": address}])
    page = enter(context, address, town, "plain")
    page.goto(f"{address}/firm/breaks")
    page.select_option("select[name=kind]", "AMOUNT")
    page.click("button:has-text('Show')")
    assert page.locator("tbody tr").count() >= 1
    page.click("tbody th a")
    page.wait_for_url("**/breaks/*")
    assert page.locator(".said").inner_text()
    context.close()


CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_ground(
    browser: Browser, address: str, town: Town, theme: str
) -> None:
    """Every visible text has a contrast of at least 4.5 with what is behind it."""
    context = browser.new_context(color_scheme=theme)  # type: ignore[arg-type]
    page = enter(context, address, town, f"sees-{theme}")
    short = town.agreement.hex()[:16]
    here = f"/firm/agreements/{short}"
    for path in ("/firm/", f"{here}/windows/{town.agreed}", "/firm/breaks", "/firm/ledger", here):
        page.goto(f"{address}{path}")
        weak = page.evaluate(CONTRAST)
        assert weak == [], f"{path} in {theme}: {weak[:5]}"
    context.close()

"""The board in a real browser: rows that live, filter, sort, compare, reports; on a phone and in the dark."""

import shutil
import signal

import pytest

from tests.board.folders import add_epoch, make_run, make_sweep
from tests.board.serving import serving
from tests.cli.commands import LONG, Workplace
from tests.report.browser import open_browser

HOSTILE = "<img src=x onerror=alert(1)>-1"


@pytest.fixture(scope="module")
def browser():
    with open_browser() as driver:
        yield driver


@pytest.fixture(scope="module")
def workplace(original, tmp_path_factory):
    """The real runs with some made-up ones, and a sweep; tests add to it."""
    place = Workplace(tmp_path_factory.mktemp("browser") / "copy")
    shutil.copytree(original.folder, place.folder)
    make_run(place.runs / HOSTILE, (0.2, 0.3))
    make_run(place.runs / "weak-1", (0.1, 0.15), status="failed", reason="<b>the disk</b> is full")
    make_sweep(place.runs / "wide-1")
    return place


@pytest.fixture(scope="module")
def address(browser, workplace):
    with serving(workplace) as board:
        yield board.address


@pytest.fixture
def page(browser, address):
    """The board with its rows, nothing chosen yet, and an empty console."""
    browser.get("about:blank")
    browser.get(address)
    browser.execute_script("sessionStorage.clear(); localStorage.clear()")
    browser.get_log("browser")
    return opened(browser, address)


def opened(browser, address):
    browser.get("about:blank")
    browser.get(address)
    wait(browser, "document.querySelectorAll('#runs tbody tr').length > 0")
    return browser


def wait(browser, condition, seconds=120):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, seconds, 0.1).until(lambda driver: driver.execute_script(f"return {condition}"))


def names(page):
    links = "[...document.querySelectorAll('#runs tbody .name a')]"
    return page.execute_script(f"return {links}.map(e => e.textContent)")


def write(page, text):
    field = page.find_element("id", "filter")
    field.clear()
    field.send_keys(text or " ")


def sort_by(page, key):
    page.find_element("css selector", f"th[data-key='{key}'] button").click()


def choose(page, *runs):
    for run in runs:
        page.find_element("css selector", f"input[aria-label='choose runs/{run} for a comparison']").click()


def test_it_lists_sorts_and_filters(page):
    assert set(names(page)) == {"small-1", "small-2", HOSTILE, "weak-1", "wide-1"}
    assert page.execute_script("return document.querySelectorAll('#runs img').length") == 0
    assert "<b>the disk</b> is full" in page.find_element("css selector", "#runs").text
    sort_by(page, "main")
    ascending = names(page)
    assert ascending[:2] == ["weak-1", HOSTILE]
    sort_by(page, "main")
    assert names(page) == ascending[::-1]
    assert page.find_element("css selector", "th[aria-sort]").get_attribute("aria-sort") == "descending"
    write(page, "small 2")
    assert names(page) == ["small-2"]
    write(page, "")
    page.find_element("css selector", "#statuses button[value=failed]").click()
    assert names(page) == ["weak-1"]
    page = opened(page, page.current_url)  # an address keeps what was chosen
    assert names(page) == ["weak-1"]
    assert page.get_log("browser") == []


def test_a_sweep_unfolds(page):
    assert "learning_rate 0.01" not in names(page)
    page.find_element("css selector", "[data-id='runs/wide-1'] .fold").click()
    assert set(names(page)) >= {"wide-1", "learning_rate 0.1", "learning_rate 0.01"}
    assert "best: learning_rate 0.01" in page.find_element("css selector", "[data-id='runs/wide-1']").text
    page.find_element("css selector", "[data-id='runs/wide-1'] .fold").click()
    assert "learning_rate 0.01" not in names(page)
    write(page, "learning_rate 0.01")
    assert names(page) == ["wide-1", "learning_rate 0.01"]
    write(page, "")
    page.find_element("id", "grouped").click()
    assert "wide-1" not in names(page)
    assert "learning_rate 0.01" in names(page)
    assert page.get_log("browser") == []


def test_columns_can_be_chosen(page):
    page.find_element("css selector", ".columns summary").click()
    page.find_element("css selector", "#columns input[value=parameters]").click()
    assert page.find_elements("css selector", "th[data-key='last:parameters']")
    page.find_element("css selector", "#columns input[value='validation/loss']").click()
    assert not page.find_elements("css selector", "th[data-key='last:validation/loss']")
    opened(page, page.current_url)
    assert page.find_elements("css selector", "th[data-key='last:parameters']")


def test_runs_that_train_appear_and_go_on_while_the_reader_works(page, workplace):
    workplace.write(LONG, "long.yaml")
    sort_by(page, "name")
    choose(page, "small-1")
    write(page, "runs")
    page.execute_script("window.sameAsBefore = true; window.row = document.querySelector('[data-id=\"runs/small-1\"]')")
    training = workplace.start("train", "long.yaml", "training.epochs=500")
    try:
        cell = "document.querySelector('[data-id=\"runs/long-1\"] [data-key={}]')?.textContent ?? ''"
        wait(page, cell.format("status") + " === 'running'")
        wait(page, f"/^[2-9]\\/500|^\\d\\d+\\/500/.test({cell.format('progress')})")
        before = page.execute_script(f"return {cell.format('progress')}")
        wait(page, f"{cell.format('progress')} !== {before!r}")
        assert page.find_elements("css selector", "[data-id='runs/long-1'] svg.curve")
    finally:
        training.send_signal(signal.SIGINT)
        training.communicate(timeout=60)
    wait(page, cell.format("status") + ".startsWith('stopped')")
    assert page.execute_script("return window.sameAsBefore && window.row.isConnected")
    assert page.find_element("id", "filter").get_attribute("value") == "runs"
    assert page.find_element("css selector", "th[aria-sort]").get_attribute("data-key") == "name"
    assert page.find_element("css selector", "[data-id='runs/small-1'] input").is_selected()
    heads = page.execute_script(
        "return [...document.querySelectorAll('tr:not(.member) .name a')].map(e => e.textContent)"
    )
    assert heads == [HOSTILE, "long-1", "small-1", "small-2", "weak-1", "wide-1"]
    assert page.get_log("browser") == []


def test_comparing_runs(page, workplace):
    button = page.find_element("id", "compare")
    choose(page, "small-1")
    assert (button.get_attribute("aria-disabled"), button.get_attribute("href")) == ("true", None)
    choose(page, "small-2", "weak-1")
    assert button.text == "compare 3 runs"
    button.click()
    wait(page, "document.body?.dataset.drawn")
    assert page.execute_script("return document.querySelectorAll('#chart-0 .scatterlayer .trace').length") == 3
    views = page.execute_script("return [...document.querySelector('#curves select').options].map(e => e.text)")
    assert views[0] == "validation/accuracy"
    assert {"validation/loss", "train/loss"} <= set(views)
    differences = page.find_element("id", "differences").text
    assert "optimizer.learning_rate" in differences
    assert "fingerprint" in differences
    first = "document.querySelector('#chart-0').data[2].y"
    assert page.execute_script(f"return {first}.length") == 2
    add_epoch(workplace.runs / "weak-1", 0.4)
    wait(page, f"{first}.length === 3")
    assert page.get_log("browser") == []
    page.find_element("css selector", ".home a").click()
    wait(page, "document.querySelectorAll('#runs tr.chosen').length === 3")


def test_opening_a_report(page):
    page.find_element("link text", "small-1").click()
    wait(page, "document.body?.dataset.drawn")
    assert "Confusion matrix" in page.find_element("css selector", "body").text
    assert page.get_log("browser") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_systems_colours(page, scheme):
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    brightness = "return getComputedStyle({}).{}.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0) / 3"
    for place in ("document.querySelector('article')", "document.querySelector('#filter')"):
        card = page.execute_script(brightness.format(place, "backgroundColor"))
        text = page.execute_script(brightness.format(place, "color"))
        assert (card < 60 and text > 180) if scheme == "dark" else (card > 200 and text < 80)


def test_a_phone_needs_no_scrolling_sideways(page, address):
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        opened(page, address)
        page.find_element("css selector", "[data-id='runs/wide-1'] .fold").click()
        assert page.execute_script("return document.documentElement.scrollWidth") <= 360
        widths = page.execute_script("return [...document.querySelectorAll('#runs td')].map(e => e.scrollWidth)")
        assert max(widths) <= 360
        assert page.find_element("id", "sort").is_displayed()
        choose(page, "small-1", "small-2")
        page.find_element("id", "compare").click()
        wait(page, "document.body?.dataset.drawn")
        assert page.execute_script("return document.documentElement.scrollWidth") <= 360
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_says_when_the_board_is_gone(browser, original):
    with serving(original) as board:
        page = opened(browser, board.address)
        wait(page, "document.querySelector('#life').className === 'live'")
    wait(page, "document.querySelector('#life').className === 'lost'")
    assert set(names(page)) == {"small-1", "small-2"}

"""A report in a real browser: it opens without errors, its charts are there, its tables sort."""

import pytest

from tests.report.browser import open_browser


@pytest.fixture(scope="module")
def browser():
    with open_browser() as driver:
        yield driver


@pytest.fixture(scope="module")
def address(original, tmp_path_factory):
    pytest.importorskip("plotly", reason="needs plotly (the extra report)")
    path = tmp_path_factory.mktemp("page") / "report.html"
    original.call("report", "small-1", "--no-profile", "--output", str(path))
    return path.as_uri()


@pytest.fixture
def page(browser, address):
    """The report, drawn, with an empty log of the browser's console."""
    browser.get_log("browser")
    return open_page(browser, address)


def open_page(browser, address):
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(address)
    WebDriverWait(browser, 60).until(lambda driver: driver.execute_script("return document.body.dataset.drawn"))
    return browser


def test_it_opens_without_errors_and_all_charts_are_drawn(page):
    assert page.get_log("browser") == []
    plots = page.execute_script(
        "return [...document.querySelectorAll('.plot')].map(e => e.querySelectorAll('svg').length)"
    )
    assert len(plots) >= 8
    assert all(plots)
    assert page.execute_script("return document.querySelectorAll('.heatmaplayer image').length") == 1
    assert page.execute_script("return [...document.images].every(e => e.naturalWidth > 0)")


def test_a_sweeps_charts_are_drawn(browser, tmp_path):
    for package in ("plotly", "optuna"):
        pytest.importorskip(package, reason=f"needs {package}")
    from dlrun.report import sweep_report
    from dlrun.report.blocks import Page, Section
    from dlrun.report.page import write_page
    from tests.report.test_sweep_report import LABELS, TRIALS

    charts = [
        sweep_report.parallel(TRIALS, LABELS, "loss"),
        sweep_report.history(TRIALS, "loss", maximizes=False),
        sweep_report.one_slice(TRIALS, "optimizer.learning_rate", "rate", "loss"),
        sweep_report.one_slice(TRIALS, "optimizer.type", "type", "loss"),
        sweep_report.importance_chart({"rate": 0.75, "type": 0.25}),
    ]
    write_page(tmp_path / "sweep.html", Page("sweep", [], [Section("Trials", charts)]))
    browser.get_log("browser")
    page = open_page(browser, (tmp_path / "sweep.html").as_uri())
    assert page.get_log("browser") == []
    assert page.execute_script("return document.querySelectorAll('.plot .plot-container').length") == len(charts)
    assert page.execute_script("return document.querySelectorAll('#chart-0 .scatterlayer .trace').length") == 4


def column(page, number):
    cells = f"[...document.querySelectorAll('#predictions table tr td:nth-child({number})')]"
    return page.execute_script(f"return {cells}.map(e => e.textContent)")


def test_tables_sort_up_and_down(page):
    buttons = page.find_elements("css selector", "#predictions table th button")
    buttons[3].click()
    values = [float(text) for text in column(page, 4)]
    assert values == sorted(values)
    buttons[3].click()
    assert [float(text) for text in column(page, 4)] == sorted(values, reverse=True)
    assert page.find_element("css selector", "th[aria-sort]").get_attribute("aria-sort") == "descending"
    buttons[0].click()
    assert column(page, 1)[:10] == [str(digit) for digit in range(10)]
    assert page.get_log("browser") == []


def test_a_list_changes_a_charts_view(page):
    state = (
        "const e = document.querySelector('#network select').parentElement.querySelector('.plot'); return e.data[0].x"
    )
    before = page.execute_script(state)
    page.execute_script(
        "const s = document.querySelector('#network select'); s.value = 1; s.dispatchEvent(new Event('change'))"
    )
    assert page.execute_script(state) != before
    assert page.get_log("browser") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_systems_colours(page, scheme):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    brightness = "return getComputedStyle({}).{}.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0) / 3"
    paper = page.execute_script(brightness.format("document.body", "backgroundColor"))
    text = page.execute_script(brightness.format("document.querySelector('.xtitle')", "fill"))
    assert (paper < 60 and text > 180) if scheme == "dark" else (paper > 200 and text < 80)


def test_a_phone_needs_no_scrolling_sideways(browser, address):
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page = open_page(browser, address)
        assert page.execute_script("return document.documentElement.scrollWidth") <= 360
        widths = page.execute_script("return [...document.querySelectorAll('.plot')].map(e => e.clientWidth)")
        assert max(widths) < 360
        assert min(widths) > 250
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

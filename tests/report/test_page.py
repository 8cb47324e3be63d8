"""Blocks as HTML: escaping, numbers, and one file with all in it."""

import base64
import gzip
import json
import re
import sys

import numpy as np
import pytest

from dlrun.errors import MissingExtra
from dlrun.report.blocks import Code, Gallery, Link, Page, Picture, Section, Table, Texts, one
from dlrun.report.page import check_libraries, plain, render, shown

pytest.importorskip("plotly", reason="needs plotly (the extra report)")
pytest.importorskip("jinja2", reason="needs jinja2 (the extra report)")
EVIL = "</script><b>&'\""


@pytest.fixture(scope="module")
def html():
    blocks = [
        one(
            "curve",
            [{"type": "scatter", "x": np.arange(2), "y": [1 / 3, float("nan")], "name": EVIL}],
            layout={"xaxis": {}},
        ),
        Table("table", ("name", "value"), [[EVIL, 1234.56], ["b", float("nan")], [Link("run", "run.html"), 2]]),
        Gallery("pictures", [Picture("data:image/png;base64,AA==", EVIL)]),
        Texts("texts", [("heading", EVIL)]),
        Code("code", EVIL),
    ]
    return render(Page(EVIL, [("best", 0.5)], [Section("All of it", blocks)], ["a note"]))


def test_what_stands_in_data_is_never_html(html):
    assert "<b>" not in html
    assert html.count("</script>") == 3


def test_charts_are_json_without_nan(html):
    text = re.search(r'<script type="application/json" id="charts">(.*?)</script>', html, re.DOTALL)[1]
    trace = json.loads(text)[0]["views"][0]["traces"][0]
    assert trace["x"] == [0, 1]
    assert trace["y"] == [0.333333, None]
    assert trace["name"] == EVIL


def test_the_library_is_inside_and_nothing_is_fetched(html):
    packed = re.search(r'<script type="text/plain" id="library">(.*?)</script>', html, re.DOTALL)[1]
    assert b"plotly.js" in gzip.decompress(base64.b64decode(packed))[:200]
    assert re.findall(r'(?:src|href)="(?!data:|#|run\.html)[^"]*"', html) == []
    assert len(html) < 3_000_000


def test_numbers_sort_by_what_they_are(html):
    assert '<td class="number" data-order="1234.56">1,234.6</td>' in html
    assert '<td><a href="run.html">run</a></td>' in html
    assert '<th scope="col" class="number">' in html


def test_sections_have_places(html):
    assert '<a href="#all-of-it">All of it</a>' in html
    assert '<section id="all-of-it">' in html


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (float("nan"), "–"), (True, "yes"), (12345, "12,345"), (0.123456, "0.1235"), (1e12, "1e+12"),
     (np.float32(0.5), "0.5"), (np.int64(1000), "1,000"), ("a", "a")],
)  # fmt: skip
def test_cells(value, text):
    assert shown(value) == text


def test_plain_values():
    assert plain({"a": (np.float32(1) / 3, np.inf), 1: np.array([[1, 2]])}) == {"a": [0.333333, None], "1": [[1, 2]]}


def test_the_missing_library_is_named(monkeypatch):
    monkeypatch.setattr("dlrun.report.page.find_spec", lambda name: None if name == "plotly" else sys)
    with pytest.raises(MissingExtra) as caught:
        check_libraries()
    assert caught.value.help == "pip install 'dlrun[report]'"

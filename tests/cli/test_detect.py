"""dlrun detect."""

import json

import pytest

from tests.training.test_detection import WAVE, wave


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A workplace with a run that forecasts a wave, wave-1; not to be changed."""
    from tests.cli.commands import Workplace

    place = Workplace(tmp_path_factory.mktemp("detect"))
    place.write(WAVE.format(path=wave(place.folder / "wave.csv")), "wave.yaml")
    place.call("train", "wave.yaml")
    return place


def test_a_report_for_people(place):
    done = place.call("detect", "wave-1")
    assert "250 rows of the test split" in done.stdout
    assert "2 of 2 windows found" in done.stdout
    assert "the largest of the 100 validation rows, times 1.2" in done.stdout
    folder = place.runs / "wave-1" / "anomalies"
    assert len((folder / "scores.csv").read_text().splitlines()) == 251


def test_json_settings_and_another_folder(place):
    found = place.call("detect", "latest", "anomaly.threshold.factor=1000", "--json", "-o", "there")
    report = json.loads(found.stdout)
    assert report["flagged"] == 0
    assert report["per_window"]["missed"] == 2
    assert json.loads((place.folder / "there" / "report.json").read_text()) == report


def test_a_file(place):
    wave(place.folder / "calm.csv", odd=(), rows=300)
    done = place.call("detect", "wave-1", "calm.csv", "-o", "calm", "anomaly.threshold.factor=2")
    assert "284 rows of calm.csv" in done.stdout
    assert "0 rows flagged\n" in done.stdout
    assert "2 labelled windows have no row here" in done.stderr


def test_it_draws(place):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    place.call("detect", "wave-1", "-o", "drawn")
    assert (place.folder / "drawn" / "scores.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("wave-1", "a.csv", "b.csv"), 2, "one file at a time"),
        (("wave-1", "wave.csv", "--split", "test"), 2, "leave --split out"),
        (("wave-1", "gone.csv"), 2, "there is no file gone.csv"),
        (("wave-1", "anomaly.score=msee"), 2, "anomaly.score=msee"),
        (("wave-2",), 2, "there is no run 'wave-2'"),
    ],
)
def test_mistakes(place, arguments, code, message):
    assert message in place.call("detect", *arguments, expect=code).stderr

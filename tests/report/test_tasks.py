"""dlrun report of networks whose predictions alone don't show what they are for."""

import numpy as np

from dlrun.report.blocks import Table, Texts
from dlrun.report.run_report import Options, report_run
from dlrun.report.tasks import MOST_POINTS, _peaks
from tests.cli.test_recommend import CHOICES
from tests.training.runs import start
from tests.training.test_detection import WAVE, wave
from tests.training.test_generation import MODEL
from tests.training.test_translation import NUMBERS, write_numbers

NO_PROFILE = Options(profile=False)


def section(run, title):
    page = report_run(run, NO_PROFILE)
    assert not [note for note in page.notes if "shown" in note]
    return {block.title: block for each in page.sections if each.title == title for block in each.blocks}


def test_a_language_model_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.txt").write_text("".join(np.random.default_rng(0).choice(list("abcdef "), 900)))
    layers = ["{type: embedding, output_dim: 6}", "{type: gru, units: 8, return_sequences: true}"]
    run = start(tmp_path, MODEL.format(layers="\n".join(f"    - {layer}" for layer in layers))).run
    written = section(run, "Generated")["Texts"]
    assert isinstance(written, Texts)
    heading, text = written.texts[0]
    begun = heading.removeprefix("seed 0, after ").strip("'")
    assert len(begun) == 11
    assert text.startswith(begun)
    assert len(text) == 211


def test_a_translator_translates(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_numbers(tmp_path)
    table = section(start(tmp_path, NUMBERS).run, "Translations")["Texts"]
    assert isinstance(table, Table)
    assert table.columns == ["digits", "words", "translated"]
    assert len(table.rows) == 12
    for digits, words, _ in table.rows:
        assert len(digits) == len(words.split())  # a row of the source, its columns as they stand there


def test_items_are_recommended(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = [f"{user},film {item}" for user in range(1, 21) for item in random.choice(12, 6, replace=False)]
    (tmp_path / "choices.csv").write_text("user,item\n" + "\n".join(rows) + "\n")
    table = section(start(tmp_path, CHOICES).run, "Recommendations")["Items"]
    assert table.columns == ("user", "rank", "item", "score")
    assert [row[1] for row in table.rows] == [1, 2, 3, 4, 5] * 5


def test_anomalies_and_forecasts_are_drawn(tmp_path):
    run = start(tmp_path, WAVE.format(path=wave(tmp_path / "wave.csv"))).run
    found = section(run, "Anomalies")
    scores = found["Scores"]
    line, flagged, threshold = scores.views[0].traces
    assert str(line["x"][0]).startswith("2024-01-1")
    assert len(scores.layout["shapes"]) == 2
    assert len(flagged["y"]) > 0
    assert min(flagged["y"]) > threshold["y"][0]
    assert len(found["Labelled anomalies"].rows) == 2
    windows = section(run, "Predictions")["Windows"]
    assert [trace["name"] for trace in windows.views[0].traces] == ["value, true", "value, predicted"]
    assert len(windows.views[0].traces[0]["y"]) == 2


def test_the_highest_of_many_scores_are_kept():
    values = np.zeros(3 * MOST_POINTS)
    values[[5, 7777]] = 1.0
    kept = _peaks(values, values > 0)
    assert len(kept) <= MOST_POINTS
    assert {5, 7777} <= set(kept.tolist())

"""dlrun report: what a run's page has, by the kind of its inputs and targets."""

import shutil

import numpy as np
import pytest

from dlrun.report.blocks import Chart, Gallery, Table, Texts
from dlrun.report.run_report import Options, report_run
from dlrun.runs.directory import RunDirectory
from tests.cli.commands import Workplace
from tests.training.runs import start
from tests.training.test_explain import TABLE, TEXTS

NO_PROFILE = Options(profile=False)


@pytest.fixture(autouse=True)
def no_plots(monkeypatch):
    monkeypatch.setattr("dlrun.training.recording.draw_curves", lambda *arguments: None)


@pytest.fixture
def place(original, tmp_path):
    shutil.copytree(original.folder, tmp_path / "copy")
    return Workplace(tmp_path / "copy")


def blocks(page, title=None):
    return {
        block.title: block for section in page.sections for block in section.blocks if title in (None, section.title)
    }


def test_images_of_classes(original):
    page = report_run(RunDirectory.open(original.runs / "small-1"), Options())
    titles = [section.title for section in page.sections]
    assert titles == ["Curves", "On the test rows", "Predictions", "Network", "Config and environment"]
    found = blocks(page)
    matrix = np.array(found["Confusion matrix"].views[0].traces[0]["customdata"])
    assert matrix.sum() == sum(row[-1] for row in found["By class"].rows[:10])
    mistakes = found["Most confident mistakes"]
    assert isinstance(mistakes, Gallery)
    assert len(mistakes.pictures) == min(24, matrix.sum() - np.trace(matrix))
    assert mistakes.pictures[0].source.startswith("data:image/png;base64,")
    assert "Expected calibration error" in found["Calibration"].caption
    layers = found["Layers"]
    assert [row[0] for row in layers.rows][:2] == ["conv2d_1", "conv2d_1/relu"]
    shares = [row[-1] for row in layers.rows]
    assert 0.2 < sum(shares) <= 1.01
    assert [view.name for view in found["Gradients"].views] == [view.name for view in found["Weights"].views]
    assert {"loss", "accuracy", "learning rate"} <= blocks(page, "Curves").keys()


def test_texts_are_shown_as_texts_and_without_a_profile_there_are_no_times(tmp_path):
    (tmp_path / "texts.csv").write_text(
        "text,mood\n" + "good fine day,1\nbad sad day,0\nODD  day?,1\nODD  day?,0\n" * 20
    )
    run = start(tmp_path, TEXTS.replace("PATH", str(tmp_path / "texts.csv"))).run
    found = blocks(report_run(run, NO_PROFILE))
    mistakes = found["Most confident mistakes"]
    assert isinstance(mistakes, Texts)
    assert "ODD  day?" in [text for _, text in mistakes.texts]  # as the source has it, not as tokens
    assert found["Layers"].columns[-1] == "FLOPs of a sample"


def test_numbers_have_residuals_in_their_own_units(tmp_path):
    random = np.random.default_rng(0)
    lines = [
        f"{a:.3f},{b:.3f},{'xy'[i % 2]},{1000 + 3 * a + b:.3f}" for i, (a, b) in enumerate(random.normal(size=(80, 2)))
    ]
    (tmp_path / "table.csv").write_text("a,b,city,y\n" + "\n".join(lines) + "\n")
    config = TABLE.replace("PATH", str(tmp_path / "table.csv")).replace(
        "{column: y}", "{column: y, transforms: [standardize]}"
    )
    found = blocks(report_run(start(tmp_path, config).run, NO_PROFILE))
    points = found["Predicted and true"].views[0].traces[0]
    assert 990 < np.mean(points["x"]) < 1010
    assert isinstance(found["Errors"], Table)
    assert "Confusion matrix" not in found


def test_several_targets_have_sections_of_their_own(tmp_path):
    config = """
name: two
data:
  source: {type: csv, path: PATH}
  inputs: {x: {columns: [a, b]}}
  target: {kind: {column: kind}, y: {column: y}}
  split: {validation: 0.3}
model:
  layers:
    - {type: dense, name: kind, units: 2, activation: softmax}
    - {type: dense, name: y, units: 1, inputs: [x]}
loss: {kind: cross_entropy, y: mse}
optimizer: adam
training: {epochs: 1, batch_size: 8}
"""
    random = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{'no' if a > 0 else 'yes'},{b:.3f}" for a, b in random.normal(size=(60, 2))]
    (tmp_path / "table.csv").write_text("a,b,kind,y\n" + "\n".join(rows) + "\n")
    page = report_run(start(tmp_path, config.replace("PATH", str(tmp_path / "table.csv"))).run, NO_PROFILE)
    assert [section.title for section in page.sections][1:4] == [
        "On the validation rows", "Predictions of kind", "Predictions of y",
    ]  # fmt: skip
    assert isinstance(blocks(page, "Predictions of kind")["Most confident mistakes"], Table)
    assert isinstance(blocks(page, "Predictions of y")["Residuals"], Chart)


def test_an_autoencoder_has_its_worst_reconstructions(tmp_path):
    config = """
name: auto
data: {source: digits, target: {input: image}, split: {validation: 0.2}, limit: 60}
model: {layers: [flatten, {type: dense, units: 64, activation: sigmoid}, {type: reshape, target_shape: [8, 8, 1]}]}
loss: mse
optimizer: adam
training: {epochs: 1, batch_size: 16}
"""
    found = blocks(report_run(start(tmp_path, config).run, NO_PROFILE))
    assert len(found["Worst reconstructions"].pictures) == 24
    assert "Residuals" not in found


def test_what_can_not_be_known_any_more_is_said(place):
    run = RunDirectory.open(place.runs / "small-1")
    for checkpoint in run.checkpoints.iterdir():
        checkpoint.unlink()
    page = report_run(run, Options())
    assert [section.title for section in page.sections] == ["Curves", "Config and environment"]
    assert "has no checkpoint" in page.notes[-1]


def test_the_command_writes_a_file_and_says_where(place):
    pytest.importorskip("plotly", reason="needs plotly (the extra report)")
    printed = place.call("report", "small-1", "--no-profile").stdout
    path = place.runs / "small-1" / "report.html"
    assert printed == f"{path}\n"
    assert "Confusion matrix" in path.read_text()
    place.call("report", "latest", "--no-profile", "--split", "validation", "--output", "here.html")
    assert "On the validation rows" in (place.folder / "here.html").read_text()


def test_mistakes(place):
    pytest.importorskip("plotly", reason="needs plotly (the extra report)")
    assert "no run 'small-9'" in place.call("report", "small-9", expect=2).stderr
    assert "no checkpoint 'best2'" in place.call("report", "small-1", "--checkpoint", "best2", expect=2).stderr
    assert "other split" in place.call("report", "small-1", "--split", "other", expect=1).stderr
    assert "it holds runs" in place.call("report", str(place.runs), expect=2).stderr

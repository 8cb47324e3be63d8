import builtins
import math
import os

import numpy as np
import pytest

from dlrun.errors import RunError
from dlrun.runs import plots
from dlrun.runs.metrics_csv import FIRST_COLUMNS, History

NAMES = ("cat", "dog $x^$", "猫 with a name of far more than twenty-four letters")


@pytest.fixture
def matplotlib():
    pytest.importorskip("matplotlib", reason="needs matplotlib (the extra plots)")


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved, to look into."""
    figures = []
    save = plots.save_figure
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: (figures.append(figure), save(figure, path)))
    return figures


def history(*rows):
    columns = (*FIRST_COLUMNS, "train/loss", "validation/loss", "train/accuracy", "validation/f1/cat")
    return History(columns, tuple(dict(zip(columns, row, strict=True)) for row in rows))


def assert_png(path, smallest=100):
    from PIL import Image

    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        assert min(image.size) >= smallest


def test_curves_have_a_panel_for_each_metric(matplotlib, drawn, tmp_path):
    path = tmp_path / "plots" / "curves.png"
    rows = [(e, 10 * e, 0.5, 640.0, 10.0**-e, 1 / e, None if e % 2 else 2 / e, 0.5, 0.25) for e in range(1, 5)]
    plots.draw_curves(path, history(*rows), "run $1", best_epoch=2)
    assert_png(path)
    panels = {axes.get_title(loc="left"): axes for axes in drawn[0].axes if axes.get_visible()}
    assert list(panels) == ["loss", "accuracy", "f1", "learning rate"]
    train, validation, best = panels["loss"].lines
    assert list(train.get_xdata()) == [1, 2, 3, 4]
    assert list(validation.get_xdata()) == [2, 4]
    assert list(best.get_xdata()) == [2, 2]
    assert [text.get_text() for text in panels["loss"].get_legend().get_texts()] == ["train", "validation"]
    assert panels["learning rate"].get_yscale() == "log"
    assert panels["loss"].get_yscale() == "linear"


def test_curves_of_odd_histories(matplotlib, tmp_path):
    path = tmp_path / "curves.png"
    plots.draw_curves(path, History((), ()))
    plots.draw_curves(path, history())
    plots.draw_curves(path, history((1, 10, 0.5, 640.0, 0.0, math.inf, math.nan, 0.0, -1.0)))
    assert_png(path)
    assert os.listdir(tmp_path) == ["curves.png"]


def test_confusion_matrix_shows_counts_and_shades(matplotlib, drawn, tmp_path):
    path = tmp_path / "confusion_matrix.png"
    plots.draw_confusion_matrix(path, [[8, 2, 0], [0, 0, 0], [1, 0, 3]], NAMES)
    assert_png(path)
    axes = drawn[0].axes[0]
    assert sorted(text.get_text() for text in axes.texts) == ["1", "2", "3", "8"]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.8, 0.2, 0], [0, 0, 0], [0.25, 0, 0.75]])
    assert [label.get_text()[:3] for label in axes.get_xticklabels()] == ["cat", "dog", "猫 w"]


def test_confusion_matrix_of_many_classes(matplotlib, drawn, tmp_path):
    path = tmp_path / "confusion_matrix.png"
    plots.draw_confusion_matrix(path, np.eye(120).tolist(), [str(k) for k in range(120)])
    assert_png(path)
    assert not drawn[0].axes[0].texts


def test_the_most_confident_mistakes_come_first():
    truth = np.array([0, 0, 1, 2, 2])
    probabilities = np.array([[0.1, 0.9, 0], [0.9, 0.1, 0], [0.6, 0.4, 0], [0, 0.95, 0.05], [0, 0.1, 0.9]])
    assert plots.most_confident_mistakes(truth, probabilities).tolist() == [3, 0, 2]
    assert plots.most_confident_mistakes(truth, probabilities, count=1).tolist() == [3]
    assert plots.most_confident_mistakes(truth[:0], probabilities[:0]).tolist() == []
    single = np.array([0.9, 0.2, 0.01])
    assert plots.most_confident_mistakes(np.array([0, 0, 1]), single).tolist() == [2, 0]
    assert plots.most_confident_mistakes(np.array([0, 0, 1]), single[:, None]).tolist() == [2, 0]


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 8, 3), (8, 8, 2)])
@pytest.mark.parametrize("kind", ["uint8", "unit", "standardised", "flat"])
def test_sheet_of_mistakes(matplotlib, drawn, tmp_path, shape, kind):
    random = np.random.default_rng(0)
    images = {
        "uint8": random.integers(0, 256, (7, *shape)).astype(np.uint8),
        "unit": random.random((7, *shape)).astype(np.float32),
        "standardised": random.normal(size=(7, *shape)),
        "flat": np.full((7, *shape), -3.0),
    }[kind]
    path = tmp_path / "mistakes.png"
    probabilities = random.dirichlet(np.ones(3), 7)
    plots.draw_mistakes(path, images, np.zeros(7, np.int64), probabilities, NAMES)
    assert_png(path)
    first = drawn[0].axes[0]
    shown = first.images[0].get_array()
    assert shown.min() >= 0
    assert shown.max() <= 1
    assert first.texts[0].get_text().startswith("is cat\nsaid ")
    assert len(first.images) == len(first.texts) == 7


def test_a_sheet_without_mistakes_says_so(matplotlib, drawn, tmp_path):
    path = tmp_path / "mistakes.png"
    plots.draw_mistakes(path, np.zeros((0, 8, 8)), np.zeros(0, np.int64), np.zeros((0, 3)), NAMES)
    assert_png(path)
    assert drawn[0].axes[0].texts[0].get_text() == "no mistakes"


def test_an_unwritable_place_is_a_clear_error(matplotlib, tmp_path):
    (tmp_path / "plots").write_text("")
    with pytest.raises(RunError, match="can't write"):
        plots.draw_curves(tmp_path / "plots" / "curves.png", history())


def test_without_matplotlib_there_is_one_note(monkeypatch, tmp_path):
    real = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    notes = []
    with plots.noting(notes.append):
        plots.draw_curves(tmp_path / "curves.png", history())
        plots.draw_confusion_matrix(tmp_path / "confusion_matrix.png", [[1]], ["a"])
    assert len(notes) == 1
    assert "pip install 'dlrun[plots]'" in notes[0]
    assert os.listdir(tmp_path) == []


def test_each_of_several_targets_has_its_own_panels():
    names = ["loss", "kind/loss", "size/loss", "kind/f1/a", "kind/f1/b", "size/mae", "kl"]
    columns = [*FIRST_COLUMNS, *(f"{split}/{name}" for split in ("train", "validation") for name in names)]
    found = plots.panels_of(columns)
    assert list(found) == ["loss", "kind/loss", "size/loss", "kind/f1", "size/mae", "kl", "learning rate"]
    assert found["kind/f1"] == {
        "train a": "train/kind/f1/a", "train b": "train/kind/f1/b",
        "validation a": "validation/kind/f1/a", "validation b": "validation/kind/f1/b",
    }  # fmt: skip
    assert found["kind/loss"] == {"train": "train/kind/loss", "validation": "validation/kind/loss"}

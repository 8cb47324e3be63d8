import math

import pytest

from dlrun.errors import MissingExtra, UsageError
from dlrun.runs import text_plot
from dlrun.runs.comparison import compare_runs
from dlrun.runs.comparison_plot import check_output, draw_comparison
from dlrun.runs.directory import RunDirectory
from dlrun.runs.metrics_csv import append_metrics
from dlrun.runs.record import RunRecord, write_record

FIRST = {"step": 10, "seconds": 0.1, "samples_per_second": 100.0, "learning_rate": 0.1}


def make_run(folder, name, losses, accuracies, **record):
    run = RunDirectory.create(name, folder)
    write_record(run.record, RunRecord(name=run.name, status="finished", started="2025-03-01T10:00:00Z", **record))
    for epoch, (loss, accuracy) in enumerate(zip(losses, accuracies, strict=True), 1):
        measured = {"train/loss": loss / 2, "validation/loss": loss, "validation/accuracy": accuracy}
        append_metrics(run.metrics, {"epoch": epoch, **FIRST, **measured})
    return run


@pytest.fixture
def runs(tmp_path):
    one = make_run(tmp_path, "one", [3.0, 1.0, 2.0], [0.5, 0.9, 0.9], parameters=7, epochs=3, train_seconds=1.25)
    two = make_run(tmp_path, "two", [4.0, math.nan], [0.2, 0.1], epochs=2)
    return [one, two]


def test_the_best_is_the_largest_accuracy_and_the_smallest_loss_and_the_first_of_equals(runs):
    first, second = compare_runs(runs).to_json()
    assert first["metrics"]["validation/loss"] == {"best": 1.0, "best_epoch": 2, "last": 2.0}
    assert first["metrics"]["validation/accuracy"] == {"best": 0.9, "best_epoch": 2, "last": 0.9}
    assert second["metrics"]["validation/accuracy"] == {"best": 0.2, "best_epoch": 1, "last": 0.1}
    assert second["metrics"]["validation/loss"]["best"] == 4.0
    assert (first["parameters"], first["epochs"], first["train_seconds"]) == (7, 3, 1.25)


def test_rows_have_a_column_for_each_run(runs):
    rows = compare_runs(runs, ["accuracy"]).rows()
    facts = ["status", "epochs", "training seconds", "parameters"]
    names = [f"{what} validation/accuracy" for what in ("best", "epoch of best", "last")]
    assert [row["metric"] for row in rows] == [*facts, *names]
    assert [row["one-1"] for row in rows[-3:]] == [0.9, 2, 0.9]
    assert [row["two-1"] for row in rows[-3:]] == [0.2, 1, 0.1]


def test_metrics_are_chosen_by_their_whole_names_or_for_all_splits(runs):
    assert compare_runs(runs, ["loss"]).metrics == ("train/loss", "validation/loss")
    assert compare_runs(runs, ["validation/accuracy", "train/loss"]).metrics == ("validation/accuracy", "train/loss")
    assert compare_runs(runs).chief_metrics() == ("validation/loss", "validation/accuracy")
    with pytest.raises(UsageError, match="has a metric 'validation/accurcy'") as caught:
        compare_runs(runs, ["validation/accurcy"])
    assert "did you mean 'validation/accuracy'?" in caught.value.help


def test_a_metric_that_one_run_lacks(runs, tmp_path):
    third = make_run(tmp_path, "three", [], [])
    comparison = compare_runs([*runs, third])
    assert comparison.to_json()[2]["metrics"] == {}
    assert list(comparison.curves("validation/loss")) == ["one-1", "two-1"]


def test_one_run_or_one_run_twice_is_a_mistake(runs):
    with pytest.raises(UsageError, match="two runs"):
        compare_runs(runs[:1])
    with pytest.raises(UsageError, match="named twice"):
        compare_runs([runs[0], runs[0]])


def test_runs_of_the_same_name_are_told_apart(runs, tmp_path):
    (tmp_path / "other").mkdir()
    other = make_run(tmp_path / "other", "one", [1.0], [1.0])
    assert [run.label for run in compare_runs([runs[0], other]).runs] == [str(runs[0].path), str(other.path)]


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_it_draws(runs, tmp_path, ending):
    pytest.importorskip("matplotlib", reason="needs matplotlib (the extra plots)")
    path = tmp_path / f"compare{ending}"
    check_output(path)
    draw_comparison(path, compare_runs(runs))
    assert path.read_bytes()[:5] == (b"\x89PNG\r" if ending == ".png" else b"<?xml")


def test_it_draws_no_other_files(tmp_path):
    with pytest.raises(UsageError, match=r"compare\.pdf"):
        check_output(tmp_path / "compare.pdf")


def curves(runs):
    return compare_runs(runs).curves("validation/loss")


@pytest.mark.parametrize("width", [24, 40, 100, 300])
def test_text_fits_its_width_and_has_a_letter_for_each_run_in_a_pipe(runs, width):
    pytest.importorskip("uniplot", reason="needs uniplot (the extra plots)")
    drawn = text_plot.draw_text("validation/loss", curves(runs), width, plain=True)
    assert max(map(len, drawn.splitlines())) <= width
    assert "\x1b" not in drawn
    assert "++ one-1" in drawn
    assert "xx two-1" in drawn


def test_text_has_colours_on_a_terminal(runs):
    pytest.importorskip("uniplot", reason="needs uniplot (the extra plots)")
    assert "\x1b[" in text_plot.draw_text("loss", curves(runs), 60, plain=False)


def test_text_is_left_out_where_there_is_no_room_or_no_curve(runs):
    assert text_plot.draw_text("loss", curves(runs), 20, plain=True) == ""
    assert text_plot.draw_text("loss", {"a": ([1], [2.0]), "b": ([1, 2], [math.nan, 1.0])}, 80, plain=True) == ""


def test_without_uniplot_the_extra_is_named(runs, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "uniplot", None)
    with pytest.raises(MissingExtra) as caught:
        text_plot.draw_text("loss", curves(runs), 60, plain=True)
    assert "plots" in caught.value.help

"""The page of results: verdicts, order, and what is measured on tiny runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import targets
from benchmarks.results import Result, is_of, measure, page, row, shortest_first
from benchmarks.targets import TARGETS, Target

CONFIGS = Path(__file__).parents[2] / "configs"
FOUND = Result("spam", {"f1": 0.96, "accuracy": 0.99}, 9, 3.2, 10.4, "full", "2026-01-02", "0123456789", "a processor")


@pytest.mark.parametrize(
    ("target", "metrics", "verdict"),
    [
        (Target(), {"accuracy": 0.5}, ""),
        (Target("f1", 0.95), {"f1": 0.95}, "at least 0.95: reached"),
        (Target("f1", 0.95), {"f1": 0.9499}, "at least 0.95: MISSED"),
        (Target("loss", 1.6, higher_is_better=False), {"loss": 1.7}, "at most 1.6: MISSED"),
        (Target("loss", 1.6, higher_is_better=False), {"loss": 1.6}, "at most 1.6: reached"),
        (Target("hit", 1.5, times="rest"), {"hit": 0.2, "rest": 0.1}, "at least 0.15 (1.5 times rest): reached"),
        (Target("hit", 1.5, times="rest"), {"hit": 0.1, "rest": 0.1}, "at least 0.15 (1.5 times rest): MISSED"),
    ],
)  # fmt: skip
def test_verdict(target: Target, metrics: dict[str, float], verdict: str) -> None:
    assert target.verdict(metrics) == verdict


def test_every_target_is_of_a_config() -> None:
    assert {name for name in TARGETS if not (CONFIGS / f"{name}.yaml").exists()} == set()


def test_row_shows_the_metric_with_a_target() -> None:
    cells = row(FOUND)
    assert cells[1:7] == ("f1 0.96 (the test split)", "at least 0.95: reached", "9", "3 s", "10 s", "")


def test_page_names_what_was_missed_and_what_was_not_measured() -> None:
    text = page([FOUND, replace(FOUND, config="news", metrics={"accuracy": 0.5})], ["spam", "news", "iris"])
    assert "- news: " in text.split("## Missed")[1]
    assert "- spam" not in text
    assert text.rstrip().endswith("iris.")


def test_what_took_longest_comes_last() -> None:
    figures = {"a": replace(FOUND, wall_seconds=500.0), "b": FOUND}
    assert shortest_first(["a", "new", "b"], figures) == ["b", "new", "a"]


def test_a_config_is_trained_and_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = measure(CONFIGS / "iris.yaml", tmp_path, ["training.epochs=2"])
    assert found.epochs == 2
    assert 0 <= found.metrics["accuracy"] <= 1
    monkeypatch.setitem(targets.TARGETS, "iris", Target("accuracy", 0.5, folds=2))
    found = measure(CONFIGS / "iris.yaml", tmp_path, ["training.epochs=2"])
    assert (found.epochs, found.how) == (4, "the mean of 2 folds")


def test_a_run_is_of_a_config_whatever_its_comments(tmp_path: Path) -> None:
    text = (CONFIGS / "iris.yaml").read_text(encoding="utf-8")
    (tmp_path / "config.yaml").write_text("# another comment\n" + text, encoding="utf-8")
    assert is_of(CONFIGS / "iris.yaml", tmp_path)
    assert not is_of(CONFIGS / "digits.yaml", tmp_path)

"""Runs are found wherever they lie below a folder."""

import os
import time

from dlrun.board.finding import Finder
from tests.board.folders import make_folds, make_run, make_sweep


def kinds(finder):
    return {name: (each.kind, each.group) for name, each in finder.find().items()}


def test_runs_sweeps_and_folds_are_found_at_any_depth(tmp_path):
    root = tmp_path / "all"
    make_run(root / "a-1")
    make_run(root / "deep" / "er" / "b-1")
    make_sweep(root / "sweeps" / "s-1", (0.1,))
    make_folds(root / "c-cv-1")
    assert kinds(Finder([root])) == {
        "all/a-1": ("run", None),
        "all/deep/er/b-1": ("run", None),
        "all/sweeps/s-1": ("sweep", None),
        "all/sweeps/s-1/trials/trial0": ("run", "all/sweeps/s-1"),
        "all/c-cv-1": ("folds", None),
        "all/c-cv-1/fold-1": ("run", "all/c-cv-1"),
    }


def test_a_sweep_or_a_run_may_be_the_folder_itself(tmp_path):
    make_sweep(tmp_path / "s-1", (0.1,))
    assert set(kinds(Finder([tmp_path / "s-1"]))) == {"s-1", "s-1/trials/trial0"}
    assert kinds(Finder([tmp_path / "s-1" / "trials" / "trial0"])) == {"trial0": ("run", None)}


def test_folders_of_one_name_are_told_apart(tmp_path):
    for folder in ("x", "y"):
        make_run(tmp_path / folder / "runs" / "a-1")
    assert set(kinds(Finder([tmp_path / "x" / "runs", tmp_path / "y" / "runs"]))) == {"runs/a-1", "runs-2/a-1"}


def test_hidden_folders_and_checkpoints_are_passed_over(tmp_path):
    make_run(tmp_path / ".new-s" / "a-1")
    make_run(tmp_path / "plots" / "a-1")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "config.yaml").write_text("")
    assert kinds(Finder([tmp_path])) == {}


def test_links_lead_to_runs_but_not_in_circles(tmp_path):
    run = make_run(tmp_path / "elsewhere" / "a-1")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "linked-1").symlink_to(run)
    (tmp_path / "runs" / "round").symlink_to(tmp_path / "runs")
    assert set(kinds(Finder([tmp_path / "runs"]))) == {"runs/linked-1"}


def test_what_comes_and_goes_is_noticed_and_the_rest_not_listed_again(tmp_path, monkeypatch):
    make_run(tmp_path / "a-1")
    old = time.time() - 100
    for folder in (tmp_path, tmp_path / "a-1"):
        os.utime(folder, (old, old))
    finder = Finder([tmp_path])
    finder.find()
    listed = []
    scan = os.scandir
    monkeypatch.setattr("os.scandir", lambda path: listed.append(path) or scan(path))
    assert len(finder.find()) == 1
    assert listed == []
    make_run(tmp_path / "b-1")
    assert len(finder.find()) == 2
    assert set(listed) == {tmp_path, tmp_path / "b-1"}
    (tmp_path / "a-1").rename(tmp_path / "c-1")
    assert {name.rpartition("/")[2] for name in finder.find()} == {"b-1", "c-1"}


def test_a_folder_that_is_removed_empties_the_list(tmp_path):
    make_run(tmp_path / "runs" / "a-1")
    finder = Finder([tmp_path / "runs"])
    assert len(finder.find()) == 1
    (tmp_path / "runs").rename(tmp_path / "gone")
    assert finder.find() == {}

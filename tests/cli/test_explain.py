"""dlrun explain: what it prints, and where its files go."""

import json

from dlrun.errors import MissingExtra


def test_it_prints_a_row_for_each_image_and_names_the_files(trained):
    printed = trained.call("explain", "latest", "--samples", "3", "--steps", "8").stdout
    folder = trained.runs / "small-1" / "explanation"
    assert printed.splitlines()[0].endswith("small-1: the test split, checkpoint last")
    assert printed.splitlines()[2].split() == ["row", "true", "said", "explained", "score", "baseline", "gap"]
    assert {file.name for file in folder.iterdir()} == {"images.npz", "images.png", "images.csv"}
    assert all(str(folder / name) in printed for name in ("images.npz", "images.png", "images.csv"))


def test_json_and_another_folder_and_split(trained, tmp_path):
    options = ("--samples", "2", "--split", "validation", "--output", str(tmp_path / "here"), "--json")
    shown = json.loads(trained.call("explain", "latest", *options).stdout)
    assert shown["split"] == "validation"
    assert len(shown["images"]) == 2
    assert (tmp_path / "here" / "images.png").exists()


def test_without_matplotlib_the_numbers_are_written(trained, monkeypatch):
    def absent(*arguments):
        raise MissingExtra("matplotlib", "plots", "drawing plots")

    monkeypatch.setattr("dlrun.training.explain.draw_maps", absent)
    done = trained.call("explain", "latest", "--samples", "2")
    assert "NOTE: no plots" in done.stderr
    assert "images.npz" in done.stdout
    assert "images.png" not in done.stdout


def test_mistakes_are_told(trained):
    assert "no 'cat' to explain" in trained.call("explain", "latest", "--target", "cat", expect=2).stderr
    assert "no other split" in trained.call("explain", "latest", "--split", "other", expect=1).stderr

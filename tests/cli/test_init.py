"""dlrun init: the config it writes is valid and trains as it is, whatever the data are."""

import os
from pathlib import Path

import numpy as np
import pytest

from dlrun.config.load import load_config
from dlrun.starter.look import look
from tests.cli.commands import Workplace

pytest.importorskip("polars", reason="needs polars (the extra tables)")
QUICK = ("training.epochs=1", "data.limit=200")


def trained(place, config, *options):
    """Train a config for an epoch; its resolved config."""
    place.call("validate", config)
    place.call("train", config, *QUICK, *options)
    return load_config(place.folder / config).config


def real(name):
    for folder in os.environ.get("DLRUN_DATASETS", "").split(os.pathsep):
        if folder and (Path(folder) / name).exists():
            return name
    return pytest.skip(f"needs {name} in a folder of DLRUN_DATASETS")


@pytest.mark.parametrize(
    ("name", "target", "loss", "inputs"),
    [
        ("titanic/train.csv", "Survived", "cross_entropy", {"numbers", "codes", "kinds"}),
        ("iris/iris.csv", "column_5", "cross_entropy", {"numbers"}),
        ("california_housing/housing.csv.gz", "median_house_value", "mse", {"numbers", "kinds"}),
        ("sms_spam/SMSSpamCollection", "column_1", "cross_entropy", {"text"}),
    ],
)
def test_real_tables(place, name, target, loss, inputs):
    place.call("init", real(name), "--yes", "--output", "first.yaml")
    config = trained(place, "first.yaml")
    assert config.data.target.column == target
    assert config.loss.type == loss
    assert config.data.inputs.keys() == inputs


def test_what_is_left_out_is_said(place):
    (place.folder / "t.csv").write_text(
        "id,same,name,x,y\n" + "".join(f"{i + 1},1,n{i},{i % 7}.5,{i % 2}\n" for i in range(80))
    )
    printed = place.call("init", "t.csv").stdout
    text = (place.folder / "t.yaml").read_text()
    for reason in ("id, it numbers the rows", "same, the same value in every row", "name, 80 different values"):
        assert f"Left out: {reason}." in printed
        assert f"# Left out: {reason}." in text
    assert printed.endswith("t.yaml is written and valid. Next: dlrun train t.yaml\n")


def test_a_target_of_choice_with_missing_values_and_parquet(place):
    import polars as pl

    random = np.random.default_rng(0)
    x = random.normal(size=90)
    y = [None if i % 9 == 0 else float(value) for i, value in enumerate(3 * x)]
    pl.DataFrame({"x": x, "kind": ["a", "b", None] * 30, "y": y}).write_parquet(place.folder / "t.parquet")
    place.call("init", "t.parquet", "--target", "y")
    assert trained(place, "t.yaml").loss.type == "mse"
    place.call("init", "t.parquet", "--target", "kind", "-o", "kind.yaml")
    assert trained(place, "kind.yaml").loss.type == "cross_entropy"


def test_text_beside_numbers(place):
    words = ["good fine lovely day with much sun", "bad sad awful day with much rain"]
    rows = "".join(f"{words[i % 2]} {i % 5};{i / 7:.3f};{'yes' if i % 2 else 'no'}\n" for i in range(60))
    (place.folder / "reviews.csv").write_text("review;age;liked\n" + rows)
    place.call("init", "reviews.csv")
    assert trained(place, "reviews.yaml").data.inputs.keys() == {"numbers", "text"}


@pytest.mark.parametrize("sizes", [[(12, 12)], [(20, 16), (16, 20)]])
def test_folders_of_images(place, sizes):
    image = pytest.importorskip("PIL.Image", reason="needs pillow (the extra images)")
    random = np.random.default_rng(0)
    for index in range(24):
        path = place.folder / "pictures" / ("cat" if index % 2 else "dog") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 255, (*sizes[index // 2 % len(sizes)], 3), np.uint8)
        image.fromarray(pixels).save(path)
    printed = place.call("init", "pictures").stdout
    assert "24 images of 2 classes" in printed
    config = trained(place, "pictures.yaml")
    assert config.data.source.image_size == (None if len(sizes) == 1 else (16, 16))


def test_folders_of_texts_and_a_text(place):
    for name, text in (("pos", "a fine film\nvery good\n"), ("neg", "a sad film\nvery bad\n")):
        (place.folder / "reviews").mkdir(exist_ok=True)
        (place.folder / "reviews" / f"{name}.txt").write_text(text * 20)
    place.call("init", "reviews")
    assert trained(place, "reviews.yaml").loss.type == "cross_entropy"
    (place.folder / "book.txt").write_text("It was a day, as days go. Then it was night.\n" * 80)
    place.call("init", "book.txt", "-o", "book.yaml")
    assert trained(place, "book.yaml").data.target.shift == 1


def test_it_asks_on_a_terminal(place, monkeypatch):
    (place.folder / "t.csv").write_text("a,b,y\n" + "".join(f"{i}.5,{i % 3}.25,{i % 2}\n" for i in range(40)))
    answers = iter(["b", "mine.yaml"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.prompt", lambda question, default: next(answers))
    place.call("init", "t.csv")
    assert load_config(place.folder / "mine.yaml").config.data.target.column == "b"


def test_the_likeliest_target_comes_first(tmp_path):
    (tmp_path / "t.csv").write_text("price,x,z\n" + "".join(f"{i}.5,{i % 7}.5,{i % 6}.5\n" for i in range(40)))
    assert [column.name for column in look(str(tmp_path / "t.csv")).table.targets()] == ["price", "z", "x"]


def test_mistakes(place):
    (place.folder / "t.csv").write_text("a,b,y\n" + "".join(f"{i}.5,{i % 3}.25,{i % 2}\n" for i in range(40)))
    assert "there is no gone.csv" in place.call("init", "gone.csv", expect=1).stderr
    assert "no column 'c'" in place.call("init", "t.csv", "--target", "c", expect=2).stderr
    place.call("init", "t.csv")
    assert "there already" in place.call("init", "t.csv", expect=2).stderr
    place.call("init", "t.csv", "--force", "--target", "b")
    (place.folder / "empty").mkdir()
    assert "neither images nor texts" in place.call("init", "empty", expect=1).stderr
    (place.folder / "binary").write_bytes(b"\xff\xfe\x00\x01" * 10)
    assert "can't read" in place.call("init", "binary", expect=1).stderr
    assert isinstance(place, Workplace)

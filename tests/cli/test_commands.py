"""What commands print, for people and for programs."""

import json
import subprocess
import sys

import pytest

from dlrun.cli.main import COMMANDS, make_app
from tests.cli.commands import CONFIG, command_names

MISTAKES = """\
name: bad/name
seed: -1
data:
  source: {type: digits}
  split: {validation: 1.5}
model:
  layers:
    - {type: conv2d, filters: -4, kernel_size: 3}
    - {type: dens, units: 3}
    - {type: dense, unit: 3}
    - {type: dropout, rate: 2}
loss: cross_entropi
optimizer: {type: adam, learning_rate: fast}
metrics: [acuracy]
training: {epochs: 0, batchsize: 3}
"""


@pytest.mark.parametrize("name", ["small-1", "latest", "runs/small-1"])
def test_a_run_is_named_in_three_ways(trained, name):
    for command in (["evaluate", name], ["runs", "show", name], ["resume", name]):
        assert "small-1" in trained.call(*command).stdout


def test_a_run_that_is_not_there(trained):
    for command in (["evaluate"], ["predict"], ["resume"], ["runs", "show"]):
        arguments = [*command, "smal-1", *(["x.png"] if command == ["predict"] else [])]
        result = trained.call(*arguments, expect=2)
        assert "there is no run 'smal-1'" in result.stderr
        assert "small-1" in result.stderr


def test_evaluate(trained):
    result = json.loads(trained.call("evaluate", "latest", "--json").stdout)
    assert result["data"] == "the test split"
    assert result["rows"] == 359
    assert 0.5 < result["metrics"]["accuracy"] < 1
    run = trained.runs / "small-1"
    assert json.loads((run / "evaluation.json").read_text()) == result
    validation = json.loads(trained.call("evaluate", "latest", "--json", "--split", "validation").stdout)
    row = (run / "metrics.csv").read_text().splitlines()[-1].split(",")
    assert float(row[-2]) == validation["metrics"]["loss"]
    best = json.loads(trained.call("evaluate", "latest", "--checkpoint", "best", "--json").stdout)
    assert best["checkpoint"] == "best"
    assert "'middle'" in trained.call("evaluate", "latest", "--checkpoint", "middle", expect=2).stderr
    assert "'tset'" in trained.call("evaluate", "latest", "--split", "tset", expect=2).stderr
    assert "reads no file" in trained.call("evaluate", "latest", "small.yaml", expect=2).stderr


def test_draws(trained):
    trained.call("resume", "latest", "training.epochs=3")
    trained.call("evaluate", "latest")
    plots = trained.runs / "small-1" / "plots"
    names = sorted(path.name for path in plots.iterdir())
    assert names == ["confusion_matrix.png", "curves.png", "mistakes.png"]
    assert all((plots / name).read_bytes().startswith(b"\x89PNG") for name in names)


TABLE = """
name: table
data:
  source: {type: csv, path: table.csv}
  inputs: {x: {columns: [a, b], transforms: [standardize]}}
  target: {column: kind}
  split: {test: 20}
model: {layers: [{type: dense, units: 2, activation: softmax}]}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.1}
metrics: [accuracy]
training: {epochs: 20, batch_size: 10}
"""


def test_predict_tables(place):
    """CSV with and without the target, Parquet and npz; another file with the same columns is evaluated whole."""
    import numpy as np
    import polars

    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 100))
    kind = np.where(a + b > 0, "up", "down")
    frame = polars.DataFrame({"a": a, "b": b, "kind": kind})
    frame.write_csv(place.folder / "table.csv")
    frame.select("a", "b").write_csv(place.folder / "new.csv")
    frame.write_parquet(place.folder / "new.parquet")
    np.savez(place.folder / "new.npz", a=a, b=b)
    place.write(TABLE, "table.yaml")
    place.call("train", "table.yaml")
    answers = {}
    for name in ("table.csv", "new.csv", "new.parquet", "new.npz"):
        answers[name] = json.loads(place.call("predict", "latest", name, "--json").stdout)
        assert answers[name] == answers["table.csv"], name
    right = np.mean([row["prediction"] == truth for row, truth in zip(answers["new.csv"], kind, strict=True)])
    assert right > 0.9
    whole = json.loads(place.call("evaluate", "latest", "table.csv", "--json").stdout)
    assert (whole["rows"], whole["metrics"]["accuracy"]) == (100, pytest.approx(right))
    frame.select("a").write_csv(place.folder / "less.csv")
    assert "lacks 'b'" in place.call("predict", "latest", "less.csv", expect=1).stderr
    assert "less.csv" in place.call("evaluate", "latest", "less.csv", expect=2).stderr


def test_predict_images(trained):
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    names = []
    for index in range(5):
        names.append(f"digit{index}.png")
        Image.fromarray((digits.images[index] * (255 / 16)).astype("uint8")).save(trained.folder / names[-1])
    rows = json.loads(trained.call("predict", "latest", *names, "--json").stdout)
    assert [row["input"] for row in rows] == names
    assert sum(row["prediction"] == str(t) for row, t in zip(rows, digits.target[:5], strict=True)) >= 4
    assert all(abs(sum(v for n, v in row.items() if n.startswith("probability/")) - 1) < 1e-5 for row in rows)
    trained.call("predict", "latest", *names, "--output", "out.csv")
    assert (trained.folder / "out.csv").read_text().startswith("input,prediction,probability,")
    trained.call("predict", "latest", *names, "--output", "out.json")
    assert json.loads((trained.folder / "out.json").read_text()) == rows
    assert "digit0.png" in trained.call("predict", "latest", *names).stdout
    assert trained.call("predict", "latest", "small.yaml", expect=1).stderr.startswith("error: ")


def test_ten_mistakes_at_once(place):
    place.write(MISTAKES, "bad.yaml")
    result = place.call("validate", "bad.yaml", expect=2)
    heads = [line for line in result.stderr.splitlines() if ": error: " in line]
    places = {tuple(map(int, line.split(":")[1:3])) for line in heads}
    assert len(places) >= 12
    assert places >= {(2, 7), (8, 31), (9, 14), (10, 21), (14, 11), (15, 23)}
    assert "did you mean 'dense'?" in result.stderr
    assert "did you mean 'cross_entropy'?" in result.stderr
    assert not place.runs.exists()
    assert place.call("train", "bad.yaml", expect=2).stderr == result.stderr


def test_shapes_are_found_before_anything_runs(place):
    place.write(CONFIG.replace("    - flatten\n", "").replace("units: 10", "units: 9"))
    result = place.call("train", "small.yaml", expect=2)
    assert "small.yaml:" in result.stderr
    assert not place.runs.exists()


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("model.layers[0].filters=3", "filters: 3"),
        ("model.layers.edges.filters=3", "filters: 3"),
        ("optimizer={type: sgd, momentum: 0.5}", "momentum: 0.5"),
        ("lr=3", None),
        ("optimizer.lr=3e-4", "learning_rate: 0.0003"),
        ("training.early_stopping={patience: 2}", "patience: 2"),
        ("nonsense", None),
        ("training.epochs=two", None),
    ],
)
def test_overrides(place, override, text):
    place.write(CONFIG.replace("{type: conv2d,", "{type: conv2d, name: edges,"))
    result = place.call("validate", "small.yaml", override, "--resolved", expect=0 if text else 2)
    assert (text in result.stdout) if text else ("override" in result.stderr)


def test_every_table_as_json(trained):
    for command in (
        ["runs"], ["runs", "show", "latest"], ["data", "list"], ["data", "show", "mnist"], ["plan", "small.yaml"],
        ["layers"], ["layers", "dense"], ["losses"], ["optimizers", "adam"], ["schedules"], ["transforms"],
        ["metrics"], ["sources"], ["augmentations"], ["initializers"], ["schema"],
    ):  # fmt: skip
        result = trained.call(*command, *(["--json"] if command != ["schema"] else []))
        assert json.loads(result.stdout)
        if command != ["schema"]:
            assert trained.call(*command).stdout.strip()
    assert "did you mean 'dense'" in trained.call("layers", "dens", expect=2).stderr


def test_check(trained):
    report = json.loads(trained.call("check", "small.yaml", "--json").stdout)
    assert report["passed"] is True
    l2 = "model.layers[2].kernel_regularizer={type: l2, l2: 0.01}"
    assert json.loads(trained.call("check", "small.yaml", "--json", l2).stdout)["passed"] is True


def test_the_path_is_first_and_last(trained):
    for command in (["train", "small.yaml", "training.epochs=1"], ["resume", "latest"]):
        lines = trained.call(*command).stdout.splitlines()
        assert lines[0] == str(trained.runs / "small-2")
        if command[0] == "train":
            assert lines[-1] == lines[0]
        else:
            assert "this run is finished after 1 epochs, 10 steps: training.epochs=2 would extend it" in lines[-1]


def test_a_refused_change(trained):
    result = trained.call("resume", "latest", "training.batch_size=8", "model.layers[0].filters=9", expect=2)
    assert "training.batch_size: 16 → 8 can't change in the middle of a run" in result.stderr
    assert "model.layers[0].filters: 6 → 9 can't change" in result.stderr
    assert "override" in result.stderr


def test_a_reader_that_leaves(place):
    """The training goes on in silence, to its end."""
    place.write(CONFIG)
    process = place.start("train", "small.yaml")
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0
    assert '"status": "finished"' in (place.runs / "small-1" / "run.json").read_text()


def test_help_is_light():
    """Neither Numba nor data nor plotting libraries are loaded to show the help."""
    heavy = ("numba", "polars", "matplotlib", "sklearn", "torch", "PIL", "llvmlite", "numpy", "pydantic", "tensorboard")
    code = f"""
import sys
sys.argv = ["dlrun", "--help"]
from dlrun.cli.main import main
try:
    main()
finally:
    loaded = sorted(set(sys.modules) & set({heavy}))
    print("LOADED", loaded)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.splitlines()[-1] == "LOADED []"


def test_a_command_is_made_alone():
    assert [command_names(make_app(name)) for name in COMMANDS] == [[name] for name in COMMANDS]
    every = command_names(make_app())
    assert set(COMMANDS) < set(every)
    for other in ("layers", "tarin", "--help", "catalog"):
        assert command_names(make_app(other)) == every


def test_a_warm_start_needs_no_compiler(trained):
    code = """
import sys
sys.argv = ["dlrun", "train", "small.yaml"]
from dlrun.cli.main import main
try:
    main()
finally:
    print("LOADED", sorted(set(sys.modules) & {"numba", "polars", "torch", "sklearn"}))
"""
    environment = trained.environment()
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=trained.folder, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "LOADED []"


def test_a_wrong_command_line(place):
    assert place.call("trian", expect=2).stderr
    assert place.call("train", expect=2).stderr
    assert "there is no" in place.call("train", "absent.yaml", expect=2).stderr
    assert place.call("--version").stdout.startswith("dlrun ")

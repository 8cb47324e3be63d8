"""Full disks, files that aren't what they seem, places that can't be written: an error, its exit code, nothing lost."""

import json
import resource
import shutil
import signal

import pytest

from tests.cli.commands import CONFIG


def lines(result):
    assert result.stderr.startswith("error: "), result.stderr
    return result.stderr


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def foreign(path):
    path.write_bytes(b"PK\x03\x04" + bytes(100))


def tampered(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))


def emptied(path):
    path.write_bytes(b"")


def replaced_by_weights(path):
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(3, np.float32)}, path)


DAMAGES = {
    truncated: "truncated", foreign: "zip archive", tampered: "damaged", emptied: "0 bytes",
    replaced_by_weights: "not a checkpoint of dlrun",
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
def test_a_checkpoint_that_is_none(trained, damage):
    path = trained.runs / "small-1" / "checkpoints" / "last.safetensors"
    damage(path)
    before = {p: p.read_bytes() for p in sorted(trained.runs.rglob("*")) if p.is_file()}
    for command in (["resume", "latest", "training.epochs=3"], ["evaluate", "latest"], ["predict", "latest", "x.csv"]):
        if command[0] == "predict":
            (trained.folder / "x.csv").write_text("a\n1\n")
        result = trained.call(*command, expect=1)
        assert DAMAGES[damage] in lines(result)
        assert "last.safetensors" in result.stderr
    assert before == {p: p.read_bytes() for p in sorted(trained.runs.rglob("*")) if p.is_file()}
    trained.call("evaluate", "latest", "--checkpoint", "best")


def test_a_checkpoint_of_another_network(trained):
    other = CONFIG.replace("filters: 6", "filters: 7")
    trained.write(other, "other.yaml")
    trained.call("train", "other.yaml")
    runs = trained.runs
    shutil.copy(runs / "small-2/checkpoints/last.safetensors", runs / "small-1/checkpoints/last.safetensors")
    result = trained.call("resume", "small-1", "training.epochs=3", expect=2)
    assert "model.layers[0].filters" in result.stderr
    assert "can't change in the middle of a run" in result.stderr


def test_other_data_than_before(trained):
    table = trained.folder / "line.csv"
    table.write_text("x,y\n" + "".join(f"{i},{2 * i}\n" for i in range(30)))
    text = """
data: {source: {type: csv, path: line.csv}, target: {column: y, kind: numbers}, split: {test: 10}}
model: {layers: [{type: dense, units: 1}]}
loss: mse
optimizer: sgd
training: {epochs: 1}
"""
    trained.write(text, "line.yaml")
    trained.call("train", "line.yaml")
    trained.call("evaluate", "line-1")
    table.write_text(table.read_text().replace("29,58", "29,59"))
    for command in ("evaluate", "resume"):
        extra = ["training.epochs=2"] if command == "resume" else []
        result = trained.call(command, "line-1", *extra, expect=1)
        assert "the data are not those this run was trained on: fingerprint" in lines(result)
    everything = trained.call("evaluate", "line-1", "line.csv", "--json")
    assert json.loads(everything.stdout)["rows"] == 30
    assert json.loads((trained.runs / "line-1" / "evaluation.json").read_text())["rows"] == 30


@pytest.mark.parametrize("content", ["", "{", '{"name": 3}', "[]", None])
def test_a_record_that_is_none(trained, content):
    record = trained.runs / "small-1" / "run.json"
    if content is None:
        record.unlink()
    else:
        record.write_text(content)
    assert "run.json" in lines(trained.call("resume", "small-1", "training.epochs=3", expect=1))
    trained.call("evaluate", "small-1")
    listed = trained.call("runs")
    assert "damaged" in listed.stdout
    shown = trained.call("runs", "show", "small-1")
    assert "run.json" in shown.stderr


def test_metrics_that_are_none(trained):
    run = trained.runs / "small-1"
    (run / "metrics.csv").write_text("epoch,step\nnonsense\n")
    result = trained.call("resume", "small-1", "training.epochs=3", expect=1)
    assert "metrics.csv" in lines(result)
    assert "remove" in result.stderr
    (run / "metrics.csv").unlink()
    trained.call("resume", "small-1", "training.epochs=3")
    assert len((run / "metrics.csv").read_text().splitlines()) == 2


def test_the_resolved_config_is_missing(trained):
    resolved = trained.runs / "small-1" / "config.resolved.yaml"
    text = resolved.read_text()
    resolved.unlink()
    trained.call("evaluate", "small-1")
    trained.call("resume", "small-1", "training.epochs=3")
    assert resolved.read_text() == text.replace("epochs: 2", "epochs: 3")


def test_the_resolved_config_is_edited(trained):
    resolved = trained.runs / "small-1" / "config.resolved.yaml"
    text = resolved.read_text()
    resolved.write_text(text.replace("filters: 6", "filters: 7"))
    result = trained.call("resume", "small-1", expect=2)
    assert "model.layers[0].filters: 6 → 7 can't change in the middle of a run" in result.stderr
    resolved.write_text(text.replace("epochs: 2", "epochs: 3"))
    assert "training.epochs: 2 → 3" in trained.call("resume", "small-1").stdout
    resolved.write_text("model: [")
    assert "config.resolved.yaml:1" in trained.call("resume", "small-1", expect=2).stderr


def test_the_checkpoint_is_gone(trained):
    (trained.runs / "small-1" / "checkpoints" / "last.safetensors").unlink()
    result = trained.call("resume", "small-1", "training.epochs=3", expect=1)
    assert "last.safetensors is missing" in lines(result)
    assert json.loads(trained.call("evaluate", "small-1", "--json").stdout)["checkpoint"] == "best"


def test_runs_that_are_a_file(place):
    place.write(CONFIG)
    (place.folder / "file").write_text("")
    result = place.call("train", "small.yaml", "--runs", "file", expect=1)
    assert "can't write" in lines(result)
    result = place.call("train", "small.yaml", "--runs", "file/deeper", expect=1)
    assert "a part of that path is a file" in result.stderr


def limit_files(size):
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_a_full_disk(original, place):
    """The files' size is limited below that of a checkpoint: what was there stays, and the run can go on later."""
    shutil.copytree(original.runs, place.runs)
    run = place.runs / "small-1"
    kept = (run / "checkpoints" / "last.safetensors").read_bytes()
    size = len(kept) // 2
    result = place.run("resume", "small-1", "training.epochs=3", expect=1, preexec_fn=limit_files(size))
    assert "can't write" in lines(result)
    assert "help: " in result.stderr
    assert json.loads((run / "run.json").read_text())["status"] == "failed"
    assert (run / "checkpoints" / "last.safetensors").read_bytes() == kept
    assert not [path for path in run.rglob("*") if path.name.startswith(".")]
    place.call("resume", "small-1", "training.epochs=3")
    assert len((run / "metrics.csv").read_text().splitlines()) == 4


def test_output_that_cannot_be_written(trained):
    with open("/dev/full", "w") as full:
        result = trained.run("runs", expect=1, stdout=full)
    assert "can't write the output: No space left on device" in result.stderr
    (trained.folder / "in.npz").write_bytes(b"nonsense")
    assert "in.npz" in trained.call("predict", "latest", "in.npz", expect=1).stderr
    assert "nowhere" in trained.call("predict", "latest", "nowhere.csv", expect=2).stderr
    assert ".csv or .json" in trained.call("predict", "latest", "in.npz", "-o", "out.txt", expect=2).stderr

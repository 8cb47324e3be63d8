"""generate and predict on text, by the command line."""

import json

import pytest

MODEL = """
name: model
data:
  source: {type: text, path: s.txt, stream: true, length: 6, stride: 3}
  inputs: {text: {transforms: [{type: tokenize, level: character}]}}
  target: {input: text, shift: 1}
  split: {validation: 0.3}
model:
  layers:
    - {type: embedding, output_dim: 8}
    - {type: gru, units: 12, return_sequences: true}
    - {type: dense, units: 6, activation: softmax}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.03}
metrics: [bits_per_token]
training: {epochs: 5, batch_size: 16}
"""

CLASSES = """
name: classes
data:
  source: {type: text, path: r}
  inputs: {text: {transforms: [tokenize, {type: pad, length: 4}]}}
model:
  layers:
    - {type: embedding, output_dim: 8}
    - global_max_pool1d
    - {type: dense, units: 2, activation: softmax}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.1}
training: {epochs: 5, batch_size: 8}
"""


@pytest.fixture
def model(place):
    (place.folder / "s.txt").write_text("abc " * 300)
    place.call("train", place.write(MODEL))
    return place


@pytest.fixture
def classes(place):
    (place.folder / "r").mkdir()
    (place.folder / "r/good.txt").write_text("fine film\nlovely\n" * 10)
    (place.folder / "r/bad.txt").write_text("dull film\nugly\n" * 10)
    place.call("train", place.write(CLASSES))
    return place


def test_generate(model):
    done = model.call("generate", "latest", "--prompt", "bc ", "--tokens", "9", "--temperature", "0")
    assert (done.stdout, done.stderr) == ("bc abc abc a\n", "")
    drawn = [
        model.call("generate", "latest", "--prompt", "a", "--top-k", "2", "--seed", str(seed), "--samples", "2").stdout
        for seed in (0, 0)
    ]
    assert drawn[0] == drawn[1]
    assert drawn[0].count("\n") == 2
    assert "doesn't know '?'" in model.call("generate", "latest", "--prompt", "a?", "--tokens", "1").stderr
    assert "--prompt" in model.call("generate", "latest", expect=2).stderr
    assert "dlrun generate" in model.call("predict", "latest", "--text", "abc", expect=2).stderr
    model.call("evaluate", "latest", "--split", "validation")
    model.call("generate", "latest", "--prompt", "a", "--temperature", "-1", expect=2)


def test_predict_text(classes):
    (classes.folder / "new.txt").write_text("lovely\nugly film\n")
    done = classes.call("predict", "latest", "new.txt", "--text", "fine", "--json")
    assert [(row["text"], row["prediction"]) for row in json.loads(done.stdout)] == [
        ("lovely", "good"), ("ugly film", "bad"), ("fine", "good"),
    ]  # fmt: skip
    classes.call("predict", "latest", "--text", "dull", "-o", "out.csv")
    assert (classes.folder / "out.csv").read_text().splitlines()[1].startswith("dull,bad,")
    assert "nothing to predict" in classes.call("predict", "latest", expect=2).stderr
    assert "is no language model" in classes.call("generate", "latest", "--prompt", "a", expect=2).stderr
    (classes.folder / "x.png").write_bytes(b"png")
    assert "is no table" in classes.call("predict", "latest", "x.png", expect=1).stderr

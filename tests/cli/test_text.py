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
    stopped = model.call(
        "generate", "latest", "--prompt", "a", "--tokens", "9", "--top-p", "0", "--stop", "x", "--stop", "c a"
    )
    assert (stopped.stdout, stopped.stderr) == ("ab\n", ""), "the text ends before the first stop"
    model.call("generate", "latest", "--prompt", "a", "--top-p", "2", expect=2)
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


TRANSLATION = """
name: translation
data:
  source: {type: parallel_text, train: {small: s.txt, large: l.txt}, test: {small: s.txt, large: l.txt}}
  inputs:
    small: {transforms: [{type: tokenize, level: character}, {type: pad, length: 4}]}
    large:
      transforms: [{type: tokenize, level: character, start_token: <s>, end_token: </s>}, {type: pad, length: 6}]
  target: {input: large, shift: 1}
model:
  layers:
    - {type: embedding, inputs: [small], output_dim: 16, mask_zero: true}
    - {type: positional_embedding, name: memory}
    - {type: embedding, inputs: [large], output_dim: 16, mask_zero: true}
    - {type: positional_embedding, name: start}
    - {type: transformer_decoder, inputs: [start, memory], num_heads: 2, intermediate_dim: 32}
    - {type: dense, units: 6, activation: softmax}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.02}
training: {epochs: 30, batch_size: 8}
"""


@pytest.fixture
def translation(place):
    (place.folder / "s.txt").write_text("aa\nb\na\nbb\n" * 10)
    (place.folder / "l.txt").write_text("AA\nB\nA\nBB\n" * 10)
    place.call("train", place.write(TRANSLATION))
    return place


def test_translate(translation):
    assert translation.call("translate", "latest", "bb", "a", "--beam", "2").stdout == "BB\nA\n"
    assert translation.call("translate", "latest", "bb", "--beam", "1").stdout == "BB\n"
    done = translation.call("translate", "latest", "--file", "s.txt", "--output", "out.txt")
    assert done.stdout == "40 translations in out.txt\n"
    assert (translation.folder / "out.txt").read_text() == (translation.folder / "l.txt").read_text()
    assert "there is nothing to translate" in translation.call("translate", "latest", expect=2).stderr
    assert "dlrun translate" in translation.call("predict", "latest", "--text", "a", expect=2).stderr


def test_bleu_by_the_command_line(translation):
    pytest.importorskip("sacrebleu", reason="the extra text is not installed")
    done = translation.call("translate", "latest", "--file", "s.txt", "--reference", "l.txt", "--length-penalty", "0")
    assert done.stdout.startswith("BLEU ")
    assert "tok:13a" in done.stdout
    shown = translation.call("evaluate", "latest", "--beam", "1")
    assert "bleu" in shown.stdout
    assert "of beam 1: nrefs:1" in shown.stderr
    assert json.loads(translation.call("evaluate", "latest", "--json").stdout)["metrics"]["bleu"] >= 0
    (translation.folder / "one.txt").write_text("AA\n")
    refused = translation.call("translate", "latest", "--file", "s.txt", "--reference", "one.txt", expect=2)
    assert "there are 40 translations, but 1 references" in refused.stderr

"""Embeddings whose vectors start from a file: which rows, what is said and kept, and what is refused."""

import gzip

import numpy as np
import pytest

from dlrun.config.load import load_text
from dlrun.config.problems import LocatedConfigError
from dlrun.data.vectors import read_words
from dlrun.errors import DataError
from dlrun.runs.checkpoint import load_checkpoint
from dlrun.training.evaluation import evaluate_run
from dlrun.training.fit import validate
from tests.training.runs import Heard, assert_same_runs, go_on, start

CONFIG = """
name: words
data:
  source: {type: text, path: r}
  inputs: {text: {transforms: [{type: tokenize, level: word}, {type: pad, length: 4}]}}
  split: {validation: 0.2}
model:
  layers:
    - {type: embedding, output_dim: 3, weights: vectors.txt}
    - global_max_pool1d
    - {type: dense, units: 2, activation: softmax}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.05}
training: {epochs: 3, batch_size: 8, threads: 1}
"""
VECTORS = {"fine": [1, 2, 3], "dull": [-1, -2, -3], "film": [0.25, 0, 1e-3], "elsewhere": [9, 9, 9]}
TABLE = "model/embedding_1/embeddings"
LAYER = "model.layers[0]"


def text_of(vectors, header=False):
    lines = [f"{len(vectors)} 3"] * header + [" ".join([word, *map(str, v)]) for word, v in vectors.items()]
    return "\n".join(lines) + "\n"


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r").mkdir()
    (tmp_path / "r/good.txt").write_text("Fine film\nlovely\n" * 20)
    (tmp_path / "r/bad.txt").write_text("dull film\nugly\n" * 20)
    (tmp_path / "vectors.txt").write_text(text_of(VECTORS))


def table_of(run):
    """The table that a run ended with, as row by word."""
    checkpoint = load_checkpoint(run.last)
    words = checkpoint.metadata["signature"]["inputs"][0]["classes"]
    return dict(zip(words, checkpoint.tensors[TABLE], strict=True))


FROZEN = "model.layers[0].trainable=false"


def test_words_in_the_file_start_from_it_and_others_from_the_initializer(tmp_path):
    heard = Heard()
    plain = table_of(start(tmp_path, CONFIG, FROZEN, "model.layers[0].weights=null").run)
    found = table_of(start(tmp_path, CONFIG, FROZEN, listener=heard).run)
    assert found.keys() == {"<pad>", "<unknown>", "film", "Fine", "dull", "lovely", "ugly"}
    for word, row in found.items():
        expected = np.float32(VECTORS[word]) if word in VECTORS else plain[word]
        assert np.array_equal(row, expected), word
    assert any("embedding_1: 2 of 7 vectors start from vectors.txt (sha256 " in note for note in heard.notes)
    lowercase = "model.layers[0].weights={path: vectors.txt, lowercase: true}"
    lower = table_of(start(tmp_path, CONFIG, FROZEN, lowercase).run)
    assert np.array_equal(lower["Fine"], np.float32([1, 2, 3]))


def test_trained_vectors_leave_where_they_started(tmp_path):
    found = table_of(start(tmp_path, CONFIG).run)
    moved = np.abs(found["film"] - VECTORS["film"])
    assert 0 < moved.max() < 1


def test_the_run_goes_on_and_is_measured_without_the_file(tmp_path):
    run = start(tmp_path, CONFIG, "training.epochs=2").run
    whole = start(tmp_path, CONFIG).run
    assert "sha256: " in run.resolved_config.read_text()
    (tmp_path / "vectors.txt").unlink()
    go_on(run, "training.epochs=3")
    assert_same_runs(run, whole)
    assert evaluate_run(run, "validation", None).metrics["loss"] > 0


def test_another_file_is_refused(tmp_path):
    run = start(tmp_path, CONFIG).run
    again = run.resolved_config.read_text()
    first = load_checkpoint(run.last).tensors[TABLE]
    assert np.array_equal(load_checkpoint(start(tmp_path, again).run.last).tensors[TABLE], first)
    (tmp_path / "vectors.txt").write_text(text_of(VECTORS | {"fine": [3, 2, 1]}))
    with pytest.raises(LocatedConfigError, match=r"vectors\.txt isn't the file that is meant"):
        start(tmp_path, again)


def test_word2vecs_header_and_gzip(tmp_path):
    (tmp_path / "v.vec.gz").write_bytes(gzip.compress(text_of(VECTORS, header=True).encode()))
    vectors = read_words(tmp_path / "v.vec.gz", ["dull", "", "film", "none"], 3, lowercase=False)
    assert vectors.ids.tolist() == [0, 2]
    assert vectors.values.tolist() == [VECTORS["dull"], VECTORS["film"]]
    (tmp_path / "v.txt").write_text(". . 5 5 5\n. 1 1 1\ndull 2 2 2\ndull 3 3 3\n")
    with pytest.raises(Exception, match="has a vector of 4 numbers"):
        read_words(tmp_path / "v.txt", [".", "dull"], 3, lowercase=False)
    (tmp_path / "v.txt").write_text("dull 2 2 2\ndull 3 3 3\n. . 5 5 5\n. 1 1 1\n")
    assert read_words(tmp_path / "v.txt", [".", "dull"], 3, lowercase=False).values.tolist() == [[1] * 3, [2] * 3]


def arrays(folder, rows=7):
    from safetensors.numpy import save_file

    table = np.random.default_rng(0).standard_normal((rows, 3)).astype(np.float32)
    np.save(folder / "t.npy", table)
    np.savez(folder / "t.npz", table=table)
    np.savez(folder / "two.npz", table=table, other=table + 1)
    save_file({"weight": table}, folder / "t.safetensors")
    return table


@pytest.mark.parametrize("weights", ["t.npy", "t.npz", "{path: two.npz, tensor: table}", "t.safetensors"])
def test_arrays_are_taken_whole(tmp_path, weights):
    table = arrays(tmp_path)
    run = start(tmp_path, CONFIG, FROZEN, f"model.layers[0].weights={weights}").run
    assert np.array_equal(load_checkpoint(run.last).tensors[TABLE], table)


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ("weights=none.txt", "weights", "there is no none.txt"),
        ("output_dim=4", "output_dim", r"vectors.txt:1 has a vector of 3 numbers, output_dim is 4"),
        ("weights=r/good.txt", "weights", "output_dim is 3|is no word with its numbers"),
    ],
)
def test_problems_have_their_places(tmp_path, change, path, message):
    with pytest.raises(LocatedConfigError, match=message) as caught:
        validate(load_text(CONFIG, "test.yaml", [f"model.layers[0].{change}"]))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("film 1 2\nfine 1 2\n", "output_dim is 3"),
        ("fine 1 2 3\nfilm 1 2\n", r"vectors.txt:2 has a vector of 2 numbers"),
        ("fine 1 2 3\nfilm 1 two 3\n", r"vectors.txt:2 is no word with its numbers"),
        ("fine 1 2 3\nfilm 1 nan 3\n", r"vectors.txt:2 holds NaN"),
        ("no 1 2 3\n", "has none of the 7 words"),
        ("", "holds no vectors"),
        ("3 3\n", "holds no vectors"),
    ],
)
def test_damaged_texts(tmp_path, content, message):
    (tmp_path / "vectors.txt").write_text(content)
    with pytest.raises(LocatedConfigError, match=message):
        start(tmp_path, CONFIG)


def test_arrays_that_do_not_fit(tmp_path):
    arrays(tmp_path, rows=6)
    np.save(tmp_path / "nan.npy", np.full((7, 3), np.nan))
    np.save(tmp_path / "text.npy", np.full((7, 3), "a"))
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY\x01")
    cases = {
        "t.npy": r"shape \(6, 3\), the table needs \(7, 3\)", "two.npz": "holds table, other",
        "{path: two.npz, tensor: third}": "not 'third'", "nan.npy": "NaN", "text.npy": "not numbers",
        "broken.npy": "no array that can be read|can't read",
    }  # fmt: skip
    for weights, message in cases.items():
        with pytest.raises(LocatedConfigError, match=message):
            start(tmp_path, CONFIG, f"model.layers[0].weights={weights}")


def test_text_needs_words(tmp_path):
    text = CONFIG.replace("    - {type: emb", "    - {type: reshape, target_shape: [4]}\n    - {type: emb").replace(
        "weights: vectors", "input_dim: 7, weights: vectors"
    )
    with pytest.raises(LocatedConfigError, match="stand for no words"):
        validate(load_text(text, "test.yaml"))


def test_a_read_that_fails_is_a_data_error(tmp_path):
    (tmp_path / "v.gz").write_bytes(b"not gzip")
    with pytest.raises(DataError, match="can't read"):
        read_words(tmp_path / "v.gz", ["a"], 3, lowercase=False)

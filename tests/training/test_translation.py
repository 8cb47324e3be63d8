"""Sequence to sequence: search, decoding in steps, BLEU, and what a run that doesn't translate says."""

from __future__ import annotations

import builtins
import itertools
from pathlib import Path

import numpy as np
import pytest

from dlrun.data.dataset import Split
from dlrun.data.sources.parallel_text import lines_in_order
from dlrun.data.text_input import text_input
from dlrun.errors import MissingExtra, UsageError
from dlrun.training import sequence_model, session
from dlrun.training.beam import Beams, Search
from dlrun.training.bleu import measure_bleu
from dlrun.training.checkpointing import read_training
from dlrun.training.evaluation import evaluate_run
from dlrun.training.prediction import predict_rows
from dlrun.training.sequence_model import SequenceModel
from dlrun.training.translation import Translator
from tests.training.runs import start
from tests.training.test_text import LINES

NUMBERS = """
name: numbers
data:
  source: {type: parallel_text, train: {digits: train.digits, words: train.words}, test: {digits: a.gz, words: b}}
  inputs:
    digits: {transforms: [{type: tokenize, level: character}, {type: pad, length: 6}]}
    words:
      transforms:
        - {type: tokenize, level: word, start_token: <start>, end_token: <end>}
        - {type: pad, length: 10}
  target: {input: words, shift: 1}
  split: {validation: 0.1}
model:
  layers:
    - {type: embedding, inputs: [digits], output_dim: 16, mask_zero: true}
    - {type: positional_embedding, sequence_length: 6}
    - {type: transformer_encoder, name: memory, num_heads: 2, intermediate_dim: 32}
    - {type: embedding, inputs: [words], output_dim: 16, mask_zero: true}
    - {type: positional_embedding, name: start, sequence_length: 10}
    - {type: transformer_decoder, inputs: [start, memory], num_heads: 2, intermediate_dim: 32, dropout: 0.1}
    - {type: dense, units: 9, activation: softmax}
loss: {type: cross_entropy, label_smoothing: 0.1}
optimizer: {type: adam, learning_rate: 0.01}
training: {epochs: 3, batch_size: 16, buckets: [5, 7], threads: 2}
"""
WORDS = ("zero", "one", "two", "three", "four")
START, END, FORBIDDEN = 2, 3, (0, 1, 2)


def write_numbers(folder: Path, rows: int = 200) -> None:
    """Write numbers of 1 to 5 digits, and their digits as words."""
    import gzip

    random = np.random.default_rng(0)
    digits = ["".join(map(str, random.integers(0, 5, random.integers(1, 6)))) for _ in range(rows)]
    words = [" ".join(WORDS[int(digit)] for digit in number) for number in digits]
    (folder / "train.digits").write_text("\n".join(digits))
    (folder / "train.words").write_text("\n".join(words))
    (folder / "a.gz").write_bytes(gzip.compress(("\n".join(digits[:20]) + "\n").encode()))
    (folder / "b").write_text("\n".join(words[:20]) + "\n")


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """A finished run that has begun to learn; not to be changed."""
    folder = tmp_path_factory.mktemp("numbers")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("dlrun.training.recording.draw_curves", lambda *arguments: None)
        write_numbers(folder)
        return start(folder, NUMBERS).run


@pytest.fixture(autouse=True)
def in_its_folder(numbers, monkeypatch):
    monkeypatch.chdir(numbers.path.parent)


def chain(random, classes: int, length: int) -> np.ndarray:
    """Probabilities of the next token by position and last token, (length, classes, classes)."""
    table = random.gamma(0.5, size=(length, classes, classes)) + 1e-6
    return table / table.sum(axis=2, keepdims=True)


def search_chain(tables, search: Search, length: int) -> list[list[int]]:
    beams = Beams(len(tables), search, START, END, length)
    for position in range(length):
        rows = beams.waiting
        found = np.stack([tables[row][position][beams.ids[row, :, position]] for row in rows])
        beams.advance(rows, found, position, FORBIDDEN)
    assert not len(beams.waiting)
    return beams.best()


def test_a_wide_beam_finds_the_best_of_all_sequences() -> None:
    classes, length = 6, 4
    tables = [chain(np.random.default_rng(seed), classes, length) for seed in range(12)]
    search = Search(beam=200, length_penalty=0.6)
    for table, found in zip(tables, search_chain(tables, search, length), strict=True):
        scores = {}
        for tokens in range(length):
            for body in itertools.product((4, 5), repeat=tokens):
                path = [START, *body, END]
                logs = [np.log(table[i][path[i], path[i + 1]]) for i in range(tokens + 1)]
                scores[body] = search.score(sum(logs), tokens + 1)
        assert tuple(found) == max(scores, key=lambda body: scores[body])


def test_a_beam_of_one_takes_the_likeliest_token_each_time() -> None:
    classes, length = 7, 5
    tables = [chain(np.random.default_rng(seed), classes, length) for seed in range(12)]
    for table, found in zip(tables, search_chain(tables, Search(beam=1), length), strict=True):
        last, expected = START, []
        for position in range(length):
            probabilities = table[position][last].copy()
            probabilities[list(FORBIDDEN)] = 0
            last = int(probabilities.argmax())
            if last == END:
                break
            expected.append(last)
        assert found == expected


def test_the_length_penalty_prefers_longer_ones() -> None:
    tables = [chain(np.random.default_rng(seed), 6, 6) for seed in range(30)]
    lengths = [sum(map(len, search_chain(tables, Search(50, penalty), 6))) for penalty in (0.0, 1.0, 3.0)]
    assert lengths[0] < lengths[1] < lengths[2]


def greedy(run, texts: list[str]) -> list[list[int]]:
    """Decode text by text, token by token, each time with the whole network at its full length."""
    restored = read_training(run.last)
    config = restored.config.config
    result = []
    for text in texts:
        given, ids = text_input(config.data, restored.fitted, "digits", [text]), np.zeros((1, 10), np.int32)
        ids[0, 0] = START
        split = Split({"digits": given, "words": ids}, {}, None, np.zeros(1, np.int64))
        model = restored.predictor(split)
        found = []
        for position in range(10):
            probabilities = model.predict(split)[0, position].copy()
            probabilities[list(FORBIDDEN)] = 0
            token = int(probabilities.argmax())
            if token == END:
                break
            found.append(token)
            if position + 1 < 10:
                ids[0, position + 1] = token
        result.append(found)
    return result


def test_decoding_in_steps_gives_what_the_whole_network_gives(numbers) -> None:
    texts = ["1", "43210", "22", "3"]
    translator = Translator(numbers)
    inputs = {"digits": text_input(translator.restored.config.config.data, translator.restored.fitted, "digits", texts)}
    assert translator.model.decode(inputs, Search(1), START, END, FORBIDDEN) == greedy(numbers, texts)


def test_neither_batches_nor_stages_nor_threads_change_a_translation(numbers, monkeypatch) -> None:
    texts = lines_in_order(Path("train.digits"))[:40]
    expected = Translator(numbers).translate(texts, Search(3))
    assert [Translator(numbers).translate([text], Search(3))[0] for text in texts[:3]] == expected[:3]
    for module, name, value in ((sequence_model, "EVALUATION_BATCH", 7), (sequence_model, "STEP", 4)):
        monkeypatch.setattr(module, name, value)
        assert Translator(numbers).translate(texts, Search(3)) == expected
    monkeypatch.setattr(session, "choose_threads", lambda *arguments: 1)
    assert Translator(numbers).translate(texts, Search(3)) == expected


def test_what_stays_is_computed_once(numbers) -> None:
    restored = read_training(numbers.last)
    (*_, last) = SequenceModel(restored, "words")._stages()
    whole, rest = ({call.node for call in executor.plan.calls} for executor in (last._whole, last._rest))
    assert "memory/attention/query_key_value" in whole - rest
    assert "transformer_decoder_1/cross_attention/key_value" in whole - rest
    assert "transformer_decoder_1/cross_attention/query" in rest


def test_an_empty_text_has_an_empty_translation(numbers) -> None:
    assert Translator(numbers).translate(["", " "], Search()) == ["", ""]
    one, *others = Translator(numbers).translate(["12", ""], Search())
    assert one
    assert others == [""]


def test_evaluation_measures_bleu_on_the_sources_own_text(numbers) -> None:
    pytest.importorskip("sacrebleu", reason="the extra text is not installed")
    evaluation = evaluate_run(numbers, "test", None, search=Search(2))
    texts = Translator(numbers).translate(lines_in_order(Path("a.gz")), Search(2))
    bleu = measure_bleu(texts, lines_in_order(Path("b")))
    assert evaluation.metrics["bleu"] == bleu.score
    assert evaluation.notes[-1] == f"BLEU {bleu.score:.2f} of beam 2: {bleu.signature}"
    assert "tok:13a" in bleu.signature


def test_bleu_is_sacrebleus() -> None:
    sacrebleu = pytest.importorskip("sacrebleu", reason="the extra text is not installed")
    texts, references = ["a dog runs over the grass", "Two men talk ."], ["A dog runs on the grass", "Two men talk."]
    assert measure_bleu(texts, references).score == sacrebleu.corpus_bleu(texts, [references]).score
    assert measure_bleu(texts, references, lowercase=True).score > measure_bleu(texts, references).score
    with pytest.raises(UsageError, match="there are 2 translations, but 1 references"):
        measure_bleu(texts, references[:1])


def test_without_sacrebleu_there_is_a_note(numbers, monkeypatch) -> None:
    original = builtins.__import__

    def absent(name, *arguments):
        if name.startswith("sacrebleu"):
            raise ImportError(name)
        return original(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingExtra, match="measuring BLEU needs the package 'sacrebleu'"):
        measure_bleu(["a"], ["a"])
    evaluation = evaluate_run(numbers, "test", None, search=Search(1))
    assert "bleu" not in evaluation.metrics
    assert evaluation.notes[-1].startswith("no BLEU: measuring BLEU needs")


def test_runs_that_dont_translate_say_so(numbers, tmp_path, monkeypatch) -> None:
    with pytest.raises(UsageError) as refused:
        predict_rows(numbers, None, [], ["12"])
    assert refused.value.help == f"dlrun translate {numbers.path}"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n.txt").write_text("ab\nba\n" * 20)
    with pytest.raises(UsageError, match="doesn't translate"):
        Translator(start(tmp_path, LINES, "training.epochs=1").run)
    write_numbers(tmp_path)
    endless = NUMBERS.replace(", start_token: <start>, end_token: <end>", "").replace("units: 9", "units: 7")
    with pytest.raises(UsageError, match="doesn't know where a text starts and ends"):
        Translator(start(tmp_path, endless, "training.epochs=1").run)

"""Why a network says what it says: by the kind of its inputs, maps, columns or tokens, as pictures and as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.data.dataset import Dataset, Split
from dlrun.data.prepare import prepare
from dlrun.data.random import permutation
from dlrun.data.signature import Feature
from dlrun.errors import UsageError
from dlrun.executor.executor import Array
from dlrun.runs.csv_file import write_table
from dlrun.runs.directory import RunDirectory
from dlrun.runs.explanations import draw_importance, draw_maps, write_arrays, write_text_page
from dlrun.runs.files import writing
from dlrun.runs.plots import noting
from dlrun.training.attribution import VECTORS, Attribution, Attributor
from dlrun.training.checkpointing import Restored, open_checkpoint, put_weights
from dlrun.training.importance import importance_rows, permutation_importance
from dlrun.training.run_data import held_out, own_data
from dlrun.training.scores import choose, choose_output
from dlrun.training.session import network_layers

SAMPLES = 16
"""How many rows are explained one by one when nothing else is said."""
SHOWN = 5
"""How many of a text's tokens a table shows."""


@dataclass(frozen=True)
class Options:
    """What is to be explained: `samples` rows of a split (None: 16 images or texts, all rows of a table)."""

    split: str | None = None
    samples: int | None = None
    target: str | None = None
    steps: int = 64
    repeats: int = 10


@dataclass
class Explanation:
    """What was found, as rows by kind ("images", "columns", "texts"), and the files it is in."""

    split: str
    checkpoint: str
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        files = [str(file) for file in self.files]
        return {"split": self.split, "checkpoint": self.checkpoint, **self.rows, "files": files, "notes": self.notes}


@dataclass(frozen=True)
class _Task:
    """A trained network with its data, the rows to explain, and where the files go."""

    restored: Restored
    dataset: Dataset
    split: Split
    options: Options
    folder: Path
    result: Explanation

    def attributor(self, rows: Split, embedded: Sequence[str] = ()) -> Attributor:
        session = self.restored.predictor(rows, self.dataset)
        output = choose_output(session.heads, self.options.target)[0]
        return Attributor(session, network_layers(self.restored.config.config), embedded, output)


def explain_run(run: RunDirectory, which: str | None, options: Options, folder: Path) -> Explanation:
    """Explain a run's network on rows of its own data, and write what was found into a folder.

    Images get saliency and integrated-gradient maps, tokens their contributions, columns of tables and variables of
    series their permutation importance. Raises: CheckpointError, DataError, UsageError, RunError.
    """
    restored = open_checkpoint(run, which)
    dataset = own_data(restored)
    name = options.split or held_out(dataset)
    rows = restored.session(dataset).split(name)
    task = _Task(restored, dataset, rows, options, folder, Explanation(name, restored.path.stem))
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    inputs = dataset.signature.inputs
    images = [each for each, feature in inputs.items() if is_image(feature)]
    texts = [each for each, feature in inputs.items() if feature.kind == "sequence"]
    columns = [each for each in inputs if each not in images and each not in texts]
    if images:
        _explain_images(task, images)
    if texts:
        _explain_texts(task, texts)
    if columns:
        _explain_columns(task, columns)
    return task.result


def is_image(feature: Feature) -> bool:
    """Whether an input is an image: said to be one, or numbers of shape (h, w, 1) or (h, w, 3)."""
    return feature.kind == "image" or (len(feature.shape) == 3 and feature.shape[-1] in (1, 3))


def _some_rows(task: _Task, count: int | None) -> Split:
    """Rows of the split drawn by the run's seed, in their order; all of them where `count` is None."""
    split = task.split
    if count is None or count >= split.rows:
        return split
    chosen = np.sort(permutation(split.rows, task.restored.config.config.seed, "explain/rows")[:count])
    return Split(
        {name: np.ascontiguousarray(array[chosen]) for name, array in split.inputs.items()},
        {name: np.ascontiguousarray(array[chosen]) for name, array in split.targets.items()},
        None if split.weights is None else split.weights[chosen], split.index[chosen],
    )  # fmt: skip


def _explain_images(task: _Task, names: Sequence[str]) -> None:
    """Maps of what each pixel does, the baseline being a black image (stored values of 0)."""
    features = task.dataset.signature.inputs
    rows = _some_rows(task, task.options.samples or SAMPLES)
    attributor = task.attributor(rows)
    inputs = _real_inputs(rows, features)
    baselines = {name: np.zeros(inputs[name].shape) + np.asarray(features[name].offset) for name in names}
    found, samples = _attributions(task, attributor, rows, inputs, baselines)
    for name in names:
        stem = task.folder / ("images" if len(names) == 1 else f"images_{name}")
        saliency = np.abs(found.gradients[name]).max(axis=-1)
        integrated = found.integrated[name]
        arrays = {
            "index": rows.index, "images": rows.inputs[name], "saliency": saliency, "integrated_gradients": integrated,
            "scores": found.scores, "baseline_scores": found.baseline_scores,
        }  # fmt: skip
        write_arrays(stem.with_suffix(".npz"), arrays)
        task.result.files.append(stem.with_suffix(".npz"))
        titles = [_title(sample) for sample in samples]
        with noting(task.result.notes.append):
            picture = stem.with_suffix(".png")
            draw_maps(picture, np.asarray(rows.inputs[name]), saliency, integrated.sum(axis=-1), titles)
            task.result.files.append(picture)
    _keep_table(task, "images", samples)


def _explain_texts(task: _Task, names: Sequence[str]) -> None:
    """What each token does: integrated gradients by its vector, summed, the baseline being vectors of 0."""
    features = task.dataset.signature.inputs
    rows = _some_rows(task, task.options.samples or SAMPLES)
    attributor = task.attributor(rows, names)
    missing = [name for name in names if name not in attributor.embeddings.values()]
    if missing:
        raise UsageError(f"no embedding takes the input {missing[0]!r}: its tokens can't be explained")
    inputs = attributor.embed(_real_inputs(rows, features))
    baselines = {name: np.zeros(array.shape) for name, array in inputs.items() if name.endswith(f"/{VECTORS}")}
    found, samples = _attributions(task, attributor, rows, inputs, baselines)
    table: list[dict[str, Any]] = []
    for name in names:
        parts = [
            array.reshape(*rows.inputs[name].shape, -1).sum(axis=-1)
            for vectors, array in found.integrated.items()
            if attributor.embeddings[vectors.removesuffix(f"/{VECTORS}")] == name
        ]
        contributions, vocabulary = np.sum(parts, axis=0), features[name].classes or ()
        page = []
        for sample, ids, values in zip(samples, rows.inputs[name], contributions, strict=True):
            real = np.flatnonzero(ids)
            tokens = [vocabulary[int(ids[place])] for place in real]
            page.append((_title(sample), tokens, values[real]))
            of = "" if len(names) == 1 else f" of {name}"
            sample[f"padding{of}"] = float(values.sum() - values[real].sum())
            sample[f"tokens{of}"] = _largest(tokens, values[real])
            table += [
                {
                    "row": sample["row"], "input": name, "position": int(place), "token": token,
                    "contribution": float(values[place]),
                }
                for place, token in zip(real, tokens, strict=True)
            ]  # fmt: skip
        path = task.folder / ("texts.html" if len(names) == 1 else f"texts_{name}.html")
        write_text_page(path, f"{task.restored.path.parent.parent.name}: {name}", page)
        task.result.files.append(path)
    write_table(task.folder / "tokens.csv", table)
    task.result.files.append(task.folder / "tokens.csv")
    _keep_table(task, "texts", samples)


def _explain_columns(task: _Task, names: Sequence[str]) -> None:
    """How much worse the network gets when a column is shuffled."""
    config = task.restored.config.config
    if config.data.source.windows() is not None:
        raise UsageError("a stream has no columns that could be shuffled")
    prepared = prepare(config.data, config.seed, task.restored.fitted)
    rows, session = _some_rows(task, task.options.samples), task.restored.session(task.dataset)
    base, found = permutation_importance(
        session, rows, prepared, names, task.options.repeats, lambda: put_weights(session, task.restored)
    )
    task.result.rows["measures"] = [base]
    _keep_table(task, "columns", importance_rows(found))
    with noting(task.result.notes.append):
        shown = [(each.column, each.mean["loss"], each.spread["loss"]) for each in found]
        draw_importance(task.folder / "columns.png", *zip(*shown, strict=True))
        task.result.files.append(task.folder / "columns.png")


def _real_inputs(rows: Split, features: Mapping[str, Feature]) -> dict[str, Array]:
    """The inputs as the network sees them, float64 (rows, *shape)."""
    return {
        name: array.astype(np.float64) * np.asarray(features[name].scale) + np.asarray(features[name].offset)
        for name, array in rows.inputs.items()
    }


def _attributions(
    task: _Task, attributor: Attributor, rows: Split, inputs: Mapping[str, Array], baselines: Mapping[str, Array]
) -> tuple[Attribution, list[dict[str, Any]]]:
    """(what the inputs contribute, a row of each sample's scores)."""
    outputs, _ = attributor.run(inputs)
    output, wanted = choose_output(attributor.heads, task.options.target)
    chosen = choose(output.target, wanted, outputs, rows)
    found = attributor.explain(inputs, baselines, chosen.weights, task.options.steps)
    samples = []
    for index in range(rows.rows):
        scores = {"score": found.scores[index], "baseline": found.baseline_scores[index], "gap": found.gaps[index]}
        plain = {name: float(value) for name, value in scores.items()}
        samples.append({"row": int(rows.index[index]), **chosen.said[index], **plain})
    return found, samples


def _title(sample: Mapping[str, Any]) -> str:
    truth = f" is {sample['true']}," if "true" in sample else ""
    return f"row {sample['row']}{truth} explained {sample['explained']} ({sample['score']:.3g})"


def _largest(tokens: Sequence[str], values: Array) -> str:
    """The tokens with the largest contributions, as text."""
    order = np.argsort(-np.abs(values), kind="stable")[:SHOWN]
    return " ".join(f"{tokens[place]}:{values[place]:+.2f}" for place in order)


def _keep_table(task: _Task, kind: str, rows: list[dict[str, Any]]) -> None:
    path = task.folder / f"{kind}.csv"
    write_table(path, rows)
    task.result.rows[kind] = rows
    task.result.files.append(path)

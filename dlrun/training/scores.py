"""Which of a network's outputs are explained, and what they say of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlrun.data.dataset import Split
from dlrun.data.signature import Feature
from dlrun.errors import UsageError
from dlrun.executor.executor import Array
from dlrun.training.heads import Output


@dataclass(frozen=True)
class Chosen:
    """The weights (rows, *output shape) whose sum with the outputs is each row's score, and each row's description."""

    weights: Array
    said: tuple[Mapping[str, Any], ...]


def choose_output(outputs: Sequence[Output], wanted: str | None) -> tuple[Output, str | None]:
    """Return the output that is explained, and which class or column of it was asked for, if any.

    Of several, `wanted` names the target, or the target and its class or column: digit, digit/7. Raises UsageError.
    """
    if len(outputs) == 1:
        return outputs[0], wanted
    for output in outputs:
        name = output.target.name
        if wanted == name:
            return output, None
        if wanted is not None and wanted.startswith(f"{name}/"):
            return output, wanted.removeprefix(f"{name}/")
    names = ", ".join(output.target.name for output in outputs)
    what = "which one is to be explained" if wanted is None else f"there is no {wanted!r}"
    message = f"this network has several outputs ({names}): {what}"
    raise UsageError(message, f"--target {outputs[0].target.name}, or with a class or column behind it: TARGET/NAME")


def choose(target: Feature, wanted: str | None, outputs: Array, rows: Split) -> Chosen:
    """Return what is explained of outputs (rows, *shape), which are logits where the network gives probabilities.

    That is the class or column `wanted`, else the class that a row has most of, or the first column. Of a class at each
    position of a sequence it is the last. A single output of two classes counts as it is for the second, and with the
    other sign for the first. Raises: UsageError where there is no such class or column, or the outputs have no names.
    """
    if target.kind == "labels":
        return _of_classes(target, _index(target.classes, wanted), outputs, rows)
    columns = target.columns or (target.name,)
    shape = outputs.shape[1:]
    if int(np.prod(shape)) != len(columns):
        raise UsageError(
            f"this network gives numbers of shape {shape}, of which none has a name",
            "images and texts are explained of networks that predict classes, or columns of numbers",
        )
    index = _index(columns, wanted) or 0
    weights = np.zeros(outputs.shape)
    weights.reshape(len(outputs), -1)[:, index] = 1.0
    return Chosen(weights, tuple({"explained": columns[index]} for _ in outputs))


def _index(names: tuple[str, ...] | None, wanted: str | None) -> int | None:
    if wanted is None:
        return None
    if names is None or wanted not in names:
        raise UsageError(f"there is no {wanted!r} to explain", f"one of: {', '.join(names or ())}")
    return names.index(wanted)


def _of_classes(target: Feature, wanted: int | None, outputs: Array, rows: Split) -> Chosen:
    classes, labels = target.classes or (), rows.targets[target.name]
    weights = np.zeros(outputs.shape)
    said = []
    for row, output in enumerate(outputs):
        place = (_last(labels[row]),) if target.shape else ()
        here = output[place]
        most = int(here.argmax()) if len(here) > 1 else int(here[0] > 0)
        index = most if wanted is None else wanted
        if len(here) > 1:
            weights[(row, *place, index)] = 1.0
        else:
            weights[(row, *place, 0)] = 1.0 if index else -1.0
        said.append({"true": classes[int(labels[(row, *place)])], "said": classes[most], "explained": classes[index]})
    return Chosen(weights, tuple(said))


def _last(labels: Array) -> int:
    """The last position of a sequence that has a label; the first where none has."""
    known = np.flatnonzero(labels >= 0)
    return int(known[-1]) if len(known) else 0

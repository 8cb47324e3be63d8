"""Configs as commented text: a sound first network for tables, images and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlrun.config.resolve import flow
from dlrun.errors import UsageError
from dlrun.starter.table import Table, TableColumn

CLASS_METRICS = "[accuracy, {type: f1, average: macro}]"


def table_config(table: Table, target: TableColumn) -> str:
    """The config of a table whose column `target` is predicted. Raises: UsageError where no input is left."""
    inputs = [column for column in table.columns if column.name != target.name and column.role != "left out"]
    if not inputs:
        raise UsageError(f"no column is left from which {target.name!r} could be predicted")
    left_out = [c for c in table.columns if c.name != target.name and c.role == "left out"]
    groups = {
        "numbers": [column for column in inputs if column.role == "number"],
        "codes": [column for column in inputs if column.role == "category" and column.whole],
        "kinds": [column for column in inputs if column.role == "category" and not column.whole],
    }
    groups = {name: columns for name, columns in groups.items() if columns}
    texts = {f"text_{i}" if i else "text": c for i, c in enumerate(c for c in inputs if c.role == "text")}
    lines = [
        f"# {table.rows:,} rows; predicts {target.name}, {_what(target)}.",
        *(f"# Left out: {column.name}, {column.reason}." for column in left_out),
        "",
        "data:",
        f"  source: {flow(table.source)}",
        "  inputs:",
        *(line for name, columns in groups.items() for line in _group_lines(name, columns)),
        *(line for name, column in texts.items() for line in _text_lines(name, column)),
        *_target_lines(target),
        "  split: {validation: 0.15, test: 0.15}"
        + ("     # each class in its share" if target.predicts_classes else ""),
        "",
        "model:",
        "  layers:",
        *_tower_lines(list(groups), list(texts)),
        *_head_lines(target),
        "",
        *_training_lines(target.predicts_classes, table.rows),
    ]
    return "\n".join(lines) + "\n"


def _what(target: TableColumn) -> str:
    return f"one of {target.values} classes" if target.predicts_classes else "a number"


def _group_lines(name: str, columns: Sequence[TableColumn]) -> list[str]:
    missing = sum(column.missing for column in columns)
    impute = f"{{type: impute, strategy: {'median' if name == 'numbers' else 'mode'}}}, "
    transform = "standardize" if name == "numbers" else "one_hot"
    note = f"     # {missing:,} values are missing" if missing else ""
    return [
        f"    {name}:",
        f"      columns: {flow([column.name for column in columns])}{note}",
        f"      transforms: [{impute if missing else ''}{transform}]",
    ]


def _text_lines(name: str, column: TableColumn) -> list[str]:
    length = min(max(-(-column.length // 8) * 8, 8), 256)
    return [
        f"    {name}:",
        f"      columns: {flow([column.name])}",
        "      transforms:",
        "        - {type: tokenize, level: word, lowercase: true, vocabulary_size: 20000, minimum_count: 2}",
        f"        - {{type: pad, length: {length}}}     # 95 % of the texts fit",
    ]


def _target_lines(target: TableColumn) -> list[str]:
    transforms = ["{type: impute, strategy: drop}"] if target.missing else []
    transforms += [] if target.predicts_classes else ["standardize"]
    rest = f", transforms: [{', '.join(transforms)}]" if transforms else ""
    if target.predicts_classes and target.whole:
        rest += ", kind: classes"
    return [f"  target: {{column: {flow(target.name)}{rest}}}"]


def _tower_lines(groups: Sequence[str], texts: Sequence[str]) -> list[str]:
    """The layers up to the vector in which all inputs come together."""
    lines = []
    for text in texts:
        lines += [
            f"    - {{type: embedding, inputs: [{text}], output_dim: 64}}",
            "    - {type: conv1d, filters: 64, kernel_size: 3, activation: relu}",
            f"    - {{type: global_max_pool1d, name: of_{text}}}",
        ]
    together = [*groups, *(f"of_{text}" for text in texts)]
    if len(together) > 1:
        lines.append(f"    - {{type: concatenate, inputs: [{', '.join(together)}]}}")
    if groups:
        lines.append("    - {type: dense, units: 64, activation: relu}")
    return [*lines, "    - {type: dropout, rate: 0.2}"]


def _head_lines(target: TableColumn) -> list[str]:
    if target.predicts_classes:
        return [
            "    - {type: dense, units: 32, activation: relu}",
            f"    - {{type: dense, units: {target.values}, activation: softmax}}",
        ]
    return ["    - {type: dense, units: 32, activation: relu}", "    - {type: dense, units: 1}"]


def _training_lines(classes: bool, rows: int, epochs: int = 60) -> list[str]:
    return [
        f"loss: {'cross_entropy' if classes else 'mse'}",
        "optimizer: {type: adam, learning_rate: 1e-3}     # the first number to try others of",
        f"metrics: {CLASS_METRICS if classes else '[rmse, mae, r2]'}",
        "",
        "training:",
        f"  epochs: {epochs}                                     # at most",
        f"  batch_size: {16 if rows < 1000 else 32 if rows < 20_000 else 128}",
        "  early_stopping: {monitor: validation/loss, patience: 8, restore_best_weights: true}",
    ]


def image_config(source: Mapping[str, Any], shape: Sequence[int], classes: int, rows: int, split: str) -> str:
    """The config of a folder of images (height, width, channels) by class."""
    lines = [
        f"# {rows:,} images of {classes} classes.",
        "",
        "data:",
        f"  source: {flow(dict(source))}",
        "  inputs:",
        "    image: {transforms: [rescale]}            # 0 to 255 becomes 0 to 1",
        *([f"  split: {split}"] if split else []),
        "",
        "model:",
        "  layers:",
    ]
    filters, side = 16, min(shape[:2])
    while side >= 8 and filters <= 64:
        lines += [
            f"    - {{type: conv2d, filters: {filters}, kernel_size: 3, padding: same, activation: relu}}",
            "    - {type: max_pool2d, pool_size: 2}",
        ]
        filters, side = filters * 2, side // 2
    lines += [
        "    - flatten",
        "    - {type: dropout, rate: 0.3}",
        "    - {type: dense, units: 64, activation: relu}",
        f"    - {{type: dense, units: {classes}, activation: softmax}}",
        "",
        *_training_lines(True, rows, 30),
    ]
    return "\n".join(lines) + "\n"


def texts_config(source: Mapping[str, Any], classes: int, length: int, split: str) -> str:
    """The config of texts by class."""
    column = TableColumn("text", "text", 0, 0, length=length)
    lines = [
        f"# Texts of {classes} classes.", "", "data:", f"  source: {flow(dict(source))}", "  inputs:",
        *_text_lines("text", column), *([f"  split: {split}"] if split else []), "", "model:", "  layers:",
        *_tower_lines([], ["text"]), f"    - {{type: dense, units: {classes}, activation: softmax}}", "",
        *_training_lines(True, 10_000, 15),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def language_model_data(path: str, length: int = 64) -> dict[str, Any]:
    """The data of one long text, cut into windows of letters."""
    return {
        "source": {"type": "text", "path": path, "stream": True, "length": length},
        "inputs": {"text": {"transforms": [{"type": "tokenize", "level": "character"}]}},
        "target": {"input": "text", "shift": 1},
        "split": {"validation": 0.1},
    }


def language_model_config(data: Mapping[str, Any], classes: int) -> str:
    """The config of one long text that the network learns to go on with; `classes` are its letters and other tokens."""
    lines = [
        '# Learns to write as a text does, letter by letter. Then: dlrun generate latest --prompt "The "',
        "",
        "data:",
        *(f"  {name}: {flow(value)}" for name, value in data.items()),
        "",
        "model:",
        "  layers:",
        "    - {type: embedding, output_dim: 64}",
        "    - {type: lstm, units: 128, return_sequences: true}",
        "    - {type: dropout, rate: 0.2}",
        f"    - {{type: dense, units: {classes}, activation: softmax}}     # letters, padding, unknown",
        "",
        "loss: cross_entropy",
        "optimizer: {type: adam, learning_rate: 3e-3, clipnorm: 1.0}",
        "schedule: cosine",
        "metrics: [perplexity]",
        "",
        "training:",
        "  epochs: 10",
        "  batch_size: 32",
    ]
    return "\n".join(lines) + "\n"

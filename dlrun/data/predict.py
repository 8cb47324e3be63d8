"""New rows for a trained network: image files, a table or arrays, through the transforms as they were fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.data.codec import column_from_json
from dlrun.data.config import DataConfig, InputConfig
from dlrun.data.dataset import Array, Split
from dlrun.data.images import SUFFIXES, decode_image
from dlrun.data.pipeline import Pipeline, chunks, fit, gather
from dlrun.data.prepare import plan_input
from dlrun.data.selection import Chosen
from dlrun.data.series import Time, in_order, series_array, series_of, time_of, windows_of
from dlrun.data.signature import Signature
from dlrun.data.sources.arrays import array_column
from dlrun.data.sources.base import Column, MemoryStore, Raw
from dlrun.data.sources.csv import Csv
from dlrun.data.sources.npy import map_npy
from dlrun.data.sources.npz import npz_heads, read_npz
from dlrun.data.sources.parquet import Parquet
from dlrun.data.sources.text_files import Encoding, encode_texts, lines_of, read_text
from dlrun.errors import ConfigError, DataError

LINES = (".txt", ".txt.gz")
TABLES = (".csv", ".csv.gz", ".tsv", ".parquet")
Columns = Mapping[str, Column]


def load_inputs(
    config: DataConfig,
    fitted: Mapping[str, Any],
    signature: Signature,
    files: Sequence[Path],
    texts: Sequence[str] = (),
) -> Split:
    """The inputs of `files`, as the network with this `fitted` and `signature` takes them; no targets.

    `files` are image files (or folders of them) for a network with one image input; for one with one input of text
    files with an example a line, besides `texts`; else one CSV, Parquet, npz or npy file with the columns that the
    inputs were made of. A scaled copy stands in for an image of another size and
    the same proportions. `index` counts the rows that are left: `impute` with strategy drop leaves rows out here too.
    Of a series there is a row for each window of the file, the last one included, which nothing follows; `index` then
    says where the window's target begins.
    Raises DataError, naming the file and what is missing in it.
    """
    if not files and not texts:
        raise DataError("there is nothing to predict: no file was given")
    raw, columns = read_columns(config, fitted, signature, files, texts)
    if config.window is not None:
        return _windows(config, raw, columns, fitted, signature)
    plans = input_plans(config, fitted, signature, columns)
    index = _complete_rows(plans, raw, columns)
    inputs = {name: _apply(plan, raw, index, fitted) for name, plan in plans.items()}
    for name, array in inputs.items():
        if array.shape[1:] != signature.inputs[name].shape:
            raise DataError(
                f"{files[0] if files else 'the text'} gives the input {name!r} the shape {array.shape[1:]}, "
                f"but the network takes {signature.inputs[name].shape}"
            )
    return Split(inputs, {}, None, index)


def text_rows(config: DataConfig, files: Sequence[Path]) -> list[str]:
    """The lines of text files, empty ones left out; raises DataError."""
    encoding: Encoding = getattr(config.source, "encoding", "utf8")
    return [line for file in files for line in lines_of(read_text(file, encoding))]


def is_text(file: Path) -> bool:
    """Whether a file's name says that it holds text, an example a line."""
    return file.name.lower().endswith(LINES)


def _as_column(column: Column, texts: Sequence[str]) -> tuple[Mapping[str, Array], Columns]:
    values, codes = encode_texts(texts)
    if not values:
        raise DataError("there is nothing to predict: the files have no lines")
    return {column.name: codes}, {column.name: replace(column, values=values)}


def image_files(files: Sequence[Path]) -> list[Path]:
    """The files, folders replaced by the images in them, sorted by name."""
    found = []
    for file in files:
        if file.is_dir():
            found += sorted(path for path in file.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        else:
            found.append(file)
    return found


def read_columns(
    config: DataConfig,
    fitted: Mapping[str, Any],
    signature: Signature,
    files: Sequence[Path],
    texts: Sequence[str] = (),
) -> tuple[Mapping[str, Array], Columns]:
    """The columns of files that a network's inputs are made of, and that order a series; raises DataError."""
    parts = [f"inputs/{name}" for name in signature.inputs] + (["series"] if "series/columns" in fitted else [])
    described = {name: column for part in parts for name, column in saved_columns(fitted, part).items()}
    return _read(config, [Path(file) for file in files], texts, described)


def input_plans(
    config: DataConfig, fitted: Mapping[str, Any], signature: Signature, columns: Columns
) -> dict[str, Pipeline]:
    """The ways of the inputs from columns such as they were made of."""
    return {
        name: plan_input(name, _chosen(config, name, saved_columns(fitted, f"inputs/{name}")), columns)
        for name in signature.inputs
    }


def _windows(
    config: DataConfig, raw: Mapping[str, Array], columns: Columns, fitted: Mapping[str, Any], signature: Signature
) -> Split:
    """All windows of a file; raises DataError for one that is too short, or whose rows aren't in order."""
    series = series_of(config)
    assert series is not None
    plans = input_plans(config, fitted, signature, columns)
    raw = rows_in_order(config, plans, raw, columns)
    rows = len(next(iter(raw.values())))
    if rows < series.length:
        raise DataError(f"a window needs {series.length:,} rows, there are {rows:,}")
    index, store = np.arange(rows, dtype=np.int64), MemoryStore()
    inputs = {}
    for name, plan in plans.items():
        array = series_array(fit(plan, raw, index, fitted), raw, index, store, name)
        inputs[name] = windows_of(array, series.length, series.stride, 0, rows)
    return Split(inputs, {}, None, index[:: series.stride][: len(inputs[name])] + series.before)


def series_time(config: DataConfig, plans: Mapping[str, Pipeline]) -> Time | None:
    """The column that gives a series its order."""
    chosen = {name: Chosen(plan.columns, _given(config, name), plan.path) for name, plan in plans.items()}
    return time_of(config, chosen)


def rows_in_order(
    config: DataConfig, plans: Mapping[str, Pipeline], raw: Mapping[str, Array], columns: Columns
) -> Mapping[str, Array]:
    """The rows of a series in the order of their time; raises DataError where they have none."""
    try:
        order = in_order(columns, raw, series_time(config, plans))
    except ConfigError as error:
        problem = error.problems[0]
        raise DataError(problem.message, help=problem.help) from None
    return raw if order is None else {name: array[order] for name, array in raw.items()}


def saved_columns(fitted: Mapping[str, Any], part: str) -> dict[str, Column]:
    """The raw columns of an input ("inputs/NAME"), as `prepare` saved them, or what gives a series its order."""
    try:
        columns = [column_from_json(entry) for entry in fitted[f"{part}/columns"]]
    except (KeyError, TypeError) as error:
        raise DataError(f"the run doesn't say what its {part} was made of: {error}") from None
    return {column.name: column for column in columns}


def _chosen(config: DataConfig, name: str, columns: Columns) -> Chosen:
    return Chosen(tuple(columns), _given(config, name), ("data", "inputs", name))


def _given(config: DataConfig, name: str) -> InputConfig:
    return (config.inputs or {}).get(name, InputConfig())


def _read(
    config: DataConfig, files: list[Path], texts: Sequence[str], described: Columns
) -> tuple[Mapping[str, Array], Columns]:
    name = files[0].name.lower() if files else ""
    first = next(iter(described.values()))
    if texts or name.endswith(LINES):
        if len(described) != 1 or first.kind != "text":
            wanted = ", ".join(repr(column) for column in described)
            what = str(files[0]) if files else "a text"
            raise DataError(
                f"{what} isn't what the network was trained on: {wanted}", help="give one file that holds these"
            )
        return _as_column(first, [*text_rows(config, files), *texts])
    if len(files) == 1 and name.endswith(TABLES):
        return _checked(_read_table(config, files[0], described), described, files[0])
    if len(files) == 1 and name.endswith((".npz", ".npy")):
        return _read_arrays(files[0], described)
    images = image_files(files)
    if len(described) != 1 or first.kind != "image":
        wanted = ", ".join(repr(column) for column in described)
        raise DataError(
            f"{files[0]} is no table, but the network was trained on columns",
            help=f"give one CSV, Parquet or npz file with the columns {wanted}",
        )
    if not images:
        raise DataError(f"there are no images in {files[0]}")
    return {first.name: _decode(images, first)}, described


def _decode(files: list[Path], column: Column) -> Array:
    """Images as the source held them; values of another range than 0 .. 255 are scaled to it."""
    height, width, channels = column.shape
    pixels = np.empty((len(files), *column.shape), np.uint8)
    low, high = column.range or (0.0, 255.0)
    for row, path in enumerate(files):
        image = decode_image(path, path, channels, (height, width), fit="proportional")
        pixels[row] = image if (low, high) == (0.0, 255.0) else np.rint(low + image * ((high - low) / 255.0))
    return pixels


def _read_table(config: DataConfig, path: Path, described: Columns) -> Raw:
    source: Csv | Parquet
    if path.name.lower().endswith(".parquet"):
        source = Parquet(path=str(path))
    elif isinstance(config.source, Csv):
        source = config.source.model_copy(update={"path": str(path)})
    else:
        source = Csv(path=str(path), delimiter="\t" if path.name.lower().endswith(".tsv") else ",")
    return source.read(MemoryStore(), list(described))


def _read_arrays(path: Path, described: Columns) -> tuple[Mapping[str, Array], Columns]:
    if path.suffix == ".npy":
        if len(described) != 1:
            raise DataError(f"{path} holds one array, but the network takes {', '.join(described)}")
        arrays = {next(iter(described)): map_npy(path)}
    else:
        heads = npz_heads(path)
        _require(tuple(heads), described, path)
        arrays = read_npz(path, list(described))
    columns, values = {}, {}
    for name, array in arrays.items():
        column = array_column(name, array.shape, array.dtype, path)
        if column.kind == "text":
            strings, codes = np.unique(array, return_inverse=True)
            column = Column(name, "text", original="str", values=tuple(str(string) for string in strings))
            array = codes.astype(np.int32)
        wanted = described[name]
        if array.shape[1:] != wanted.shape and array[0].size != np.prod(wanted.shape, dtype=int):
            raise DataError(f"{name!r} in {path} has rows of shape {array.shape[1:]}, expected {wanted.shape}")
        if wanted.kind == "image" and array.dtype != np.uint8:
            raise DataError(f"{name!r} in {path} is of dtype {array.dtype}, expected images as uint8")
        columns[name] = column if column.kind == "text" else wanted
        values[name] = array.reshape(len(array), *wanted.shape)
    if len({len(array) for array in values.values()}) > 1:
        raise DataError(f"the arrays in {path} have different numbers of rows")
    return values, columns


def _checked(raw: Raw, described: Columns, path: Path) -> tuple[Mapping[str, Array], Columns]:
    """The table's columns, each of the kind that the network was trained on."""
    _require(tuple(raw.arrays), described, path)
    columns: dict[str, Column] = {}
    arrays = dict(raw.arrays)
    for name, wanted in described.items():
        column = raw.description.columns[name]
        is_text, was_text = column.kind == "text", wanted.kind in ("text", "labels")
        if is_text and not was_text:
            raise DataError(f"column {name!r} of {path} holds text, such as {column.values[0]!r}, expected numbers")
        if was_text and not is_text:
            column, arrays[name] = _as_text(column, arrays[name])
        columns[name] = column
    return arrays, columns


def _as_text(column: Column, array: Array) -> tuple[Column, Array]:
    """Numbers where text was trained on: a file whose few rows all look like numbers."""
    from dlrun.data.transforms.category import number_name

    known = ~np.isnan(array)
    values, codes = np.unique(array[known], return_inverse=True)
    result = np.full(len(array), -1, np.int32)
    result[known] = codes
    return Column(column.name, "text", original="str", values=tuple(number_name(value) for value in values)), result


def _require(names: Sequence[str], described: Columns, path: Path) -> None:
    missing = [name for name in described if name not in names]
    if missing:
        listed = ", ".join(repr(name) for name in missing)
        raise DataError(f"{path} lacks {listed}", help="it needs the columns that the network was trained on")


def _complete_rows(plans: Mapping[str, Pipeline], raw: Mapping[str, Array], columns: Columns) -> Array:
    rows = len(next(iter(raw.values())))
    keep = np.ones(rows, bool)
    for plan in plans.values():
        if any(step.transform.drops_rows() for step in plan.steps):
            for name in plan.columns:
                array = raw[name]
                missing = array < 0 if columns[name].kind == "text" else np.isnan(array)
                keep &= ~missing.reshape(rows, -1).any(axis=1)
    return np.flatnonzero(keep)


def _apply(plan: Pipeline, raw: Mapping[str, Array], index: Array, fitted: Mapping[str, Any]) -> Array:
    feature = fit(plan, raw, index, fitted)
    result = np.empty((len(index), *feature.shape), feature.dtype)
    for start, rows in chunks(plan, index):
        result[start : start + len(rows)] = feature.apply(gather(plan, raw, rows))
    return result

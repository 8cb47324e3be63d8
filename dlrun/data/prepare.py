"""From a config and a source's columns to fitted features and divided rows: everything but the final arrays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from typing import Any

import numpy as np

from dlrun.data import cache
from dlrun.data.codec import fitted_to_json
from dlrun.data.collector import Collector
from dlrun.data.config import DataConfig, SplitConfig
from dlrun.data.dataset import Array
from dlrun.data.pipeline import FittedPipeline, Pipeline, Step, check, chunks, fit, gather, raw_layout
from dlrun.data.reading import read_source
from dlrun.data.selection import Chosen, Selection, select
from dlrun.data.series import (
    SORT_BY,
    Series,
    Time,
    series_of,
    series_split,
    sorted_rows,
    time_of,
    times_of,
    window_feature,
    window_origins,
)
from dlrun.data.signature import Feature, Kind, Signature
from dlrun.data.sources.base import Column, Raw, Windows
from dlrun.data.split import Rows, limited, make_splits
from dlrun.data.streams import Following, check_stream, chronological, cut_stream
from dlrun.data.targets import inverse, plan_target
from dlrun.data.transforms.rescale import Rescale
from dlrun.errors import ConfigError, DataError, Problem

Counts = Any
"""A feature's `class_counts`, or its `label_counts`, or None."""


@dataclass(frozen=True)
class Prepared:
    """Rows divided, transforms fitted; `splits` are row numbers, `shared` are targets that are inputs.

    `following` are targets of tokens of an input. Of a source with `windows` the rows are pieces, still to be cut.
    Of a `series` the raw rows are in its order, and `splits` say where the targets of windows begin.
    """

    raw: Raw
    inputs: Mapping[str, FittedPipeline]
    targets: Mapping[str, FittedPipeline]
    shared: Mapping[str, str]
    weights: str | None
    splits: Mapping[str, Array]
    fitted: Mapping[str, Any]
    signature: Signature
    fingerprint: str
    following: Mapping[str, Following] = field(default_factory=dict)
    windows: Windows | None = None
    series: Series | None = None
    limit: int | None = None
    seed: int = 0


def prepare(config: DataConfig, seed: int, known: Mapping[str, Any] | None) -> Prepared:
    """Reads the source, divides its rows, and fits the transforms, or takes what `known` says they learned.

    Transforms learn from all training rows, whatever `limit` says: a quick try sees the data as the real run does.
    Raises ConfigError for what is wrong in the config, DataError for what is wrong in the data.
    """
    outline, default_target = config.source.outline()
    selection = select(config, outline, default_target)
    series = series_of(config)
    raw, hashes = read_source(config, selection.wanted)
    time = None if series is None else time_of(config, selection.inputs)
    if series is not None:
        raw = sorted_rows(raw, time)
    columns = raw.description.columns
    windows = config.source.windows()
    inputs, found = _plans(selection, columns, raw.arrays, known or {}, windows, series)
    targets = {name: plan for name, plan in found.items() if plan is not None}
    plans = (*inputs.values(), *targets.values())
    splits = make_splits(
        _divided(config, windows, series),
        raw.description.rows,
        Rows(
            _kept_rows(plans, raw),
            _stratify_by(targets, raw),
            _ranks(selection.sort_by, raw) if series is None else None,
            _groups(selection.group, raw),
            _split_times(config.split, raw, time),
        ),
        seed,
    )
    if not len(splits["train"]):
        raise DataError("no training rows are left", help="impute with strategy drop may have left out all of them")
    collect = Collector()
    fitted_inputs = collect.each(inputs, lambda _, plan: fit(plan, raw.arrays, splits["train"], known))
    fitted_targets = collect.each(targets, lambda _, plan: fit(plan, raw.arrays, splits["train"], known))
    collect.raise_problems()
    counts = {name: _counts(feature, raw, splits["train"]) for name, feature in fitted_targets.items()}
    if series is not None:
        splits = window_origins(series, splits, config.limit)
    elif windows is None:
        splits = {**splits, "train": limited(splits["train"], config.limit, seed)}
    shared, following = _shared_targets(config, selection.shared, fitted_inputs)
    if windows is not None:
        check_stream(config, len(following))
    fitted = _learned(fitted_inputs, fitted_targets, columns)
    if time is not None:
        fitted["series/columns"] = _described([columns[time.column]])
    signature = Signature(
        {name: input_feature(feature) for name, feature in fitted_inputs.items()},
        _ordered_targets(config, selection.shared, fitted_inputs, fitted_targets, counts),
    )
    whole: dict[str, Any] = {} if windows is None else {"windows": [*astuple(windows), config.limit]}
    if series is not None:
        signature = window_signature(signature, series)
        whole["series"] = [*astuple(series), selection.sort_by]
    fingerprint = cache.digest(
        {
            "columns": {name: hashes[name] for name in selection.wanted},
            "splits": {name: hashlib.sha256(index.tobytes()).hexdigest() for name, index in splits.items()},
            "config": config.model_dump(mode="json", include={"inputs", "target", "sample_weights"}),
            "fitted": fitted_to_json(fitted),
            **whole,
        }
    )
    return Prepared(
        raw, fitted_inputs, fitted_targets, shared, selection.weights, splits, fitted, signature, fingerprint,
        following, windows, series, config.limit, seed,
    )  # fmt: skip


def outline_signature(config: DataConfig) -> Signature | None:
    """The signature without reading a row, or None where the shapes or classes depend on the rows.

    Raises ConfigError as `prepare` does.
    """
    outline, default_target = config.source.outline()
    selection = select(config, outline, default_target)
    if not config.source.described_without_reading:
        return None
    columns = {name: column for name, column in outline.items() if column is not None}
    series = series_of(config)
    plans, targets = _plans(selection, columns, None, {}, None, series)
    collect = Collector()
    outlined = collect.each(plans, lambda _, plan: _outlined(plan))
    outlined_targets = collect.each(targets, lambda _, plan: None if plan is None else _outlined(plan))
    collect.raise_problems()
    known = {name: feature for name, feature in outlined.items() if feature is not None}
    known_targets = {name: feature for name, feature in outlined_targets.items() if feature is not None}
    if len(known) < len(outlined) or len(known_targets) < len(outlined_targets):
        return None
    inputs = {name: input_feature(feature) for name, feature in known.items()}
    unknown = {
        name: (1,) * len(feature.layout.values[0]) for name, feature in known_targets.items() if is_class(feature)
    }
    signature = Signature(inputs, _ordered_targets(config, selection.shared, known, known_targets, unknown))
    return signature if series is None else window_signature(signature, series)


def window_signature(signature: Signature, series: Series) -> Signature:
    """The signature of a series' windows, from that of its rows."""
    return Signature(
        {name: window_feature(feature, series.length) for name, feature in signature.inputs.items()},
        {name: window_feature(feature, series.ahead) for name, feature in signature.targets.items()},
    )


def _divided(config: DataConfig, windows: Windows | None, series: Series | None) -> SplitConfig:
    """The split as it suits the kind of source."""
    if series is not None:
        return series_split(config.split)
    return config.split if windows is None else chronological(config.split)


def plan_input(name: str, chosen: Chosen, columns: Mapping[str, Column]) -> Pipeline:
    """An input's way; images without transforms are rescaled to 0 .. 1."""
    layout = raw_layout(tuple(columns[column] for column in chosen.columns), chosen.path)
    transforms = chosen.config.transforms
    if transforms is None:
        transforms = (Rescale(),) if layout.kind == "image" and layout.stored else ()
    steps = tuple(
        Step(transform, (*chosen.path, "transforms", i), f"inputs/{name}/{i}") for i, transform in enumerate(transforms)
    )
    return Pipeline(name, chosen.path, chosen.columns, layout, steps)


def input_feature(fitted: FittedPipeline) -> Feature:
    """What the network sees of an input."""
    layout = fitted.layout
    kind: Kind = "numbers" if layout.kind == "text" or layout.kind == "tokens" else layout.kind
    classes = layout.values[0] if layout.kind in ("category", "sequence") and len(layout.values) == 1 else None
    return Feature(
        fitted.plan.name, fitted.shape, fitted.dtype, kind, classes, layout.columns, layout.scale, layout.offset
    )


def is_class(fitted: FittedPipeline) -> bool:
    """Whether a target holds classes."""
    return fitted.layout.kind == "category"


def _counts(fitted: FittedPipeline, raw: Raw, train: Array) -> Counts:
    """The training rows of each class, or with a 0 and a 1 of each of several labels; None for other numbers."""
    if not is_class(fitted):
        return _label_counts(fitted, raw, train) if len(fitted.shape) == 1 else None
    labels = fitted.apply(gather(fitted.plan, raw.arrays, train))
    return tuple(np.bincount(labels.reshape(-1), minlength=len(fitted.layout.values[0])).tolist())


def _label_counts(fitted: FittedPipeline, raw: Raw, train: Array) -> tuple[tuple[int, int], ...] | None:
    """How often each number of a row is 0 and 1; None where one of them is anything else."""
    found = np.zeros((2, *fitted.shape), np.int64)
    for _, index in chunks(fitted.plan, train):
        values = fitted.apply(gather(fitted.plan, raw.arrays, index))
        ones, zeros = np.count_nonzero(values == 1, axis=0), np.count_nonzero(values == 0, axis=0)
        if np.any(ones + zeros < len(index)):
            return None
        found += np.stack([zeros, ones])
    return tuple((int(zeros), int(ones)) for zeros, ones in found.T)


def _target_feature(fitted: FittedPipeline, counts: Counts) -> Feature:
    feature = input_feature(fitted)
    if is_class(fitted):
        return replace(feature, kind="labels", class_counts=counts)
    factor, shift, exponential = inverse(fitted)
    return replace(feature, inverse=(factor, shift), inverse_exponential=exponential, label_counts=counts)


def _ordered_targets(
    config: DataConfig,
    shared: Mapping[str, str],
    inputs: Mapping[str, FittedPipeline],
    targets: Mapping[str, FittedPipeline],
    counts: Mapping[str, Counts],
) -> dict[str, Feature]:
    """The targets' features in the config's order."""
    return {
        name: _shared_feature(name, inputs[shared[name]])
        if name in shared
        else _target_feature(targets[name], counts.get(name))
        for name in config.targets
    }


def _shared_feature(name: str, fitted: FittedPipeline) -> Feature:
    """A target that is an input; tokens are classes, one at each position."""
    feature = replace(input_feature(fitted), name=name)
    return replace(feature, kind="labels") if feature.kind == "sequence" else feature


def _shared_targets(
    config: DataConfig, shared: Mapping[str, str], inputs: Mapping[str, FittedPipeline]
) -> tuple[dict[str, str], dict[str, Following]]:
    """(targets that are inputs as they are, targets that are tokens of inputs); raises ConfigError."""
    whole, following = {}, {}
    for name, origin in shared.items():
        shift = config.targets[name].shift
        layout = inputs[origin].layout
        if layout.kind == "sequence" and shift < layout.shape[0]:
            following[name] = Following(origin, shift)
        elif shift:
            path = ("data", "target", *([name] if isinstance(config.target, dict) else []), "shift")
            what = f"has {layout.shape[0]} tokens" if layout.kind == "sequence" else "doesn't hold tokens"
            raise ConfigError([Problem(path, f"the input {origin!r} {what}, of which none is {shift} positions on")])
        else:
            whole[name] = origin
    return whole, following


def _outlined(plan: Pipeline) -> FittedPipeline | None:
    """A feature's shapes as far as they need no rows; declared classes need none."""
    from dlrun.data.targets import Classes

    last = plan.steps[-1].transform if plan.steps else None
    if isinstance(last, Classes) and last.declared is not None and len(plan.steps) == 1:
        learned = {"categories": [list(last.declared)]}
        return FittedPipeline(plan, (plan.layout, last.after(plan.layout, learned)), (learned,))
    layout = check(plan)
    if layout is None:
        return None
    return FittedPipeline(replace(plan, steps=()), (layout,), ())


def _plans(
    selection: Selection,
    columns: Mapping[str, Column],
    arrays: Mapping[str, Array] | None,
    known: Mapping[str, Any],
    windows: Windows | None,
    series: Series | None,
) -> tuple[dict[str, Pipeline], dict[str, Pipeline | None]]:
    """The ways of the inputs and of the targets; None for a target of which only its rows could tell its kind."""

    def target(name: str, chosen: Chosen) -> Pipeline | None:
        described = tuple(columns[column] for column in chosen.columns)
        kind = known.get(f"targets/{name}/kind") if series is None else "numbers"
        return plan_target(name, chosen, described, arrays, kind)

    def way(name: str, chosen: Chosen) -> Pipeline:
        plan = plan_input(name, chosen, columns)
        return plan if windows is None else cut_stream(plan, windows)

    collect = Collector()
    inputs = collect.each(selection.inputs, way)
    targets = collect.each(selection.targets, target)
    collect.raise_problems()
    return inputs, targets


def _learned(
    inputs: Mapping[str, FittedPipeline], targets: Mapping[str, FittedPipeline], columns: Mapping[str, Column]
) -> dict[str, Any]:
    """What must be saved: what transforms learned, what kind each target is, and each input's raw columns."""
    fitted: dict[str, Any] = {}
    for name, feature in inputs.items():
        fitted[f"inputs/{name}/columns"] = _described([columns[column] for column in feature.plan.columns])
        fitted.update(feature.learned())
    for name, feature in targets.items():
        fitted[f"targets/{name}/kind"] = "classes" if is_class(feature) else "numbers"
        fitted.update(feature.learned())
    return fitted


def _described(columns: Sequence[Column]) -> Any:
    """Columns without their values, JSON-able."""
    return json.loads(json.dumps([asdict(replace(column, values=())) for column in columns]))


def _kept_rows(plans: tuple[Pipeline, ...], raw: Raw) -> Array | None:
    """The rows that no `impute` with strategy drop leaves out, (rows,) bool; None for all."""
    keep: Array | None = None
    for plan in plans:
        if any(step.transform.drops_rows() for step in plan.steps):
            keep = np.ones(raw.rows, bool) if keep is None else keep
            for name in plan.columns:
                keep &= ~_missing(raw, name).reshape(raw.rows, -1).any(axis=1)
    return keep


def _missing(raw: Raw, name: str) -> Array:
    """Where a column has no value, (rows, *shape) bool."""
    array = raw.arrays[name]
    return array < 0 if raw.description.columns[name].kind in ("text", "labels") else np.isnan(array)


def _stratify_by(targets: Mapping[str, Pipeline], raw: Raw) -> Array | None:
    """The first target of classes, (rows,) of any integers; None without one."""
    for plan in targets.values():
        if plan.steps and plan.steps[-1].transform.type == "classes":
            _, codes = np.unique(raw.arrays[plan.columns[0]], return_inverse=True)
            return codes
    return None


def _ranks(column: str | None, raw: Raw) -> Array | None:
    """The order of the rows by a column of numbers or of text that sorts, such as ISO dates."""
    return None if column is None else _whole(column, raw, "sort_by", "gives no order")


def _split_times(split: SplitConfig, raw: Raw, time: Time | None) -> Array | None:
    """The date of each row, where dates divide the rows."""
    if split.dates is None or split.sort_by is None:
        return None
    found = times_of(raw, time or Time(split.sort_by, None, SORT_BY))
    if found.dtype.kind != "M":
        raise ConfigError([Problem(SORT_BY, f"column {split.sort_by!r} holds numbers, not dates")])
    return found


def _groups(column: str | None, raw: Raw) -> Array | None:
    """The groups that rows belong to, (rows,) int64: equal numbers for equal values of a column."""
    if column is None:
        return None
    _, codes = np.unique(_whole(column, raw, "group", "gives no groups"), return_inverse=True)
    return codes.astype(np.int64)


def _whole(column: str, raw: Raw, field: str, lack: str) -> Array:
    """A column with a value in every row; raises ConfigError at the split's field."""
    array = raw.arrays[column]
    if array.ndim > 1 or _missing(raw, column).any():
        what = "has missing values" if array.ndim == 1 else "holds arrays"
        raise ConfigError([Problem(("data", "split", field), f"column {column!r} {what} and {lack}")])
    return array

"""The report of a run: what its files say, and what its network does with the rows it wasn't trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dlrun.data.dataset import Split
from dlrun.data.signature import Feature
from dlrun.data.texts import source_texts
from dlrun.errors import DlrunError, MissingExtra
from dlrun.executor.executor import Array
from dlrun.report.blocks import Block, Code, Page, Section, Table
from dlrun.report.classes import class_blocks, class_table, label_chart
from dlrun.report.curves import curves
from dlrun.report.layers import layer_table, weight_blocks
from dlrun.report.numbers import number_blocks
from dlrun.report.samples import mistake_block, reconstructions
from dlrun.report.tasks import forecast_chart, task_section
from dlrun.runs.directory import RunDirectory
from dlrun.runs.metrics_csv import read_metrics
from dlrun.runs.record import RunRecord, read_record
from dlrun.training.checkpointing import Restored, open_checkpoint
from dlrun.training.evaluation import measure
from dlrun.training.events import Listener
from dlrun.training.explain import is_image
from dlrun.training.profile import profile_network
from dlrun.training.reports import Report
from dlrun.training.run_data import held_out, own_data
from dlrun.training.session import Session


@dataclass(frozen=True)
class Options:
    """Which rows are looked at (test, else validation), with which weights, and whether layers are timed."""

    split: str | None = None
    checkpoint: str | None = None
    profile: bool = True


@dataclass(frozen=True)
class Measured:
    """A network with its weights, and what it predicts for the rows of a split."""

    session: Session
    name: str
    split: Split
    metrics: Mapping[str, Any]
    predictions: Mapping[str, Array]
    reports: Mapping[str, Report]


def report_run(run: RunDirectory, options: Options, listener: Listener | None = None) -> Page:
    """Put together all that is known about a run; what can't be known any more, the page says.

    Raises: RunError where the record or the metrics are damaged; UsageError, DataError for a split or checkpoint that
    was asked for and isn't there.
    """
    record, history = read_record(run.record), read_metrics(run.metrics)
    sections, notes = [], list(record.notes)
    if history.rows:
        sections.append(curves(history, record.best_epoch))
    try:
        sections += _network_sections(run, options, notes, listener)
    except DlrunError as error:
        if options.split is not None or options.checkpoint is not None or isinstance(error, MissingExtra):
            raise
        notes.append(f"The network isn't measured: {error.message}")
    return Page(run.name, facts(record), [*sections, _origin(run, record)], notes)


def facts(record: RunRecord) -> list[tuple[str, Any]]:
    """What stands at the top."""
    best = [(f"best {name}", value) for name, value in record.best_metrics.items() if name.startswith("validation/")]
    return [
        ("status", record.observed_status()), ("epochs", record.epochs), ("best epoch", record.best_epoch), *best[:4],
        ("parameters", record.parameters), ("training", f"{record.train_seconds:,.1f} s"),
        ("started", record.started.strftime("%Y-%m-%d %H:%M")),
    ]  # fmt: skip


def _network_sections(
    run: RunDirectory, options: Options, notes: list[str], listener: Listener | None
) -> list[Section]:
    restored = open_checkpoint(run, options.checkpoint)
    measured = _measure(restored, options, listener)
    sections = [Section(f"On the {measured.name} rows", [_metrics_table(measured, restored.path.stem)])]
    several = len(measured.predictions) > 1
    for name, predictions in measured.predictions.items():
        blocks = _target_blocks(measured, name, predictions)
        if blocks:
            sections.append(Section(f"Predictions of {name}" if several else "Predictions", blocks))
    try:
        task = task_section(run, options.checkpoint, restored, measured.name, measured.split)
        sections += [] if task is None else [task]
    except DlrunError as error:
        notes.append(f"What the network is for isn't shown: {error.message}")
    profile = None
    if options.profile:
        try:
            profile = profile_network(restored.config, listener=listener)
        except DlrunError as error:
            notes.append(f"The layers' times aren't measured: {error.message}")
    session = measured.session
    weights = session.variables()
    return [*sections, Section("Network", [layer_table(session, profile), *weight_blocks(session, weights)])]


def _measure(restored: Restored, options: Options, listener: Listener | None) -> Measured:
    session = restored.session(own_data(restored), listener)
    name = options.split or held_out(session.dataset)
    rows = session.split(name)
    metrics, predictions, reports = measure(session, restored, name, rows)
    return Measured(session, name, rows, metrics, predictions, {each.target: each for each in reports})


def _metrics_table(measured: Measured, checkpoint: str) -> Table:
    found = {name: value for name, value in measured.metrics.items() if not isinstance(value, list)}
    for target, report in measured.reports.items():
        prefix = f"{target}/" if len(measured.reports) > 1 else ""
        found = {f"{prefix}{name}": value for name, value in report.measures.items()} | found
    rows = [[name, value] for name, value in found.items()]
    caption = f"{measured.split.rows:,} {measured.name} rows, checkpoint {checkpoint}."
    return Table("Metrics", ("metric", "value"), rows, caption, wide=False)


def _target_blocks(measured: Measured, name: str, predictions: Array) -> list[Block]:
    """The blocks of one target, by its kind; none for sequences of tokens and for users' choices among items."""
    signature, split = measured.session.dataset.signature, measured.split
    target, truth = signature.targets[name], split.targets[name]
    if target.group > 1 or len(predictions) < split.rows:
        return []
    if target.kind == "labels":
        if target.shape:
            return []
        classes = target.classes or ()
        texts_of = partial(source_texts, measured.session.config.data, measured.session.dataset.fitted)
        return [
            *class_blocks(truth, predictions, classes),
            class_table(measured.reports[name]),
            mistake_block(split, signature.inputs, truth, predictions, classes, texts_of),
        ]
    if target.label_counts is not None and predictions.min() >= 0 and predictions.max() <= 1:
        return [label_chart(truth, predictions), class_table(measured.reports[name])]
    return _of_numbers(split, target, truth, predictions, measured.session.config.data.window is not None)


def _of_numbers(split: Split, target: Feature, truth: Array, predictions: Array, is_series: bool) -> list[Block]:
    real = truth * np.asarray(target.scale) + np.asarray(target.offset)
    if is_image(target):
        return [reconstructions(split, real, predictions.reshape(real.shape))]
    said, real = (target.to_units(each.reshape(real.shape)).reshape(split.rows, -1) for each in (predictions, real))
    chart = forecast_chart(split, target, real, said) if is_series else None
    return [*([] if chart is None else [chart]), *number_blocks(real, said, _names(target, predictions))]


def _names(target: Feature, predictions: Array) -> list[str]:
    """The columns' names, of a window's steps with their numbers."""
    columns, size = target.columns or (target.name,), int(np.prod(predictions.shape[1:]))
    if len(columns) == size:
        return list(columns)
    steps = size // len(columns) if size % len(columns) == 0 else 0
    if steps:
        return [f"{column}, step {step + 1}" for step in range(steps) for column in columns]
    return [f"{target.name}[{index}]" for index in range(size)]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _origin(run: RunDirectory, record: RunRecord) -> Section:
    """Config and environment: where all this comes from."""
    git = record.git and f"{record.git.commit[:12]}{' with changes' if record.git.dirty else ''}"
    rows = [
        ("command", " ".join(record.command)), ("cpu", record.cpu), ("threads", _text(record.threads)),
        ("seed", _text(record.seed)),
        *record.versions.items(), ("git", git),
        ("data", record.data and f"{record.data.fingerprint[:16]} ({record.data.variant})"),
        ("compiling", f"{record.compile_seconds:.1f} s"), ("reason of the end", record.reason),
    ]  # fmt: skip
    table = Table("Environment", ("what", "value"), [list(row) for row in rows if row[1] is not None])
    files = (("Config as written", run.config), ("Config, resolved", run.resolved_config), ("Plan", run.plan))
    codes = [
        Code(f"{title}: {path.name}", path.read_text("utf-8", "replace")) for title, path in files if path.exists()
    ]
    return Section("Config and environment", [*codes, table])

"""What fields of different parts of a config must agree on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from dlrun.config.node import Node
from dlrun.config.problems import path_text, suggestion
from dlrun.config.training_config import BestCheckpoint, EarlyStopping
from dlrun.data.config import SplitConfig
from dlrun.errors import Path, Problem
from dlrun.layers.base import Layer
from dlrun.metrics import Metric
from dlrun.registry import Spec

MONITORS: Mapping[Path, type[Spec]] = {
    ("training", "early_stopping"): EarlyStopping,
    ("training", "checkpoints", "best"): BestCheckpoint,
}
"""Where something is monitored: fields called `monitor`."""

OWN_SPLITS = ("image_folder", "npz")
"""Sources that may come with validation rows of their own."""


@dataclass(frozen=True)
class Parts:
    """The tree of a config, and the Specs in it that are sound, by path."""

    root: Node
    built: Mapping[Path, Spec]


def has_validation_rows(parts: Parts) -> bool | None:
    """Say whether there will be validation rows; None where only the data itself or a faulty part knows."""
    path = ("data", "split")
    split = parts.built.get(path, SplitConfig() if parts.root.get(*path) is None else None)
    if not isinstance(split, SplitConfig) or split.type == "given":
        return None
    source = parts.root.get("data", "source", "type")
    if not split.validates and split.test is None and source is not None and source.value in OWN_SPLITS:
        return None
    return split.validates


def loss_names(parts: Parts) -> set[str]:
    """Return the names under which losses are reported: the whole, each of several targets', what layers add."""
    layers = [spec for path, spec in parts.built.items() if path[:2] == ("model", "layers") and isinstance(spec, Layer)]
    return {"loss", *(f"{target}/loss" for target in _targets(parts)), *(s.adds_loss for s in layers if s.adds_loss)}


def _targets(parts: Parts) -> list[str]:
    """Return the targets' names if there are several."""
    node = parts.root.get("data", "target")
    if node is None or not node.is_mapping or not all(entry.node.is_mapping for entry in node.entries.values()):
        return []
    return list(node.entries) if len(node.entries) > 1 else []


def _metric_nodes(parts: Parts) -> list[tuple[str, Node]]:
    """Return the metrics' places, each with what its name begins with: the target's name where there are several."""
    node = parts.root.get("metrics")
    if node is None or not node.is_mapping:
        return [("", item) for item in (node.items if node else ())]
    several = bool(_targets(parts))
    return [
        (f"{target}/" if several else "", item) for target, entry in node.entries.items() for item in entry.node.items
    ]


def metrics_by_label(parts: Parts) -> tuple[dict[str, Node], list[Problem]] | None:
    """Return the metrics by the name under which they are reported, and a problem for each that takes another's.

    None where one of the metrics is faulty.
    """
    found: dict[str, Node] = {}
    problems = []
    losses = loss_names(parts)
    for prefix, item in _metric_nodes(parts):
        metric = parts.built.get(item.path)
        if not isinstance(metric, Metric):
            return None
        label = f"{prefix}{metric.label()}"
        if label in found or label in losses:
            rival = path_text(found[label].path) if label in found else "the loss"
            message = f"{path_text(item.path)}: {rival} is reported as '{label}' too"
            problems.append(Problem(item.path, message, "give this one a 'name'"))
        found.setdefault(label, item)
    return found, problems


def monitor_problems(parts: Parts) -> list[Problem]:
    """Return what is wrong with the metrics' names and with the quantities that are monitored."""
    metrics = metrics_by_label(parts)
    labels, problems = metrics or (None, [])
    for path, spec in MONITORS.items():
        watcher = parts.root.get(*path)
        if watcher is None or not watcher.is_mapping:
            continue
        written = watcher.get("monitor")
        monitor = written.value if written else spec.model_fields["monitor"].default
        if isinstance(monitor, str):
            validates = has_validation_rows(parts)
            problems += _monitor_problem(monitor, (*path, "monitor"), labels, loss_names(parts), validates)
    return problems


def _monitor_problem(
    monitor: str, place: Path, metrics: Collection[str] | None, losses: Collection[str], validates: bool | None
) -> list[Problem]:
    """Return the problem of one monitor; of metrics that are averaged per class, f1/cat may be monitored as well."""
    split, _, name = monitor.partition("/")
    labels = {*losses, *(metrics or ())}
    is_known = metrics is None or name in labels or any(name.startswith(f"{label}/") for label in metrics)
    if split not in ("train", "validation") or not name or not is_known:
        known = {f"{split}/{label}" for split in ("train", "validation") for label in labels}
        message = f"{path_text(place)}: nothing is measured under the name '{monitor}'"
        return [Problem(place, message, suggestion(monitor, known))]
    if split == "validation" and validates is False:
        message = f"{path_text(place)} is '{monitor}', but there are no validation rows"
        return [Problem(place, message, f"set data.split.validation, or monitor 'train/{name}'")]
    return []

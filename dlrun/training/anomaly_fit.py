"""Whether a config's way of finding anomalies fits its network and data."""

from __future__ import annotations

from dlrun.config.anomaly_config import AnomalyConfig
from dlrun.data.config import DataConfig
from dlrun.data.signature import Signature
from dlrun.errors import ConfigError, Path, Problem

PLACE: Path = ("anomaly",)


def check_anomaly(
    anomaly: AnomalyConfig | None, data: DataConfig, signature: Signature, validates: bool | None
) -> None:
    """Check that rows can be scored, and a threshold be chosen; `validates` as in `check_fit`.

    Raises: ConfigError with every problem.
    """
    if anomaly is None:
        return
    from dlrun.training.anomaly_labels import given_windows

    problems = [*_of_targets(signature), *_of_rows(anomaly, data), *_of_threshold(anomaly, validates)]
    try:
        known = given_windows(anomaly.labels, data)
        labelled = known is not None or (anomaly.labels is not None and anomaly.labels.column is not None)
        if anomaly.threshold.type == "best_f1" and not labelled:
            message = "best_f1 chooses the threshold by labelled validation rows, and there are no labels"
            problems.append(Problem((*PLACE, "threshold"), message, "anomaly.labels, or another type of threshold"))
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)


def _of_targets(signature: Signature) -> list[Problem]:
    targets = list(signature.targets.values())
    if len(targets) > 1:
        message = f"rows are scored by one target, there are {', '.join(signature.targets)}"
        return [Problem(PLACE, message, "several columns can be one target: target: {columns: [...]}")]
    if targets[0].kind == "labels":
        message = f"rows are scored by how far numbers are off; the target {targets[0].name!r} holds classes"
        return [Problem(PLACE, message, "reconstruct an input, target: {input: NAME}, or forecast a column of numbers")]
    return []


def _of_rows(anomaly: AnomalyConfig, data: DataConfig) -> list[Problem]:
    if data.window is not None:
        return []
    return [
        Problem((*PLACE, field), f"{field} goes with a series, whose rows follow each other", "add data.window")
        for field in ("overlap", "smooth", "gap")
        if getattr(anomaly, field) != AnomalyConfig.model_fields[field].default
    ]


def _of_threshold(anomaly: AnomalyConfig, validates: bool | None) -> list[Problem]:
    if anomaly.threshold.type == "fixed" or validates is not False:
        return []
    message = "the threshold is chosen on validation rows, and there are none"
    return [Problem((*PLACE, "threshold"), message, "data.split.validation takes some; or give a fixed threshold")]

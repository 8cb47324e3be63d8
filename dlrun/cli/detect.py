"""dlrun detect RUN [FILE] [anomaly.path=value ...]."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlrun.cli.options import Checkpoint, Run, RunsFolder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlrun.training.detection import Detection

SHOWN = 20
"""Alarms that are printed; report.json has them all."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("detect")(detect)


def detect(
    run: Run,
    more: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE] [anomaly.path=value]", help="Another data file, and other settings."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="train, validation or test; test, or else validation, when left out.")
    ] = None,
    checkpoint: Checkpoint = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The folder for the files; RUN/anomalies.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Find rows that a trained network reconstructs or forecasts badly: anomalies.

    The threshold is chosen on the validation rows; where anomalies are labelled, precision and recall are told.

    Example: dlrun detect runs/anomaly_forecast-1 anomaly.threshold.value=0.99
    """
    from dlrun.cli.output import hand_over, print_json
    from dlrun.errors import MissingExtra, UsageError
    from dlrun.runs.anomalies import write_anomalies
    from dlrun.runs.directory import find_run
    from dlrun.training.detection import Request
    from dlrun.training.detection import detect as detect_rows

    files = [Path(each) for each in more or () if "=" not in each or Path(each).exists()]
    if len(files) > 1:
        raise UsageError(f"one file at a time, got {', '.join(map(str, files))}")
    overrides = [each for each in more or () if Path(each) not in files]
    if files and split is not None:
        raise UsageError("all rows of a file are looked at: leave --split out")
    found = find_run(run, runs)
    request = Request(split, files[0] if files else None, checkpoint, overrides)
    detection = detect_rows(found, request)
    folder = output or found.path / "anomalies"
    report = detection.report()
    write_anomalies(folder, detection.rows(), report)
    if json:
        print_json(report)
    else:
        _print(found.path, report)
        sys.stdout.write(f"\n{folder / 'scores.csv'}\n{folder / 'report.json'}\n")
    hand_over()
    try:
        _draw(folder / "scores.png", detection)
    except MissingExtra as missing:
        if not json:
            sys.stderr.write(f"NOTE: no plot: {missing.message}; {missing.help} installs it\n")


def _print(path: Path, report: Mapping[str, Any]) -> None:
    from dlrun.cli.output import print_table

    for note in report["notes"]:
        sys.stderr.write(f"NOTE: {note}\n")
    sys.stdout.write(f"{path}: {report['rows']:,} rows of {report['data']}, checkpoint {report['checkpoint']}\n")
    sys.stdout.write(f"threshold {report['threshold']:.6g}: {report['threshold_is']}\n")
    alarms = report.get("alarms", [])
    sys.stdout.write(f"{report['flagged']:,} rows flagged" + (f" in {len(alarms):,} alarms\n" if alarms else "\n"))
    for title, rows in (("alarms", alarms[:SHOWN]), ("labelled windows", report.get("windows", []))):
        if rows:
            sys.stdout.write(f"\n{title}\n")
            print_table(rows)
    if len(alarms) > SHOWN:
        sys.stdout.write(f"... and {len(alarms) - SHOWN:,} alarms more\n")
    measures = [
        {"per": name, "precision": part["precision"], "recall": part["recall"], **_counts(part)}
        for name, part in (("window", report.get("per_window")), ("row", report.get("per_row")))
        if part is not None
    ]
    if measures:
        sys.stdout.write("\n")
        print_table(measures)


def _counts(part: Mapping[str, Any]) -> dict[str, str]:
    if "windows" in part:
        found = f"{part['found']} of {part['windows']} windows found"
        return {"counts": f"{found}, {part['false_alarms']} of {part['alarms']} alarms false"}
    inside = f"{part['flagged_and_anomalous']:,} of {part['anomalous']:,} anomalous rows flagged"
    return {"counts": f"{inside}, {part['flagged'] - part['flagged_and_anomalous']:,} others"}


def _draw(path: Path, detection: Detection) -> None:
    from dlrun.runs.anomalies import draw_scores

    known, rows = detection.known, detection.scores.rows
    places = rows if known.times is None else known.times[rows]
    values = None if known.values is None or not detection.is_series else known.values[rows]
    draw_scores(path, places, values, detection.scores.values, detection.flags, detection.threshold, detection.windows)

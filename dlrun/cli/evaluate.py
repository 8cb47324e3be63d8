"""dlrun evaluate RUN [FILE]."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlrun.cli.options import Run, RunsFolder
from dlrun.cli.translate import Beam, LengthPenalty

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlrun.runs.directory import RunDirectory


MOST_CLASSES = 20
"""Of more classes than these only the worst are printed."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    run: Run,
    file: Annotated[Path | None, typer.Argument(help="Another data file (or folder) than the run's own.")] = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    checkpoint: Annotated[
        str | None, typer.Option(help="best or last; best where the run restores its best weights, else last.")
    ] = None,
    beam: Beam = 4,
    length_penalty: LengthPenalty = 0.6,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Measure a trained network on the test split.

    Example: dlrun evaluate runs/mnist_cnn-1 --split validation --checkpoint best
    """
    from dlrun.cli.output import hand_over, print_json
    from dlrun.runs.directory import find_run
    from dlrun.training.beam import Search
    from dlrun.training.evaluation import draw_evaluation, evaluate_run, write_evaluation

    found = find_run(run, runs)
    evaluation = evaluate_run(found, split, checkpoint, file, Search(beam, length_penalty))
    write_evaluation(found, evaluation)
    result: dict[str, Any] = evaluation.to_json()
    if json:
        print_json(result)
    else:
        _print(found, result)
    hand_over()
    notes = draw_evaluation(found, evaluation)
    for note in () if json else notes:
        sys.stderr.write(f"NOTE: {note}\n")


def _print(found: RunDirectory, result: Mapping[str, Any]) -> None:
    from dlrun.cli.output import print_table

    for note in result["notes"]:
        sys.stderr.write(f"NOTE: {note}\n")
    sys.stdout.write(f"{found.path}: {result['rows']:,} rows of {result['data']}, checkpoint {result['checkpoint']}\n")
    popular = result.get("popularity", {})
    rows = [
        {"metric": name, "value": value, **({"popularity": popular.get(name, "")} if popular else {})}
        for name, value in result["metrics"].items()
        if not isinstance(value, list)
    ]
    print_table(rows)
    for target, report in result["report"].items():
        _print_report(target if len(result["report"]) > 1 else "", report, result["metrics"])


def _print_report(target: str, report: Mapping[str, Any], shown: Mapping[str, Any]) -> None:
    """Print what is known of a target's classes, the worst ones of many, and measures that the config doesn't name."""
    from dlrun.cli.output import print_table

    title = f"\n{target}\n" if target else "\n"
    measures = {name: value for name, value in report.get("measures", {}).items() if name not in shown}
    classes = report.get("classes", [])
    if measures:
        sys.stdout.write(title)
        print_table([{"also": name, "value": value} for name, value in measures.items()])
    if classes:
        sys.stdout.write("\n" if measures else title)
        if len(classes) > MOST_CLASSES:
            sys.stdout.write(f"the {MOST_CLASSES} of {len(classes)} classes with the lowest F1\n")
            classes = sorted(classes, key=lambda row: row["f1"])[:MOST_CLASSES]
        print_table([{**row, "rows": f"{row['rows']:g}"} for row in (*classes, *report.get("averages", []))])

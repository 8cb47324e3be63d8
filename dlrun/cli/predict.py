"""dlrun predict RUN INPUT..."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.train import RunsFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("predict")(predict)


def predict(
    run: Annotated[str, typer.Argument(help="A run: its folder, its name, or 'latest'.")],
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(help="Image files, text files with an input a line, or a CSV, Parquet or npz file."),
    ] = None,
    text: Annotated[list[str] | None, typer.Option("--text", help="A text as input; may be repeated.")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="best or last.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write a .csv or .json file instead of a table.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Predict for new inputs.

    Example: dlrun predict runs/mnist_cnn-1 digit.png other.png --output predictions.csv
    """
    from dlrun.cli.output import print_json, print_table
    from dlrun.errors import UsageError
    from dlrun.runs.directory import find_run
    from dlrun.training.prediction import check_output, predict_rows, write_predictions

    if not (inputs or text):
        raise UsageError("there is nothing to predict", "dlrun predict RUN FILE, or --text '...' for text")
    if output is not None:
        check_output(output)
    rows = predict_rows(find_run(run, runs), checkpoint, inputs or [], text or [])
    if output is not None:
        write_predictions(output, rows)
        sys.stdout.write(f"{len(rows):,} predictions in {output}\n")
    elif json:
        print_json(rows)
    else:
        print_table(rows)

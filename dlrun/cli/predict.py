"""dlrun predict RUN INPUT..."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.options import Checkpoint, RowsFile, Run, RunsFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("predict")(predict)


def predict(
    run: Run,
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(help="Image files, text files with an input a line, or a CSV, Parquet or npz file."),
    ] = None,
    text: Annotated[list[str] | None, typer.Option("--text", help="A text as input; may be repeated.")] = None,
    horizon: Annotated[
        int | None, typer.Option(min=1, help="Forecast so many rows after the end of the data, or of a file.")
    ] = None,
    checkpoint: Checkpoint = None,
    output: RowsFile = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Predict for new inputs, or forecast what follows a series.

    Example: dlrun predict runs/mnist_cnn-1 digit.png other.png --output predictions.csv
    Example: dlrun predict runs/forecast_lstm-1 --horizon 24
    """
    from dlrun.cli.output import print_json, print_table
    from dlrun.errors import UsageError
    from dlrun.runs.directory import find_run
    from dlrun.training.forecasting import forecast_rows
    from dlrun.training.prediction import check_output, predict_rows, write_predictions

    if not (inputs or text or horizon):
        raise UsageError(
            "there is nothing to predict",
            "dlrun predict RUN FILE, or --text '...' for text, or --horizon 24 for what follows a series",
        )
    if text and horizon:
        raise UsageError("a text isn't forecast: --horizon goes with a series")
    if output is not None:
        check_output(output)
    found = find_run(run, runs)
    if horizon is not None:
        rows = forecast_rows(found, checkpoint, horizon, inputs or [])
    else:
        rows = predict_rows(found, checkpoint, inputs or [], text or [])
    if output is not None:
        write_predictions(output, rows)
        sys.stdout.write(f"{len(rows):,} predictions in {output}\n")
    elif json:
        print_json(rows)
    else:
        print_table(rows)

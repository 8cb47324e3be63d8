"""dlrun explain RUN."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.options import Checkpoint, Run, RunsFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain")(explain)


def explain(
    run: Run,
    samples: Annotated[
        int | None, typer.Option(min=1, help="How many rows; 16 images or texts, all rows of a table.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="train, validation or test; test, or else validation, when left out.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="The class or column to explain, or TARGET/NAME; each row's predicted one.")
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, help="Points on the way from the baseline: more leave smaller gaps.")
    ] = 64,
    repeats: Annotated[int, typer.Option(min=1, help="How often each column of a table is shuffled.")] = 10,
    checkpoint: Checkpoint = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The folder for the files; RUN/explanation.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Show what a trained network's answers come from, by the kind of its inputs, as pictures and as numbers.

    Images: saliency and integrated-gradient maps. Tokens: what each contributes. Tables: permutation importance.

    Example: dlrun explain runs/mnist_cnn-1 --samples 8
    """
    from dlrun.cli.output import print_json, print_table
    from dlrun.runs.directory import find_run
    from dlrun.training.explain import Options, explain_run

    found = find_run(run, runs)
    options = Options(split, samples, target, steps, repeats)
    result = explain_run(found, checkpoint, options, output or found.path / "explanation")
    if json:
        print_json(result.to_json())
        return
    for note in result.notes:
        sys.stderr.write(f"NOTE: {note}\n")
    sys.stdout.write(f"{found.path}: the {result.split} split, checkpoint {result.checkpoint}\n")
    for rows in result.rows.values():
        sys.stdout.write("\n")
        print_table(rows)
    sys.stdout.write("\n" + "".join(f"{file}\n" for file in result.files))

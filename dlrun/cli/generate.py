"""dlrun generate RUN --prompt TEXT."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.options import Checkpoint, RunsFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("generate")(generate)


def generate(
    run: Annotated[str, typer.Argument(help="A run of a language model: its folder, its name, or 'latest'.")],
    prompt: Annotated[str, typer.Option(help="The text to go on from.")] = "",
    tokens: Annotated[int, typer.Option(min=1, help="The most tokens that a text gets.")] = 200,
    temperature: Annotated[
        float, typer.Option(min=0, help="Below 1 likely tokens become likelier; 0 always takes the likeliest.")
    ] = 1.0,
    top_k: Annotated[int | None, typer.Option(min=1, help="Draw among so many of the likeliest tokens only.")] = None,
    top_p: Annotated[
        float | None, typer.Option(min=0, max=1, help="Draw among the fewest of the likeliest whose shares make this.")
    ] = None,
    stop: Annotated[list[str] | None, typer.Option(help="End before this text; may be given several times.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="How many texts to write.")] = 1,
    seed: Annotated[int, typer.Option(help="What the tokens are drawn from.")] = 0,
    checkpoint: Checkpoint = None,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Write text with a language model, as it comes.

    Example: dlrun generate runs/char_gpt-1 --prompt "ROMEO:" --tokens 500 --temperature 0.8 --top-k 40
    """
    from dlrun.runs.directory import find_run
    from dlrun.training.generation import LanguageModel, Sampling

    model = LanguageModel(find_run(run, runs), checkpoint)
    ids, unknown = model.encode(prompt)
    if unknown:
        sys.stderr.write(f"NOTE: the model doesn't know {', '.join(map(repr, unknown))}\n")
    if model.note:
        sys.stderr.write(f"NOTE: each token takes the time of a whole window: {model.note}\n")
    sampling = Sampling(temperature, top_k, top_p)
    for sample in range(samples):
        sys.stdout.write(prompt)
        for text in model.generate(ids, tokens, sampling, seed + sample, stop or ()):
            sys.stdout.write(text)
            sys.stdout.flush()
        sys.stdout.write("\n")

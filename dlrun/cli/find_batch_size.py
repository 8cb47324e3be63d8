"""dlrun find-batch-size CONFIG [path=value ...]."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.options import Overrides

FIELD = "training.batch_size"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("find-batch-size")(find_batch_size)


def find_batch_size(
    config: Annotated[Path, typer.Argument(help="The YAML file that describes the run.")],
    overrides: Overrides = None,
    sizes: Annotated[
        str | None, typer.Option(help="The sizes to measure, as 16,32,64; powers of two from 8 when left out.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Measure how fast CONFIG trains in batches of several sizes on this machine, and the memory they take.

    Example: dlrun find-batch-size configs/mnist_cnn.yaml --sizes 32,64,128
    """
    from dlrun.cli.output import print_json, print_table
    from dlrun.cli.progress import Aside
    from dlrun.config.load import load_config
    from dlrun.training import fit
    from dlrun.training.batch_sizes import measure_batch_sizes

    wanted = None if sizes is None else _numbers(sizes)
    loaded = load_config(config, overrides or [])
    fit.validate(loaded)
    found = measure_batch_sizes(loaded, wanted, Aside())
    if json:
        print_json(found.to_json())
        return
    print_table(found.rows())
    for note in found.notes:
        sys.stdout.write(f"NOTE: {note}\n")
    others = [each for each in overrides or [] if not each.startswith(f"{FIELD}=")]
    config_with = shlex.join([str(config), *others, f"{FIELD}={found.suggested}"])
    sys.stdout.write(
        f"{found.suggested} rows are the fewest that come near the best speed here. Which size learns best is another\n"
        f"question, and another size wants another learning rate: dlrun find-lr {config_with}\n"
        f"dlrun train {config_with}\n"
    )


def _numbers(text: str) -> list[int]:
    from dlrun.errors import UsageError

    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--sizes {text!r} is no list of whole numbers", "such as --sizes 16,32,64") from None

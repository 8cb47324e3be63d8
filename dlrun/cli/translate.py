"""dlrun translate RUN TEXT..."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.options import Checkpoint, RunsFolder

Beam = Annotated[int, typer.Option(min=1, help="Of translation: how many to follow at a time; 1 is greedy.")]
LengthPenalty = Annotated[
    float, typer.Option(min=0, help="Of translation: how far longer ones are preferred, 0 not at all.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("translate")(translate)


def translate(
    run: Annotated[str, typer.Argument(help="A run of a network that translates: its folder, its name, or 'latest'.")],
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT...", help="Texts to translate.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file with a text in each line; .gz is unpacked.")] = None,
    reference: Annotated[
        Path | None, typer.Option(help="A file with a person's translations, line by line: prints the BLEU.")
    ] = None,
    beam: Beam = 4,
    length_penalty: LengthPenalty = 0.6,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the translations to a file, a line each.")
    ] = None,
    checkpoint: Checkpoint = None,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Translate texts with a sequence-to-sequence network.

    Example: dlrun translate latest "A dog runs." --beam 4
    """
    from dlrun.data.sources.parallel_text import lines_in_order
    from dlrun.errors import UsageError
    from dlrun.runs.directory import find_run
    from dlrun.runs.files import write_text
    from dlrun.training.beam import Search
    from dlrun.training.translation import Translator

    given = [*(texts or []), *(lines_in_order(file) if file is not None else [])]
    if not given:
        raise UsageError("there is nothing to translate", "dlrun translate RUN 'A dog runs.', or --file FILE")
    references = lines_in_order(reference) if reference is not None else None
    translator = Translator(find_run(run, runs), checkpoint)
    found = translator.translate(given, Search(beam, length_penalty))
    if output is not None:
        write_text(output, "".join(f"{text}\n" for text in found))
        sys.stdout.write(f"{len(found):,} translations in {output}\n")
    elif references is None:
        sys.stdout.write("".join(f"{text}\n" for text in found))
    if references is not None:
        bleu = translator.bleu(found, references)
        sys.stdout.write(f"BLEU {bleu.score:.2f}  {bleu.signature}\n")

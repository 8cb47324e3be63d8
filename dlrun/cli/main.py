"""The command line: one file a command; this one lists them and turns errors into messages and exit codes."""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys

# Pydantic would look for plugins among the entry points of every package that is installed.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "true")

import typer

COMMANDS = (
    "train", "validate", "plan", "cross-validate", "evaluate", "predict", "recommend", "detect", "explain", "generate",
    "translate", "resume", "check", "profile", "find-lr", "find-batch-size", "compare", "diff", "report", "board",
    "init", "schema", "sweep", "runs", "data",
)  # fmt: skip
"""The commands with a module of their own here, in the order of the help; those of `catalog` come after them."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Failures of an output that was sent into a file on a full disk."""


def make_app(first: str = "") -> typer.Typer:
    """Return the command line; where its first argument is one of COMMANDS, with this alone, which starts sooner."""
    app = typer.Typer(
        name="dlrun",
        help="Train neural networks described in YAML, fast, on a CPU.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(options)
    for name in (first,) if first in COMMANDS else (*COMMANDS, "catalog"):
        importlib.import_module(f"dlrun.cli.{name.replace('-', '_')}").register(app)
    return app


def options(
    version: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True),
) -> None:
    """Train neural networks described in YAML, fast, on a CPU."""
    if version:
        from dlrun import __version__

        typer.echo(f"dlrun {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line: 0 done, 1 failed, 2 wrong config or command line, 130 interrupted."""
    from dlrun.errors import DlrunError

    gc.set_threshold(100_000, 20, 20)  # a start makes hundreds of thousands of objects, which all stay
    try:
        try:
            make_app(*sys.argv[1:2])()
        finally:
            finish_output()
    except DlrunError as error:
        from dlrun.cli.output import show_error

        show_error(error)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in FULL:
            raise
        sys.stderr.write(f"error: can't write the output: {error.strerror}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)


def finish_output() -> None:
    """Hand the last of the output over, if there still is a reader. Raises: OSError on a full disk."""
    from dlrun.cli.output import mute

    try:
        sys.stdout.flush()
    except OSError as error:
        mute()
        if not isinstance(error, BrokenPipeError):
            raise


if __name__ == "__main__":
    main()

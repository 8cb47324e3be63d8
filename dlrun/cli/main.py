"""The command line: one file a command; this one lists them and turns errors into messages and exit codes."""

from __future__ import annotations

import sys

import typer

from dlrun.cli import catalog, check, data, evaluate, plan, predict, resume, runs, schema, train, validate

app = typer.Typer(
    name="dlrun",
    help="Train neural networks described in YAML, fast, on a CPU.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for module in (train, validate, plan, evaluate, predict, resume, check, schema):
    module.register(app)
runs.register(app)
data.register(app)
catalog.register(app)


@app.callback(invoke_without_command=True)
def options(version: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True)) -> None:
    """Train neural networks described in YAML, fast, on a CPU."""
    if version:
        from dlrun import __version__

        typer.echo(f"dlrun {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line: 0 done, 1 failed, 2 wrong config or command line, 130 interrupted."""
    from dlrun.errors import DlrunError

    try:
        app()
    except DlrunError as error:
        from dlrun.cli.output import show_error

        show_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of a pipe (less, head) went away: that's its right.
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()

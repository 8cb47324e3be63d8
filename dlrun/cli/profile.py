"""dlrun profile CONFIG [path=value ...]."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlrun.cli.options import Overrides

if TYPE_CHECKING:
    from dlrun.training.profile import Profile

FORMATS = {
    "us": "{:,.1f}", "share": "{:.1%}", "GFLOP/s": "{:,.1f}", "of ceiling": "{:.0%}", "KB": "{:,.1f}",
    "GB/s": "{:,.1f}", "waits us": "{:,.1f}",
}  # fmt: skip
BUSY = 0.5
"""A load average that tells of other work."""
MARGIN = 3
"""Columns of the terminal between two of the table."""
LEAST_IMPORTANT = ("partition", "GB/s", "KB", "GFLOP/s", "waits us", "of ceiling", "share")
"""Columns that a narrow terminal does without, the first to go first."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("profile")(profile)


def profile(
    config: Annotated[Path, typer.Argument(help="The YAML file that describes a run.")],
    overrides: Overrides = None,
    trace: Annotated[
        Path | None, typer.Option("--trace", help="Write a time line for chrome://tracing or ui.perfetto.dev.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, max=100_000, help="Steps to measure; 1.5 s of them when left out.")
    ] = None,
    kernels: Annotated[bool, typer.Option("--kernels", help="A row for each kernel call, not for each layer.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Train CONFIG for some steps and show where their time goes, layer by layer; nothing is kept.

    Example: dlrun profile configs/mnist_cnn.yaml --trace trace.json
    """
    from dlrun.cli.output import print_json
    from dlrun.cli.progress import Aside
    from dlrun.config.load import load_config
    from dlrun.errors import UsageError
    from dlrun.training import fit
    from dlrun.training.profile import profile_network

    if trace is not None and not trace.parent.is_dir():
        raise UsageError(f"there is no folder {trace.parent} for the trace")
    loaded = load_config(config, overrides or [])
    fit.validate(loaded)
    found = profile_network(loaded, steps, Aside())
    if trace is not None:
        _write_trace(trace, found, str(config))
    if json:
        print_json(found.to_json())
    else:
        _print(found, found.call_rows() if kernels else found.layer_rows())


def _write_trace(path: Path, found: Profile, name: str) -> None:
    import json

    from dlrun.runs.files import write_text
    from dlrun.training.trace import trace

    write_text(path, json.dumps(trace(found, name)) + "\n")


def _print(found: Profile, rows: Sequence[Mapping[str, Any]]) -> None:
    from dlrun.cli.output import print_table

    shown = _aligned([{name: _text(name, value) for name, value in row.items()} for row in rows])
    print_table(shown, _columns(shown))
    sys.stdout.write("\n".join(["", *_summary(found.totals())]) + "\n")


def _text(name: str, value: Any) -> str:
    return "" if value is None else FORMATS.get(name, "{}").format(value)


def _aligned(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return the rows with numbers that end below each other."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    return [{name: text.rjust(widths[name]) if name in FORMATS else text for name, text in row.items()} for row in rows]


def _columns(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the columns that have room: all of them where the output is no terminal."""
    from dlrun.cli.output import terminal_width

    names = list(rows[0])
    for name in LEAST_IMPORTANT:
        widths = [max(len(each), *(len(row[each]) for row in rows)) for each in names]
        if not sys.stdout.isatty() or sum(widths) + MARGIN * (len(names) + 1) <= terminal_width():
            break
        if name in names:
            names.remove(name)
    return names


def _summary(totals: Mapping[str, Any]) -> list[str]:
    """Return what is to be said of the whole step."""
    lines = [
        f"a step of {totals['batch']:,} samples on {totals['threads']} threads, {totals['precision']}: "
        f"{totals['step_us']:,.1f} us, {totals['samples_per_second']:,.0f} samples/s",
        f"  calls {totals['calls_us']:,.1f} us, barriers {totals['barriers_us']:,.1f} us "
        f"({totals['barriers_share']:.1%})",
        f"  a thread waits at barriers for {totals['waiting_us']:,.1f} us of a step ({totals['waiting_share']:.1%})",
        f"  {totals['gflop_per_second']:,.1f} GFLOP/s, {totals['of_ceiling']:.0%} of the "
        f"{totals['ceiling_gflop_per_second']:,.1f} that matrix products in the cache reach here",
        f"  {totals['bytes'] / 1e6:,.1f} MB of buffers read and written, {totals['gb_per_second']:,.1f} GB/s",
        f"means over the {totals['typical_steps']:,} steps nearest the median of {totals['steps']:,}",
    ]
    if (totals["load_before"] or 0) > BUSY:
        load = f"load average {totals['load_before']:.1f}"
        lines.append(f"NOTE: other work was running ({load}), which lowers all figures")
    return lines

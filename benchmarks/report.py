"""The figures as tables in Markdown, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.measure import Comparison, Figures
from benchmarks.tables import table

COLUMNS = (
    "contender",
    "samples/s",
    "lowest - highest",
    "dlrun is",
    "GFLOP/s",
    "of ceiling",
    "cold start",
    "warm start",
    "peak memory",
)


def comparison_text(comparison: Comparison) -> str:
    """Return a network's section: its table, who was left out, and dlrun's own command."""
    own = next((f for f in comparison.figures if f.contender == "dlrun" and f.speeds), None)
    measured = sorted((f for f in comparison.figures if f.speeds), key=lambda f: -f.speed)
    rows = [COLUMNS, *(_row(figures, own, comparison) for figures in measured)]
    lines = [
        f"### {comparison.config}, batch {comparison.batch}, {comparison.threads} threads",
        "",
        f"{comparison.flops_per_sample / 1e6:.2f} MFLOP for each sample, forward and backward; {comparison.data}; "
        f"ceiling {comparison.ceiling / 1e9:.0f} GFLOP/s.",
        "",
        table(rows),
        "",
    ]
    lines += [f"Left out: {f.contender} ({f.skipped})." for f in comparison.figures if f.skipped]
    if own and own.command_cold_seconds and own.command_warm_seconds:
        lines.append(
            f"From the command `dlrun train` to the first step: {own.command_cold_seconds:.1f} s with an empty kernel "
            f"cache, {own.command_warm_seconds:.1f} s with a full one."
        )
    return "\n".join(lines).rstrip() + "\n"


def _row(figures: Figures, own: Figures | None, comparison: Comparison) -> tuple[str, ...]:
    rate = figures.speed * comparison.flops_per_sample
    if own is None:
        ratio = ""
    elif figures is own:
        ratio = "1"
    else:
        ratio = f"{own.speed / figures.speed:.2f} times as fast"
    return (
        f"{figures.contender} {figures.versions}",
        f"{figures.speed:,.0f}",
        f"{min(figures.speeds):,.0f} - {max(figures.speeds):,.0f}",
        ratio,
        f"{rate / 1e9:.1f}",
        f"{rate / comparison.ceiling:.0%}",
        _seconds(figures.cold_seconds),
        _seconds(figures.warm_seconds),
        f"{figures.peak_bytes / 1e6:,.0f} MB",
    )


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"


def machine_text(machine: dict[str, Any], ceilings: dict[int, float]) -> str:
    """Return what was measured on, as a list."""
    found = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    products = ", ".join(f"{value / 1e9:.0f} GFLOP/s on {threads}" for threads, value in ceilings.items())
    load = machine["load before"]
    return "\n".join(
        [
            f"- {machine['date']}, {machine['cpu']}, {machine['cores']} cores, {machine['system']}; {found}",
            f"- load average before the measurement: {load:.2f}" if load is not None else "- load average: unknown",
            f"- ceiling, a product of large float32 matrices by NumPy's BLAS (cores): {products}",
        ]
    )


def as_json(machine: dict[str, Any], ceilings: dict[int, float], comparisons: Sequence[Comparison]) -> str:
    """Return everything that was measured."""
    found = {"machine": machine, "ceilings": ceilings, "comparisons": [asdict(c) for c in comparisons]}
    return json.dumps(found, indent=2)

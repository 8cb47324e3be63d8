"""The figures as tables in Markdown, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import Comparison, Figures
from benchmarks.tables import table


@dataclass
class Sitting:
    """All that was measured at a time: the machine, its ceilings by number of cores (FLOP/s), the comparisons."""

    machine: dict[str, Any]
    ceilings: dict[int, float]
    comparisons: list[Comparison] = field(default_factory=list)


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


def machine_text(sitting: Sitting) -> str:
    """Return what was measured on, as a list."""
    machine, ceilings = sitting.machine, sitting.ceilings
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


METHOD = """\
# Benchmarks

dlrun beside other libraries, each training the same network from the config named, on the same images in memory,
with the same batch and number of threads, in a process of its own kept on as many cores. All are ready at once and
are measured in turns; a figure is the median of the rounds. PyTorch runs eagerly with fused optimizers, and with
`torch.compile`; Keras runs `fit` on TensorFlow; JAX a jitted step with optax; scikit-learn's MLPClassifier
`partial_fit`. dlrun is measured through the session and executor of `dlrun train`. "dlrun is" compares samples/s.
GFLOP/s are those of dlrun's plan for all. The ceiling is the best product of two large float32 matrices by NumPy's
BLAS on those cores, measured in every round. Starts go from a process's start to the end of its first step: cold
with an empty folder of compiled code, warm with what the cold one left there.
"""


def page(command: str, remark: str, sitting: Sitting) -> str:
    """Return docs/benchmarks.md."""
    sections = [METHOD, f"```sh\n{command}\n```\n", machine_text(sitting), ""]
    sections += [f"{remark}\n"] if remark else []
    sections += ["## Where dlrun is behind", "", *_behind(sitting.comparisons), "", "## Figures", ""]
    return "\n".join([*sections, *(comparison_text(comparison) for comparison in sitting.comparisons)])


def _behind(comparisons: Sequence[Comparison]) -> list[str]:
    """Return a line for each figure in which another is better."""
    lines = []
    for comparison in comparisons:
        measured = [figures for figures in comparison.figures if figures.speeds]
        own = next((figures for figures in measured if figures.contender == "dlrun"), None)
        for other in measured if own else ():
            assert own is not None
            where = f"{Path(comparison.config).stem}, batch {comparison.batch}"
            if other.speed > own.speed:
                lines.append(f"- {where}: {other.contender} trains {other.speed / own.speed:.2f} times as fast.")
            for kind, mine, others in (
                ("cold", own.cold_seconds, other.cold_seconds),
                ("warm", own.warm_seconds, other.warm_seconds),
            ):
                if mine and others and others < mine:
                    lines.append(
                        f"- {where}: {other.contender} starts sooner, {kind} ({others:.1f} s to {mine:.1f} s)."
                    )
    return lines or ["In none of the figures below."]


def as_json(sitting: Sitting) -> str:
    """Return everything that was measured."""
    return json.dumps(asdict(sitting), indent=2)

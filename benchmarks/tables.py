"""Tables in Markdown: of text, and of what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.contender import PEERS
from benchmarks.figures import Comparison, Entry, Figures, Memory, Search, Starts, Sweeps, Together, geometric_mean


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, its columns aligned; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def speeds_table(comparisons: Sequence[Comparison], mean_over: Sequence[str] = ()) -> str:
    """Return the samples/s of all contenders, a network a row, and the geometric mean over those named.

    The ratio is dlrun's samples/s over those of the fastest peer.
    """
    head = ("network", "dlrun", *PEERS, "dlrun to the fastest", "of the ceiling")
    rows: list[tuple[str, ...]] = [head, *map(_speeds_row, comparisons)]
    ratios = [c.ratio() for c in comparisons if c.network in mean_over]
    if mean_over and ratios:
        known = [ratio for ratio in ratios if ratio is not None]
        mean = f"{geometric_mean(known):.2f}" if len(known) == len(mean_over) else "not all measured"
        rows.append(("geometric mean", "", *[""] * len(PEERS), mean, ""))
    return table(rows)


def _speeds_row(comparison: Comparison) -> tuple[str, ...]:
    best, ratio, share = comparison.fastest_peer(), comparison.ratio(), comparison.share_of_ceiling()
    cells = []
    for name in ("dlrun", *PEERS):
        figures = comparison.of(name)
        text = f"{figures.speed:,.0f}" if figures else "-"
        cells.append(f"**{text}**" if best and figures is best else text)
    return (
        comparison.network, *cells, "-" if ratio is None else f"{ratio:.2f}", "-" if share is None else f"{share:.0%}"
    )  # fmt: skip


def comparison_text(comparison: Comparison) -> str:
    """Return all figures of a network's comparison: its table, and who was left out."""
    own = comparison.of("dlrun")
    measured = sorted((f for f in comparison.figures if f.speeds), key=lambda f: -f.speed)
    head = ("contender", "samples/s", "lowest - highest", "dlrun is", "GFLOP/s", "of the ceiling", "peak memory")
    done = "trained" if comparison.task == "train" else "evaluated"
    passes = "forward and backward" if comparison.task == "train" else "forward"
    lines = [
        f"### {comparison.network} {done}, batch {comparison.batch}, {comparison.threads} threads",
        "",
        f"{comparison.config}: {comparison.flops_per_sample / 1e6:.2f} MFLOP a sample, {passes}; {comparison.data}; "
        f"ceiling {comparison.ceiling / 1e9:.0f} GFLOP/s.",
        "",
        table([head, *(_contender_row(figures, own, comparison) for figures in measured)]),
    ]
    left_out = [f"Left out: {f.contender} ({f.skipped})." for f in comparison.figures if f.skipped]
    return "\n".join([*lines, *([""] if left_out else []), *left_out]) + "\n"


def _contender_row(figures: Figures, own: Figures | None, comparison: Comparison) -> tuple[str, ...]:
    rate = figures.speed * comparison.flops_per_sample
    ratio = ""
    if own is not None:
        ratio = "1" if figures is own else f"{own.speed / figures.speed:.2f} times as fast"
    return (
        f"{figures.contender} {figures.versions}",
        f"{figures.speed:,.0f}",
        f"{min(figures.speeds):,.0f} - {max(figures.speeds):,.0f}",
        ratio,
        f"{rate / 1e9:.1f}",
        f"{rate / comparison.ceiling:.0%}",
        f"{figures.peak_bytes / 1e6:,.0f} MB",
    )


def starts_table(starts: Sequence[Starts]) -> str:
    """Return the starts of each network, a contender a row."""
    rows = [("network", "contender", "first step, cold", "first step, warm", "import alone")]
    for entry in starts:
        if entry.command:
            cold, warm = entry.command["cold"], entry.command["warm"]
            rows.append((entry.network, "the command `dlrun train`", f"{cold:.2f} s", f"{warm:.2f} s", ""))
        for name in sorted(entry.warm, key=lambda name: entry.warm[name]):
            seconds = f"{entry.imports[name]:.2f} s" if name in entry.imports else ""
            rows.append((entry.network, name, f"{entry.cold[name]:.2f} s", f"{entry.warm[name]:.2f} s", seconds))
    return table(rows)


def memory_table(memory: Memory) -> str:
    """Return the peaks."""
    rows = [(f"`{memory.commands[name]}`", f"{peak / 1e6:,.0f} MB") for name, peak in memory.peaks.items()]
    return table([("command", "peak memory"), *rows])


def together_table(together: Together) -> str:
    """Return the seconds of each way to run the networks: the median of the rounds, and the range."""
    rows = [("way", "seconds", "shortest - longest")]
    for way, seconds in together.seconds.items():
        rows.append((way, f"{statistics.median(seconds):.2f} s", f"{min(seconds):.2f} - {max(seconds):.2f} s"))
    return table(rows)


def sweeps_table(sweeps: Sweeps) -> str:
    """Return the trials an hour of each way to search, what they reach, and the cost of a trial by what varies."""
    rows: list[tuple[str, ...]] = [
        ("search", "trials an hour", "seconds a trial", "dlrun is", "best accuracy", "mean accuracy")
    ]
    own = sweeps.fastest("dlrun")
    rows += [_search_row(search, own) for search in sorted(sweeps.searches, key=lambda each: -each.trials_an_hour)]
    alike = [("dlrun's sweep over", "seconds a trial", "shortest - longest")]
    for kind, seconds in sweeps.alike.items():
        spread = f"{min(seconds):.2f} - {max(seconds):.2f} s"
        alike.append((kind, f"{statistics.median(seconds):.2f} s", spread))
    return f"{table(rows)}\n\n{table(alike)}"


def _search_row(search: Search, own: Search | None) -> tuple[str, ...]:
    ratio = ""
    if own is not None:
        ratio = "1" if search is own else f"{search.seconds_a_trial / own.seconds_a_trial:.2f} times as fast"
    values = list(search.values.values())
    at_once = f"{search.jobs} at once, {search.threads} thread{'s' if search.threads > 1 else ''} each"
    return (
        f"{search.contender}, {at_once if search.jobs > 1 else f'{search.threads} threads'}",
        f"{search.trials_an_hour:,.0f}",
        f"{search.seconds_a_trial:.2f} ({min(search.seconds):.2f} - {max(search.seconds):.2f}, {len(search.seconds)})",
        ratio, f"{max(values):.4f}", f"{statistics.mean(values):.4f}",
    )  # fmt: skip


TEXTS: dict[str, Callable[[Any], str]] = {
    "training": comparison_text, "inference": comparison_text, "starts": lambda value: starts_table([value]) + "\n",
    "memory": lambda value: memory_table(value) + "\n", "together": lambda value: together_table(value) + "\n",
    "sweeps": lambda value: sweeps_table(value) + "\n",
}  # fmt: skip


def entry_text(entry: Entry) -> str:
    """Return what a measurement prints when it is done."""
    return TEXTS[entry.part](entry.value)

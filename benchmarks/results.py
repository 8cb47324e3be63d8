"""What every shipped config reaches: `python -m benchmarks.results [NAME ...]` trains, measures, and writes a table.

Trains each config of `configs/` (or those named) with its own seed and data, measures it as `benchmarks.targets` says,
and writes docs/results.md: what took longest last time comes last, and `--skip` leaves some out. Figures of configs
that aren't run again stay, from docs/results.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from benchmarks.machine import commit_now
from benchmarks.processes import ROOT
from benchmarks.tables import table
from benchmarks.targets import NOTES, TARGETS, Target
from dlrun.runs.environment import cpu_name, versions

PAGE, FIGURES = ROOT / "docs" / "results.md", ROOT / "docs" / "results.json"
COMMIT = commit_now()
"""What is measured: asked for before the page, which belongs to it, is written."""
HEAD = ("config", "figure", "target", "epochs", "training steps", "whole command", "data", "measured", "commit")


@dataclass(frozen=True)
class Result:
    """A config trained and measured once."""

    config: str
    metrics: dict[str, float]
    epochs: int
    train_seconds: float
    wall_seconds: float
    variant: str
    measured: str
    commit: str = ""
    machine: str = ""
    how: str = "the test split"


def dlrun(*arguments: str) -> str:
    """Run a command of dlrun; return what it printed. Raises CalledProcessError when it fails."""
    command = [sys.executable, "-m", "dlrun", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout


def measure(config: Path, runs: Path, overrides: Sequence[str]) -> Result:
    """Train a config, and measure it as its target says."""
    target, began = TARGETS.get(config.stem, Target()), time.perf_counter()
    path = str(config.relative_to(ROOT))
    if target.folds is None:
        run = dlrun("train", path, *overrides, "--runs", str(runs)).splitlines()[-1]
        return replace(measure_run(config, Path(ROOT, run)), wall_seconds=time.perf_counter() - began, commit=COMMIT)
    arguments = ("--folds", str(target.folds), "--new", "--json", "--runs", str(runs))
    found = json.loads(dlrun("cross-validate", path, *overrides, *arguments))
    epochs, wall = sum(fold["epochs"] for fold in found["results"]), time.perf_counter() - began
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    return Result(
        config.stem, _numbers(found["mean"]), epochs, 0.0, wall, "full", today, COMMIT, cpu_name(), target.how
    )


def measure_run(config: Path, run: Path) -> Result:
    """Measure a finished run of a config as its target says."""
    target = TARGETS.get(config.stem, Target())
    found = json.loads(dlrun(target.command, str(run), *target.options, "--json"))
    metrics = {"popularity": found.get("popularity"), **found["metrics"]} if "metrics" in found else found
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    began, ended = (datetime.fromisoformat(record[name]) for name in ("started", "ended"))
    return Result(
        config.stem, _numbers(metrics), record["epochs"], record["train_seconds"], (ended - began).total_seconds(),
        record["data"]["variant"], f"{ended:%Y-%m-%d}", (record["git"] or {}).get("commit", "")[:10], record["cpu"],
        target.how,
    )  # fmt: skip


def is_of(config: Path, run: Path) -> bool:
    """Return whether a run was made with a config as it is now, comments aside."""
    made = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in (config, run / "config.yaml")]
    return bool(made[0] == made[1])


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers among metrics, those of a group as group.name."""
    numbers: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, int | float):
            numbers[name] = value
        elif isinstance(value, dict) and name != "metrics":
            numbers |= {f"{name}.{inner}": number for inner, number in _numbers(value).items()}
    return numbers


def row(result: Result) -> tuple[str, ...]:
    """Return a result's row of the table."""
    target = TARGETS.get(result.config, Target())
    shown = result.metrics
    if target.metric:
        named = (target.metric, *target.beside)
        shown = {name: result.metrics[name] for name in named if name in result.metrics}
    return (
        f"[{result.config}](../configs/{result.config}.yaml)",
        f"{', '.join(f'{name} {value:.4g}' for name, value in shown.items())} ({result.how})",
        target.verdict(result.metrics),
        str(result.epochs),
        f"{result.train_seconds:.0f} s" if result.train_seconds else "",
        f"{result.wall_seconds:.0f} s",
        "" if result.variant == "full" else result.variant,
        result.measured,
        result.commit,
    )


def page(results: Sequence[Result], configs: Iterable[str]) -> str:
    """Return docs/results.md: the results, what falls short, and the configs that weren't measured."""
    found = ", ".join(f"{name} {version}" for name, version in versions().items())
    machines = (
        " and ".join(sorted({result.machine for result in results if result.machine})) or "a machine not recorded"
    )
    missed = [r for r in results if TARGETS.get(r.config, Target()).verdict(r.metrics).endswith("MISSED")]
    missing = [name for name in configs if name not in {result.config for result in results}]
    lines = [
        "# Results",
        "",
        "What the shipped configs reach: each trained by `dlrun train configs/NAME.yaml` (or `dlrun cross-validate`)",
        "with the seed it has, on the real data, and measured as the table says. `python -m benchmarks.results`, also",
        "`make results`, trains them all and writes this page; `python -m benchmarks.results mnist_cnn iris` repeats",
        "some of it, `--skip` (`make results SKIP=...`) leaves some out. Whatever else the machine was doing is in the",
        "times. The sizes of the forecasts' and the recommender's networks, thresholds and smoothing of the anomaly",
        "configs, and the layers of `news` were chosen with test figures in view: those are somewhat too good.",
        "",
        f"Measured on {machines}; last written with {found}.",
        "",
        table([HEAD, *map(row, results)]),
        "",
    ]
    if missed:
        lines += ["## Missed", ""]
        lines += [f"- {result.config}: {NOTES.get(result.config, 'nothing else was tried yet.')}" for result in missed]
        lines += [""]
    if missing:
        lines += ["## Not measured", "", ", ".join(missing) + ".", ""]
    return "\n".join(lines)


def read_figures() -> dict[str, Result]:
    """Return the figures of earlier times."""
    if not FIGURES.exists():
        return {}
    return {entry["config"]: Result(**entry) for entry in json.loads(FIGURES.read_text(encoding="utf-8"))}


def shortest_first(names: Iterable[str], figures: Mapping[str, Result]) -> list[str]:
    """Return configs in the order of how long they took; those that never ran stand before the last minute."""
    return sorted(names, key=lambda name: figures[name].wall_seconds if name in figures else 60.0)


def main() -> int:
    """Train what is asked for; write the page. Returns 1 if a training failed or a target was missed."""
    known = {path.stem: path for path in sorted((ROOT / "configs").glob("*.yaml"))}
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results", description=__doc__)
    parser.add_argument("configs", nargs="*", metavar="NAME", help=f"one or more of {', '.join(known)} (default: all)")
    parser.add_argument("--skip", nargs="+", default=[], metavar="NAME", help="configs that are left out")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="PATH=VALUE", help="overrides; the page isn't written then"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the folder that holds the runs")
    parser.add_argument("--run", type=Path, help="a finished run of the one config named, instead of a new one")
    parser.add_argument("--only-page", action="store_true", help="train nothing, write the page anew")
    options = parser.parse_args()
    unknown = [name for name in (*options.configs, *options.skip) if name not in known]
    if unknown:
        parser.error(f"no config {', '.join(unknown)}: there are {', '.join(known)}")
    if options.run is not None and (len(options.configs) != 1 or not is_of(known[options.configs[0]], options.run)):
        parser.error("--run takes a run of the one config that is named, made with it as it is now")
    results, failed = read_figures(), []
    chosen = [name for name in shortest_first(options.configs or known, results) if name not in options.skip]
    for name in () if options.only_page else chosen:
        try:
            run = options.run
            result = measure(known[name], options.runs, options.set) if run is None else measure_run(known[name], run)
        except subprocess.CalledProcessError:
            failed.append(name)
            continue
        print("  ".join(row(result)), flush=True)
        if not options.set:
            results[name] = result
            _write(results, known)
    if options.only_page:
        _write(results, known)
    missed = [n for n in chosen if n in results and row(results[n])[2].endswith("MISSED")]
    for kind, names in (("failed", failed), ("missed its target", missed)):
        for name in names:
            print(f"{name} {kind}")
    return 1 if failed or missed else 0


def _write(results: Mapping[str, Result], known: Iterable[str]) -> None:
    kept = [results[name] for name in known if name in results]
    FIGURES.write_text(json.dumps([asdict(entry) for entry in kept], indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(page(kept, known), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

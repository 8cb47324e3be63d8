"""What every shipped config reaches: `python -m benchmarks.results [NAME ...]` trains, evaluates, and writes a table.

Trains each config of `configs/` (or those named) as `dlrun train` does, with its own seed and data, evaluates it on the
test split, and writes docs/results.md. Figures of configs that aren't run again stay, from docs/results.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT
from benchmarks.tables import table
from dlrun.runs.environment import cpu_name, versions

PAGE, FIGURES = ROOT / "docs" / "results.md", ROOT / "docs" / "results.json"


@dataclass(frozen=True)
class Target:
    """What a config is meant to reach on the test split, or another."""

    metric: str
    figure: float
    higher_is_better: bool = True
    split: str = "test"

    def __str__(self) -> str:
        return f"{'at least' if self.higher_is_better else 'at most'} {self.figure:g}"

    def reached(self, value: float) -> bool:
        """Return whether a figure is as good."""
        return value >= self.figure if self.higher_is_better else value <= self.figure


TARGETS = {
    "mnist_cnn": Target("accuracy", 0.986),
    "mnist_mlp_sgd": Target("accuracy", 0.960),
    "mnist_mlp_adam": Target("accuracy", 0.973),
    "mnist_best": Target("accuracy", 0.994),
    "fashion_cnn": Target("accuracy", 0.915),
    "text_cnn": Target("accuracy", 0.76),
    "text_lstm": Target("accuracy", 0.75),
    "text_attention": Target("accuracy", 0.74),
    "spam": Target("f1", 0.95),
    "news": Target("accuracy", 0.86),
    "char_lstm": Target("loss", 1.60, higher_is_better=False, split="validation"),
    "char_gpt": Target("loss", 1.88, higher_is_better=False, split="validation"),
    "names": Target("bits_per_token", 3.03, higher_is_better=False, split="validation"),  # 2.10 nats a character
}
"""The other configs have no target of their own: the table shows what they reach."""


@dataclass(frozen=True)
class Result:
    """A config trained and evaluated once."""

    config: str
    metrics: dict[str, float]
    epochs: int
    train_seconds: float
    wall_seconds: float
    variant: str
    measured: str


def dlrun(*arguments: str) -> str:
    """Run a command of dlrun; return what it printed. Raises CalledProcessError when it fails."""
    command = [sys.executable, "-m", "dlrun", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout


def measure(config: Path, runs: Path, overrides: Iterable[str]) -> Result:
    """Train a config and evaluate it on its test split."""
    began = time.perf_counter()
    run = dlrun("train", str(config.relative_to(ROOT)), *overrides, "--runs", str(runs)).splitlines()[-1]
    wall = time.perf_counter() - began
    split = TARGETS[config.stem].split if config.stem in TARGETS else "test"
    found = json.loads(dlrun("evaluate", run, "--split", split, "--json"))["metrics"]
    record: dict[str, Any] = json.loads((Path(ROOT, run) / "run.json").read_text(encoding="utf-8"))
    numbers = {name: value for name, value in found.items() if isinstance(value, int | float)}
    return Result(
        config.stem, numbers, record["epochs"], record["train_seconds"], wall, record["data"]["variant"],
        datetime.now(UTC).strftime("%Y-%m-%d"),
    )  # fmt: skip


def row(result: Result) -> tuple[str, ...]:
    """Return a result's row of the table."""
    target = TARGETS.get(result.config)
    shown = {target.metric: result.metrics[target.metric]} if target else result.metrics
    verdict = "" if target is None else f"{target}: {'reached' if target.reached(shown[target.metric]) else 'MISSED'}"
    return (
        f"[{result.config}](../configs/{result.config}.yaml)",
        ", ".join(f"{name} {value:.4g}" for name, value in shown.items()),
        verdict,
        str(result.epochs),
        f"{result.train_seconds:.0f} s",
        f"{result.wall_seconds:.0f} s",
        "" if result.variant == "full" else result.variant,
        result.measured,
    )


def page(results: Iterable[Result]) -> str:
    """Return docs/results.md."""
    head = (
        "config",
        "on the test split (language models: validation)",
        "target",
        "epochs",
        "training steps",
        "whole command",
        "data",
        "measured",
    )
    found = ", ".join(f"{name} {version}" for name, version in versions().items())
    return "\n".join(
        [
            "# Results",
            "",
            "What the shipped configs reach: each trained by `dlrun train configs/NAME.yaml` with the seed it has, on",
            "the real data, and measured by `dlrun evaluate`. `python -m benchmarks.results` (also",
            "`make results`) writes this page; `python -m benchmarks.results mnist_cnn iris` repeats some of it.",
            "",
            f"Last written on {cpu_name()}; {found}.",
            "",
            table([head, *map(row, results)]),
            "",
        ]
    )


def read_figures() -> dict[str, Result]:
    """Return the figures of earlier times."""
    if not FIGURES.exists():
        return {}
    return {entry["config"]: Result(**entry) for entry in json.loads(FIGURES.read_text(encoding="utf-8"))}


def main() -> int:
    """Train what is asked for; write the page. Returns 1 if a training failed or a target was missed."""
    known = {path.stem: path for path in sorted((ROOT / "configs").glob("*.yaml"))}
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results", description=__doc__)
    parser.add_argument("configs", nargs="*", metavar="NAME", help=f"one or more of {', '.join(known)} (default: all)")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="PATH=VALUE", help="overrides; the page isn't written then"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the folder that holds the runs")
    options = parser.parse_args()
    unknown = [name for name in options.configs if name not in known]
    if unknown:
        parser.error(f"no config {', '.join(unknown)}: there are {', '.join(known)}")
    results, failed = read_figures(), []
    for name in options.configs or known:
        try:
            result = measure(known[name], options.runs, options.set)
        except subprocess.CalledProcessError:
            failed.append(name)
            continue
        print("  ".join(row(result)), flush=True)
        if options.set:
            continue
        results[name] = result
        kept = [results[key] for key in known if key in results]
        FIGURES.write_text(json.dumps([asdict(entry) for entry in kept], indent=2) + "\n", encoding="utf-8")
        PAGE.write_text(page(kept), encoding="utf-8")
    missed = [n for n in options.configs or known if "MISSED" in "".join(row(results[n]) if n in results else ())]
    for kind, names in (("failed", failed), ("missed its target", missed)):
        for name in names:
            print(f"{name} {kind}")
    return 1 if failed or missed else 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m benchmarks`: dlrun beside other libraries, on the same networks, data, batches and threads."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from benchmarks.contender import CONTENDERS
from benchmarks.machine import describe, product_ceiling
from benchmarks.measure import Effort, compare, known
from benchmarks.network import Unsupported
from benchmarks.report import Sitting, as_json, comparison_text, machine_text, page
from dlrun.errors import DlrunError

CONFIGS = ("configs/mnist_mlp_sgd.yaml", "configs/mnist_cnn.yaml", "configs/cifar_cnn.yaml")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "configs", nargs="*", default=list(CONFIGS), help="configs to compare on (default: %(default)s)"
    )
    parser.add_argument(
        "--contenders", nargs="+", default=list(CONTENDERS), help="which libraries (default: %(default)s)"
    )
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[32], help="rows in a step (default: 32)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each (default: all cores)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender (default: 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="about how long a turn takes (default: 2)")
    parser.add_argument("--rows", type=int, default=10_000, help="training rows, in memory (default: 10,000)")
    parser.add_argument("--no-start", dest="start", action="store_false", help="leave cold and warm starts out")
    parser.add_argument("--json", action="store_true", help="print every figure as JSON")
    parser.add_argument("--page", type=Path, help="write a page (docs/benchmarks.md) as well")
    parser.add_argument("--remark", default="", help="a sentence for the page: what else the machine was doing, say")
    return parser.parse_args(arguments)


def say(text: str) -> None:
    """Tell what is going on, apart from the results."""
    sys.stderr.write(text + "\n")


def main() -> int:
    """Measure and print."""
    options = parse()
    cores = sorted({1, options.threads})
    sitting = Sitting(describe(), {count: product_ceiling(count) for count in cores})
    if not options.json:
        print(machine_text(sitting), end="\n\n")
    effort = Effort(options.rounds, options.seconds, options.rows, options.start)
    try:
        names = known(options.contenders)
        for config in options.configs:
            for batch in options.batch_sizes:
                say(f"{config}, batch {batch}")
                sitting.comparisons.append(compare(config, batch, options.threads, names, effort, say))
                if not options.json:
                    print(comparison_text(sitting.comparisons[-1]), flush=True)
    except (ValueError, Unsupported, DlrunError) as error:
        say(f"error: {error}")
        return 2
    if options.json:
        print(as_json(sitting))
    if options.page:
        command = shlex.join(["python", "-m", "benchmarks", *_without_page(sys.argv[1:])])
        options.page.write_text(page(command, options.remark, sitting), encoding="utf-8")
    return 0


def _without_page(arguments: list[str]) -> list[str]:
    """Return the command's arguments as a reader would repeat them."""
    dropped = {i + j for i, text in enumerate(arguments) if text in ("--page", "--remark") for j in (0, 1)}
    return [text for i, text in enumerate(arguments) if i not in dropped]


if __name__ == "__main__":
    sys.exit(main())

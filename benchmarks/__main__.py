"""`python -m benchmarks`: dlrun beside other libraries, on the same networks, data, batches and threads."""

from __future__ import annotations

import argparse
import os
import sys

from benchmarks.contender import CONTENDERS
from benchmarks.machine import describe, product_ceiling
from benchmarks.measure import Comparison, Effort, compare, known
from benchmarks.network import Unsupported
from benchmarks.report import as_json, comparison_text, machine_text
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
    return parser.parse_args(arguments)


def say(text: str) -> None:
    """Tell what is going on, apart from the results."""
    sys.stderr.write(text + "\n")


def main() -> int:
    """Measure and print."""
    options = parse()
    machine = describe()
    threads = sorted({1, options.threads})
    ceilings = {count: product_ceiling(count) for count in threads}
    if not options.json:
        print(machine_text(machine, ceilings), end="\n\n")
    effort = Effort(options.rounds, options.seconds, options.rows, options.start)
    comparisons: list[Comparison] = []
    try:
        names = known(options.contenders)
        for config in options.configs:
            for batch in options.batch_sizes:
                say(f"{config}, batch {batch}")
                comparisons.append(compare(config, batch, options.threads, names, effort, say))
                if not options.json:
                    print(comparison_text(comparisons[-1]), flush=True)
    except (ValueError, Unsupported, DlrunError) as error:
        say(f"error: {error}")
        return 2
    if options.json:
        print(as_json(machine, ceilings, comparisons))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m benchmarks`: dlrun beside other libraries, on the same networks, data, batches and threads.

Measures the parts of a sitting (all of them, or those named), prints their tables, and keeps them in a file, so that a
sitting can be made in pieces. The page is written from that file.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.contender import PEERS
from benchmarks.figures import Entry, Sitting, read_sitting
from benchmarks.machine import commit_now, describe, load_now, now
from benchmarks.measure import Effort, compare, known
from benchmarks.memory import measure_memory
from benchmarks.page import page
from benchmarks.parts import Unsupported
from benchmarks.processes import ContenderFailed
from benchmarks.starts import measure_starts
from benchmarks.suite import EVALUATION_BATCH, PARTS, cases
from benchmarks.sweeps import measure_sweeps
from benchmarks.tables import entry_text
from benchmarks.together import measure_together
from dlrun.errors import DlrunError

MOST_SWEEPS = 2
"""Rounds of whole searches, which take minutes."""
MISTAKES = (ValueError, RuntimeError, Unsupported, ContenderFailed, DlrunError)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="parts:\n" + "\n".join(f"  {name:<12} {about}" for name, about in PARTS.items()),
    )  # fmt: skip
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help=f"what is measured: {', '.join(PARTS)} (default: all of it)")
    add("--networks", nargs="+", metavar="NAME", help="networks of the suite, or paths of configs (default: the suite)")
    add("--batch-sizes", nargs="+", type=int, help="of the training (default: those of each network)")
    add("--contenders", nargs="+", default=["dlrun", *PEERS], help="which libraries (default: %(default)s)")
    add("--threads", type=int, default=os.cpu_count(), help="threads of each (default: all cores)")
    add("--rounds", type=int, default=5, help="turns of each contender (default: 5)")
    add("--seconds", type=float, default=1.0, help="about how long a turn takes (default: 1)")
    add("--rows", type=int, default=10_000, help="rows of data, in memory (default: 10,000)")
    add("--results", type=Path, help="the file that keeps the figures: those that are measured again are replaced")
    add("--page", type=Path, help="write a page (docs/benchmarks.md) from the figures")
    add("--only-page", action="store_true", help="measure nothing: write the page from --results")
    add("--remark", default="", help="a sentence for the page: what else the machine was doing, say")
    return parser.parse_args(arguments)


def say(text: str) -> None:
    """Tell what is going on, apart from the results."""
    sys.stderr.write(text + "\n")


def work(options: argparse.Namespace) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Yield what is to be measured: the part, the measurement's name, and the function that makes it."""
    effort = Effort(options.rounds, options.seconds, options.rows, options.threads)
    names, chosen = known(options.contenders), cases(options.networks)
    for part in options.parts or PARTS:
        if part == "training":
            for case in chosen:
                for batch in options.batch_sizes or case.batches:
                    yield part, f"{case.name}/{batch}", partial(compare, case, batch, "train", names, effort, say)
        elif part == "inference":
            for case in chosen:
                yield part, case.name, partial(compare, case, EVALUATION_BATCH, "evaluate", names, effort, say)
        elif part == "starts":
            for case in chosen:  # the other libraries' starts take long: one network's unless others are named
                whole = options.networks is not None or case.name == "mnist_cnn"
                starters = names if whole else [name for name in names if name == "dlrun"]
                yield part, case.name, partial(measure_starts, case, starters, effort, say)
        elif part == "memory":
            yield part, "mnist_cnn", partial(measure_memory, options.threads, say)
        elif part == "together":
            yield part, "four networks", partial(measure_together, effort, say)
        elif part == "sweeps":
            yield part, "mnist_cnn", partial(measure_sweeps, min(effort.rounds, MOST_SWEEPS), options.threads, say)
        else:
            raise ValueError(f"no part {part!r}: there are {', '.join(PARTS)}")


def open_sitting(options: argparse.Namespace) -> Sitting:
    """Return the sitting that is continued, or a new one. Raises ValueError for one of another machine."""
    machine = describe()
    if options.results is None or not options.results.exists():
        return Sitting(machine)
    sitting = read_sitting(options.results)
    if options.only_page:
        return sitting
    other = [name for name in machine if machine[name] != sitting.machine.get(name)]
    if other:
        raise ValueError(
            f"{options.results} is of another sitting ({', '.join(other)}): remove it, or name another file"
        )
    return sitting


def measure_all(options: argparse.Namespace, sitting: Sitting) -> bool:
    """Measure what is asked for; return whether all of it could be."""
    command = shlex.join(["python", "-m", "benchmarks", *_without_page(sys.argv[1:])])
    whole = True
    for part, key, measure in work(options):
        say(f"{part}: {key}")
        entry = Entry(part, key, now(), load_now(), command, commit_now(), None)
        try:
            entry.value = measure()
        except MISTAKES as error:
            say(f"error: {part} of {key} left out: {error}")
            whole = False
            continue
        sitting.put(entry)
        print(entry_text(entry), flush=True)
        if options.results:
            sitting.save(options.results)
    return whole


def main() -> int:
    """Measure and print; write the page. Returns 1 if something could not be measured, 2 for wrong options."""
    options = parse()
    try:
        if options.only_page and not (options.results and options.page):
            raise ValueError("--only-page needs --results and --page")
        list(work(options))
        sitting = open_sitting(options)
    except MISTAKES as error:
        say(f"error: {error}")
        return 2
    whole = options.only_page or measure_all(options, sitting)
    if options.page:
        options.page.write_text(page(sitting, options.remark), encoding="utf-8")
    return 0 if whole else 1


def _without_page(arguments: list[str]) -> list[str]:
    """Return the command's arguments as a reader would repeat them."""
    dropped = {i + j for i, text in enumerate(arguments) if text in ("--page", "--remark", "--results") for j in (0, 1)}
    return [text for i, text in enumerate(arguments) if i not in dropped]


if __name__ == "__main__":
    sys.exit(main())

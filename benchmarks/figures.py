"""What is measured, as plain data; and the file that keeps it, written after each measurement of a sitting."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.contender import PEERS


@dataclass
class Figures:
    """What was measured of one contender on one network."""

    contender: str
    versions: str = ""
    skipped: str | None = None
    speeds: list[float] = field(default_factory=list)
    peak_bytes: int = 0

    @property
    def speed(self) -> float:
        """The median of the rounds, in samples per second."""
        return statistics.median(self.speeds)


@dataclass
class Comparison:
    """All contenders on one network with one batch size. `task` is "train" or "evaluate"."""

    network: str
    config: str
    task: str
    batch: int
    threads: int
    data: str
    flops_per_sample: float
    ceiling: float
    figures: list[Figures]

    def of(self, contender: str) -> Figures | None:
        """Return a contender's figures, if it was measured."""
        return next((entry for entry in self.figures if entry.contender == contender and entry.speeds), None)

    def fastest_peer(self) -> Figures | None:
        """Return the fastest of the peers that were measured."""
        measured = [entry for name in PEERS if (entry := self.of(name))]
        return max(measured, key=lambda entry: entry.speed, default=None)

    def ratio(self) -> float | None:
        """Return dlrun's samples/s over those of the fastest peer, if both are known."""
        own, peer = self.of("dlrun"), self.fastest_peer()
        return own.speed / peer.speed if own and peer else None

    def share_of_ceiling(self) -> float | None:
        """Return dlrun's share of the machine's FLOP/s in matrix products."""
        own = self.of("dlrun")
        return own.speed * self.flops_per_sample / self.ceiling if own and self.ceiling else None


@dataclass
class Starts:
    """Seconds from a process's start to the end of its first step (cold, warm), and to the end of its import.

    `command` is that of `dlrun train`: its first step ever, and one with compiled kernels. Medians of `repeats`.
    """

    network: str
    repeats: int
    cold: dict[str, float] = field(default_factory=dict)
    warm: dict[str, float] = field(default_factory=dict)
    imports: dict[str, float] = field(default_factory=dict)
    command: dict[str, float] = field(default_factory=dict)


@dataclass
class Memory:
    """Peak memory (bytes) of whole training commands, by contender, and what they were."""

    commands: dict[str, str]
    peaks: dict[str, int]


@dataclass
class Together:
    """Seconds for the same steps of several networks, in each way of running them; and the steps."""

    steps: dict[str, int]
    seconds: dict[str, list[float]]


@dataclass
class Search:
    """A contender's search with so many trials at once: seconds a trial of each round, start and end of it included.

    `values` are the best validation accuracies by the trials' parameters.
    """

    contender: str
    jobs: int
    threads: int
    seconds: list[float] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)

    @property
    def seconds_a_trial(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.seconds)

    @property
    def trials_an_hour(self) -> float:
        """The same the other way round."""
        return 3600 / self.seconds_a_trial


@dataclass
class Sweeps:
    """Searches of `trials` combinations; and dlrun's seconds a trial where widths vary, and where learning rates do."""

    config: str
    trials: int
    epochs: int
    rows: int
    held: int
    searches: list[Search]
    alike: dict[str, list[float]]

    def fastest(self, contender: str) -> Search | None:
        """Return a contender's faster way to use the cores."""
        found = [each for each in self.searches if each.contender == contender and each.seconds]
        return max(found, key=lambda each: each.trials_an_hour, default=None)

    def ratio(self) -> float | None:
        """Return dlrun's trials an hour over PyTorch's, each in its faster way."""
        own, peer = self.fastest("dlrun"), self.fastest("pytorch")
        return own.trials_an_hour / peer.trials_an_hour if own and peer else None


KINDS: dict[str, type[Any]] = {
    "training": Comparison, "inference": Comparison, "starts": Starts, "memory": Memory, "together": Together,
    "sweeps": Sweeps,
}  # fmt: skip
"""What each part of a sitting consists of."""


@dataclass
class Entry:
    """One measurement: its part, when it was made, under which load, by which command, and of which commit."""

    part: str
    key: str
    date: str
    load: float | None
    command: str
    commit: str
    value: Any


@dataclass
class Sitting:
    """All that was measured on a machine: a later measurement of the same takes the place of an earlier one."""

    machine: dict[str, Any]
    entries: dict[str, Entry] = field(default_factory=dict)

    def put(self, entry: Entry) -> None:
        """Add a measurement."""
        self.entries[f"{entry.part}/{entry.key}"] = entry

    def of(self, part: str) -> list[Any]:
        """Return a part's measurements."""
        return [entry.value for entry in self.entries.values() if entry.part == part]

    def save(self, path: Path) -> None:
        """Write everything to a file of JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def read_sitting(path: Path) -> Sitting:
    """Return what `save` wrote."""
    found = json.loads(path.read_text(encoding="utf-8"))
    sitting = Sitting(found["machine"])
    for fields in found["entries"].values():
        value = fields.pop("value")
        if "figures" in value:
            value["figures"] = [Figures(**figures) for figures in value["figures"]]
        if "searches" in value:
            value["searches"] = [Search(**search) for search in value["searches"]]
        sitting.put(Entry(**fields, value=KINDS[fields["part"]](**value)))
    return sitting


def geometric_mean(values: Iterable[float]) -> float:
    """Return the n-th root of the product of n positive numbers."""
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms))

"""What dlrun aims at, side by side in one sitting on 2 cores, and where it is behind."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.contender import PEERS
from benchmarks.figures import Comparison, Memory, Sitting, Starts, Sweeps, Together, geometric_mean
from benchmarks.suite import DEEPER, MAIN, WITHOUT_ZEROS
from benchmarks.together import AFTER, AT_ONCE

NAMES = [case.name for case in MAIN]


@dataclass(frozen=True)
class Aim:
    """A figure that is aimed at and what was measured; neither `measured` nor `reached` where nothing was."""

    what: str
    aim: str
    measured: str = ""
    reached: bool | None = None


def aims(sitting: Sitting) -> list[Aim]:
    """Return all aims with what a sitting says of them."""
    training: list[Comparison] = sitting.of("training")
    return [
        *_of_small_networks(training),
        *_of_rows_without_zeros(training),
        *_of_deeper_networks(training),
        _of_ceiling(training),
        *_of_inference(sitting.of("inference")),
        *_of_starts(sitting.of("starts")),
        _of_memory(sitting.of("memory")),
        _of_together(sitting.of("together")),
        *_of_sweeps(sitting.of("sweeps")),
    ]


def _at_least(what: str, figure: float, value: float | None) -> Aim:
    aim = f"at least {figure:g} times"
    return Aim(what, aim) if value is None else Aim(what, aim, f"{value:.2f} times", value >= figure)


def _ratios(comparisons: list[Comparison], batch: int) -> list[float]:
    """Return the ratios of the four small networks at a batch size, as far as they are known."""
    found = [c.ratio() for c in comparisons if c.batch == batch and c.network in NAMES]
    return [ratio for ratio in found if ratio is not None]


def _of_small_networks(training: list[Comparison]) -> Iterator[Aim]:
    for batch, least, mean in ((32, 3.0, 4.0), (128, 1.2, 2.0), (512, 1.2, 2.0)):
        ratios = _ratios(training, batch)
        whole = len(ratios) == len(NAMES)
        what = f"training at batch {batch}, against the fastest peer"
        yield _at_least(f"{what}: each of {', '.join(NAMES)}", least, min(ratios) if whole else None)
        yield _at_least(f"{what}: geometric mean", mean, geometric_mean(ratios) if whole else None)


def _of_rows_without_zeros(training: list[Comparison]) -> Iterator[Aim]:
    for batch, least in ((32, 3.0), (128, 1.2), (512, 1.2)):
        found = [c for c in training if c.network == WITHOUT_ZEROS.name and c.batch == batch]
        what = f"training of mlp over rows without zeros at batch {batch}, against the fastest peer"
        yield _at_least(what, least, found[0].ratio() if found else None)


def _of_deeper_networks(training: list[Comparison]) -> Iterator[Aim]:
    for case in DEEPER:
        found = [c for c in training if c.network == case.name and c.batch == case.batches[0]]
        what = f"training of {case.name} at batch {case.batches[0]}, against the fastest peer"
        yield _at_least(what, 1.2, found[0].ratio() if found else None)


def _of_ceiling(training: list[Comparison]) -> Aim:
    what, aim = "share of the machine's matrix-product ceiling, cifar_cnn's whole step at batch 128", "at least 60 %"
    found = [c.share_of_ceiling() for c in training if c.network == "cifar_cnn" and c.batch == 128]
    if not found or found[0] is None:
        return Aim(what, aim)
    return Aim(what, aim, f"{100 * found[0]:.0f} %", found[0] >= 0.6)


def _of_inference(inference: list[Comparison]) -> Iterator[Aim]:
    for name in (*NAMES, WITHOUT_ZEROS.name, *(case.name for case in DEEPER)):
        found = [c for c in inference if c.network == name]
        yield _at_least(f"evaluation of {name}, against the fastest peer", 2.0, found[0].ratio() if found else None)


def _of_starts(starts: list[Starts]) -> Iterator[Aim]:
    commands = {entry.network: entry.command for entry in starts if entry.command}
    imports = {name: seconds for entry in starts for name, seconds in entry.imports.items()}
    what = "from the command to the first step, warm"
    if not commands:
        yield Aim(f"{what}: each network", "at most 1.0 s")
    else:
        slowest = max(commands, key=lambda name: commands[name]["warm"])
        longest = commands[slowest]["warm"]
        yield Aim(f"{what}: each network", "at most 1.0 s", f"{longest:.2f} s ({slowest})", longest <= 1.0)
        if imports and "mnist_cnn" in commands:
            own, peer = commands["mnist_cnn"]["warm"], min(imports, key=lambda name: imports[name])
            measured = f"{own:.2f} s, {peer}'s import {imports[peer]:.2f} s"
            yield Aim(f"{what}: mnist_cnn", "before the first import of a peer", measured, own < imports[peer])
    cold = commands.get("mnist_cnn", {}).get("cold")
    what = "from the command to the first step ever: mnist_cnn"
    yield Aim(what, "at most 12 s") if cold is None else Aim(what, "at most 12 s", f"{cold:.1f} s", cold <= 12)


def _of_memory(memory: list[Memory]) -> Aim:
    what, aim = "peak memory of mnist_cnn's run on all of MNIST, against PyTorch's", "at most 50 %"
    if not memory:
        return Aim(what, aim)
    share = memory[0].peaks["dlrun"] / memory[0].peaks["pytorch"]
    return Aim(what, aim, f"{100 * share:.0f} %", share <= 0.5)


def _of_together(together: list[Together]) -> Aim:
    what, aim = "four networks at once, a thread each, against one after the other with all threads", "no slower"
    if not together:
        return Aim(what, aim)
    seconds = {way: statistics.median(values) for way, values in together[0].seconds.items()}
    after = next(value for way, value in seconds.items() if way.startswith(AFTER))
    return Aim(what, aim, f"{seconds[AT_ONCE] / after:.2f} times as long", seconds[AT_ONCE] <= after)


def _of_sweeps(sweeps: list[Sweeps]) -> Iterator[Aim]:
    yield _at_least("trials an hour, against PyTorch with Optuna", 4.0, sweeps[0].ratio() if sweeps else None)
    what, aim = "a trial of a sweep over widths, against one over learning rates", "costs no more (within 10 %)"
    if not sweeps:
        yield Aim(what, aim)
        return
    widths, rates = (statistics.median(seconds) for seconds in sweeps[0].alike.values())
    yield Aim(what, aim, f"{widths / rates:.2f} times as long", widths <= 1.1 * rates)


def behind(sitting: Sitting) -> list[str]:
    """Return a line for each aim that is missed, and for each figure in which a peer is better."""
    missed = [f"- {aim.what}: {aim.measured} (aim: {aim.aim})." for aim in aims(sitting) if aim.reached is False]
    lines = [*missed, *_faster_peers(sitting), *_sooner_peers(sitting.of("starts"))]
    return lines or ["In none of the figures below."]


def _faster_peers(sitting: Sitting) -> Iterator[str]:
    for comparison in (*sitting.of("training"), *sitting.of("inference")):
        own = comparison.of("dlrun")
        for name in PEERS:
            peer = comparison.of(name)
            if own and peer and peer.speed > own.speed:
                done = "trains" if comparison.task == "train" else "evaluates"
                times = f"{peer.speed / own.speed:.2f} times as fast"
                yield f"- {comparison.network}, batch {comparison.batch}: {name} {done} {times} as dlrun."


def _sooner_peers(starts: list[Starts]) -> Iterator[str]:
    for entry in starts:
        for kind, seconds in (("cold", entry.cold), ("warm", entry.warm)):
            for name in PEERS:
                if name in seconds and "dlrun" in seconds and seconds[name] < seconds["dlrun"]:
                    times = f"{seconds[name]:.1f} s to {seconds['dlrun']:.1f} s"
                    yield f"- {entry.network}: {name} starts sooner, {kind} ({times})."

"""The page of a sitting, docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.aims import aims, behind
from benchmarks.contender import PEERS
from benchmarks.figures import Comparison, Sitting
from benchmarks.suite import BATCHES, CASES, DEEPER, MAIN
from benchmarks.tables import (
    comparison_text,
    memory_table,
    speeds_table,
    starts_table,
    sweeps_table,
    table,
    together_table,
)

FILES = "--results docs/benchmarks.json --page docs/benchmarks.md"
METHOD = """\
# Benchmarks

dlrun beside other libraries, each with the same network from the config named, the same first weights, on the same rows
in memory, with the same batch and number of threads, in a process of its own kept on as many cores. All contenders of a
table's row are ready at once and are measured in turns; a figure is the median of the rounds. The peers are written for
speed, as far as plain programs go (`benchmarks/contenders`): PyTorch runs eagerly with fused optimizers and channels
last, and with `torch.compile`; JAX a jitted step with optax whose state is donated; Keras on TensorFlow its model and
optimizer in one `tf.function`, which is faster here than `fit`. dlrun is measured through the session and the executors
of `dlrun train` and `dlrun evaluate`. A test trains all of them on tiny networks and compares their outputs.

"dlrun to the fastest" is dlrun's samples/s over those of the fastest peer, which is set in bold. The ceiling is the
best product of two large float32 matrices by NumPy's BLAS on those cores, measured in every round; the operations are
those of dlrun's plan, a convolution's counted as its definition has them, however it is computed.
"""
INFERENCE = """\
Whole batches of 256 rows; the mean loss and the share of right predictions of all rows are known at the end, as
`dlrun evaluate` prints them. Nothing is kept for a way back (`inference_mode`, a jitted forward pass, a `tf.function`).
dlrun takes a batch in parts where its intermediate results wouldn't stay in the cache.
"""
STARTS = """\
From a process's start to the end of its first training step: cold once, with an empty folder of compiled code where a
library keeps one (dlrun, torch.compile, JAX), warm three times with what the cold one left there (the median). The rows
named after libraries train on the rows of the tables above; the command reads all of the config's own data. The imports
are those of a program that ends there.
"""
MEMORY = """\
Whole commands that train the MNIST CNN for an epoch of the full data and measure a tenth of it as validation images.
PyTorch's is a plain script that keeps the images as bytes and makes float32 of a batch when its turn comes; as float32
they would take 141 MB more.
"""
TOGETHER = """\
The same steps of mlp, mnist_cnn, cifar_cnn and lstm, batch 32, in four processes of dlrun that are ready; from the
first request to the last answer. The last row has more threads than cores.
"""


SWEEPS = """\
Whole searches, from the command to the best trial: [configs/sweep.yaml](../benchmarks/configs/sweep.yaml) varies two
widths, the learning rate and the batch size of the MNIST CNN, {trials} trials of {epochs} epochs on {rows:,} images,
each measured on {held:,}. `dlrun sweep` and [a script of PyTorch and Optuna](../benchmarks/plain_sweep.py) train the
same combinations on the same images; dlrun keeps every trial as a run with its checkpoints and curves, the script
keeps nothing. Both were measured in turns, with one trial at a time on all cores and with a trial on each core,
the faster of these in every round. Kernels were compiled before: that is done once for a machine, whatever the widths.
The second table is of eight widths around a mean of 32, beside eight learning rates at 32; starts are part of both.
"""


def page(sitting: Sitting, remark: str = "") -> str:
    """Return the page."""
    sections = [METHOD, _commands(sitting), _machine(sitting)]
    sections += [f"{remark}\n"] if remark else []
    sections += ["## What is aimed at\n", _aims(sitting)]
    sections += ["## Where dlrun is behind\n", "\n".join(behind(sitting)) + "\n"]
    return "\n".join([*sections, *_parts(sitting), *_details(sitting)])


def _commands(sitting: Sitting) -> str:
    """Return the commands that repeat the sitting, with the files that keep it."""
    commands = list(dict.fromkeys(entry.command for entry in sitting.entries.values()))
    if len(commands) == 1:
        return f"```sh\n{commands[0]} {FILES}\n```\n"
    lines = [f"{command} {FILES.partition(' --page')[0]}" for command in commands]
    return "\n".join(["```sh", *lines, f"python -m benchmarks --only-page {FILES}", "```", ""])


def _machine(sitting: Sitting) -> str:
    machine, entries = sitting.machine, sitting.entries.values()
    found = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    dates = sorted(entry.date for entry in entries) or ["-"]
    first = {entry.command: entry.load for entry in sorted(entries, key=lambda entry: entry.date, reverse=True)}
    loads = ", ".join(f"{load:.2f}" for load in reversed(first.values()) if load is not None)
    measured = [f for c in _comparisons(sitting) for f in c.figures if f.speeds and f.contender != "dlrun"]
    libraries = dict.fromkeys(f"{f.contender} {f.versions}" for f in measured)
    lines = [
        f"- {dates[0]} to {dates[-1]}; {machine['cpu']}, {machine['cores']} cores, {machine['system']}",
        f"- {found}; commit {', '.join(dict.fromkeys(entry.commit for entry in entries))}",
        f"- {'; '.join(libraries) or 'no other library'}",
    ]
    if loads:
        lines.append(f"- load average before the first measurement of each command: {loads}")
    ceilings = [c.ceiling / 1e9 for c in _comparisons(sitting)]
    if ceilings:
        lines.append(f"- ceiling: {min(ceilings):.0f} to {max(ceilings):.0f} GFLOP/s")
    return "\n".join(lines) + "\n"


def _comparisons(sitting: Sitting) -> list[Comparison]:
    return [*sitting.of("training"), *sitting.of("inference")]


def _aims(sitting: Sitting) -> str:
    verdicts = {None: "not measured", True: "reached", False: "MISSED"}
    rows = [("what", "aim", "measured", "")]
    return table([*rows, *((aim.what, aim.aim, aim.measured, verdicts[aim.reached]) for aim in aims(sitting))]) + "\n"


def _parts(sitting: Sitting) -> Iterator[str]:
    yield from ("## Networks\n", table([("network", "config", "what it is"), *_networks()]) + "\n")
    training, inference = sitting.of("training"), sitting.of("inference")
    main, deeper = [case.name for case in MAIN], [case.name for case in DEEPER]
    for batch in BATCHES:
        found = [c for c in training if c.batch == batch and c.network in main]
        if found:
            yield from (f"## Training, batch {batch}, samples/s\n", speeds_table(_in_order(found), main) + "\n")
    found = [c for c in training if c.network in deeper]
    if found:
        sizes = ", ".join(f"{c.network} at batch {c.batch}" for c in _in_order(found))
        yield from (f"## Training, {sizes}, samples/s\n", speeds_table(_in_order(found)) + "\n")
    if inference:
        yield from ("## Evaluation, samples/s\n", INFERENCE, speeds_table(_in_order(inference), main) + "\n")
    for part, title, about, make in (
        ("starts", "Starts", STARTS, starts_table),
        ("memory", "Memory", MEMORY, lambda found: memory_table(found[0])),
        ("together", "Four networks at once", TOGETHER, lambda found: together_table(found[0])),
        ("sweeps", "Sweeps", SWEEPS, lambda found: sweeps_table(found[0])),
    ):
        if sitting.of(part):
            about = about.format_map(vars(sitting.of(part)[0])) if part == "sweeps" else about
            yield from (f"## {title}\n", about, make(sitting.of(part)) + "\n")


def _networks() -> Iterator[tuple[str, str, str]]:
    for case in CASES.values():
        yield case.name, f"[{case.config}](../{case.config})", case.about


def _in_order(comparisons: list[Comparison]) -> list[Comparison]:
    return sorted(comparisons, key=lambda c: (list(CASES).index(c.network) if c.network in CASES else 99, c.batch))


def _details(sitting: Sitting) -> Iterator[str]:
    """Yield every comparison's own table."""
    found = _comparisons(sitting)
    if found:
        missing = ", ".join(PEERS)
        yield f"## All figures\n\nEach comparison with the spread of its rounds; peers are {missing}.\n"
        yield from (comparison_text(comparison) for comparison in found)

"""What a full sitting measures: the networks, each with its batch sizes, and the parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import ROOT
from benchmarks.reading import read_config

BATCHES = (32, 128, 512)
EVALUATION_BATCH = 256


@dataclass(frozen=True)
class Case:
    """A network: its config, the batch sizes it is trained with, and what it is, in a few words."""

    name: str
    config: str
    batches: tuple[int, ...]
    about: str


MAIN = (
    Case("mlp", "configs/mnist_mlp_sgd.yaml", BATCHES, "MLP 784-128-64-10, SGD"),
    Case("mnist_cnn", "configs/mnist_cnn.yaml", BATCHES, "28x28x1: conv 32, pool, dense 128, 10; Adam"),
    Case(
        "cifar_cnn", "benchmarks/configs/cifar_cnn_24.yaml", BATCHES,
        "24x24x3: conv 32, pool, conv 64, pool, dense 128, 10; SGD with momentum",
    ),
    Case("lstm", "benchmarks/configs/lstm.yaml", BATCHES, "100 of 1,000 ids: embedding 64, LSTM 64, dense 2; Adam"),
)  # fmt: skip
"""The four small networks, over which the geometric means are taken."""
DEEPER = (
    Case(
        "resnet", "benchmarks/configs/resnet.yaml", (64,),
        "32x32x3: ResNet of 8 convolutions with batch normalisation, widths 16 to 128; SGD with momentum",
    ),
    Case(
        "transformer", "benchmarks/configs/transformer.yaml", (12,),
        "64 of 65 ids: 4 causal pre-norm blocks, width 128, 4 heads, hidden 512; Adam",
    ),
)  # fmt: skip
WITHOUT_ZEROS = Case(
    "mlp_without_zeros", "benchmarks/configs/mlp_without_zeros.yaml", BATCHES, "the MLP over rows that hold few zeros"
)
"""dlrun leaves out products with zeros of the data; four fifths of MNIST's pixels are zero."""
CASES = {case.name: case for case in (*MAIN, *DEEPER, WITHOUT_ZEROS)}
PARTS = {
    "training": "samples/s of training, by batch size",
    "inference": "samples/s of evaluation, in batches of 256",
    "starts": "seconds from a command to its first step, and a library's import",
    "memory": "peak memory of training the MNIST CNN on all of MNIST",
    "together": "four networks at once in four processes, and one after the other",
    "sweeps": "trials an hour of `dlrun sweep`, and of the same search with PyTorch and Optuna",
}
"""What a sitting consists of, in this order."""


def cases(names: list[str] | None) -> list[Case]:
    """Return the cases of these names; a path to another config is a case with the batch size it has itself.

    Raises ValueError for what is neither.
    """
    return [_case(name) for name in names] if names else list(CASES.values())


def _case(name: str) -> Case:
    if name in CASES:
        return CASES[name]
    path = Path(name)
    if not (ROOT / path).exists():
        raise ValueError(f"no network {name!r}: there are {', '.join(CASES)}, or a config's path")
    size = read_config(ROOT / path).config.training.batch_size
    if not isinstance(size, int):
        raise ValueError(f"{name} has no batch size: a number is needed")
    return Case(path.stem, name, (size,), name)

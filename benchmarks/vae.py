"""What a variational autoencoder reaches with dlrun and with PyTorch: `python -m benchmarks.vae [path=value ...]`.

Trains configs/vae_mnist.yaml (with overrides) by dlrun, and the same network by PyTorch: the same start weights, data,
batch size, number of steps and optimizer, but PyTorch's own order of the images and own noise. Prints the negative
evidence lower bound of both on the test images, in nats an image, measured by one function (PyTorch's) with each code
drawn from its distribution; and beside it the same with each code at its mean, which is what `dlrun evaluate` reports:
lower, and no bound.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from dlrun.config.load import LoadedConfig, load_config
from dlrun.config.run_config import RunConfig
from dlrun.data.load import load
from dlrun.optimizers.adam import Adam
from dlrun.runs.checkpoint import load_checkpoint
from dlrun.training.evaluation import evaluate_run
from dlrun.training.events import Listener
from dlrun.training.run import create_run, train
from dlrun.training.session import Session
from dlrun.training.state import TrainingState

CONFIG = Path(__file__).parents[1] / "configs/vae_mnist.yaml"
DRAWS = 5
"""Draws of each code when a network is measured: over 10,000 images one is enough to tell a hundredth of a nat."""
Weights = Mapping[str, Any]
"""Tensors by dlrun's names of its config's layers: encoder/kernel, ..."""


@dataclass(frozen=True)
class Measured:
    """A network's loss on the test images, in nats an image."""

    bound: float
    """The negative evidence lower bound: codes are drawn."""
    at_means: float
    """The same with codes at their means."""


@dataclass(frozen=True)
class Comparison:
    """The networks' losses after so many steps, and what dlrun says its own is with codes at their means."""

    start: Measured
    dlrun: Measured
    pytorch: Measured
    evaluated: float
    steps: int


def compare(loaded: LoadedConfig, runs: Path) -> Comparison:
    """Train and measure both. Raises what dlrun's training raises."""
    config = loaded.config
    dataset = load(config.data, config.seed)
    session = Session(config, loaded.layer_paths, dataset)
    session.start_training()
    start = tensors(session.variables())
    finished = train(loaded, create_run(loaded, ["benchmarks.vae"], runs), Listener())
    checkpoint = load_checkpoint(finished.run.last).tensors
    mine = tensors({name: checkpoint[f"model/{name}"] for name in start})
    images = {name: pixels(session, name) for name in ("train", "test")}
    theirs = train_pytorch(start, images["train"], config, finished.state)
    before, ours, others = (measure(weights, images["test"]) for weights in (start, mine, theirs))
    evaluated = evaluate_run(finished.run, "test", "last").metrics["loss"]
    return Comparison(before, ours, others, evaluated, finished.state.step)


def tensors(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return copies."""
    return {name: torch.tensor(np.array(array)) for name, array in arrays.items()}


def pixels(session: Session, split: str) -> Any:
    """Return a split's images as the network sees them: (rows, pixels) of float32."""
    (feature,) = session.dataset.signature.inputs.values()
    rows = session.split(split)
    images = np.asarray(rows.inputs[feature.name]).reshape(rows.rows, -1)
    return torch.from_numpy(images.astype(np.float32) * feature.scale[0] + feature.offset[0]).float()


def negative_bound(weights: Weights, images: Any, noise: torch.Generator | None) -> Any:
    """Return the mean over the images (rows, pixels) of the negative evidence lower bound, with a draw of each code.

    Without noise the codes are their means.
    """

    def dense(name: str, x: Any) -> Any:
        return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    hidden = F.relu(dense("encoder", images))
    mean, log_variance = dense("mean", hidden), dense("log_variance", hidden)
    drawn = 0 if noise is None else torch.randn(mean.shape, generator=noise)
    code = mean + torch.exp(log_variance / 2) * drawn
    logits = dense("pixels", F.relu(dense("decoder", code)))
    reconstruction = F.binary_cross_entropy_with_logits(logits, images, reduction="sum")
    divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
    return (reconstruction + divergence) / len(images)


def measure(weights: Weights, images: Any) -> Measured:
    """Return a network's loss on images (rows, pixels), with codes drawn and at their means."""

    def mean_over(draws: int, noise: torch.Generator | None) -> float:
        parts = [negative_bound(weights, part, noise) * len(part) for _ in range(draws) for part in images.split(1000)]
        return float(sum(parts) / (draws * len(images)))

    with torch.inference_mode():
        return Measured(mean_over(DRAWS, torch.Generator().manual_seed(0)), mean_over(1, None))


def train_pytorch(start: Weights, images: Any, config: RunConfig, reached: TrainingState) -> dict[str, Any]:
    """Return the weights after as many steps of Adam from the same start, with PyTorch's own random numbers."""
    weights = {name: tensor.clone().requires_grad_() for name, tensor in start.items()}
    rule, batch = config.optimizer, config.training.batch_size
    if type(rule) is not Adam or config.schedule.type != "constant" or batch == "full":
        raise ValueError("the comparison trains with Adam at a constant rate, in batches")
    betas = (rule.beta_1, rule.beta_2)
    optimizer = torch.optim.Adam(list(weights.values()), rule.learning_rate, betas, rule.epsilon)
    random = torch.Generator().manual_seed(config.seed)
    batches: list[Any] = []
    for _ in range(reached.step):
        batches = batches or list(torch.randperm(len(images), generator=random).split(batch))
        optimizer.zero_grad()
        negative_bound(weights, images[batches.pop(0)], random).backward()
        optimizer.step()
    return weights


def main(overrides: Sequence[str]) -> None:
    """Compare and print."""
    with tempfile.TemporaryDirectory() as folder:
        found = compare(load_config(CONFIG, list(overrides)), Path(folder))
    print(f"test images, nats an image, after {found.steps:,} steps: codes drawn (the bound), codes at their means")
    for name in ("start", "dlrun", "pytorch"):
        measured: Measured = getattr(found, name)
        print(f"  {name:8} {measured.bound:8.2f} {measured.at_means:8.2f}")
    print(f"dlrun evaluate: {found.evaluated:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])

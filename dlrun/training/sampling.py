"""Which training rows an epoch takes, in which order: a function of the seed and the epoch's number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dlrun.config.run_config import RunConfig
from dlrun.data.dataset import Array, Split
from dlrun.data.resample import epoch_rows, epoch_sizes, resample_note, resampled_target
from dlrun.data.signature import Signature
from dlrun.executor.ordering import shuffled
from dlrun.losses import Loss


@dataclass(frozen=True)
class Sampling:
    """An epoch's `rows`; where classes are resampled, the training rows' `labels` and the rows of each class.

    Rows stay together in groups of `group`.
    """

    rows: int
    seed: int
    shuffle: bool
    labels: Array | None = None
    sizes: Sequence[int] = ()
    notes: tuple[str, ...] = ()
    group: int = 1

    def order(self, epoch: int) -> Array:
        """Return the training rows of an epoch in their order, (rows,) int64."""
        groups = self.rows // self.group
        order = shuffled(groups, self.seed, f"shuffle/{epoch}") if self.shuffle else np.arange(groups)
        if self.group > 1:
            order = (order[:, None] * self.group + np.arange(self.group)).reshape(-1)
        if self.labels is None:
            return order
        chosen: Array = epoch_rows(self.labels, self.sizes, self.seed, epoch)[order]
        return chosen


def group_of(config: RunConfig, signature: Signature) -> int:
    """Return how many rows must stay together, in this order, for the loss to compare them."""
    return signature.target.group if isinstance(config.loss, Loss) and config.loss.compares_rows else 1


def make_sampling(config: RunConfig, signature: Signature, train: Split) -> Sampling:
    """Return how a config takes its training rows. Raises ConfigError where they can't be resampled."""
    seed, shuffle, resample = config.seed, config.training.shuffle, config.data.resample
    if resample is None:
        return Sampling(train.rows, seed, shuffle, group=group_of(config, signature))
    target = resampled_target(resample, signature)
    labels = np.asarray(train.targets[target.name])
    sizes = epoch_sizes(resample, labels, len(target.classes or ()))
    return Sampling(sum(sizes), seed, shuffle, labels, sizes, (resample_note(target, labels, sizes),))

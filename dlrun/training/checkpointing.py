"""What a checkpoint of a training holds, and the way back from it.

model/NAME       the weights that the network is used with: with `optimizer.use_ema` their moving averages
training/NAME    the weights that are trained, where model/NAME holds their averages
optimizer/NAME   the optimizer's state
state/NAME       in the middle of an epoch, what stateful layers keep from one step to the next
epoch/NAME       in the middle of an epoch, what its steps have collected so far
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlrun.compiler.updates import moving_averages
from dlrun.config.load import LoadedConfig, load_text
from dlrun.data.codec import fitted_from_json, signature_from_json
from dlrun.data.dataset import Dataset, Split
from dlrun.data.signature import Signature
from dlrun.errors import CheckpointError, ConfigError, UsageError
from dlrun.executor.executor import Array
from dlrun.runs.checkpoint import Checkpoint, load_checkpoint
from dlrun.runs.directory import RunDirectory
from dlrun.training.events import Listener
from dlrun.training.session import Session
from dlrun.training.state import TrainingState
from dlrun.training.trainer import Trainer

WEIGHTS, TRAINED, OPTIMIZER, KEPT, COLLECTED = "model/", "training/", "optimizer/", "state/", "epoch/"
OUT = "out/"
"""What the names of arrays begin with that the steps of an epoch fill."""


@dataclass(frozen=True)
class Restored:
    """A checkpoint's content, understood, and the file it is from."""

    path: Path
    checkpoint: Checkpoint
    config: LoadedConfig
    signature: Signature
    fitted: Mapping[str, Any]
    fingerprint: str
    state: TrainingState

    def dataset(self, split: Split | None = None) -> Dataset:
        """Return a dataset of rows that were transformed as the run's; none yet without `split`."""
        return Dataset(self.signature, {"predict": split} if split else {}, self.fingerprint, self.fitted)

    def session(self, dataset: Dataset, listener: Listener | None = None) -> Session:
        """Return a session of the run's network on a dataset. Its weights come by `put_weights`, once it has a plan."""
        return Session(self.config.config, self.config.layer_paths, dataset, listener)

    def predictor(self, split: Split, dataset: Dataset | None = None) -> Session:
        """Return a session that predicts for rows, which need no targets, with the checkpoint's weights.

        Raises: CheckpointError when they don't fit.
        """
        session = self.session(dataset or self.dataset(split))
        session.evaluator("", split, loss=False)
        put_weights(session, self)
        return session


def training_content(trainer: Trainer) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return views of all that resuming to the bit needs, as tensors and metadata of a checkpoint."""
    session, state = trainer.session, trainer.state
    executor, averages = trainer.executor, session.averages()
    tensors = {}
    for name, array in session.variables().items():
        tensors[WEIGHTS + name] = array
        if name in averages:
            tensors[TRAINED + name] = array
            tensors[WEIGHTS + name] = averages[name].reshape(array.shape)
    for name in _optimizer_state(trainer):
        tensors[OPTIMIZER + name] = executor.array(name)
    if state.step_of_epoch:
        tensors |= {KEPT + buffer.name: executor.array(buffer.name) for buffer in executor.plan.region("state")}
        tensors |= {COLLECTED + name: array for name, array in _collected(trainer).items()}
    return tensors, {**session.description, "state": state.to_json()}


def _optimizer_state(trainer: Trainer) -> list[str]:
    """Return the names of the optimizer's buffers but for the averages, which stand among the weights."""
    plan = trainer.executor.plan
    averages = set(moving_averages(plan).values())
    return [buffer.name for buffer in plan.region("optimizer") if buffer.name not in averages]


def _collected(trainer: Trainer) -> dict[str, Array]:
    """Return views of what the steps of the running epoch have collected so far."""
    data, plan = trainer.executor.data, trainer.executor.plan
    names = [buffer.name for buffer in plan.region("data") if buffer.name.startswith(OUT)]
    counts = {name: trainer.state.step_of_epoch if name == f"{OUT}penalties" else trainer.rows_done for name in names}
    return {name.removeprefix(OUT): data[name][:count] for name, count in counts.items()}


def read_training(path: Path) -> Restored:
    """Read a checkpoint. Raises: CheckpointError when it isn't one, or doesn't make sense."""
    checkpoint = load_checkpoint(path)
    metadata = checkpoint.metadata
    try:
        return Restored(
            path,
            checkpoint,
            load_text(metadata["config"], f"{path}: config"),
            signature_from_json(metadata["signature"]),
            fitted_from_json(metadata["fitted"]),
            metadata["fingerprint"],
            TrainingState.from_json(metadata["state"]),
        )
    except ConfigError as error:
        raise CheckpointError(f"{path} holds a config that this dlrun doesn't take: {error.message}") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CheckpointError(f"{path} is no checkpoint of a training: {error!r}") from error


def checkpoint_path(run: RunDirectory, which: str | None) -> Path:
    """Return the file of a checkpoint: "best", "last", or None for the one that the run's network is used with.

    That is the best where early stopping restores the best weights, else the last; of a run that keeps no last one,
    the best. Raises: UsageError for another name, CheckpointError where the run doesn't have it.
    """
    if which not in (None, "best", "last"):
        raise UsageError(f"there is no checkpoint {which!r}", "best or last")
    found = [path.stem for path in (run.best, run.last) if path.exists()]
    if not found:
        raise CheckpointError(f"{run.path} has no checkpoint: it ended before its first epoch was over")
    if which is None:
        which = found[-1]
        early = read_training(run.last).config.config.training.early_stopping if which == "last" else None
        if early is not None and early.restore_best_weights and "best" in found:
            which = "best"
    if which not in found:
        raise CheckpointError(f"{run.path} has no checkpoint {which!r}", f"there is: {', '.join(found)}")
    return run.best if which == "best" else run.last


def open_checkpoint(run: RunDirectory, which: str | None) -> Restored:
    """Read one of a run's checkpoints, as `checkpoint_path` chooses it. Raises: as that does, and CheckpointError."""
    return read_training(checkpoint_path(run, which))


def put_weights(session: Session, restored: Restored) -> None:
    """Give the session's network a checkpoint's weights. Raises: CheckpointError when they don't fit."""
    for name, place in session.variables().items():
        _put(place, restored.checkpoint.tensors.get(WEIGHTS + name), name, restored.path)


def put_training(trainer: Trainer, restored: Restored) -> None:
    """Bring a trainer to where a checkpoint was written. Raises: CheckpointError when it doesn't fit."""
    path, tensors, averages = restored.path, restored.checkpoint.tensors, trainer.session.averages()
    for name, place in trainer.session.variables().items():
        _put(place, tensors.get((TRAINED if name in averages else WEIGHTS) + name), name, path)
        if name in averages:
            _put(averages[name].reshape(place.shape), tensors.get(WEIGHTS + name), name, path)
    for name in _optimizer_state(trainer):
        _put(trainer.executor.array(name), tensors.get(OPTIMIZER + name), name, path)
    trainer.state = restored.state
    if not 0 <= restored.state.step_of_epoch < trainer.steps_per_epoch:
        raise CheckpointError(f"{path} is of an epoch with other steps than this one's {trainer.steps_per_epoch}")
    if restored.state.step_of_epoch:
        for buffer in trainer.executor.plan.region("state"):
            _put(trainer.executor.array(buffer.name), tensors.get(KEPT + buffer.name), buffer.name, path)
        for name, place in _collected(trainer).items():
            _put(place, tensors.get(COLLECTED + name), name, path)


def _put(place: Array, tensor: Array | None, name: str, path: Path) -> None:
    if tensor is None:
        raise CheckpointError(f"{path} has no {name!r}: it belongs to another network")
    if tensor.shape != place.shape:
        raise CheckpointError(f"{path}: {name!r} has shape {tensor.shape}, the network needs {place.shape}")
    place[...] = tensor

"""What a checkpoint of a training holds, and the way back from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlrun.config.load import LoadedConfig, load_text
from dlrun.data.codec import fitted_from_json, signature_from_json
from dlrun.data.signature import Signature
from dlrun.errors import CheckpointError
from dlrun.executor.executor import Array
from dlrun.runs.checkpoint import Checkpoint, load_checkpoint
from dlrun.training.session import Session
from dlrun.training.state import TrainingState
from dlrun.training.trainer import Trainer

WEIGHTS, OPTIMIZER, COLLECTED = "model/", "optimizer/", "epoch/"


@dataclass(frozen=True)
class Restored:
    """A checkpoint's content, understood."""

    checkpoint: Checkpoint
    config: LoadedConfig
    signature: Signature
    fitted: Mapping[str, Any]
    fingerprint: str
    state: TrainingState


def training_snapshot(trainer: Trainer) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return copies of all that resuming to the bit needs, as tensors and metadata of a checkpoint.

    Weights, optimizer state, and in the middle of an epoch the results of its steps so far.
    """
    session, state = trainer.session, trainer.state
    executor = trainer.executor
    tensors = {WEIGHTS + name: array.copy() for name, array in session.variables().items()}
    for buffer in executor.plan.region("optimizer"):
        tensors[OPTIMIZER + buffer.name] = executor.array(buffer.name).copy()
    if state.step_of_epoch:
        for name in ("losses", "predictions"):
            tensors[COLLECTED + name] = executor.data[f"out/{name}"][: trainer.rows_done].copy()
    return tensors, {**session.description, "state": state.to_json()}


def read_training(path: Path) -> Restored:
    """Read a checkpoint. Raises: CheckpointError when it isn't one, or doesn't make sense."""
    checkpoint = load_checkpoint(path)
    metadata = checkpoint.metadata
    try:
        return Restored(
            checkpoint,
            load_text(metadata["config"], f"{path}: config"),
            signature_from_json(metadata["signature"]),
            fitted_from_json(metadata["fitted"]),
            metadata["fingerprint"],
            TrainingState.from_json(metadata["state"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is no checkpoint of a training: {error!r}") from error


def put_weights(session: Session, checkpoint: Checkpoint, path: Path) -> None:
    """Give the session's network a checkpoint's weights. Raises: CheckpointError when they don't fit."""
    for name, place in session.variables().items():
        _put(place, checkpoint.tensors.get(WEIGHTS + name), name, path)


def put_training(trainer: Trainer, restored: Restored, path: Path) -> None:
    """Bring a trainer to where a checkpoint was written. Raises: CheckpointError when it doesn't fit."""
    put_weights(trainer.session, restored.checkpoint, path)
    tensors, executor = restored.checkpoint.tensors, trainer.executor
    for buffer in executor.plan.region("optimizer"):
        _put(executor.array(buffer.name), tensors.get(OPTIMIZER + buffer.name), buffer.name, path)
    trainer.state = restored.state
    if restored.state.step_of_epoch:
        rows = trainer.rows_done
        for name in ("losses", "predictions"):
            _put(executor.data[f"out/{name}"][:rows], tensors.get(COLLECTED + name), name, path)


def _put(place: Array, tensor: Array | None, name: str, path: Path) -> None:
    if tensor is None:
        raise CheckpointError(f"{path} has no {name!r}: it belongs to another network")
    if tensor.shape != place.shape:
        raise CheckpointError(f"{path}: {name!r} has shape {tensor.shape}, the network needs {place.shape}")
    place[...] = tensor

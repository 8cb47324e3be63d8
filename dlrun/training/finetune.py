"""Starting from another network's weights."""

from __future__ import annotations

from pathlib import Path

from dlrun.config.run_config import InitializeFrom
from dlrun.errors import CheckpointError
from dlrun.executor.executor import Array
from dlrun.runs.checkpoint import load_tensors
from dlrun.runs.directory import find_run
from dlrun.training.checkpointing import WEIGHTS, checkpoint_path
from dlrun.training.session import Session


def weights_file(path: str, runs: Path) -> Path:
    """Return the file a config's `initialize_from` means: of a run, the checkpoint that it is evaluated with.

    Raises: UsageError when there is no such run, CheckpointError when there is no such file.
    """
    if path.endswith(".safetensors"):
        if not Path(path).exists():
            raise CheckpointError(f"initialize_from: there is no file {path}")
        return Path(path)
    return checkpoint_path(find_run(path, runs), None)


def initialize(session: Session, source: InitializeFrom | None, runs: Path) -> None:
    """Copy another network's weights into those of the same name and shape.

    Raises: CheckpointError when the file can't be read, nothing fits, or a layer named in `layers` doesn't fit.
    """
    if source is None:
        return
    file = weights_file(source.path, runs)
    tensors = _weights(file)
    taken, left = [], []
    for name, place in session.variables().items():
        layer = name.rsplit("/", 1)[0]
        if source.layers is not None and layer not in source.layers:
            continue
        tensor = tensors.get(name)
        if tensor is not None and tensor.shape == place.shape:
            place[...] = tensor
            taken.append(name)
        else:
            left.append(_difference(name, tensor, place))
    if not taken or (source.layers is not None and left):
        raise CheckpointError(
            f"the weights in {file} don't fit this network: {'; '.join(left) or 'no name is the same'}"
        )
    for text in left:
        session.listener.note(f"initialize_from: {text}; it starts as the config says")
    session.start_averages()
    session.listener.note(f"initialize_from: {len(taken)} of {len(taken) + len(left)} arrays taken from {file}")


def _weights(file: Path) -> dict[str, Array]:
    """Return the weights in a file by name: of a checkpoint, those that the network is used with; else all tensors."""
    tensors = load_tensors(file)
    own = {name.removeprefix(WEIGHTS): array for name, array in tensors.items() if name.startswith(WEIGHTS)}
    return own or tensors


def _difference(name: str, tensor: Array | None, place: Array) -> str:
    if tensor is None:
        return f"{name} is not in the file"
    return f"{name} has shape {tensor.shape} in the file, {place.shape} here"

"""A search as a plain script of PyTorch and Optuna: `python -m benchmarks.plain_sweep ROWS ...`.

What `dlrun sweep benchmarks/configs/sweep.yaml` does, for the comparison of trials an hour: the same combinations,
drawn by Optuna's random sampler; the same network, start distribution, optimizer and number of images. Images are
float32 tensors in memory in the layout in which PyTorch's convolutions are fastest, batches are gathered from them
without a data loader, the optimizer is fused. Nothing is saved, where dlrun keeps checkpoints and curves of each trial.

The arguments are ROWS TRIALS EPOCHS THREADS STORE. Several processes may work on one STORE, an Optuna journal; without
one (-) the study stays in memory. ROWS is a file of NumPy's with the arrays images (rows, 28, 28) of bytes, labels
(rows,), and the number of them `held` for validation, which come last. Prints the trials'
parameters and accuracies as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from torch import nn

SEED = 0
Rows = tuple[torch.Tensor, torch.Tensor]


def read(path: Path) -> tuple[Rows, Rows]:
    """Return the rows of training and of validation: images (rows, 1, 28, 28), labels (rows,)."""
    found = np.load(path)
    images = torch.from_numpy(found["images"]).view(-1, 1, 28, 28).float().div_(255)
    images = images.contiguous(memory_format=torch.channels_last)
    labels, held = torch.from_numpy(found["labels"]).long(), int(found["held"])
    return (images[:-held], labels[:-held]), (images[-held:], labels[-held:])


def network(filters: int, units: int) -> nn.Sequential:
    """Return the MNIST CNN with other widths, its weights drawn as dlrun draws them."""
    model = nn.Sequential(
        nn.Conv2d(1, filters, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(13 * 13 * filters, units), nn.ReLU(), nn.Linear(units, 10),
    ).to(memory_format=torch.channels_last)  # fmt: skip
    for part in model:
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)
    return model


def accuracy(model: nn.Module, rows: Rows) -> float:
    """Return the share of right predictions, and measure the loss as one would."""
    loss_of, right, loss = nn.CrossEntropyLoss(reduction="sum"), 0, 0.0
    with torch.inference_mode():
        for images, labels in zip(*(each.split(256) for each in rows), strict=True):
            outputs = model(images)
            loss += float(loss_of(outputs, labels))
            right += int((outputs.argmax(1) == labels).sum())
    return right / len(rows[0])


def objective(trial: optuna.Trial, train: Rows, validation: Rows, epochs: int) -> float:
    """Train a trial's network; return the best validation accuracy of its epochs."""
    trial.study.sampler = optuna.samplers.RandomSampler(SEED * 1_000_003 + trial.number)  # dlrun's seeds
    filters = trial.suggest_int("filters", 8, 64, step=8)
    units = trial.suggest_categorical("units", [64, 128, 256])
    rate = trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True)
    batch = trial.suggest_categorical("batch_size", [32, 64, 128])
    torch.manual_seed(SEED)
    model, loss_of = network(filters, units), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), rate, fused=True)
    images, labels = train
    best = 0.0
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(batch):
            optimizer.zero_grad()
            loss_of(model(images[rows]), labels[rows]).backward()
            optimizer.step()
        best = max(best, accuracy(model, validation))
    return best


def main() -> None:
    """Search, and print what was found."""
    data, trials, epochs, threads, store = Path(sys.argv[1]), *map(int, sys.argv[2:5]), sys.argv[5]
    torch.set_num_threads(threads)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    train, validation = read(data)
    study = optuna.create_study(
        storage=None if store == "-" else journal(store), sampler=optuna.samplers.RandomSampler(SEED),
        study_name="plain", direction="maximize", load_if_exists=True,
    )  # fmt: skip
    ended = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.RUNNING)
    enough = optuna.study.MaxTrialsCallback(trials, ended)
    if len(study.get_trials(deepcopy=False)) < trials:
        study.optimize(lambda trial: objective(trial, train, validation, epochs), n_trials=trials, callbacks=[enough])
    found: list[dict[str, Any]] = [
        {"parameters": trial.params, "value": trial.value} for trial in study.get_trials() if trial.value is not None
    ]
    print(json.dumps(found))


def journal(path: str) -> Any:
    """Return the storage that processes share."""
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    return JournalStorage(JournalFileBackend(path))


if __name__ == "__main__":
    main()

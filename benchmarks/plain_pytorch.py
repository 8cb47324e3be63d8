"""The MNIST CNN as a plain script of PyTorch: `python -m benchmarks.plain_pytorch FOLDER EPOCHS THREADS`.

What `dlrun train configs/mnist_cnn.yaml` does, for the comparison of memory: reads the idx files, keeps a tenth of the
60,000 images for validation, trains with Adam in batches of 32, measures the validation images after each epoch, and
saves the weights. Images stay bytes and each batch is made float32 when its turn comes, in the layout in which
PyTorch's convolutions are fastest: a set of float32, as many scripts keep it, would take four times the memory.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn


def read(folder: Path, name: str, header: int) -> torch.Tensor:
    """Return the bytes of an idx file behind its header."""
    with gzip.open(folder / f"{name}.gz") as file:
        return torch.from_numpy(np.frombuffer(file.read(), np.uint8, offset=header).copy())


def batch(images: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return rows as float32 images, (rows, 1, 28, 28)."""
    return images[rows].to(torch.float32).div_(255)


def main() -> None:
    """Train, and print what was reached."""
    folder, epochs, threads = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    images = read(folder, "train-images-idx3-ubyte", 16).view(-1, 1, 28, 28)
    labels = read(folder, "train-labels-idx1-ubyte", 8).long()
    order = torch.randperm(len(images))
    held, kept = order[: len(order) // 10], order[len(order) // 10 :]
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(5408, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    ).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    loss_of = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        for rows in kept[torch.randperm(len(kept))].split(32):
            optimizer.zero_grad()
            loss_of(model(batch(images, rows)), labels[rows]).backward()
            optimizer.step()
        with torch.inference_mode():
            found = [model(batch(images, rows)).argmax(1) == labels[rows] for rows in held.split(256)]
        print(f"epoch {epoch + 1}  validation accuracy {torch.cat(found).float().mean():.4f}", flush=True)
    with tempfile.TemporaryDirectory() as place:
        torch.save(model.state_dict(), Path(place) / "model.pt")


if __name__ == "__main__":
    main()

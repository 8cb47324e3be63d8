"""A network of parts, as a graph; as text for a process's command line; and its first weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.parts import PARTS, Part, Shape

Weights = list[dict[str, npt.NDArray[np.float32]]]
"""The weights of each node, by their names."""


@dataclass(frozen=True)
class Node:
    """A part and the numbers of what it takes: 0 is the network's input, n the output of the n-th node."""

    part: Part
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent."""

    learning_rate: float
    momentum: float


@dataclass(frozen=True)
class Adam:
    """Adam with the moments' usual factors."""

    learning_rate: float


@dataclass(frozen=True)
class Network:
    """Nodes from the input of shape `shape` to the logits of classes, trained on cross-entropy by an optimizer.

    Images are float32 in [0, 1], (height, width, channels); everything else is ids, (length).
    """

    shape: Shape
    nodes: tuple[Node, ...]
    optimizer: Sgd | Adam

    def shapes(self) -> list[Shape]:
        """Return the shape of the input, then of each node's output."""
        found = [self.shape]
        for node in self.nodes:
            found.append(node.part.output_shape(found[node.inputs[0]]))
        return found

    def weights(self) -> Iterator[dict[str, Shape]]:
        """Yield the names and shapes of each node's weights."""
        shapes = self.shapes()
        for node in self.nodes:
            yield node.part.weights(shapes[node.inputs[0]])

    def parameters(self) -> int:
        """Return how many numbers are trained."""
        return sum(
            int(np.prod(shape))
            for weights in self.weights()
            for name, shape in weights.items()
            if not name.startswith("moving_")
        )

    def text(self) -> str:
        """Return the network as JSON."""
        nodes = [[type(node.part).__name__, asdict(node.part), node.inputs] for node in self.nodes]
        rule = [type(self.optimizer).__name__, asdict(self.optimizer)]
        return json.dumps({"shape": self.shape, "nodes": nodes, "optimizer": rule})

    @classmethod
    def parse(cls, text: str) -> Network:
        """Return the network of such a text."""
        found = json.loads(text)
        nodes = tuple(Node(PARTS[kind](**fields), tuple(inputs)) for kind, fields, inputs in found["nodes"])
        kind, fields = found["optimizer"]
        return cls(tuple(found["shape"]), nodes, {"Sgd": Sgd, "Adam": Adam}[kind](**fields))


def chain(shape: Shape, parts: list[Part], optimizer: Sgd | Adam) -> Network:
    """Return a network in which each part takes the one before it."""
    return Network(shape, tuple(Node(part, (number,)) for number, part in enumerate(parts)), optimizer)


def draw(network: Network, seed: int = 0) -> Weights:
    """Return first weights: kernels by Glorot's uniform rule, tables uniform in ±0.05, biases 0, factors 1."""
    generator = np.random.default_rng(seed)

    def array(name: str, shape: Shape) -> npt.NDArray[np.float32]:
        if "kernel" in name:
            limit = np.sqrt(6 / (np.prod(shape[:-2]) * (shape[-2] + shape[-1])))
            return generator.uniform(-limit, limit, shape).astype(np.float32)
        if name == "embeddings":
            return generator.uniform(-0.05, 0.05, shape).astype(np.float32)
        return np.full(shape, name.startswith("gamma") or name == "moving_variance", np.float32)

    return [{name: array(name, shape) for name, shape in weights.items()} for weights in network.weights()]

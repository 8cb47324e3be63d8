"""Tiny networks that hold every part between them, and rows for them."""

import numpy as np

from benchmarks.network import Adam, Network, Node, Sgd, chain
from benchmarks.parts import (
    Add,
    BatchNorm,
    Convolution,
    Dense,
    Embedding,
    Flatten,
    GlobalAveragePool,
    LayerNorm,
    Lstm,
    MaxPool,
    Positions,
    Relu,
    TransformerBlock,
)

ROWS, CLASSES = 16, 5
RESIDUAL = (
    Node(Convolution(8, 3, "same", bias=False, relu=False), (0,)),
    Node(BatchNorm(0.9, 1e-3), (1,)),
    Node(Relu(), (2,)),
    Node(Convolution(8, 3, "same", bias=False, relu=False), (3,)),
    Node(BatchNorm(0.9, 1e-3), (4,)),
    Node(Add(), (5, 3)),
    Node(GlobalAveragePool(), (6,)),
    Node(Dense(CLASSES, False), (7,)),
)
CONVOLUTIONS = [
    Convolution(8, 3, "same"), MaxPool(2), Convolution(4, 3), Flatten(), Dense(16, True), Dense(CLASSES, False)
]  # fmt: skip
BLOCKS = [
    Embedding(CLASSES, 8), Positions(), TransformerBlock(2, 16, "gelu", 1e-5), TransformerBlock(4, 12, "relu", 1e-5),
    LayerNorm(1e-5), Dense(CLASSES, False),
]  # fmt: skip
NETWORKS = {
    "dense": chain((6, 6, 1), [Flatten(), Dense(7, True), Dense(CLASSES, False)], Sgd(0.1, 0.0)),
    "convolutions": chain((8, 8, 3), CONVOLUTIONS, Adam(1e-3)),
    "residual": Network((8, 8, 3), RESIDUAL, Sgd(0.05, 0.9)),
    # Keras's Adam takes an embedding's repeated rows one by one, not their sum: sequences are compared by SGD.
    "lstm": chain((7,), [Embedding(11, 6), Lstm(5, True), Lstm(4), Dense(CLASSES, False)], Sgd(0.1, 0.9)),
    "transformer": chain((7,), BLOCKS, Sgd(0.1, 0.9)),
}

IMAGES = "{type: synthetic, generator: images, rows: 20, shape: [8, 8, 3], classes: 5}"
CONFIGS = {
    "convolutions": f"""
data: {{source: {IMAGES}}}
model:
  layers:
    - {{type: conv2d, filters: 8, kernel_size: 3, padding: same, activation: relu}}
    - {{type: max_pool2d, pool_size: 2}}
    - flatten
    - {{type: dense, units: 16, activation: relu}}
    - {{type: dense, units: 5, activation: softmax}}
loss: cross_entropy
optimizer: {{type: adam, learning_rate: 1e-3}}
metrics: [accuracy]
training: {{epochs: 1}}
""",
    "residual": f"""
data: {{source: {IMAGES}}}
model:
  layers:
    - {{type: conv2d, filters: 8, kernel_size: 3, padding: same, use_bias: false}}
    - batch_normalization
    - {{type: relu, name: first}}
    - {{type: conv2d, filters: 8, kernel_size: 3, padding: same, use_bias: false}}
    - {{type: batch_normalization, momentum: 0.9}}
    - {{type: relu, name: second}}
    - {{type: add, inputs: [first, second]}}
    - global_average_pool2d
    - {{type: dense, units: 5}}
loss: cross_entropy
optimizer: {{type: sgd, learning_rate: 0.05, momentum: 0.9}}
metrics: [accuracy]
training: {{epochs: 1}}
""",
    "lstm": """
data: {source: {type: synthetic, generator: sequences, rows: 20, length: 7, vocabulary: 11, classes: 5}}
model:
  layers:
    - {type: embedding, input_dim: 11, output_dim: 6}
    - {type: lstm, units: 5, return_sequences: true}
    - {type: lstm, units: 4}
    - {type: dense, units: 5, activation: softmax}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 1e-2}
metrics: [accuracy]
training: {epochs: 1}
""",
    "transformer": """
data: {source: {type: synthetic, generator: chains, rows: 20, length: 7, vocabulary: 5}}
model:
  layers:
    - {type: embedding, output_dim: 8}
    - positional_embedding
    - {type: transformer_decoder, num_heads: 2, intermediate_dim: 16, activation: gelu, normalize_first: true}
    - {type: transformer_decoder, num_heads: 4, intermediate_dim: 12, normalize_first: true}
    - layer_normalization
    - {type: dense, units: 5}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 1e-2}
metrics: [accuracy]
training: {epochs: 1}
""",
}
"""Small configs of each kind, whose networks are compared with PyTorch's."""


def write(network, path):
    """Write rows for a network: as many as a batch has, so that the order in which they are taken doesn't matter."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, CLASSES, (ROWS, *network.shapes()[-1][:-1]))
    labels.flat[0] = CLASSES - 1
    if len(network.shape) == 3:
        inputs = generator.integers(0, 256, (ROWS, *network.shape), dtype=np.uint8)
    else:
        inputs = generator.integers(0, CLASSES, (ROWS, *network.shape), dtype=np.int32)
    np.savez(path, inputs=inputs, label=labels)

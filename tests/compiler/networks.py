"""Small plans for tests of the compiler."""

from __future__ import annotations

import numpy as np

from dlrun.compiler.compile import Model
from dlrun.compiler.graph import build_graph
from dlrun.compiler.lower import Goal, Lowering
from dlrun.compiler.passes.barriers import set_barriers
from dlrun.compiler.passes.fuse import fuse_link, fuse_pool, fuse_relu
from dlrun.compiler.passes.gather import follow_readers
from dlrun.compiler.passes.order import order_calls
from dlrun.compiler.passes.place import place
from dlrun.compiler.passes.verify import verify
from dlrun.compiler.updates import OptimizerRule
from dlrun.data.signature import Feature, Signature
from dlrun.executor.executor import Executor
from dlrun.layers import LAYERS
from dlrun.losses import LOSSES
from dlrun.optimizers import OPTIMIZERS

TRAINING = Goal(training=True, gradients=True)

CONVOLUTION = (
    {"type": "conv2d", "filters": 4, "kernel_size": 3, "activation": "relu"},
    {"type": "max_pool2d", "pool_size": 2},
    {"type": "flatten"},
    {"type": "dense", "units": 8, "activation": "tanh"},
    {"type": "dropout", "rate": 0.5},
    {"type": "dense", "units": 3, "activation": "softmax"},
)
BRANCHES = (
    {"type": "dense", "name": "a", "units": 8, "activation": "relu", "inputs": ["x"]},
    {"type": "dense", "name": "b", "units": 8, "activation": "relu", "inputs": ["a"]},
    {"type": "add", "name": "sum", "inputs": ["a", "b"]},
    {"type": "batch_normalization"},
    {"type": "dense", "units": 3, "activation": "softmax"},
)
DENSE = ({"type": "dense", "units": 4, "activation": "relu"}, {"type": "dense", "units": 3, "activation": "softmax"})
WIDE = ({"type": "dense", "units": 70, "activation": "relu"}, {"type": "dense", "units": 3, "activation": "softmax"})
NETWORKS = {
    "convolution": (CONVOLUTION, (8, 8, 1)),
    "branches": (BRANCHES, (5,)),
    "dense": (DENSE, (5,)),
    "wide": (WIDE, (260,)),
}


def model(name="dense"):
    specs, shape = NETWORKS[name]
    layers = [LAYERS[spec["type"]].model_validate(spec) for spec in specs]
    target = Feature("target", (), "int32", "labels", ("a", "b", "c"))
    signature = Signature({"x": Feature("x", shape, "float32")}, {"target": target})
    paths = [("model", "layers", index) for index in range(len(layers))]
    return Model(layers, paths, signature, LOSSES["cross_entropy"].model_validate({}))


def compiled(
    network, threads=2, fused=True, finish=True, batch=8, optimizer="adam", goal=TRAINING, ordered=True, **options
):
    """A plan, with or without the fusing and ordering passes; unplaced unless `finish`."""
    graph = build_graph(network.layers, network.paths, network.signature)
    fuse_link(graph, network.loss)  # a must: losses with a link take logits
    if fused:
        fuse_relu(graph)
        fuse_pool(graph)
    rule = OptimizerRule(OPTIMIZERS[optimizer].model_validate(options))
    plan = Lowering(graph, network.signature, network.loss, rule, goal, "float32", batch, 0, threads=threads).run()
    if finish:
        follow_readers(plan)
        if ordered:
            order_calls(plan)
        place(plan)
        verify(plan)
        set_barriers(plan)
    return plan


def trained(network, plan, threads=2, steps=5, rows=19, seed=0):
    """Weights and losses after some steps on random rows, the last of an epoch shorter than the others."""
    random = np.random.default_rng(seed)
    shape = network.signature.inputs["x"].shape
    data = {
        "data/inputs/x": random.standard_normal((rows, *shape)).astype(np.float32),
        "data/targets/target": random.integers(0, 3, rows).astype(np.int32),
        "order": random.permutation(rows),
        "out/losses": np.zeros(rows, np.float32),
        "out/predictions": np.zeros((rows, 3), np.float32),
        "out/penalties": np.zeros(steps, np.float32),
    }
    executor = Executor(plan, threads, data)
    for buffer in plan.region("weights"):
        values = np.random.default_rng([seed, *buffer.name.encode()]).standard_normal(buffer.size)
        executor.array(buffer.name)[:] = np.abs(values) * 0.3 if "variance" in buffer.name else values * 0.3
    firsts = np.arange(steps) * plan.batch % (plan.batch * -(-rows // plan.batch))
    table = np.array([[min(plan.batch, rows - f), s, f, 1, 1, s] for s, f in enumerate(firsts)])
    optimizer = OPTIMIZERS["adam"].model_validate({"learning_rate": 0.01})
    assert executor.run(table, optimizer.scalars(np.arange(steps), np.full(steps, 0.01))).finished
    weights = {buffer.name: executor.array(buffer.name).copy() for buffer in plan.region("weights")}
    return weights, data["out/losses"].copy(), data["out/predictions"].copy()

"""`python -m benchmarks.convolutions`: what each kind of convolution reaches, forward and back, inside real steps."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.tables import table
from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import OptimizerRule
from dlrun.data.signature import Feature, Signature
from dlrun.executor.ceiling import product_ceiling
from dlrun.executor.executor import Array, Executor
from dlrun.executor.profiler import Profiler
from dlrun.layers import LAYERS
from dlrun.losses.mse import MSE
from dlrun.optimizers.sgd import SGD
from dlrun.plan import Plan

DIRECTIONS = ("forward", "input gradient", "weight gradient")


@dataclass(frozen=True)
class Case:
    """One layer on images (height, width, channels)."""

    name: str
    shape: tuple[int, int, int]
    fields: Mapping[str, Any]


def conv(filters: int, kernel_size: int, **fields: Any) -> dict[str, Any]:
    """Return a convolution with zero padding around the image."""
    return {"type": "conv2d", "filters": filters, "kernel_size": kernel_size, "padding": "same", **fields}


CASES = (
    Case("1x1, 64 to 64", (16, 16, 64), conv(64, 1)),
    Case("3x3, 1 to 32", (28, 28, 1), conv(32, 3)),
    Case("3x3, 3 to 32", (32, 32, 3), conv(32, 3)),
    Case("3x3, 32 to 64", (16, 16, 32), conv(64, 3)),
    Case("3x3, 64 to 64", (16, 16, 64), conv(64, 3)),
    Case("3x3, 128 to 128", (8, 8, 128), conv(128, 3)),
    Case("3x3, 32 to 64, strides 2", (16, 16, 32), conv(64, 3, strides=2)),
    Case("5x5, 32 to 64", (16, 16, 32), conv(64, 5)),
    Case("3x3, 64 to 64, 4 groups", (16, 16, 64), conv(64, 3, groups=4)),
    Case("3x3, depthwise, 64", (16, 16, 64), {"type": "depthwise_conv2d", "kernel_size": 3, "padding": "same"}),
)


def measure(case: Case, batch: int, threads: int, steps: int) -> dict[str, tuple[float, float]]:
    """Return microseconds and FLOP/s of each direction, of training steps with plain descent."""
    plan, executor = _prepare(case, batch, threads)
    run = np.tile(np.array([[batch, 0, 0, 1, 1, 0]]), (steps, 1))
    scalars = SGD().scalars(np.zeros(steps, np.int64), np.zeros(steps))
    profiler = Profiler(executor)
    profiler.run(run, scalars)
    _, timings = profiler.run(run, scalars)
    seconds = timings.typical().call_times().busy.mean(axis=0) / 1e9
    result = {}
    for direction in DIRECTIONS:
        chosen = [i for i, call in enumerate(plan.calls) if call.node == "measured" and _direction(call) == direction]
        took = float(sum(seconds[i] for i in chosen))
        result[direction] = took * 1e6, sum(plan.calls[i].flops for i in chosen) / took
    return result


def _direction(call: Any) -> str:
    """Return what a call works for; weights that are laid out anew count for the pass that reads them."""
    if call.phase == "forward":
        return DIRECTIONS[0]
    name = call.kernel.name
    return DIRECTIONS[1] if "input" in name or "pack" in name else DIRECTIONS[2]


def _prepare(case: Case, batch: int, threads: int) -> tuple[Plan, Executor]:
    """Return the plan of a 1x1 convolution (so that the measured one has an input to give a gradient) and the case."""
    first = conv(case.shape[-1], 1, name="before")
    layers = [LAYERS[spec["type"]].model_validate(spec) for spec in (first, {**case.fields, "name": "measured"})]
    paths = [("model", "layers", index) for index in range(len(layers))]
    inputs = {"x": Feature("x", case.shape, "float32")}
    output = Model(layers, paths, Signature(inputs), MSE()).graph().output.output_shape
    model = Model(layers, paths, Signature(inputs, {"y": Feature("y", output, "float32")}), MSE())
    goal = Goal(training=True, gradients=True, collect=False)
    plan = compile_plan(model, goal, OptimizerRule(SGD()), "float32", batch, threads, 0)
    random = np.random.default_rng(0)
    data: dict[str, Array] = {
        "data/inputs/x": random.standard_normal((batch, *case.shape), np.float32),
        "data/targets/y": np.zeros((batch, *output), np.float32),
        "order": np.arange(batch),
    }
    executor = Executor(plan, threads, data)
    for buffer in plan.region("weights"):
        executor.array(buffer.name)[:] = random.standard_normal(buffer.size) / 10
    return plan, executor


def rows(batch: int, threads: int, steps: int) -> list[Sequence[str]]:
    """Return the table's rows: for each direction microseconds, GFLOP/s, and the share of the ceiling."""
    ceiling = product_ceiling(threads)
    result: list[Sequence[str]] = [
        ("convolution", "images", *(f"{name}: us, GFLOP/s, of ceiling" for name in DIRECTIONS))
    ]
    for case in CASES:
        found = measure(case, batch, threads, steps)
        cells = [f"{us:,.0f}, {rate / 1e9:.0f}, {rate / ceiling:.0%}" for us, rate in found.values()]
        result.append((case.name, "x".join(map(str, case.shape)), *cells))
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.convolutions", description=__doc__)
    parser.add_argument("--batch", type=int, default=32, help="images in a step (default: 32)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads (default: all cores)")
    parser.add_argument("--steps", type=int, default=60, help="steps that are measured (default: 60)")
    options = parser.parse_args()
    print(table(rows(options.batch, options.threads, options.steps)))


if __name__ == "__main__":
    main()

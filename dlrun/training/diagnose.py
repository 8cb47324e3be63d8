"""Where NaN or infinity came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlrun.compiler.compile import compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import UpdateRule
from dlrun.errors import NonFiniteError
from dlrun.executor.executor import Array, Executor
from dlrun.training.state import TrainingState

if TYPE_CHECKING:
    from dlrun.training.session import Session

ADVICE = "lower optimizer.learning_rate, or set optimizer.global_clipnorm; checkpoints of earlier epochs are kept"


def explain_non_finite(session: Session, live: Array, state: TrainingState) -> NonFiniteError:
    """Return the error that names the first layer in which a value of this step is NaN or infinite.

    The step changed no weight, so its forward pass is run again, with every value kept, and looked at in order.
    """
    place = f"step {state.step + 1} (epoch {state.epoch + 1})"
    return NonFiniteError(f"the loss is not finite in {place}: {_first_cause(session, live)}", ADVICE)


def non_finite_weights(name: str, state: TrainingState) -> NonFiniteError:
    """Return the error for a variable that a step has made NaN or infinite."""
    layer, variable = name.rsplit("/", 1)
    text = f"the {variable} of layer {layer!r} holds NaN or infinity"
    return NonFiniteError(f"after step {state.step} (epoch {state.epoch + 1}) {text}", ADVICE)


def _first_cause(session: Session, live: Array) -> str:
    assert session.training is not None
    variables = session.variables()
    for node in session.graph.nodes.values():
        for variable in node.variables:  # statistics are of this very step: they say nothing of where it began
            if variable.trainable and not np.isfinite(variables[f"{node.name}/{variable.name}"]).all():
                return f"the {variable.name} of layer {node.name!r} holds NaN or infinity"
    config = session.config
    goal = Goal(
        training=True, loss=True, gradients=False, keep=True, weighted=session.split("train").weights is not None
    )
    plan = compile_plan(
        session.model, goal, UpdateRule(), config.precision, session.batch_size, session.threads, config.seed
    )
    executor = Executor(plan, session.threads, session.training.data, session.training)
    if session.is_stateful:
        executor.arenas["state"][:] = session.training.arenas["state"]
    executor.run(live[None], np.zeros((1, 1)))
    rows = int(live[0])
    for name, buffer in plan.buffers.items():
        if buffer.region != "work" or buffer.dtype != "real" or buffer.row_size is None:
            continue
        if not np.isfinite(executor.array(name)[: rows * buffer.row_size]).all():
            return _describe(name, session, executor, rows)
    return "the mean of the losses overflowed"


def _describe(name: str, session: Session, executor: Executor, rows: int) -> str:
    kind, _, rest = name.partition("/")
    if kind == "inputs":
        return f"the data input {rest!r} holds NaN or infinity"
    if kind == "targets":
        return f"the target {rest!r} holds NaN or infinity"
    layer = next((n.name for n in session.graph.nodes.values() if name == f"{n.name}/added_losses"), None)
    if layer is not None:
        return f"it first appears in the term that the layer {layer!r} adds to the loss"
    if name in ("losses", "predictions", "sample_weights") or name.startswith("loss/"):
        head = next((each for each in session.heads if each.head.name == rest.partition("/")[0]), session.heads[0])
        output = session.graph.outputs[head.target.name]
        values = session.all_predictions(executor, rows)[head.target.name]
        largest = np.abs(values[np.isfinite(values)], dtype=np.float64).max(initial=0.0)
        return (
            f"it first appears in the loss itself, of the output of layer {output!r}, with values up to {largest:.3g}"
        )
    return f"NaN or infinity first appears in the output of layer {name.rsplit('/', 1)[0]!r}"

"""What a network's output owes to its inputs: gradients, and gradients integrated from a baseline.

What is explained is a score for each sample, a weighted sum of the network's outputs before the softmax or sigmoid that
its loss applies: the logit of a class, or a number that is predicted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.graph import Graph, node_names
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import UpdateRule
from dlrun.data.signature import Feature, Signature
from dlrun.executor.executor import Array, Executor
from dlrun.initializers import Zeros
from dlrun.kernels.elementwise import copy
from dlrun.kernels.embedding import mask_of_ids
from dlrun.layers.base import Layer, MaskRule, Shape
from dlrun.layers.embedding import Embedding
from dlrun.layers.variable import Variable
from dlrun.losses.base import Loss
from dlrun.training.heads import Output, only
from dlrun.training.session import Session
from dlrun.training.steps import step_table

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter, LossEmitter

BATCH = 32
"""Samples in a step: their gradients are small beside their activations."""
VECTORS = "vectors"
"""What the input that stands for an embedding's output is called, behind the embedding's name."""


class Score(Loss):
    """Not a loss but what is explained: sum_i target[i] output[i], whose gradient by the output is the target."""

    type: Literal["score"] = "score"

    def lower(self, emit: LossEmitter) -> None:
        """Emit copies: the output as predictions, the target as the gradient. The losses, which nobody reads, are 1."""
        emit.call(copy, x=emit.output, y=emit.predictions, rows=emit.rows, size=emit.size)
        emit.call(copy, x=emit.target, y=emit.gradient_out, rows=emit.rows, size=emit.size)
        emit.call(copy, x=emit.weights, y=emit.losses, rows=emit.rows, size=1)


class SoftmaxScore(Score):
    """The score of a network that ends in a softmax, before it."""

    link: ClassVar[Literal["softmax", "sigmoid"] | None] = "softmax"


class SigmoidScore(Score):
    """The score of a network that ends in a sigmoid, before it."""

    link: ClassVar[Literal["softmax", "sigmoid"] | None] = "sigmoid"


SCORES: Mapping[str | None, type[Score]] = {None: Score, "softmax": SoftmaxScore, "sigmoid": SigmoidScore}


class Vectors(Layer):
    """Stands in for an embedding: its output comes as an input of the network, so that it has a gradient.

    Inputs: the ids, which make the mask as the embedding's do, and the vectors, of the embedding's output shape. It
    keeps the table (`ids`, features) for layers that share it; 0 where it has none of its own.
    """

    type: Literal["vectors"] = "vectors"
    mask_zero: bool = False
    ids: int = 0

    number_of_inputs: ClassVar[tuple[int, int | None]] = (2, 2)
    reads_output: ClassVar[bool] = False
    mask_rule: ClassVar[MaskRule] = "make"

    @property
    def starts_mask(self) -> bool:  # type: ignore[override]
        """Whether id 0 is padding."""
        return self.mask_zero

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the vectors' shape."""
        return inputs[1]

    def variables(self, *inputs: Shape) -> tuple[Variable, ...]:
        """Return embeddings (ids, features)."""
        return (Variable("embeddings", (self.ids, inputs[1][-1]), Zeros()),) if self.ids else ()

    def forward(self, emit: Emitter) -> None:
        """Emit a copy of the vectors, and the mask."""
        emit.call(copy, x=emit.inputs[1], y=emit.output, rows=emit.rows, size=prod(emit.output_shape))
        if self.mask_zero:
            emit.call(mask_of_ids, ids=emit.input, mask=emit.new_mask, rows=emit.rows, places=emit.input_shapes[0][0])

    def backward(self, emit: Emitter) -> None:
        """Emit a copy of the gradient; by the ids it is 0."""
        size = prod(emit.input_shapes[0])
        of_ids, of_vectors = emit.input_gradient(0), emit.input_gradient(1)
        if of_ids is not None:
            emit.call(copy, x=emit.zeros(size * emit.batch), y=of_ids, rows=emit.rows, size=size)
        if of_vectors is not None:
            emit.call(copy, x=emit.output_gradient, y=of_vectors, rows=emit.rows, size=prod(emit.output_shape))


@dataclass(frozen=True)
class Attribution:
    """Each sample's score, also at the baseline, and by input (rows, *shape) gradients and integrated gradients."""

    scores: Array
    baseline_scores: Array
    gradients: Mapping[str, Array]
    integrated: Mapping[str, Array]

    @property
    def gaps(self) -> Array:
        """(rows,): by how much the integrated gradients miss score - baseline score, which they sum to in the limit."""
        total = sum(array.reshape(len(array), -1).sum(axis=1) for array in self.integrated.values())
        return np.asarray(total - (self.scores - self.baseline_scores), np.float64)


class Attributor:
    """A trained network as a differentiable function of its inputs, which are all real numbers here.

    Where `embedded` names inputs of tokens, each embedding that takes one is replaced by an input NAME/vectors.
    """

    def __init__(
        self, session: Session, layers: Sequence[Layer], embedded: Sequence[str] = (), output: Output | None = None
    ) -> None:
        """`output` is the one that is explained; the only one when left out."""
        head = output or only({each.target.name: each for each in session.heads})
        config, signature = session.config, session.dataset.signature
        self.heads = session.heads
        self.precision: str = config.precision
        self.embeddings = find_embeddings(session.graph, embedded)
        features = {
            name: replace(feature, stored_dtype=self.precision, scale=(1.0,), offset=(0.0,), overlapping=False)
            for name, feature in signature.inputs.items()
        }
        for name, source in self.embeddings.items():
            shape = session.graph.nodes[name].output_shape
            features[f"{name}/{VECTORS}"] = Feature(f"{name}/{VECTORS}", shape, self.precision)
            assert source in features
        self.output_shape = head.shape
        score = Feature("score", self.output_shape, self.precision)
        loss = SCORES[head.head.loss.link]()
        signature = Signature(features, {"score": score})
        outputs = {"score": session.model.output_layer(head.target.name)}
        model = Model(self._layers(layers, session.graph), session.model.paths, signature, loss, outputs=outputs)
        goal = Goal(gradients=True, input_gradients=True, keep=True, collect=False, added_losses=False)
        plan = compile_plan(model, goal, UpdateRule(), config.precision, BATCH, session.threads, config.seed)
        self._data = {
            f"data/inputs/{name}": np.zeros((BATCH, *f.shape), self.precision) for name, f in features.items()
        }
        self._data["data/targets/score"] = np.zeros((BATCH, *self.output_shape), self.precision)
        self._data["order"] = np.arange(BATCH, dtype=np.int64)
        self._executor = Executor(plan, session.threads, self._data, progress=session.listener.compiling)
        self._shapes = {name: feature.shape for name, feature in features.items()}
        trained = session.variables()
        for node in model.graph().nodes.values():
            for variable in node.variables:
                name = f"{node.name}/{variable.name}"
                self._executor.array(name)[:] = trained[name].ravel()
        nodes = session.graph.nodes
        self._tables = {name: trained[nodes[name].owned("embeddings").name].copy() for name in self.embeddings}

    def _layers(self, layers: Sequence[Layer], graph: Graph) -> tuple[Layer, ...]:
        """The network's layers by their names, frozen, as only the inputs' gradients are wanted, without embeddings."""
        result: list[Layer] = []
        for layer, name in zip(layers, node_names(layers), strict=True):
            if name in self.embeddings:
                embedding, variables = graph.nodes[name].layer, graph.nodes[name].variables
                assert isinstance(embedding, Embedding)
                inputs = (self.embeddings[name], f"{name}/{VECTORS}")
                ids = variables[0].shape[0] if variables else 0
                result.append(Vectors(name=name, inputs=inputs, mask_zero=embedding.mask_zero, ids=ids))
            else:
                result.append(layer.model_copy(update={"name": name, "trainable": False}))
        return tuple(result)

    def embed(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The inputs with the vectors (rows, *shape, output_dim) of the ids that embeddings take."""
        vectors = {
            f"{name}/{VECTORS}": self._tables[name][inputs[source].astype(np.int64)]
            for name, source in self.embeddings.items()
        }
        return {**inputs, **vectors}

    def run(self, inputs: Mapping[str, Array], weights: Array | None = None) -> tuple[Array, dict[str, Array]]:
        """(outputs (rows, *output shape), the gradients of sum(weights * outputs) by input (rows, *shape))."""
        rows = len(next(iter(inputs.values())))
        outputs = np.zeros((rows, *self.output_shape))
        names = [name for name in self._shapes if f"{name}/gradient" in self._executor.plan.buffers]
        gradients = {name: np.zeros((rows, *self._shapes[name])) for name in names}
        for start in range(0, rows, BATCH):
            part = slice(start, min(start + BATCH, rows))
            count = part.stop - part.start
            for name, array in inputs.items():
                self._data[f"data/inputs/{name}"][:count] = array[part]
            self._data["data/targets/score"][:count] = 0 if weights is None else weights[part]
            self._executor.forget()
            outcome = self._executor.run(step_table(0, count, count), np.zeros((1, 1)))
            assert outcome.finished
            outputs[part] = self._first("predictions", count, self.output_shape)
            for name in names:
                gradients[name][part] = self._first(f"{name}/gradient", count, self._shapes[name])
        return outputs, gradients

    def _first(self, buffer: str, rows: int, shape: Shape) -> Array:
        return self._executor.array(buffer)[: rows * prod(shape)].reshape(rows, *shape)

    def explain(
        self, inputs: Mapping[str, Array], baselines: Mapping[str, Array], weights: Array, steps: int
    ) -> Attribution:
        """Gradients at the inputs, and integrated from the baselines, of the score sum(weights * outputs).

            integrated[i] = (x[i] - b[i]) * integral over a in 0..1 of d score(b + a (x - b)) / d x[i]

        by the midpoint rule in `steps` points; inputs without a baseline stay as they are all along. Shapes: inputs
        (rows, *shape), baselines the same or what broadcasts to it, weights (rows, *output shape).
        Source: M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks" (ICML 2017), equations 1 and
        3; the gradient alone: K. Simonyan, A. Vedaldi, A. Zisserman, "Deep inside convolutional networks" (2014).
        """
        outputs, gradients = self.run(inputs, weights)
        differences = {name: inputs[name] - baseline for name, baseline in baselines.items()}
        sums = {name: np.zeros(difference.shape) for name, difference in differences.items()}
        for step in range(steps):
            left = 1 - (step + 0.5) / steps
            moved = {name: inputs[name] - left * difference for name, difference in differences.items()}
            _, found = self.run({**inputs, **moved}, weights)
            for name in sums:
                sums[name] += found[name]
        at_baseline, _ = self.run({**inputs, **{n: inputs[n] - d for n, d in differences.items()}}, weights)
        return Attribution(
            _score(weights, outputs), _score(weights, at_baseline), {name: gradients[name] for name in baselines},
            {name: total / steps * differences[name] for name, total in sums.items()},
        )  # fmt: skip


def find_embeddings(graph: Graph, inputs: Sequence[str]) -> dict[str, str]:
    """The embeddings that take one of these data inputs, by name, each with its input."""
    return {
        node.name: node.inputs[0]
        for node in graph.nodes.values()
        if isinstance(node.layer, Embedding) and node.inputs[0] in inputs
    }


def _score(weights: Array, outputs: Array) -> Array:
    """(rows,) sums of weights * outputs."""
    return np.asarray((weights * outputs).reshape(len(outputs), -1).sum(axis=1), np.float64)

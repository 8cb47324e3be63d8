"""A network that gives a sequence's next token for other inputs: an encoder and a decoder, used step by step."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.passes.barriers import set_barriers
from dlrun.compiler.updates import UpdateRule
from dlrun.data.dataset import Split
from dlrun.data.signature import Signature
from dlrun.errors import ConfigError
from dlrun.executor.executor import Array, Executor
from dlrun.plan import Buffer, Plan, effects
from dlrun.training.beam import Beams, Search
from dlrun.training.checkpointing import Restored
from dlrun.training.sizes import EVALUATION_BATCH
from dlrun.training.steps import run_all, step_table

STEP = 8
"""Sequences are decoded by plans of 8, 16 ... tokens: short ones needn't pay for the longest."""
MOST_OF_A_BATCH = 1 << 22
"""Numbers that the network may give for a batch: more would only take longer to be given memory."""


class SequenceModel:
    """A run's network whose target is the next token of its input `grows`; `restored` is its checkpoint."""

    def __init__(self, restored: Restored, grows: str) -> None:
        self.grows = grows
        self._config = restored.config.config
        signature = restored.signature
        self.length = signature.inputs[grows].shape[0]
        row = {name: np.zeros((1, *each.shape), each.stored_dtype) for name, each in signature.inputs.items()}
        split = Split(row, {}, None, np.zeros(1, np.int64))
        self._session = restored.predictor(split)
        self._weights = self._session.evaluator("", split, loss=False)
        self._shapes = {name: array.shape for name, array in self._session.variables().items()}

    def decode(
        self, inputs: Mapping[str, Array], search: Search, start: int, end: int, forbidden: Collection[int]
    ) -> list[list[int]]:
        """Return the ids that follow the start for each row of the other inputs, (rows, *shape) by name."""
        count = len(next(iter(inputs.values())))
        beams = Beams(count, search, start, end, self.length)
        first = 0
        for stage in self._stages():
            size = max(1, stage.rows // search.beam)
            waiting = beams.waiting
            for part in range(0, len(waiting), size):
                self._decode_part(stage, inputs, beams, waiting[part : part + size], first, forbidden)
            first = stage.length
        return beams.best()

    def _decode_part(
        self, stage: Stage, inputs: Mapping[str, Array], beams: Beams, rows: Array, first: int,
        forbidden: Collection[int],
    ) -> None:  # fmt: skip
        """Let the sequences of some rows grow from so many tokens to as many as the stage has room for."""
        beam = beams.search.beam
        stage.put({name: array[np.repeat(rows, beam)] for name, array in inputs.items()})
        for position in range(first, stage.length):
            ids = beams.ids[rows, :, : stage.length].reshape(-1, stage.length)
            found = stage.next_probabilities(ids, position, again=position > first)
            beams.advance(rows, found.reshape(len(rows), beam, -1), position, forbidden)
            if beams.done[rows].all():
                break

    def _stages(self) -> Iterator[Stage]:
        """Yield the network for sequences of more and more tokens: for all of them where its weights need that."""
        for length in range(STEP, self.length, STEP):
            model = self._model(length)
            if model is not None:
                yield self._stage(model, length)
        yield self._stage(self._session.model, self.length)

    def _model(self, length: int) -> Model | None:
        """Return the network for sequences of so many tokens, or None where its weights or layers don't allow it."""
        model = replace(self._session.model, signature=_shortened(self._session.dataset.signature, self.grows, length))
        try:
            graph = model.graph()
        except ConfigError:
            return None
        shapes = {f"{node.name}/{v.name}": v.shape for node in graph.nodes.values() for v in node.variables}
        return model if shapes == self._shapes else None

    def _stage(self, model: Model, length: int) -> Stage:
        classes = self._session.graph.output.output_shape[-1]
        rows = max(1, min(EVALUATION_BATCH, MOST_OF_A_BATCH // (length * classes)))
        goal = Goal(training=False, loss=False, keep=True)
        config, threads = self._config, self._session.threads
        plan = compile_plan(model, goal, UpdateRule(), config.precision, rows, threads, config.seed)
        data: dict[str, Array] = {
            f"data/inputs/{name}": np.zeros((rows, *feature.shape), feature.stored_dtype)
            for name, feature in model.signature.inputs.items()
        }
        data["order"] = np.arange(rows, dtype=np.int64)
        data["out/predictions"] = np.zeros((rows, length * classes), config.precision)
        return Stage(plan, threads, data, self._weights, self.grows, length)


class Stage:
    """The network for sequences of at most `length` tokens, in batches of at most `rows`."""

    def __init__(
        self, plan: Plan, threads: int, data: Mapping[str, Array], weights: Executor, grows: str, length: int
    ) -> None:
        self.rows, self.length = plan.batch, length
        self._whole = Executor(plan, threads, data, weights)
        rest = without_what_stays(plan, f"data/inputs/{grows}")
        self._rest = Executor(rest, threads, data, self._whole, shared=("weights", "optimizer", "constant", "work"))
        self._ids = data[f"data/inputs/{grows}"]
        self._data = data

    def put(self, inputs: Mapping[str, Array]) -> None:
        """Take the other inputs of a batch."""
        for name, array in inputs.items():
            self._data[f"data/inputs/{name}"][: len(array)] = array

    def next_probabilities(self, ids: Array, position: int, again: bool) -> Array:
        """Return the probabilities of what follows a position, (rows, classes), for ids (rows, length).

        `again` says that the other inputs are those of the call before.
        """
        self._ids[: len(ids)] = ids
        executor = self._rest if again else self._whole
        run_all(executor, step_table(0, len(ids), self.rows))
        found: Array = executor.data["out/predictions"][: len(ids)].reshape(len(ids), self.length, -1)
        return found[:, position]


def without_what_stays(plan: Plan, changing: str) -> Plan:
    """Return a plan of the calls whose results depend on one data input, for steps in which the others stay.

    The plan must be compiled with `keep`, so that what the left out calls computed is still there. All calls remain
    where one of the others writes into a buffer that such a call has written.
    """
    touched: set[Buffer] = {plan.buffers[changing]}
    chosen, kept = [], set[Buffer]()
    for call in plan.calls:
        written = {effect.buffer for effect in effects(call) if effect.access != "read"}
        if any(effect.buffer in touched for effect in effects(call)):
            chosen.append(call)
            touched |= written
        else:
            kept |= written
    if touched & kept:
        chosen = list(plan.calls)
    rest = replace(plan, calls=[replace(call, barrier=False) for call in chosen])
    set_barriers(rest)
    return rest


def _shortened(signature: Signature, grows: str, length: int) -> Signature:
    """Return a signature whose input `grows`, and the target of its tokens, have so many of them."""
    inputs = {**signature.inputs, grows: replace(signature.inputs[grows], shape=(length,))}
    targets = {name: replace(feature, shape=(length,)) for name, feature in signature.targets.items()}
    return replace(signature, inputs=inputs, targets=targets)

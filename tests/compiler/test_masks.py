"""Masks of padded sequences: who passes them on, who makes them, and what a loss sees."""

from typing import ClassVar, Literal

import numpy as np

from dlrun.compiler.lower import Goal, Lowering
from dlrun.compiler.updates import UpdateRule
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, real, select
from dlrun.layers import LAYERS, Add, Dropout, Flatten, LayerNormalization
from dlrun.layers.base import Layer, MaskRule
from tests.support.network import Network


@kernel
def mask_negative(
    x: In, y: Out, mask: Out, rows: Live, size: Size, width: Size, thread: Thread, threads: Threads
) -> None:
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        for i in range(n * size, (n + 1) * size):
            y[i] = x[i]
        for t in range(size // width):
            mask[n * (size // width) + t] = select(x[n * size + t * width] < real(0), real(0), real(1))


class MaskNegative(Layer):
    """Takes positions whose first entry is negative for padding."""

    type: Literal["mask_negative"] = "mask_negative"
    mask_rule: ClassVar[MaskRule] = "make"

    def output_shape(self, *inputs):
        return inputs[0]

    def forward(self, emit):
        time, width = emit.output_shape
        emit.call(
            mask_negative, x=emit.input, y=emit.output, mask=emit.new_mask, rows=emit.rows, size=time * width,
            width=width,
        )  # fmt: skip

    def backward(self, emit):
        raise AssertionError("not asked for")


class Watch(Layer):
    """Writes down which masks its inputs have."""

    type: Literal["watch"] = "watch"
    number_of_inputs: ClassVar[tuple[int, int | None]] = (1, None)
    is_alias: ClassVar[bool] = False
    seen: ClassVar[dict[str, list[str | None]]] = {}

    def output_shape(self, *inputs):
        return inputs[0]

    def forward(self, emit):
        masks = [emit.mask_of(i) for i in range(len(emit.inputs))]
        assert emit.mask is masks[0]
        self.seen[emit.node.name] = [mask.name if mask else None for mask in masks]
        emit.call(LAYERS["relu"]().function.forward, x=emit.input, y=emit.output, rows=emit.rows, size=6)


def masks_before(layers, x):
    Watch.seen.clear()
    Network([*layers], x, training=False, gradients=False)
    return Watch.seen


def test_masks_are_passed_merged_and_dropped():
    x = np.random.default_rng(1).standard_normal((3, 2, 3))
    seen = masks_before(
        [
            LayerNormalization(name="plain"),
            MaskNegative(name="made"),
            Dropout(rate=0.5),
            LAYERS["gelu"](),
            LayerNormalization(name="passed"),
            Watch(name="after_pass"),
            Add(inputs=("plain", "passed"), name="sum"),
            Watch(name="after_merge", inputs=("sum", "plain", "made")),
            Flatten(inputs=("sum",)),
            Watch(name="after_drop"),
        ],
        x,
    )
    assert seen == {
        "after_pass": ["made/mask"],
        "after_merge": ["made/mask", None, "made/mask"],
        "after_drop": [None],
    }


def test_a_made_mask_holds_one_value_a_position():
    x = np.array([[[1.0, 2], [-1, 2]], [[-1, 0], [3, 0]], [[1, 1], [1, 1]]])
    network = Network([MaskNegative(), Watch()], x, training=False, gradients=False)
    network.run()
    assert network.executor.array("mask_negative_1/mask").reshape(3, 2).tolist() == [[1, 0], [0, 1], [1, 1]]


def test_a_loss_sees_the_mask_of_the_output():
    x = np.random.default_rng(2).standard_normal((3, 2, 3))
    found = []

    class Seeing(type(Network([Flatten()], x, gradients=False).model.loss)):
        def lower(self, emit):
            found.append(emit.mask)
            super().lower(emit)

    network = Network([MaskNegative(), LayerNormalization()], x, training=False, gradients=False)
    plan = Lowering(
        network.graph, network.model.signature, Seeing(), UpdateRule(), Goal(training=False), "float64", 3, 0
    ).run()
    assert found == [plan.buffers["mask_negative_1/mask"]]

"""Batch normalisation taken into the weights before it: inference then needs no pass over the activations."""

from dlrun.kernels.lang import In, Number, Out, Scratch, Size, Thread, Threads, first_of, kernel, last_of, shift
from dlrun.kernels.math import rsqrt


@kernel
def fold_normalization(
    w: In, b: In, gamma: In, beta: In, moving_mean: In, moving_variance: In, folded_w: Out, folded_b: Out,
    scratch: Scratch, epsilon: Number, count: Size, channels: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """gamma (w x + b - mean) / sqrt(variance + epsilon) + beta = folded_w x + folded_b.

    With factor = gamma / sqrt(variance + epsilon): folded_w = w factor, folded_b = (b - mean) factor + beta.
    Shapes: w, folded_w (count, channels), all others (channels). Partition: rows of the weights; thread 0 the bias.
    """
    factor = scratch
    for c in range(channels):
        factor[c] = gamma[c] * (rsqrt(moving_variance[c] + epsilon))
    for k in range(first_of(count, thread, threads), last_of(count, thread, threads)):
        row, out = shift(w, k * channels), shift(folded_w, k * channels)
        for c in range(channels):
            out[c] = row[c] * factor[c]
    if thread == 0:
        for c in range(channels):
            folded_b[c] = (b[c] - moving_mean[c]) * factor[c] + beta[c]

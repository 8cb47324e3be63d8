"""Cross-entropy between shares of classes and softmax, in one pass: for soft targets, and relative to their entropy."""

from __future__ import annotations

from dlrun.kernels.lang import In, Live, Number, Out, Size, Thread, Threads, first_of, kernel, last_of, real, shift
from dlrun.kernels.math import exp, log
from dlrun.kernels.statistics import row_max, row_sum


@kernel
def softmax_cross_entropy_of_shares(
    z: In, t: In, weights: In, class_weights: In, losses: Out, p: Out, dz: Out, smoothing: Number, relative: Size,
    rows: Live, classes: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """losses[r] = a sum_j s[r, j] (log sum_k exp z[r, k] - z[r, j]), p = softmax z, dz = a (p sum_j s - s) / rows.

    s = (1 - smoothing) t + smoothing / classes; a = weights[r] * sum_j class_weights[j] t[r, j] / sum_j t[r, j]. With
    `relative`, a sum_j s log s is added: the Kullback-Leibler divergence of s from p.
    Shapes: z, t, p, dz (rows, classes), weights, losses (rows), class_weights (classes). Partition: samples.
    """
    zero, kept, even, scale = real(0), real(1) - smoothing, smoothing / real(classes), real(1) / real(rows)
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        logits, shares = shift(z, r * classes), shift(t, r * classes)
        probability, gradient = shift(p, r * classes), shift(dz, r * classes)
        top = row_max(logits, classes)
        for j in range(classes):
            probability[j] = exp(logits[j] - top)
        total = row_sum(probability, classes)
        height = log(total) + top
        loss, mass, raw, weighted = zero, zero, zero, zero
        for j in range(classes):
            share = shares[j] * kept + even
            loss += share * (height - logits[j])
            if relative != 0 and share > zero:
                loss += share * log(share)
            mass += share
            raw += shares[j]
            weighted += shares[j] * class_weights[j]
        weight = weights[r]
        if raw > zero:
            weight *= weighted / raw
        losses[r] = weight * loss
        for j in range(classes):
            probability[j] = probability[j] / total
            gradient[j] = (probability[j] * mass - (shares[j] * kept + even)) * (weight * scale)

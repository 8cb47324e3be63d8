"""What the losses' kernels share: sums in a fixed order, and the loop over the entries of elementwise losses."""

from __future__ import annotations

from dlrun.kernels.lang import InInt, Live, Out, Thread, Threads, first_of, helper, kernel, last_of, real, shift


@helper
def sum_of(p, count):  # type: ignore[no-untyped-def]
    """Return p[0] + ... + p[count - 1], as four interleaved sums: four adds in flight, in one fixed order."""
    a, b, c, d = real(0), real(0), real(0), real(0)
    whole = count - count % 4
    for i in range(0, whole, 4):
        a += p[i]
        b += p[i + 1]
        c += p[i + 2]
        d += p[i + 3]
    for i in range(whole, count):
        a += p[i]
    return (a + b) + (c + d)


@helper
def same(y):  # type: ignore[no-untyped-def]
    """Return y: the predictions of a loss without a link."""
    return y


@helper
def elementwise_loss(  # type: ignore[no-untyped-def]
    term, slope, link, parameter, y, t, weights, losses, p, dy, terms, rows, size, thread, threads
):
    """losses[r] = weights[r] * mean_i term(y[r, i], t[r, i]), dy = weights[r] * slope(y, t) / (size * rows).

    `term` and `slope` (its derivative by y) are helpers f(y, t, parameter); p = link(y), a helper too.
    Shapes: y, t, p, dy (rows, size), weights, losses (rows), terms: working memory (size). Partition: samples.
    """
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        output, target = shift(y, r * size), shift(t, r * size)
        prediction, gradient = shift(p, r * size), shift(dy, r * size)
        weight = weights[r] / real(size)
        scale = weight / real(rows)
        for i in range(size):
            terms[i] = term(output[i], target[i], parameter)
            gradient[i] = scale * slope(output[i], target[i], parameter)
            prediction[i] = link(output[i])
        losses[r] = weight * sum_of(terms, size)


@kernel
def labels_as_reals(labels: InInt, t: Out, rows: Live, thread: Thread, threads: Threads) -> None:
    """t[r] = labels[r]. Shapes: labels, t (rows). Partition: samples."""
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        t[r] = labels[r]

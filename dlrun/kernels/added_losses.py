"""Terms of the loss that layers add, sample by sample."""

from dlrun.kernels.lang import In, InOut, Live, Out, Thread, Threads, first_of, kernel, last_of


@kernel
def begin_term(added: In, weights: In, term: Out, losses: InOut, rows: Live, thread: Thread, threads: Threads) -> None:
    """term = weights * added, losses = losses + term. Shapes: all (rows). Partition: samples."""
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        term[r] = weights[r] * added[r]
        losses[r] += term[r]


@kernel
def extend_term(
    added: In, weights: In, term: InOut, losses: InOut, rows: Live, thread: Thread, threads: Threads
) -> None:
    """term = term + weights * added, losses = losses + weights * added. Shapes: all (rows). Partition: samples."""
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        share = weights[r] * added[r]
        term[r] += share
        losses[r] += share

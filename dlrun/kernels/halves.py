"""Work shared out by halves of the summed index: each thread has its part of all (half, row) pairs.

A product's sum over the features is two chains then, one for each half, whatever the threads. Of two threads each has
all rows of one half, and so a half of the weights and of the inputs that is never on the other core.

Rows may lie in two pieces: the first halves of `apart` rows, and after them the second ones. Where they are in one
(`apart` is 0), a core that comes to the end of its half asks for the lines behind it, which are the other core's.
"""

from dlrun.kernels.lang import first_of, helper, last_of, shift

LINE = 16
"""Entries that are divided between threads together: a cache line of them, or two."""
MANY_LINES = 4
"""From so many lines for each thread on, whole lines are shared out: the shares differ by a tenth at most."""


def middle_of(count: int) -> int:
    """Return where the second half of so many entries begins: where the second of two threads does.

    An odd line is the first half's: in pictures of things that stand, the second one has more that isn't background.
    """
    lines = -(-count // LINE)
    return (lines + 1) // 2 * LINE if lines >= 2 * MANY_LINES else count // 2


@helper
def first_in_lines(count, thread, threads):
    """Return the first of `count` entries that belongs to this thread: whole lines, where there are many."""
    lines = (count + LINE - 1) // LINE
    if lines < MANY_LINES * threads:
        return first_of(count, thread, threads)
    return (lines * thread + threads - 1) // threads * LINE


@helper
def last_in_lines(count, thread, threads):
    """Return the end (exclusive) of the entries that belong to this thread."""
    return count if thread + 1 == threads else first_in_lines(count, thread + 1, threads)


@helper
def first_of_part(rows, part, parts, thread, threads):
    """Return the first row of which this thread has a part: one of two halves, or of one, the whole."""
    return min(max(first_of(parts * rows, thread, threads) - part * rows, 0), rows)


@helper
def last_of_part(rows, part, parts, thread, threads):
    """Return the end (exclusive) of the rows of which this thread has a part."""
    return min(max(last_of(parts * rows, thread, threads) - part * rows, 0), rows)


@helper
def features_from(x, begin, apart):
    """Return from where on a row's features lie, one for each entry, if its part that begins there is in one piece."""
    return shift(x, begin * (apart - 1)) if apart != 0 else x


@helper
def row_of_part(begin, end, features, apart):
    """Return how far apart the rows of the features [begin, end) are: a half, or all."""
    return end - begin if apart != 0 else features

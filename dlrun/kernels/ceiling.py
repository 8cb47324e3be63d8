"""A product of matrices that stay in the first-level cache: what the register tile reaches at best."""

from dlrun.kernels.lang import OutLong, Scratch, Size, Thread, kernel, real, shift, tile, tile_columns, tile_rows
from dlrun.kernels.products import NO_LIMIT

DEPTH = 256
"""Entries of each sum: a panel of so many rows, and the rows of two tiles, take 28 KB in all (AVX2)."""
TILES = 2
"""Tiles that share a panel."""
LARGEST = 32
"""At least the rows and the columns of a tile, on any machine."""
SCRATCH = (TILES + 1) * LARGEST * DEPTH + LARGEST + TILES * LARGEST * LARGEST


@kernel
def multiply_in_cache(flops: OutLong, scratch: Scratch, rounds: Size, thread: Thread) -> None:
    """Multiply the same small matrices `rounds` times; each thread its own.

    flops[0] is how many operations a thread does in a round. scratch holds a (TILES * tile_rows, DEPTH),
    b (DEPTH, tile_columns), a row of zeros, and the product. Partition: samples.
    """
    rows = TILES * tile_rows
    if thread == 0:
        flops[0] = 2 * rows * tile_columns * DEPTH
    b = shift(scratch, rows * DEPTH)
    zeros = shift(b, DEPTH * tile_columns)
    product = shift(zeros, tile_columns)
    for i in range((rows + tile_columns) * DEPTH):
        scratch[i] = real(1)
    for j in range(tile_columns):
        zeros[j] = real(0)
    for _ in range(rounds):
        for r in range(0, rows, tile_rows):
            tile(
                shift(scratch, r * DEPTH), DEPTH, 1, 0, b, tile_columns, 0, zeros, 0,
                shift(product, r * tile_columns), tile_columns, DEPTH, 1, tile_rows, tile_columns, real(NO_LIMIT),
            )  # fmt: skip

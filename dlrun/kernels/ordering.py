"""The order of whole numbers that are spread evenly: random bits, by which rows are shuffled."""

from dlrun.kernels.lang import InLong, OutLong, Size, helper, kernel

SIGN = -(1 << 63)
"""What turns the order of numbers without a sign into that of numbers with one."""


@helper
def bucket_of(bits, digits):
    """Return the first digits of 64."""
    return (bits >> (64 - digits)) & ((1 << digits) - 1)


@kernel
def order_by_bits(bits: InLong, order: OutLong, starts: OutLong, count: Size, digits: Size) -> None:
    """order[i] = which of the bits, as numbers without a sign, is the i-th; of equal ones the first comes first.

    Into buckets by the first digits, then by insertion: with about as many buckets as numbers, nearly all stand right.
    Shapes: bits and order (count), starts (2^digits). Partition: one.
    """
    for bucket in range(1 << digits):
        starts[bucket] = 0
    for i in range(count):
        starts[bucket_of(bits[i], digits)] += 1
    total = 0
    for bucket in range(1 << digits):
        here = starts[bucket]
        starts[bucket] = total
        total += here
    for i in range(count):
        bucket = bucket_of(bits[i], digits)
        order[starts[bucket]] = i
        starts[bucket] += 1
    for i in range(1, count):
        row, place = order[i], i
        key = bits[row] ^ SIGN
        while place > 0 and bits[order[place - 1]] ^ SIGN > key:
            order[place] = order[place - 1]
            place -= 1
        order[place] = row

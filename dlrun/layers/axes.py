"""Axes as Keras counts them: 0 is the batch's, 1 a sample's first, -1 the last."""

from dlrun.errors import ShapeError


def place_of_axis(axis: int, rank: int, field: str = "axis") -> int:
    """Return where an axis stands in the shape of a sample, which has no batch.

    Raises ShapeError, at `field`, where a sample of this rank has no such axis.
    """
    if axis == 0 or not -rank <= axis <= rank:
        choices = f"1 to {rank}, or -1 to -{rank}" if rank > 1 else "1 or -1"
        raise ShapeError(f"{field} must be {choices}, got {axis}", field, "axis 0 is the batch, as in Keras")
    return axis - 1 if axis > 0 else axis + rank

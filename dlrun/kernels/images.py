"""Helpers for images (height, width, channels): filling, copying, and bilinear sampling."""

from dlrun.kernels.entries import copy_entries
from dlrun.kernels.lang import helper, real, select, shift

BEFORE, AFTER = 1, 2
"""Pixels of padding before and after an image's rows and columns: what a sample half outside reads."""


def padded_size(shape: tuple[int, ...]) -> int:
    """Return how many numbers an image (height, width, channels) holds with its padding."""
    height, width, channels = shape
    return max(32, (height + BEFORE + AFTER) * (width + BEFORE + AFTER) * channels)


@helper
def fill_pixels(row, fill, first, last, channels):
    """Set the pixels [first, last) of a row to `fill` (channels)."""
    for p in range(first, last):
        for c in range(channels):
            row[p * channels + c] = fill[c]


@helper
def pad_image(image, padded, fill, height, width, channels):
    """Copy an image into the middle of `padded` (height + 3, width + 3, channels), with `fill` around it."""
    pitch = (width + BEFORE + AFTER) * channels
    for r in range(height + BEFORE + AFTER):
        out = shift(padded, r * pitch)
        if r < BEFORE or r >= height + BEFORE:
            fill_pixels(out, fill, 0, width + BEFORE + AFTER, channels)
        else:
            fill_pixels(out, fill, 0, BEFORE, channels)
            copy_entries(shift(image, (r - BEFORE) * width * channels), shift(out, BEFORE * channels), width * channels)
            fill_pixels(out, fill, width + BEFORE, width + BEFORE + AFTER, channels)


@helper
def resample(
    padded, image, height, width, channels, y0, y_row, y_column, x0, x_row, x_column, low_y, high_y, low_x, high_x
):
    """Set image[r, c] to the padded image's value at (y0 + y_row r + y_column c, x0 + x_row r + x_column c).

    Positions are brought into low .. high first, which lie within -1 .. extent. Between pixels: bilinear.
    """
    pitch, one = (width + BEFORE + AFTER) * channels, real(1)
    for r in range(height):
        for c in range(width):
            y, x = y0 + y_row * real(r) + y_column * real(c), x0 + x_row * real(r) + x_column * real(c)
            y = select(y < low_y, low_y, select(y > high_y, high_y, y)) + real(BEFORE)
            x = select(x < low_x, low_x, select(x > high_x, high_x, x)) + real(BEFORE)
            top, left = int(y), int(x)
            below, right = y - real(top), x - real(left)
            upper = shift(padded, top * pitch + left * channels)
            lower, out = shift(upper, pitch), shift(image, (r * width + c) * channels)
            for i in range(channels):
                a = upper[i] * (one - right) + upper[i + channels] * right
                b = lower[i] * (one - right) + lower[i + channels] * right
                out[i] = a * (one - below) + b * below

"""The sizes of a convolution, as its kernels take them."""

from __future__ import annotations

from dataclasses import dataclass

from dlrun.kernels.target import whole_panels
from dlrun.layers.windows import Window


@dataclass(frozen=True)
class Geometry:
    """A convolution of `channels` into `filters`, in `groups`: `y` and `x` are its windows along height and width."""

    y: Window
    x: Window
    channels: int
    filters: int
    groups: int = 1

    @property
    def image(self) -> tuple[int, int, int]:
        """Height, width and channels of a sample."""
        return (self.y.extent, self.x.extent, self.channels)

    @property
    def taps(self) -> int:
        """How many places of an image a window sees."""
        return self.y.size * self.x.size

    @property
    def weights(self) -> int:
        """How many weights there are, the bias left out."""
        return self.taps * (self.channels // self.groups) * self.filters

    @property
    def flops(self) -> int:
        """Return the floating-point operations for one sample."""
        return 2 * self.weights * self.y.out * self.x.out

    @property
    def is_depthwise(self) -> bool:
        """Whether there are several channels, and each feeds one filter that sees nothing else."""
        return 1 < self.groups == self.channels == self.filters

    @property
    def halves(self) -> bool:
        """Whether windows are 2 x 2, side by side, and whole: what most pools are."""
        return all(axis.size == axis.stride == 2 and 2 * axis.out <= axis.extent for axis in (self.y, self.x))

    @property
    def is_padded(self) -> bool:
        """Whether windows reach beyond the image."""
        return any(axis.before or axis.reach > axis.extent for axis in (self.y, self.x))

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of the image that the forward pass reads."""
        return (self.y.reach, self.x.reach) if self.is_padded else (self.y.extent, self.x.extent)

    @property
    def gradient_pads(self) -> tuple[int, int]:
        """Rows of zeros above the output's gradient, and columns to its left."""
        return _gradient_before(self.y), _gradient_before(self.x)

    @property
    def gradient_padded(self) -> tuple[int, int]:
        """Height and width of the padded gradient of the output that the input's gradient is computed from."""
        return _gradient_extent(self.y), _gradient_extent(self.x)

    @property
    def padded_size(self) -> int:
        """Entries of a padded sample; 0 if the sample itself is read."""
        return self.padded[0] * self.padded[1] * self.channels if self.is_padded else 0

    @property
    def gradient_padded_size(self) -> int:
        """Entries of a sample's padded gradient."""
        return self.gradient_padded[0] * self.gradient_padded[1] * self.filters

    @property
    def packed_size(self) -> int:
        """Entries of the weights packed in panels."""
        return self.taps * self.channels * whole_panels(self.filters // self.groups)

    @property
    def packed_reversed_size(self) -> int:
        """Entries of the weights, transposed and packed in panels, that the input's gradient is computed with."""
        return self.taps * self.filters * whole_panels(self.channels // self.groups)

    def merged(self) -> Geometry:
        """Return the same convolution over images of one row, where a window sees one place: more places to a tile."""
        if self.taps > 1 or self.is_padded or (self.y.out, self.x.out) != (self.y.extent, self.x.extent):
            return self
        places = self.y.extent * self.x.extent
        row, column = Window(1, 1, 1, 1, 0, 1), Window(places, 1, 1, 1, 0, places)
        return Geometry(row, column, self.channels, self.filters, self.groups)

    def constants(self) -> tuple[int, ...]:
        """Return the numbers in the order in which `dlrun.kernels.convolution` names them."""
        y, x = self.y, self.x
        return (
            y.extent, x.extent, self.channels, y.out, x.out, self.filters, self.groups, y.size, x.size, y.stride,
            x.stride, y.dilation, x.dilation, y.before, x.before, *self.padded, int(self.is_padded),
            *self.gradient_pads, *self.gradient_padded,
        )  # fmt: skip


def _taps_of_phase(axis: Window) -> int:
    """Return the most taps with which one output place reaches one input place."""
    return (axis.size - 1) // axis.stride + 1


def _gradient_before(axis: Window) -> int:
    return (_taps_of_phase(axis) - 1) * axis.dilation - axis.before // axis.stride


def _gradient_extent(axis: Window) -> int:
    last = (axis.extent - 1 + axis.before) // axis.stride
    return last - axis.before // axis.stride + 1 + (_taps_of_phase(axis) - 1) * axis.dilation

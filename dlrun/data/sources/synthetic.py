"""synthetic: small made-up problems whose answer is known."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import prod
from statistics import NormalDist
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from dlrun.data.dataset import Array
from dlrun.data.random import generator, philox
from dlrun.data.sources.base import Column, Description, Raw, Source, Store
from dlrun.kernels.target import available_cores

QUANTILES = 4096
"""So many normal numbers are told apart in the noise of images, whose pixels are bytes: a fourth of the time."""
IMAGES_AT_A_TIME = 256
"""Images that are made together, of their own random numbers: these stay in the cache, and threads share the work."""


class Synthetic(Source):
    """Rows made by a formula with noise: a line, blobs, moons, spirals, a sine, images, or sequences of ids.

    "line": x in -1 .. 1, y = slope x + intercept + noise. "sine": x in -π .. π, y = sin x + noise. "blobs":
    `classes` round clouds on a circle of radius 4, of deviation 1 x `noise`. "moons": two interleaved half circles of
    radius 1. "spirals": `classes` arms of one and a half turns. Columns are x and y, or x1, x2 and label.
    "images": each class has a random image of the given shape; its rows are that image and noise (in units of the whole
    range), as bytes. "sequences": `length` ids below `vocabulary`, drawn evenly; but a tenth of them, chosen at random,
    are the number of their row's class. "chains": as many ids, of which nine in ten follow from the one before by a
    random table; the label of each is the next. Columns are image and label, or ids and label.
    """

    type: Literal["synthetic"] = "synthetic"
    generator: Literal["line", "blobs", "moons", "spirals", "sine", "images", "sequences", "chains"] = "line"
    """The formula."""
    rows: int = Field(default=1000, gt=0)
    """How many rows there are."""
    noise: float | None = Field(default=None, ge=0.0)
    """The standard deviation of the noise; 0.1, or 1 for blobs, when left out. Sequences have none."""
    slope: float = 2.0
    """The line's slope."""
    intercept: float = 3.0
    """The line's value at x = 0."""
    classes: int = Field(default=3, ge=2)
    """How many blobs, spirals, or classes of images or sequences there are."""
    shape: tuple[PositiveInt, PositiveInt, Literal[1, 3]] = (28, 28, 1)
    """An image's height, width and channels."""
    length: int = Field(default=100, gt=0)
    """How many ids a sequence has."""
    vocabulary: int = Field(default=1000, gt=1)
    """How many different ids there are."""
    seed: int = 0
    """What the rows are drawn from; apart from the run's seed, so that runs can be compared on the same data."""
    cached: ClassVar[bool] = False
    described_without_reading: ClassVar[bool] = True

    @model_validator(mode="after")
    def _has_an_id_for_each_class(self) -> Self:
        if self.generator == "sequences" and self.classes > self.vocabulary:
            raise ValueError(f"sequences of {self.classes} classes need a vocabulary of as many ids at least")
        return self

    def probe(self) -> Description:
        """The columns of the generator."""
        if self.generator in ("line", "sine"):
            columns = [Column("x", "numbers"), Column("y", "numbers")]
        else:
            columns = self._features()
            count = 2 if self.generator == "moons" else self.classes
            label = Column("label", "labels", values=_names(count), original="int64")
            columns.append(replace(columns[0], name="label") if self.generator == "chains" else label)
        return Description({column.name: column for column in columns}, {"all": self.rows}, columns[-1].name)

    def _features(self) -> list[Column]:
        if self.generator == "images":
            return [Column("image", "image", self.shape, "uint8", range=(0.0, 255.0))]
        if self.generator in ("sequences", "chains"):
            return [Column("ids", "labels", (self.length,), "int64", _names(self.vocabulary))]
        return [Column("x1", "numbers"), Column("x2", "numbers")]

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """The rows; the same for the same fields."""
        random = generator(self.seed, f"synthetic/{self.generator}")
        make = {
            "line": self._numbers, "sine": self._numbers, "images": self._images, "sequences": self._sequences,
            "chains": self._chains,
        }.get(self.generator, self._points)  # fmt: skip
        made, arrays = make(random), {}
        for name, column in self.probe().columns.items():
            if columns is None or name in columns:
                arrays[name] = store.array(name, (self.rows, *column.shape), column.dtype)
                arrays[name][:] = made[name]
        return Raw(self.probe(), arrays)

    def _numbers(self, random: np.random.Generator) -> dict[str, Array]:
        noise = (0.1 if self.noise is None else self.noise) * random.standard_normal(self.rows)
        unit = random.uniform(-1.0, 1.0, self.rows)
        if self.generator == "line":
            return {"x": unit, "y": self.slope * unit + self.intercept + noise}
        return {"x": np.pi * unit, "y": np.sin(np.pi * unit) + noise}

    def _images(self, random: np.random.Generator) -> dict[str, Array]:
        label = np.arange(self.rows) % self.classes
        deviation = np.float32(255 * (0.1 if self.noise is None else self.noise))
        of_class = random.uniform(0.0, 255.0, (self.classes, *self.shape)).astype(np.float32)
        made = np.empty((self.rows, *self.shape), np.uint8)
        quantiles = deviation * _normal_quantiles()

        def make(first: int) -> None:
            rows = slice(first, min(first + IMAGES_AT_A_TIME, self.rows))
            image = _drawn(quantiles, made[rows].shape, self.seed, f"synthetic/images/{first}")
            image += of_class[label[rows]]
            made[rows] = image.clip(0, 255, out=image)

        with ThreadPoolExecutor(available_cores()) as pool:
            list(pool.map(make, range(0, self.rows, IMAGES_AT_A_TIME)))
        return {"image": made, "label": label}

    def _sequences(self, random: np.random.Generator) -> dict[str, Array]:
        label = np.arange(self.rows) % self.classes
        ids = random.integers(0, self.vocabulary, (self.rows, self.length))
        marked = random.random(ids.shape) < 0.1
        return {"ids": np.where(marked, label[:, np.newaxis], ids), "label": label}

    def _chains(self, random: np.random.Generator) -> dict[str, Array]:
        after = random.integers(0, self.vocabulary, self.vocabulary)
        ids = random.integers(0, self.vocabulary, (self.rows, self.length + 1))
        follows = random.random(ids.shape) < 0.9
        for place in range(1, self.length + 1):
            ids[:, place] = np.where(follows[:, place], after[ids[:, place - 1]], ids[:, place])
        return {"ids": ids[:, :-1], "label": ids[:, 1:]}

    def _points(self, random: np.random.Generator) -> dict[str, Array]:
        """Classes in turn, so that they are as even as the rows allow; splits shuffle them."""
        count = 2 if self.generator == "moons" else self.classes
        label = np.arange(self.rows) % count
        along = random.uniform(0.0, 1.0, self.rows)
        if self.generator == "blobs":
            angle, radius = 2.0 * np.pi * label / count, np.full(self.rows, 4.0)
        elif self.generator == "spirals":
            angle, radius = 2.0 * np.pi * label / count + 3.0 * np.pi * along, 0.1 + along
        else:
            angle, radius = np.pi * along, np.ones(self.rows)
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        if self.generator == "moons":
            points = np.where(label[:, np.newaxis] == 0, points, np.array([1.0, 0.5]) - points)
        deviation = self.noise if self.noise is not None else (1.0 if self.generator == "blobs" else 0.1)
        points += deviation * random.standard_normal(points.shape)
        return {"x1": points[:, 0], "x2": points[:, 1], "label": label}


def _normal_quantiles() -> Array:
    """The standard normal distribution in QUANTILES equal parts, each by its middle: (QUANTILES,) float32."""
    quantile = NormalDist().inv_cdf
    return np.array([quantile((i + 0.5) / QUANTILES) for i in range(QUANTILES)], np.float32)


def _drawn(values: Array, shape: tuple[int, ...], seed: int, purpose: str) -> Array:
    """Some of QUANTILES values, each as likely as others, by 16 random bits for each."""
    count = prod(shape)
    bits = philox(seed, purpose).random_raw(-(-count // 4)).view(np.uint16)[:count]
    drawn: Array = values.take(bits % QUANTILES, mode="clip").reshape(shape)
    return drawn


def _names(count: int) -> tuple[str, ...]:
    return tuple(str(index) for index in range(count))

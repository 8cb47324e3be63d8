"""Rows to look at: pictures and texts that the network was most sure of and wrong about."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from dlrun.data.dataset import Split
from dlrun.data.signature import Feature
from dlrun.data.tokens import PADDING, join_tokens
from dlrun.errors import MissingExtra
from dlrun.executor.executor import Array
from dlrun.report.blocks import Block, Gallery, Picture, Table, Texts
from dlrun.report.classes import shares_of
from dlrun.runs.plots import displayable, most_confident_mistakes
from dlrun.training.explain import is_image

MISTAKES = 24
LONGEST = 600
"""Letters of a text that are shown."""


TextsOf = Callable[[str, Array], Sequence[str] | None]
"""An input's texts of rows by their numbers in the source; None where it isn't made of texts."""


def mistake_block(
    split: Split, inputs: Mapping[str, Feature], truth: Array, predictions: Array, classes: Sequence[str],
    texts_of: TextsOf,
) -> Block:  # fmt: skip
    """The most confident mistakes, by the kind of the inputs: pictures, texts, or a table of rows."""
    shares = shares_of(predictions)
    rows = most_confident_mistakes(truth, shares, MISTAKES)
    said = shares.argmax(axis=1)
    captions = [
        f"is {classes[int(truth[row])]}, said {classes[int(said[row])]}, {shares[row, said[row]]:.1%}" for row in rows
    ]
    title = "Most confident mistakes" if len(rows) else "No mistakes"
    image = next((name for name, feature in inputs.items() if is_image(feature)), None)
    text = next((name for name, feature in inputs.items() if feature.kind == "sequence" and feature.classes), None)
    if image is not None:
        shown = displayable(_real(split.inputs[image][rows], inputs[image])) if len(rows) else ()
        return Gallery(title, [Picture(png(each), said) for each, said in zip(shown, captions, strict=True)])
    if text is not None:
        found = texts_of(text, split.index[rows])
        if found is not None:
            return Texts(title, list(zip(captions, map(shortened, found), strict=True)))
        texts = [shortened(decode(split.inputs[text][row], inputs[text].classes or ())) for row in rows]
        return Texts(title, list(zip(captions, texts, strict=True)), "As the network's vocabulary has them.")
    columns = ("row", "true", "said", "probability")
    table = [
        [int(split.index[r]), classes[int(truth[r])], classes[int(said[r])], float(shares[r, said[r]])] for r in rows
    ]
    return Table(title, columns, table, "Rows by their number in the data, from 0.")


def _real(stored: Array, feature: Feature) -> Array:
    """Stored images as the network sees them: a rescaling that knows their range has brought them to 0 to 1."""
    real: Array = np.asarray(stored, np.float64) * np.asarray(feature.scale) + np.asarray(feature.offset)
    return real


def reconstructions(split: Split, truth: Array, predictions: Array) -> Gallery:
    """The images that were reconstructed worst, each above what became of it. Shapes: (n, h, w, c), twice."""
    errors = ((predictions - truth) ** 2).reshape(len(truth), -1).mean(axis=1)
    rows = np.argsort(-errors, kind="stable")[:MISTAKES]
    pairs = displayable(np.concatenate([truth[rows], predictions[rows]], axis=1))
    pictures = [
        Picture(png(pair), f"row {split.index[r]}: {errors[r]:.3g}") for pair, r in zip(pairs, rows, strict=True)
    ]
    return Gallery("Worst reconstructions", pictures, "Above the image, below what became of it; mean squared errors.")


def png(image: Array) -> str:
    """An image of floats from 0 to 1, (h, w) or (h, w, 3), as an address that holds it. Raises: MissingExtra."""
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("pillow", "images", "pictures in reports") from None
    file = io.BytesIO()
    Image.fromarray((np.asarray(image) * 255).round().astype(np.uint8)).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def decode(ids: Array, vocabulary: Sequence[str]) -> str:
    """Tokens as text, without the padding."""
    tokens = [vocabulary[int(id)] for id in ids.reshape(-1) if int(id) != PADDING]
    return join_tokens(tokens, "character" if all(len(token) == 1 for token in tokens) else "word")


def shortened(text: str) -> str:
    """The beginning of a text, all of it where it is short."""
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"

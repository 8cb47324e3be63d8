"""tokenize: text as the ids of its characters, words or byte pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout
from dlrun.data.tokens import BYTES, Level, Tokenizer, learn_byte_pairs, learn_vocabulary
from dlrun.data.transforms.base import Chunks, Fitted, Transform
from dlrun.errors import DataError, ShapeError


class Tokenize(Transform):
    """Turns text into the ids of its tokens, for an embedding. Several columns follow one another.

    The vocabulary is that of the training rows: padding is id 0, what isn't known id 1, then the most frequent first
    (byte pairs in the order in which they were merged). "word" takes letters and digits together, with apostrophes
    within (don't), and each punctuation mark by itself. "byte_pair" merges frequent neighbours, beginning with bytes:
    R. Sennrich et al. (2016), by the library tokenizers.
    """

    type: Literal["tokenize"] = "tokenize"
    level: Level = "word"
    """What a token is."""
    vocabulary_size: int | None = Field(default=None, gt=2)
    """The most tokens, the special ones included; all that occur when left out. byte_pair needs it."""
    lowercase: bool = False
    """Whether capitals become small letters first."""
    minimum_count: int = Field(default=1, gt=0)
    """How often a token must occur in the training rows (a pair of neighbours, before it is merged)."""
    padding_token: str = "<pad>"
    """What padding is called, id 0."""
    unknown_token: str = "<unknown>"
    """What tokens outside of the vocabulary are called, id 1."""
    start_token: str | None = None
    """A token put before each text, such as <start>; none when left out."""
    end_token: str | None = None
    """A token put behind each text, such as <end>; none when left out."""

    widens: ClassVar[bool] = True

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        special = self.special
        if len(set(special)) < len(special):
            raise ValueError(f"the special tokens must differ, got {', '.join(special)}")
        if self.level == "byte_pair" and self.vocabulary_size is None:
            raise ValueError("byte_pair needs a vocabulary_size, such as 8000")
        least = len(special) + (BYTES if self.level == "byte_pair" else 1)
        if self.vocabulary_size is not None and self.vocabulary_size < least:
            what = f"the {BYTES} bytes" if self.level == "byte_pair" else "a token"
            raise ValueError(f"vocabulary_size must be at least {least}: {len(special)} special tokens and {what}")
        return self

    @property
    def special(self) -> tuple[str, ...]:
        """The tokens that stand for no text, in the order of their ids."""
        ends = (token for token in (self.start_token, self.end_token) if token is not None)
        return (self.padding_token, self.unknown_token, *ends)

    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """Columns of text → ids, as many as a row has."""
        if layout.kind != "text":
            raise ShapeError(f"tokenize takes text, but got {layout.kind} of shape {layout.shape}")
        vocabulary = tuple(fitted["vocabulary"]) if fitted is not None else ()
        return Layout("tokens", (), "object", layout.columns, (vocabulary,))

    def fit(self, chunks: Chunks, layout: Layout) -> dict[str, Any]:
        """{vocabulary: the tokens by id}, and byte_pairs, the library's JSON; raises DataError, MissingExtra."""
        texts = list(self._counted(chunks, layout))
        if self.level == "byte_pair":
            assert self.vocabulary_size is not None
            vocabulary, pairs = learn_byte_pairs(texts, self.special, self.vocabulary_size, self.minimum_count)
            return {"vocabulary": vocabulary, "byte_pairs": pairs}
        vocabulary = learn_vocabulary(texts, self.level, self.special, self.vocabulary_size, self.minimum_count)
        if len(vocabulary) == len(self.special):
            raise DataError(f"no token occurs {self.minimum_count} times in the training rows")
        return {"vocabulary": vocabulary}

    def tokenizer(self, fitted: Fitted) -> Tokenizer:
        """What was learned, ready for use."""
        special = self.special
        start = special.index(self.start_token) if self.start_token is not None else None
        end = special.index(self.end_token) if self.end_token is not None else None
        return Tokenizer(
            self.level, self.lowercase, fitted["vocabulary"], len(special), start, end, fitted.get("byte_pairs")
        )

    def apply(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """(rows, columns) codes → (rows,) arrays of ids, int32; raises DataError for missing values."""
        self._refuse_missing(array, layout)
        tokenizer = self.tokenizer(fitted)
        columns = []
        for column, texts in enumerate(layout.values):
            codes, where = np.unique(array[:, column], return_inverse=True)
            columns.append((tokenizer.encode([texts[code] for code in codes]), where))
        result = np.empty(len(array), object)
        for row in range(len(array)):
            ids = [index for found, where in columns for index in found[where[row]]]
            result[row] = np.array(tokenizer.ends(ids), np.int32)
        return result

    def _counted(self, chunks: Chunks, layout: Layout) -> Iterator[tuple[str, int]]:
        """The texts of the training rows, each with the number of rows that hold it."""
        for chunk in chunks():
            self._refuse_missing(chunk, layout)
            for column, texts in enumerate(layout.values):
                for code, count in zip(*np.unique(chunk[:, column], return_counts=True), strict=True):
                    yield texts[code].lower() if self.lowercase else texts[code], int(count)

    def _refuse_missing(self, array: Array, layout: Layout) -> None:
        missing = np.argwhere(array < 0)
        if len(missing):
            raise DataError(
                f"column {layout.column_name(int(missing[0][1]))!r} has missing values, which tokenize can't take",
                help="put {type: impute, strategy: constant, value: ''} before it (or drop); a csv source's "
                "`missing` says which texts count as such",
            )

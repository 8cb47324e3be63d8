"""Text as tokens: how a text is taken apart, which tokens are known, and the way back to text.

A vocabulary is a list of tokens in the order of their ids; the first `special` of them stand for no text: padding (id
0), unknown (id 1), and the start and the end of a text where a model wants them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from dlrun.errors import MissingExtra

Level = Literal["character", "word", "byte_pair"]
PADDING, UNKNOWN = 0, 1
WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
"""Letters, digits and underscores with the apostrophes within (don't), or one other sign that is no blank."""
NO_BLANK_BEFORE, NO_BLANK_AFTER = frozenset(".,;:!?)]}%"), frozenset("([{$#@")
BYTES = 256


def split_text(text: str, level: Level) -> list[str]:
    """The characters, or the words and punctuation marks, of a text."""
    return list(text) if level == "character" else WORD.findall(text)


def join_tokens(tokens: Sequence[str], level: Level) -> str:
    """Characters or words as text; between words stands a blank, but for punctuation."""
    if level == "character":
        return "".join(tokens)
    text, last = "", ""
    for token in tokens:
        text += token if not last or token in NO_BLANK_BEFORE or last in NO_BLANK_AFTER else f" {token}"
        last = token
    return text


def learn_vocabulary(
    texts: Iterable[tuple[str, int]], level: Level, special: Sequence[str], size: int | None, minimum_count: int
) -> list[str]:
    """The special tokens, then the most frequent ones of (text, how often it occurs); equals by the alphabet."""
    counts: Counter[str] = Counter()
    for text, times in texts:
        for token, count in Counter(split_text(text, level)).items():
            counts[token] += count * times
    found = sorted((-count, token) for token, count in counts.items() if count >= minimum_count)
    room = None if size is None else max(size - len(special), 0)
    return [*special, *(token for _, token in found[:room])]


def learn_byte_pairs(
    texts: Iterable[tuple[str, int]], special: Sequence[str], size: int, minimum_count: int
) -> tuple[list[str], str]:
    """(vocabulary, the library's tokenizer as JSON): bytes, merged pair by pair, the most frequent pair first.

    R. Sennrich, B. Haddow, A. Birch (ACL 2016), over bytes as in GPT-2: every text can be written. The special tokens
    stay outside of the library's, so that no text can spell one. Raises MissingExtra.
    """
    library = _library()
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=size - len(special), min_frequency=minimum_count, show_progress=False,
        initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    tokenizer.train_from_iterator((text for text, times in texts for _ in range(times)), trainer)
    found = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    return [*special, *(token for token, _ in found)], tokenizer.to_str()


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise MissingExtra("tokenizers", "text", "splitting text into byte pairs") from None
    return tokenizers


@dataclass(frozen=True)
class Tokenizer:
    """What turns text into ids and back, as it was learned.

    `special` counts the tokens in front that stand for no text; `start` and `end` are their ids where there are any.
    """

    level: Level
    lowercase: bool
    vocabulary: Sequence[str]
    special: int
    start: int | None = None
    end: int | None = None
    byte_pairs: str | None = None

    @cached_property
    def _ids(self) -> Mapping[str, int]:
        return {token: index for index, token in enumerate(self.vocabulary) if index >= self.special}

    @cached_property
    def _tokenizer(self) -> Any:
        return _library().Tokenizer.from_str(self.byte_pairs)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without start and end; raises MissingExtra."""
        given = [text.lower() for text in texts] if self.lowercase else texts
        if self.level == "byte_pair":
            found = self._tokenizer.encode_batch(list(given), add_special_tokens=False)
            return [[index + self.special for index in each.ids] for each in found]
        return [[self._ids.get(token, UNKNOWN) for token in split_text(text, self.level)] for text in given]

    def ends(self, ids: list[int]) -> list[int]:
        """The ids between the start and the end, where there are any."""
        return [*([] if self.start is None else [self.start]), *ids, *([] if self.end is None else [self.end])]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens left out; raises MissingExtra."""
        known = [index for index in ids if index >= self.special]
        if self.level == "byte_pair":
            return str(self._tokenizer.decode([index - self.special for index in known]))
        return join_tokens([self.vocabulary[index] for index in known], self.level)

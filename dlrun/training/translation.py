"""Texts into other texts by a run whose network gives the next token of a translation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlrun.data.config import DataConfig
from dlrun.data.dataset import Array, Split
from dlrun.data.sources.base import MemoryStore
from dlrun.data.text_input import text_input
from dlrun.data.tokens import Tokenizer
from dlrun.data.transforms.tokenize import Tokenize
from dlrun.errors import UsageError
from dlrun.runs.directory import RunDirectory
from dlrun.training.beam import Search
from dlrun.training.bleu import Bleu, measure_bleu
from dlrun.training.checkpointing import Restored, open_checkpoint
from dlrun.training.sequence_model import SequenceModel


class Translator:
    """A network with a decoder: from its other inputs it tells the text of the input that its target follows.

    Raises: UsageError when the run has no such network.
    """

    def __init__(self, run: RunDirectory, which: str | None = None) -> None:
        restored = open_checkpoint(run, which)
        grows = translated_input(restored)
        if grows is None:
            raise UsageError(
                f"{run.path} doesn't translate: its target isn't the next token of one of several inputs",
                f"dlrun predict {run.path} says what it predicts; for translation target: {{input: de, shift: 1}}, "
                "with inputs: {en: ..., de: ...}",
            )
        self.restored, self.grows = restored, grows
        self.given = [name for name in restored.signature.inputs if name != grows]
        self.tokenizer = _tokenizer(restored, grows)
        if self.tokenizer.start is None or self.tokenizer.end is None:
            raise UsageError(
                f"the network of {run.path} doesn't know where a text starts and ends",
                f"train it with start_token and end_token in the tokenize of the input {grows!r}",
            )
        self.model = SequenceModel(restored, grows)

    def translate(self, texts: Sequence[str], search: Search) -> list[str]:
        """Return each text's translation, "" of none. Raises: UsageError where the network takes more than one text."""
        if len(self.given) != 1:
            raise UsageError(f"the network takes several inputs: {', '.join(self.given)}", "dlrun evaluate measures it")
        (name,) = self.given
        config, written = self.restored.config.config.data, [text for text in texts if text.strip()]
        if not written:
            return [""] * len(texts)
        found = iter(self.decode({name: text_input(config, self.restored.fitted, name, written)}, search))
        return [next(found) if text.strip() else "" for text in texts]

    def decode(self, inputs: Mapping[str, Array], search: Search) -> list[str]:
        """Return a text for each row of the other inputs, (rows, *shape) by name."""
        start, end = self.tokenizer.start, self.tokenizer.end
        assert start is not None
        assert end is not None
        forbidden = [token for token in range(self.tokenizer.special) if token != end]
        found = self.model.decode({name: inputs[name] for name in self.given}, search, start, end, forbidden)
        return [self.tokenizer.decode(ids).strip() for ids in found]

    def bleu(self, texts: Sequence[str], references: Sequence[str]) -> Bleu:
        """Return the BLEU of translations; with capitals where the network knows them. Raises: MissingExtra."""
        return measure_bleu(texts, references, self.tokenizer.lowercase)

    def bleu_of(self, split: Split, data: DataConfig, search: Search) -> Bleu:
        """Return the BLEU of a split's rows, whose own texts are the source's. Raises: MissingExtra, DataError."""
        return self.bleu(self.decode(split.inputs, search), self._texts(split, data))

    def _texts(self, split: Split, data: DataConfig) -> list[str]:
        """Return the texts of the rows of a split as they stand in the source."""
        (column,) = (str(column["name"]) for column in self.restored.fitted[f"inputs/{self.grows}/columns"])
        raw = data.source.read(MemoryStore(), [column])
        values = raw.description.columns[column].values
        return [values[code] for code in raw.arrays[column][split.index]]


def translated_input(restored: Restored) -> str | None:
    """Return the input of which the target is the next token, where there are others; None for another run."""
    data, inputs = restored.config.config.data, restored.signature.inputs
    targets = list(data.targets.values())
    if len(targets) != 1 or targets[0].shift != 1 or targets[0].input is None or len(inputs) < 2:
        return None
    name = targets[0].input
    columns: Sequence[Any] = restored.fitted.get(f"inputs/{name}/columns", ())
    return name if _step(restored, name) is not None and len(columns) == 1 else None


def _step(restored: Restored, name: str) -> tuple[int, Tokenize] | None:
    """Return an input's tokenize and its place among the transforms."""
    given = (restored.config.config.data.inputs or {}).get(name)
    for index, transform in enumerate((given.transforms if given is not None else None) or ()):
        if isinstance(transform, Tokenize):
            return index, transform
    return None


def _tokenizer(restored: Restored, name: str) -> Tokenizer:
    found = _step(restored, name)
    assert found is not None
    prefix = f"inputs/{name}/{found[0]}/"
    learned = {key[len(prefix) :]: value for key, value in restored.fitted.items() if key.startswith(prefix)}
    return found[1].tokenizer(learned)

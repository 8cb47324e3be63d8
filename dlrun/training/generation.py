"""Text from a language model, token by token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlrun.data.config import DataConfig
from dlrun.data.random import generator
from dlrun.data.tokens import UNKNOWN, Tokenizer
from dlrun.data.transforms.pad import Pad
from dlrun.data.transforms.tokenize import Tokenize
from dlrun.errors import UsageError
from dlrun.executor.executor import Array
from dlrun.runs.directory import RunDirectory
from dlrun.training.checkpointing import Restored, open_checkpoint, put_weights
from dlrun.training.reading import make_reader

REPLACEMENT = "\ufffd"
"""What stands for bytes that are no whole character yet."""


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn: their logits are divided by the temperature; 0 takes the best.

    Among the `top_k` most probable, then among the fewest of them whose probabilities add up to `top_p`.
    A. Fan, M. Lewis, Y. Dauphin, "Hierarchical neural story generation" (ACL 2018), section 5.4, for top-k; A. Holtzman
    et al., "The curious case of neural text degeneration" (ICLR 2020), section 3.1, for top-p.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def draw(self, probabilities: Array, uniform: float) -> int:
        """Return a token's id for a number drawn evenly from 0 to 1. Shape: (classes,), of which one isn't 0."""
        if self.temperature == 0:
            return int(np.argmax(probabilities))
        order = np.argsort(-probabilities, kind="stable")[: self.top_k]
        order = order[probabilities[order] > 0]
        logits = np.log(probabilities[order].astype(np.float64)) / self.temperature
        sums = np.cumsum(np.exp(logits - logits.max()))
        if self.top_p is not None:
            sums = sums[: np.searchsorted(sums, self.top_p * sums[-1]) + 1]
        return int(order[min(np.searchsorted(sums, uniform * sums[-1], side="right"), len(sums) - 1)])


class LanguageModel:
    """A run's network that says what token comes next, and its tokenizer.

    `note` says why each token costs as much as a whole window, where it does; with `recompute` it always does.
    Raises: UsageError when the run is no language model; CheckpointError.
    """

    def __init__(self, run: RunDirectory, which: str | None = None, recompute: bool = False) -> None:
        restored = open_checkpoint(run, which)
        self.tokenizer, pads_start = _tokenizer(run, restored)
        name, feature = next(iter(restored.signature.inputs.items()))
        self.length = feature.shape[0]
        session = restored.session(restored.dataset())
        session.threads = 1  # one sample is one thread's work
        whole, steps, self.note = make_reader(session, name, self.length, pads_start)
        put_weights(session, restored)
        self._reader = whole if recompute or steps is None else steps

    def encode(self, prompt: str) -> tuple[list[int], list[str]]:
        """Return the ids of a prompt, and the parts of it that the model doesn't know.

        Raises: UsageError without anything to begin with.
        """
        ids = self.tokenizer.encode([prompt])[0]
        start = [] if self.tokenizer.start is None else [self.tokenizer.start]
        if not ids and not start:
            raise UsageError("there is nothing to begin with", "give a --prompt, such as --prompt 'ROMEO:'")
        unknown = [text for text in dict.fromkeys(prompt) if self.tokenizer.encode([text])[0] == [UNKNOWN]]
        return [*start, *ids], unknown if UNKNOWN in ids else []

    def next_probabilities(self, ids: list[int]) -> Array:
        """Return the probability of each token to come after these; none for tokens that stand for no text. (classes,)

        Beyond the length of the sequences that the network was trained on, those that know positions (attention,
        positional embeddings) see the last ones only; recurrent layers carry their state on.
        """
        probabilities = self._reader.after(ids)
        for token in range(self.tokenizer.special):
            if token != self.tokenizer.end:
                probabilities[token] = 0
        return probabilities

    def generate(
        self, ids: list[int], tokens: int, sampling: Sampling, seed: int, stop: Sequence[str] = ()
    ) -> Iterator[str]:
        """Yield text that follows the ids, as it comes: at most so many tokens, none behind an end token.

        It ends before the first of the texts `stop`.
        """
        return text_before(self._pieces(ids, tokens, sampling, seed), [text for text in stop if text])

    def _pieces(self, ids: list[int], tokens: int, sampling: Sampling, seed: int) -> Iterator[str]:
        random = generator(seed, "generate")
        ids = list(ids)
        pending: list[int] = []
        last = ids[-1:]
        for _ in range(tokens):
            probabilities = self.next_probabilities(ids)
            if not probabilities.any():
                break
            token = sampling.draw(probabilities, random.random())
            if token == self.tokenizer.end:
                break
            ids.append(token)
            pending.append(token)
            text = self._following(last, pending)
            if not text.endswith(REPLACEMENT):
                yield text
                last, pending = pending[-1:], []
        if pending:
            yield self._following(last, pending)

    def _following(self, last: list[int], ids: list[int]) -> str:
        """Return the text of ids that follow another one, on which the blank between words depends."""
        if self.tokenizer.level != "word":
            return self.tokenizer.decode(ids)
        return self.tokenizer.decode([*last, *ids])[len(self.tokenizer.decode(last)) :]


def text_before(pieces: Iterator[str], stop: Sequence[str]) -> Iterator[str]:
    """Yield a text's pieces as they come, up to the first of the texts `stop`; what may be its start is held back."""
    held = ""
    for piece in pieces:
        held += piece
        places = [place for text in stop if (place := held.find(text)) >= 0]
        if places:
            held = held[: min(places)]
            break
        kept = max((_overlap(held, text) for text in stop), default=0)
        if len(held) > kept:
            yield held[: len(held) - kept]
            held = held[len(held) - kept :]
    if held:
        yield held


def _overlap(text: str, other: str) -> int:
    """Return how many characters at the end of a text begin the other one."""
    return next((n for n in range(min(len(text), len(other) - 1), 0, -1) if other.startswith(text[-n:])), 0)


def _tokenizer(run: RunDirectory, restored: Restored) -> tuple[Tokenizer, bool]:
    """Return a language model's tokenizer, and whether it pads at the start. Raises: UsageError for another run."""
    config, signature = restored.config.config.data, restored.signature
    target = next(iter(config.targets.values()))
    found = _transforms(config, restored.fitted, target.input) if target.input is not None else None
    if target.shift != 1 or found is None or len(signature.inputs) != 1:
        raise UsageError(
            f"{run.path} is no language model: its target isn't the next token of its input",
            f"dlrun predict {run.path} says what it predicts; a language model has target: {{input: text, shift: 1}}",
        )
    return found


def _transforms(config: DataConfig, fitted: Mapping[str, Any], name: str) -> tuple[Tokenizer, bool] | None:
    given = (config.inputs or {}).get(name)
    transforms = (given.transforms if given is not None else None) or ()
    pads_start = any(isinstance(transform, Pad) and transform.padding == "start" for transform in transforms)
    for index, transform in enumerate(transforms):
        if isinstance(transform, Tokenize):
            prefix = f"inputs/{name}/{index}/"
            learned = {key[len(prefix) :]: value for key, value in fitted.items() if key.startswith(prefix)}
            return transform.tokenizer(learned), pads_start
    return None

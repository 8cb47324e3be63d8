"""BLEU: how much of a translation's words and phrases a person's translation has too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dlrun.errors import MissingExtra, UsageError


@dataclass(frozen=True)
class Bleu:
    """A corpus's BLEU, from 0 to 100, and how it was measured, as sacrebleu's signature says it."""

    score: float
    signature: str


def measure_bleu(texts: Sequence[str], references: Sequence[str], lowercase: bool = False) -> Bleu:
    """Return the BLEU of texts, each with one reference, by sacrebleu: K. Papineni et al. (2002), M. Post (2018).

    With `lowercase` capitals don't count. Raises: MissingExtra, UsageError unless there are as many references.
    """
    if len(texts) != len(references):
        message = f"there are {len(texts):,} translations, but {len(references):,} references"
        raise UsageError(message, "a reference stands in the same line as the text that was translated")
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise MissingExtra("sacrebleu", "text", "measuring BLEU") from None
    bleu = BLEU(lowercase=lowercase)
    score = bleu.corpus_score(list(texts), [list(references)]).score
    return Bleu(float(score), str(bleu.get_signature()))

"""Gradients that are summed chunk by chunk: `dlrun.kernels.chunks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlrun.kernels.chunks import BLOCK, combine_chunks
from dlrun.plan import Buffer, ScratchSize, Update

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


def emit_combination(emit: Emitter, partials: Buffer, size: int, update: Update) -> None:
    """Emit the sum of the chunks' partial gradients, partials (CHUNKS, size), and the update."""
    emit.call(
        combine_chunks, partition="split", partials=partials, gradient=update, scratch=ScratchSize(BLOCK), size=size
    )

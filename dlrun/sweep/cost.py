"""Which trials take longest: several at a time begin with these, or cores would wait for the last one."""

from __future__ import annotations

from collections.abc import Sequence

from dlrun.config.load import LoadedConfig
from dlrun.data.load import probe
from dlrun.data.signature import Signature
from dlrun.errors import ConfigError
from dlrun.sweep.definition import Sweep
from dlrun.sweep.space import Assignment
from dlrun.training import fit
from dlrun.training.session import make_model

MOST_COMPARED = 200
"""Combinations, beyond which their order is left as it is: a look at each takes milliseconds, and many even out."""


class Signatures:
    """The signatures of the data that trials have: those that many share are looked at once."""

    def __init__(self) -> None:
        self._known: dict[str, Signature] = {}

    def of(self, loaded: LoadedConfig) -> Signature:
        """Return the signature of a config's data. Raises: LocatedConfigError, DataError, MissingExtra."""
        config = loaded.config
        data = f"{config.seed} {config.data.model_dump_json()}"
        if data not in self._known:
            try:
                self._known[data] = probe(config.data, config.seed)
            except ConfigError as error:
                raise fit.located(loaded, error) from None
        return self._known[data]


def longest_first(sweep: Sweep, assignments: Sequence[Assignment]) -> list[Assignment]:
    """Return combinations by the operations of their trainings, as far as these are known, the most first.

    One whose network doesn't fit comes last: its trial says why.
    """
    if len(assignments) > MOST_COMPARED:
        return list(assignments)
    signatures = Signatures()
    return sorted(assignments, key=lambda each: _operations(sweep, each, signatures), reverse=True)


def _operations(sweep: Sweep, assignment: Assignment, signatures: Signatures) -> int:
    """Return the operations of a row's forward pass times the epochs."""
    try:
        loaded = sweep.config_of(assignment)
        graph = make_model(loaded.config, loaded.layer_paths, signatures.of(loaded)).graph()
    except ConfigError:
        return 0
    return loaded.config.training.epochs * sum(node.flops for node in graph.nodes.values())

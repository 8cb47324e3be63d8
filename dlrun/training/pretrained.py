"""Embeddings whose vectors start from a file: found, checked before anything compiles, and put in place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.compiler.graph import Graph, Node
from dlrun.config.load import LoadedConfig
from dlrun.data.signature import Signature
from dlrun.data.sources.files import find_path
from dlrun.data.vectors import Vectors, check_words, hash_of, holds_array, read_array, read_words
from dlrun.errors import ConfigError, DataError, Problem, ShapeError
from dlrun.training.session import Session

if TYPE_CHECKING:
    from dlrun.layers.embedding import PretrainedVectors


def settle_vectors(loaded: LoadedConfig) -> LoadedConfig:
    """Return the config with the hash of each file of vectors, which the same run needs again.

    Raises: ConfigError where there is no such file, or it isn't the one that the config's own hash means.
    """
    config, problems, layers = loaded.config, [], []
    for layer, path in zip(config.model.layers, loaded.layer_paths, strict=True):
        if layer.pretrained is not None:
            try:
                settled = layer.pretrained.model_copy(update={"sha256": _known_hash(layer.pretrained)})
                layer = layer.model_copy(update={"weights": settled})
            except DataError as error:
                problems.append(Problem((*path, "weights"), error.message, error.help))
        layers.append(layer)
    if problems:
        raise loaded.error(problems)
    model = config.model.model_copy(update={"layers": tuple(layers)})
    return replace(loaded, config=config.model_copy(update={"model": model}))


def check_vectors(graph: Graph, signature: Signature) -> None:
    """Look at the heads of the files of vectors. Raises: ConfigError with what is wrong, at its place."""
    problems = []
    for node, source in _pretrained(graph):
        try:
            path = find_path(source.path)
            if not holds_array(path):
                _words(node, signature)
                check_words(path, node.output_shape[-1])
        except (DataError, ShapeError) as error:
            problems.append(_problem(node, error))
    if problems:
        raise ConfigError(problems)


def put_vectors(session: Session) -> None:
    """Give embeddings the vectors of their files; say how many of their rows begin with one.

    Raises: ConfigError for a file that is missing, unreadable, not the one meant, or doesn't fit.
    """
    tables = session.variables()
    for node, source in _pretrained(session.graph):
        table = tables[f"{node.name}/embeddings"]
        try:
            digest = _known_hash(source)
            path = find_path(source.path)
            vectors = _read(path, source, node, session.dataset.signature, table.shape)
        except (DataError, ShapeError) as error:
            raise ConfigError([_problem(node, error)]) from None
        table[vectors.ids] = vectors.values
        session.listener.note(
            f"{node.name}: {len(vectors.ids):,} of {len(table):,} vectors start from {path} (sha256 {digest[:12]})"
        )
    session.start_averages()


def _pretrained(graph: Graph) -> Iterator[tuple[Node, PretrainedVectors]]:
    for node in graph.nodes.values():
        if node.layer.pretrained is not None and node.variables:
            yield node, node.layer.pretrained


def _known_hash(source: PretrainedVectors) -> str:
    """Return the hash of a source's file. Raises: DataError for another one than the config has."""
    path = find_path(source.path)
    digest = hash_of(path)
    if source.sha256 is not None and digest != source.sha256:
        message = f"{path} isn't the file that is meant: its SHA-256 is {digest[:12]}..., not {source.sha256[:12]}..."
        raise DataError(message, "put that file in its place, or leave sha256 out to use this one")
    return digest


def _read(path: Path, source: PretrainedVectors, node: Node, signature: Signature, shape: tuple[int, ...]) -> Vectors:
    count, width = shape
    if holds_array(path):
        return read_array(path, source.tensor, (count, width))
    vectors = read_words(path, _words(node, signature), width, source.lowercase)
    if not len(vectors.ids):
        raise DataError(f"{path} has none of the {count:,} words", "is its spelling another? lowercase: true may help")
    return vectors


def _words(node: Node, signature: Signature) -> tuple[str, ...]:
    """Return what the rows of an embedding's table stand for. Raises: ShapeError where nobody knows."""
    feature = signature.inputs.get(node.inputs[0])
    if feature is None or feature.classes is None:
        raise ShapeError(
            "the ids that this layer takes stand for no words, by which a file of text names its vectors", "weights",
            "let it take an input of tokens or categories itself, or give an array (.npy) with a row for each id",
        )  # fmt: skip
    return feature.classes


def _problem(node: Node, error: DataError | ShapeError) -> Problem:
    field = (isinstance(error, ShapeError) and error.field) or "weights"
    return Problem((*node.path, field), error.message, error.help)

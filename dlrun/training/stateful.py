"""Whether the data are what layers need that keep their state between batches: one stream, in its order."""

from __future__ import annotations

from dlrun.compiler.graph import Graph, Node
from dlrun.config.run_config import RunConfig
from dlrun.errors import ConfigError, Problem


def stateful_nodes(graph: Graph) -> list[Node]:
    """Return the nodes that keep a state from one step to the next."""
    return [node for node in graph.nodes.values() if node.layer.keeps_state]


def check_stateful(config: RunConfig, graph: Graph) -> None:
    """Raise ConfigError where there are stateful layers and no rows that follow each other in time."""
    nodes = stateful_nodes(graph)
    if not nodes:
        return
    place = (*nodes[0].path, "stateful")
    windows, source = config.data.source.windows(), ("data", "source")
    if windows is None:
        message = "a stateful layer goes on where the row before ended, but these rows are no stream"
        help = "a text source with `stream: true` is one; otherwise leave stateful out"
        raise ConfigError([Problem(place, message, help)])
    problems = []
    if windows.stride != windows.length:
        lengths = f"of {windows.length} tokens, one every {windows.stride}"
        message = f"a stateful layer needs windows that follow each other, but got windows {lengths}"
        problems.append(Problem((*source, "stride"), message, "leave stride out"))
    if config.training.shuffle:
        message = "a stateful layer needs the stream's order, but training.shuffle is true"
        problems.append(Problem(place, message, "training: {shuffle: false}"))
    if config.data.limit is not None:
        message = "a stateful layer needs the stream whole, but limit draws rows from it"
        problems.append(Problem(("data", "limit"), message, "leave it out; training.max_steps makes a try short"))
    if problems:
        raise ConfigError(problems)

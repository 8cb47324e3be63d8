"""Which layers give which targets' predictions, and whether every target has all that it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dlrun.compiler.graph import Graph
from dlrun.compiler.heads import Losses
from dlrun.config.problems import suggestion
from dlrun.data.signature import Signature
from dlrun.errors import Problem
from dlrun.losses.base import Loss


def outputs_of(
    losses: Losses, given: Mapping[str, str] | None, layers: Sequence[str], signature: Signature
) -> tuple[dict[str, str], list[Problem]]:
    """Return the layer that gives each target's predictions, and what is wrong with losses and outputs.

    `given` is the config's `model.outputs`. When it leaves a target out, that is the layer of the target's own name,
    or, of a single target, the last layer. A signature without targets, of new inputs, has those of the losses.
    """
    targets = list(signature.targets) or (["target"] if isinstance(losses, Loss) else list(losses))
    problems = _loss_problems(losses, targets)
    given = given or {}
    for name in [each for each in given if each not in targets]:
        message = f"model.outputs: the data have no target {name!r}"
        problems.append(Problem(("model", "outputs", name), message, suggestion(name, targets), at_key=True))
    found: dict[str, str] = {}
    for target in targets:
        layer = given.get(target, layers[-1] if len(targets) == 1 else target)
        found[target] = layer
        if layer in layers:
            continue
        if target in given:
            place, message = ("model", "outputs", target), f"model.outputs.{target}: no layer is named {layer!r}"
            problems.append(Problem(place, message, suggestion(layer, layers)))
        else:
            message = f"no layer gives the predictions of the target {target!r}"
            way_out = f"name its layer {target!r}, or say which it is: outputs: {{{target}: NAME}}"
            problems.append(Problem(("model", "layers"), message, way_out))
    return found, problems


def _loss_problems(losses: Losses, targets: Sequence[str]) -> list[Problem]:
    several = ", ".join(targets)
    if isinstance(losses, Loss):
        if len(targets) == 1:
            return []
        way_out = "loss: {" + ", ".join(f"{target}: ..." for target in targets) + "}"
        return [Problem(("loss",), f"there are several targets ({several}): each needs its own loss", way_out)]
    problems = []
    for name in losses:
        if name not in targets:
            message = f"loss: the data have no target {name!r}"
            problems.append(Problem(("loss", name), message, suggestion(name, targets), at_key=True))
    for target in targets:
        if target not in losses:
            message, way_out = f"the target {target!r} has no loss", f"add {target}: ... to the losses"
            problems.append(Problem(("loss",), message, way_out))
    return problems


def useless_layers(graph: Graph) -> list[Problem]:
    """Return a problem for each layer that no loss depends on: of several outputs, one may have been forgotten."""
    used = set(graph.outputs.values()) | {node.name for node in graph.nodes.values() if node.layer.adds_loss}
    useless = {}
    for node in reversed(graph.nodes.values()):
        if node.name in used:
            used.update(node.inputs)
        else:
            useless[node.path] = node.name
    way_out = "name it under model.outputs, or in another layer's inputs"
    return [
        Problem(path, f"no loss depends on the layer {name!r}", way_out) for path, name in reversed(useless.items())
    ]

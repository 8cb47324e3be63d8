"""Gradients of variables that several nodes compute with: summed, so that the optimizer sees one.

Going back, the first node stores its gradient, the next add theirs, and the last adds the sum to each part of its own,
on which the variable's chain of updates then acts (`updates`). So the weights change once, when no node needs them any
more, and the order of the sum is that of the graph, last first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from math import prod

from dlrun.compiler.emitter import Builder
from dlrun.compiler.graph import Node, Owned
from dlrun.compiler.updates import UpdateRule
from dlrun.kernels.updates import accumulate_gradient, add_gradient, store_gradient
from dlrun.plan import Step, Update


class SharedUpdates:
    """Says for each node that goes back what becomes of its variables' gradients. `nodes` are all that will."""

    def __init__(self, rule: UpdateRule, nodes: Iterable[Node]) -> None:
        self.rule = rule
        self.uses = Counter(owned.name for node in nodes for owned in trained_by(node))
        self.done: Counter[str] = Counter()
        self.updates: dict[tuple[str, str], Update] = {}

    def update_of(self, builder: Builder, user: Node, variable: str) -> Update | None:
        """Return what becomes of a node's gradient of a variable, or None if it has none: it is frozen."""
        owned = user.owned(variable)
        if not (owned.is_trained and user.layer.trainable):
            return None
        use = user.name, variable
        if use not in self.updates:
            self.updates[use] = self._next(builder, owned)
        return self.updates[use]

    def _next(self, builder: Builder, owned: Owned) -> Update:
        name, size = owned.name, prod(owned.variable.shape)
        self.done[name] += 1
        number, uses = self.done[name], self.uses[name]
        if uses == 1:
            return self.rule.update_of(builder, owned.node, owned.variable)
        total = builder.buffer(f"{name}/gradient_of_others", size)
        if number == 1:
            return Update(name, (Step(store_gradient, {"dw": total}),))
        if number < uses:
            return Update(name, (Step(accumulate_gradient, {"total": total}),))
        whole = self.rule.update_of(builder, owned.node, owned.variable)
        return Update(name, (Step(add_gradient, {"others": total}), *whole.steps))

    def check(self) -> None:
        """Raise ValueError unless each node has asked for what becomes of its gradients, once all have gone back."""
        missing = [name for name, uses in self.uses.items() if uses > 1 and self.done[name] != uses]
        if missing:
            raise ValueError(f"gradients of {', '.join(missing)} aren't complete: a node asked for none")


def trained_by(node: Node) -> Iterator[Owned]:
    """Yield the variables of which a node going back makes a gradient; of a table that it looks up itself, too."""
    if node.layer.trainable:
        yield from (owned for owned in node.used if owned.is_trained)
    if node.lookup is not None and node.lookup.layer.trainable:
        owned = node.lookup.owned("embeddings")
        if owned.is_trained:
            yield owned

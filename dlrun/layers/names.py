"""The names of layers."""

from __future__ import annotations

from collections.abc import Iterable


def layer_names(layers: Iterable[tuple[str | None, str]]) -> list[str]:
    """Return the name of each layer, given as (its own name or None, its type).

    One without a name is called by its type and a number that counts the layers of this type: dense_1, dense_2. A
    number whose name some layer has for its own is passed over. Own names are returned as they are, equal ones too.
    """
    layers = list(layers)
    taken = {own for own, _ in layers}
    counts: dict[str, int] = {}
    names = []
    for own, kind in layers:
        name = own
        while name is None:
            counts[kind] = counts.get(kind, 0) + 1
            automatic = f"{kind}_{counts[kind]}"
            name = None if automatic in taken else automatic
        names.append(name)
    return names

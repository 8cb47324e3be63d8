"""Loops over entries, which may run in place: y[i] = f(x[i]), where y is x or doesn't overlap it.

    for i in range(count):
        put(y, i, f(get(x, i)))

LLVM vectorises y[i] = f(x[i]) behind a check that x and y don't overlap, so that in place the slow loop runs: tanh
takes 7.7 ns an entry, where this one takes 1.4 (AVX2). `get` and `put` tell it that no entry which is put is one that
another round of the loop gets. Within a round every `get` must come before the first `put`.
"""

from dlrun.kernels.lang import Primitive, helper_apart

get = Primitive("dlrun.kernels.entry_access:get")
"""get(x, i): x[i]."""
put = Primitive("dlrun.kernels.entry_access:put")
"""put(y, i, value): y[i] = value."""


@helper_apart
def copy_entries(source, target, count):  # type: ignore[no-untyped-def]
    """Copy what doesn't overlap."""
    for i in range(count):
        put(target, i, get(source, i))

"""From layers to a plan: the graph, its lowering to kernel calls, and passes over the calls."""

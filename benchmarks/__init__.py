"""How fast dlrun is, beside others: `python -m benchmarks`; and how well it learns: `python -m benchmarks.results`."""

"""dlrun trains neural networks described in YAML, fast, on a CPU."""

__version__ = "0.1.0"

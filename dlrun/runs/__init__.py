"""The run directory: records, metrics, checkpoints, plots and logs that are never half written."""

"""The config language: YAML files and overrides to a validated RunConfig, and back."""

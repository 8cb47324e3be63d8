"""Training, evaluation, prediction and checks of a network that a config describes."""

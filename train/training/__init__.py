"""The training run: steps, epochs, checkpoints, logs."""

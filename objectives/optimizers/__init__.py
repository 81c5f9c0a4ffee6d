"""The optimizers and gradient clipping that a study can choose from."""

"""The Gaussian process over configurations and epochs that the default sampler uses."""

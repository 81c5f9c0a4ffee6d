"""The final network, for other programs."""

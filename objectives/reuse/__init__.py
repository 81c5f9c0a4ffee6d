"""Ways to start a network from weights that were learned elsewhere, not from random ones."""

"""Variants: changes that can be made to a trained network before it predicts."""

"""Decoded images on a device, augmented and served in batches."""

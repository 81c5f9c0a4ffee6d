"""Data sets: found, downloaded, decoded once into one array on disk, split, and served in batches."""

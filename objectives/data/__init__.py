"""Data sets: finding, downloading, decoding into one array on disk, splitting, and serving in batches."""

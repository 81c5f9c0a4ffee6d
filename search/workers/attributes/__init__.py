"""What workers store about a trial beside its epochs: how it was trained, what was measured, how it ended."""

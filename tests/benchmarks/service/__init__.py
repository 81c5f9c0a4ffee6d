"""What the service costs apart from training: `python -m tests.benchmarks.service`."""

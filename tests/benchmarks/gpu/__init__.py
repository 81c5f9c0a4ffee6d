"""What a GPU does in an epoch and in a search: `python -m tests.benchmarks.gpu` measures it where there is one."""

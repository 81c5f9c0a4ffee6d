"""A study: what it was created with, how it is created, continued and forked, and its state."""

"""A study in training, as it is seen: the live view on a terminal, lines in a pipe."""

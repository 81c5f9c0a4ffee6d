"""What the training loop is made of: one step, its ways to run, the state of a run, the value of a network."""

"""What is trained: objectives, and the data sets, models, optimizers and loop that they compose."""

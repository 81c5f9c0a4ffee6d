"""What is trained: objectives, and the data sets, models, optimizers and training loop that they combine."""

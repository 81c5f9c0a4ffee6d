"""The final step: the winner is selected, retrained and scored once on the held-out test set."""

"""What is made of a finished or running study: plots."""

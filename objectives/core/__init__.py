"""What an objective is, which techniques it may search over, and how one configuration of it is trained."""

"""Commands that show and score what a search found."""

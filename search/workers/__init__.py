"""Workers: processes that claim trials, train them, and survive interruptions."""

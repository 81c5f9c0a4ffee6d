"""What goes wrong inside a network: measured while it trains, and named in words."""

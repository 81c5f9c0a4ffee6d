"""What an export is asked for, and how it writes: whole or not at all, over nothing of others."""

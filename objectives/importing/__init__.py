"""Importing a user's objective file and the modules beside it, here and in the processes that a trial starts."""

"""Commands that search: create a study, continue it, stop it."""

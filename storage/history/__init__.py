"""Every trial of a study as a process knows it, kept up by what has changed since it last looked."""

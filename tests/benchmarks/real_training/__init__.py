"""Which policy finds the better network in the same time, on real training: whole studies, in turn or side by side."""

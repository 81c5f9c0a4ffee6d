"""Numbers about samples and curves: intervals, and the best of a learning curve."""

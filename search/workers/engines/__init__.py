"""Engines: where the workers of a run are started, on this machine or on a cluster's."""

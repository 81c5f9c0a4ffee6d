"""The ways to run an epoch's steps: one operation at a time, or a whole step as one CUDA graph."""

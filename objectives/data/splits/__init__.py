"""Which examples train and which validate, and which classes take part."""

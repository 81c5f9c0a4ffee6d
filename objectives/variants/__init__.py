"""What may be done to a trained network before it predicts."""

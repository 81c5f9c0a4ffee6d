"""What the final step finds, as frozen values that import neither torch nor Optuna."""

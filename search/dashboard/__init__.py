"""What stands between a browser and optuna-dashboard, which has no login, no read-only mode and no limits."""

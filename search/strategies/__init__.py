"""How a study searches: samplers, pruners, the model behind them, and the default policy."""

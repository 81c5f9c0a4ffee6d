"""How a study searches: the registry of samplers and pruners, their code, and the default policy."""

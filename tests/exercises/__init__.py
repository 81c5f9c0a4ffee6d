"""The exercises of two textbooks' chapters on deep networks, each solved by commands, and what these printed."""

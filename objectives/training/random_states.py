"""The states of the global random generators: of torch on CPU and device, of Python and of numpy."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def get_random_states(device: torch.device) -> dict[str, Any]:
    """Return the states of all global generators that a training may use, as tensors and plain values."""
    numpy_state = np.random.get_state(legacy=False)
    assert isinstance(numpy_state, dict)
    mersenne = numpy_state["state"]
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "python": random.getstate(),
        "numpy": {**numpy_state, "state": {"key": mersenne["key"].tolist(), "pos": mersenne["pos"]}},
    }


def set_random_states(states: dict[str, Any], device: torch.device) -> None:
    """Continue from what `get_random_states` returned."""
    torch.set_rng_state(states["torch"])
    if device.type == "cuda" and states["cuda"] is not None:  # they may come from a CPU
        torch.cuda.set_rng_state(states["cuda"], device)
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed all global generators that a training may use with one number."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def hash_host_states(device: torch.device) -> int:
    """Return a number that changes when random numbers are drawn on the host instead of the device."""
    numpy_state = np.random.get_state(legacy=False)
    assert isinstance(numpy_state, dict)
    mersenne = numpy_state["state"]
    drawn_by_torch = b"" if device.type == "cpu" else torch.get_rng_state().numpy().tobytes()
    return hash((random.getstate(), drawn_by_torch, mersenne["key"].tobytes(), mersenne["pos"]))

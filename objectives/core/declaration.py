"""The identity of an objective that brings no code of its own: what it declares, wherever its file lies."""

from __future__ import annotations

import hashlib
import json

from objectives.core.objective import Objective


def hash_declaration(objective: Objective) -> str:
    """Return `declared:` and the SHA-256 of everything an objective declares that decides what its trainings are.

    Epochs, trials and the number of training examples are not among it: a study may have others, and stores its own.
    Stored studies hold these hashes: a field that is added here needs an upgrade of the storage.
    """
    declared = {
        "data": objective.data,
        "model": objective.model,
        "space": objective.space.digest,
        "classes": objective.classes,
        "image_size": objective.image_size,
        "precision": objective.precision,
        "validation_fraction": objective.validation_fraction,
        "retrain_on_validation": objective.retrain_on_validation,
    }
    if objective.devices != 1:  # not stored by versions that had one device for each trial
        declared["devices"] = objective.devices
    canonical = json.dumps(declared, sort_keys=True, separators=(",", ":"))
    return f"declared:{hashlib.sha256(canonical.encode()).hexdigest()}"

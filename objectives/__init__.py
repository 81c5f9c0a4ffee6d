"""What depthsearch trains: objectives, and the data sets, models, optimizers and training loop that they combine.

The names in `__all__` are what the file of an objective needs; see docs/own-objectives.md. Each is imported when it is
first used, and none of them loads torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from objectives.base.lazy_exports import export_lazily

if TYPE_CHECKING:
    from objectives.base.errors import ObjectiveError
    from objectives.base.registry import choose
    from objectives.core.objective import Objective
    from objectives.data.batches.share import Share
    from objectives.data.catalogue import DATASETS
    from objectives.models.activations import ACTIVATIONS
    from objectives.models.catalogue import MODELS
    from objectives.models.initializers import INITIALIZERS
    from objectives.models.normalizations import NORMALIZATIONS
    from objectives.optimizers.catalogue import OPTIMIZERS
    from objectives.optimizers.clipping import CLIPPINGS
    from objectives.regularizers.catalogue import REGULARIZERS
    from objectives.reuse.catalogue import REUSES
    from objectives.reuse.torchvision import torchvision_network
    from objectives.schedules.catalogue import SCHEDULES
    from objectives.variants.catalogue import VARIANTS

_HOMES = {
    "ACTIVATIONS": "objectives.models.activations",
    "CLIPPINGS": "objectives.optimizers.clipping",
    "DATASETS": "objectives.data.catalogue",
    "INITIALIZERS": "objectives.models.initializers",
    "MODELS": "objectives.models.catalogue",
    "NORMALIZATIONS": "objectives.models.normalizations",
    "OPTIMIZERS": "objectives.optimizers.catalogue",
    "Objective": "objectives.core.objective",
    "ObjectiveError": "objectives.base.errors",
    "REGULARIZERS": "objectives.regularizers.catalogue",
    "REUSES": "objectives.reuse.catalogue",
    "SCHEDULES": "objectives.schedules.catalogue",
    "Share": "objectives.data.batches.share",
    "VARIANTS": "objectives.variants.catalogue",
    "choose": "objectives.base.registry",
    "torchvision_network": "objectives.reuse.torchvision",
}

__all__ = [
    "ACTIVATIONS",
    "CLIPPINGS",
    "DATASETS",
    "INITIALIZERS",
    "MODELS",
    "NORMALIZATIONS",
    "OPTIMIZERS",
    "REGULARIZERS",
    "REUSES",
    "SCHEDULES",
    "VARIANTS",
    "Objective",
    "ObjectiveError",
    "Share",
    "choose",
    "torchvision_network",
]

__getattr__, __dir__ = export_lazily(__name__, _HOMES)

"""The ways to reuse what was learned elsewhere; a new one is one entry of REUSES next to its builder.

A builder changes a new network in place. All of them keep the initial weights of the upper stages and the output
layer, freeze the reused stages for `freeze_epochs` epochs (each stage below the uppermost for `unfreeze_every` more),
and then train everything at `unfreeze_factor` times the learning rate. The output layer learns at `head_rate` times
the rate of the moment. Builders import torch when called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from objectives.base.technique import Technique
from objectives.reuse.context import ReuseContext
from spaces import Domain, Fixed, Float, Int, Space, standard

if TYPE_CHECKING:
    from torch.nn import Module

    from objectives.reuse.freeze import Freeze
    from objectives.reuse.pretraining import Task


@dataclass(frozen=True, kw_only=True)
class ReuseEntry(Technique):
    """One way to reuse: `build(network, context, <options>)` returns what is frozen, or None for nothing."""

    kind: ClassVar[str] = "reuse"
    build: Callable[..., Freeze | None]


def _reuse_nothing(network: Module, context: ReuseContext) -> None:
    return None


def _transfer(
    network: Module,
    context: ReuseContext,
    *,
    source: str = "",
    layers: int = 1,
    freeze_epochs: int = 5,
    unfreeze_factor: float = 0.1,
    unfreeze_every: int = 0,
    head_rate: float = 1.0,
) -> Freeze:
    from objectives.reuse.stages import freeze_stages, require_stages
    from objectives.reuse.transfer import copy_stages

    staged = require_stages(network, layers)
    copy_stages(staged, context, source, layers)
    return freeze_stages(staged, layers, freeze_epochs, unfreeze_factor, every=unfreeze_every, head_rate=head_rate)


def _load_file(
    network: Module,
    context: ReuseContext,
    *,
    file: str = "",
    layers: int = 1,
    freeze_epochs: int = 5,
    unfreeze_factor: float = 0.1,
    unfreeze_every: int = 0,
    head_rate: float = 1.0,
) -> Freeze:
    from objectives.reuse.from_file import load_stages
    from objectives.reuse.stages import freeze_stages, require_stages

    staged = require_stages(network, layers)
    load_stages(staged, context, file, layers)
    return freeze_stages(staged, layers, freeze_epochs, unfreeze_factor, every=unfreeze_every, head_rate=head_rate)


def _pretrain(
    load_task: Callable[[], Task],
    network: Module,
    context: ReuseContext,
    *,
    layers: int = 1,
    pretrain_epochs: int = 10,
    pretrain_rate: float = 1e-3,
    pretrain_batch_size: int = 128,
    freeze_epochs: int = 5,
    unfreeze_factor: float = 0.1,
    unfreeze_every: int = 0,
    head_rate: float = 1.0,
) -> Freeze:
    from objectives.reuse.pretraining import pretrain
    from objectives.reuse.stages import freeze_stages, require_stages

    staged = require_stages(network, layers)
    pretrain(
        staged,
        context,
        load_task(),
        layers=layers,
        epochs=pretrain_epochs,
        rate=pretrain_rate,
        batch_size=pretrain_batch_size,
    )
    return freeze_stages(staged, layers, freeze_epochs, unfreeze_factor, every=unfreeze_every, head_rate=head_rate)


def _load_reconstruction() -> Task:
    from objectives.reuse.pretraining_tasks import Reconstruction

    return Reconstruction


def _load_rotation() -> Task:
    from objectives.reuse.pretraining_tasks import Rotation

    return Rotation


_REUSED: dict[str, Domain] = {
    "layers": Int(1, 3, at_least=1, at_most=64),
    "freeze_epochs": Int(0, 10, at_least=0, at_most=1000),
    "unfreeze_factor": Float(0.03, 1.0, log=True, at_least=1e-6, at_most=1.0),
    "unfreeze_every": Fixed(0, domain=Int(0, 5, at_least=0, at_most=1000), implied=True),
    "head_rate": Fixed(1.0, domain=Float(1.0, 30.0, log=True, at_least=1e-3, at_most=1e4), implied=True),
}
_PRETRAINED: dict[str, Domain] = {
    "pretrain_epochs": Fixed(10, domain=Int(5, 50, log=True, at_least=1, at_most=10_000)),
    "pretrain_rate": Fixed(1e-3, domain=standard.learning_rate(1e-4, 1e-2)),
    "pretrain_batch_size": Fixed(128, domain=Int(32, 512, log=True, at_least=2, at_most=65536)),
    **_REUSED,
}

REUSES: dict[str, ReuseEntry] = {
    "none": ReuseEntry(build=_reuse_nothing, description="all weights start at random"),
    "transfer": ReuseEntry(
        build=_transfer,
        space=Space({"source": Fixed(""), **_REUSED}),
        description="the lowest stages of the network of the finished study `source` (Yosinski et al. 2014)",
    ),
    "file": ReuseEntry(
        build=_load_file,
        space=Space({"file": Fixed(""), **_REUSED}),
        description="the lowest stages of the file of weights `file`, of this network or torchvision's (Sharif 2014)",
    ),
    "pretrain": ReuseEntry(
        build=partial(_pretrain, _load_reconstruction),
        space=Space(_PRETRAINED),
        description="the lowest stages of an autoencoder trained on unlabelled images (Hinton & Salakhutdinov 2006)",
    ),
    "auxiliary": ReuseEntry(
        build=partial(_pretrain, _load_rotation),
        space=Space(_PRETRAINED),
        description="the lowest stages of a network trained to tell an image's rotation (Gidaris et al. 2018)",
    ),
}

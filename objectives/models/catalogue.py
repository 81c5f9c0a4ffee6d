"""The networks; a new one is one entry of MODELS, with its configuration in `config` and a module for its builder.

Builders import torch when called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from objectives.base.technique import Technique
from objectives.models.config import CnnConfig, ImageShape, MlpConfig, RnnConfig, check_pooling, check_whitening
from spaces import Categorical, Choice, Int, Space, standard

if TYPE_CHECKING:
    from objectives.models.network import Network


def _accept_any_image(config: object, image_shape: ImageShape) -> None:
    """Accept images of every shape."""


@dataclass(frozen=True, kw_only=True)
class ModelEntry(Technique):
    """One network: its configuration, and `build(config, image_shape, classes) -> Network`."""

    kind: ClassVar[str] = "model"
    config: type[Any]
    build: Callable[[Any, ImageShape, int], Network]
    sizes: tuple[str, ...] = ()
    """The configuration's fields that a rule about sizes depends on, including the rule of `check`."""
    check: Callable[[Any, ImageShape], None] = _accept_any_image
    """`check(config, image_shape)` raises `ObjectiveError` if the image is too small for the network."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Defaults of training fields for this network, which the space may replace."""


def _mlp(config: MlpConfig, image_shape: ImageShape, classes: int) -> Network:
    from objectives.models.mlp import build_mlp

    return build_mlp(config, image_shape, classes)


def _cnn(config: CnnConfig, image_shape: ImageShape, classes: int) -> Network:
    from objectives.models.cnn import build_cnn

    return build_cnn(config, image_shape, classes)


def _resnet(config: CnnConfig, image_shape: ImageShape, classes: int) -> Network:
    from objectives.models.resnet import build_resnet

    return build_resnet(config, image_shape, classes)


def _rnn(config: RnnConfig, image_shape: ImageShape, classes: int) -> Network:
    from objectives.models.rnn import build_rnn

    return build_rnn(config, image_shape, classes)


def _check_sizes(config: CnnConfig, image_shape: ImageShape) -> None:
    check_pooling(config.pool_rounds, image_shape)
    check_whitening(config.whitening, image_shape)


_POOL_ROUNDS = Int(1, 3, at_least=0, at_most=16)

MODELS: dict[str, ModelEntry] = {
    "mlp": ModelEntry(
        config=MlpConfig,
        build=_mlp,
        space=Space(depth=standard.depth(1, 24), width=standard.width()),
        description="flatten, `depth` hidden layers of `width` units, linear output (Rumelhart et al. 1986)",
    ),
    "cnn": ModelEntry(
        config=CnnConfig,
        build=_cnn,
        space=Space(depth=standard.depth(3, 9), width=standard.width(8, 96), pool_rounds=_POOL_ROUNDS),
        sizes=("depth", "pool_rounds", "whitening"),
        check=_check_sizes,
        description="`depth` 3x3 blocks; the width doubles at each max pooling (Simonyan & Zisserman 2015)",
    ),
    "resnet": ModelEntry(
        config=CnnConfig,
        build=_resnet,
        space=Space(depth=standard.depth(3, 9), width=standard.width(16, 64), pool_rounds=_POOL_ROUNDS),
        sizes=("depth", "pool_rounds", "whitening"),
        check=_check_sizes,
        description="`depth` residual blocks of two 3x3 convolutions (He et al. 2015, CIFAR form)",
    ),
    "rnn": ModelEntry(
        config=RnnConfig,
        build=_rnn,
        space=Space(
            depth=standard.depth(1, 4),
            width=standard.width(16, 256),
            cell=Categorical("rnn", "gru", "lstm"),
            bidirectional=Categorical(False, True),
        ),
        # One long step in a steep part of the loss undoes many others (Pascanu et al. 2013).
        defaults={"clipping": Choice("clip_norm", {"max_norm": 1.0})},
        description="`depth` layers of RNN, GRU or LSTM over an image's rows (Hochreiter & Schmidhuber 1997)",
    ),
}

"""Configurations of networks that cannot be meant."""

import pytest

from objectives.base.errors import ObjectiveError
from objectives.models.config import CnnConfig, MlpConfig, NetworkConfig, RnnConfig


@pytest.mark.parametrize("config", [MlpConfig, CnnConfig, RnnConfig])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 0}, "depth and width must be at least 1, but got depth=0, width=8"),
        ({"width": 0}, "but got depth=3, width=0"),
        ({"dropout": 1.0}, "dropout must be at most 0.9999, but got 1.0"),
        ({"dropout": -0.1}, "dropout must be at least 0.0, but got -0.1"),
        ({"output_scale": 0.0}, "output_scale must be at least 1e-06, but got 0.0"),
    ],
)
def test_impossible_sizes_are_refused(config: type[NetworkConfig], options: dict[str, object], message: str) -> None:
    with pytest.raises(ObjectiveError, match=message):
        config(**{"depth": 3, "width": 8, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("rounds", [-1, 4])
def test_more_pooling_than_blocks_is_refused(rounds: int) -> None:
    message = f"0 <= pool_rounds <= depth must hold, but got pool_rounds={rounds}, depth=3"
    with pytest.raises(ObjectiveError, match=message):
        CnnConfig(depth=3, width=8, pool_rounds=rounds)


def test_unknown_cell_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="cell must be one of rnn, gru, lstm, but got 'gur'"):
        RnnConfig(depth=1, width=8, cell="gur")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout_layers": -1}, "dropout_layers must be at least 0"),
        ({"alpha_dropout": 1.0}, "alpha_dropout must"),
    ],
)
def test_impossible_dropout_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ObjectiveError, match=message):
        MlpConfig(**{"depth": 3, "width": 8, **options})  # type: ignore[arg-type]

"""A network's weights as a file, and back."""

from pathlib import Path

import torch
from torch import nn

from objectives.models.weights import load_weights, pack_weights
from search.evaluation.model_card import WEIGHTS_FILE


class Tied(nn.Module):
    """Two layers with one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight


def test_tied_weights_are_packed_and_tied_when_they_are_loaded(tmp_path: Path) -> None:
    model, other = Tied(), Tied()
    content, sha256 = pack_weights(model)
    (tmp_path / WEIGHTS_FILE).write_bytes(content)
    assert load_weights(tmp_path / WEIGHTS_FILE, other, sha256) == content
    assert other.second.weight is other.first.weight
    assert all(map(torch.equal, other.state_dict().values(), model.state_dict().values()))
    assert load_weights(tmp_path / WEIGHTS_FILE, other, "0" * 64) is None

"""When a step is recorded, no graph of gradients of earlier work is alive.

Such a graph keeps nodes of the weights that belong to the stream of that work, and CUDA refuses to record beside them.
On a GPU the training then goes on step by step, which a CPU shows in no other way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from objectives.core.objective import Objective
from objectives.core.run import train
from objectives.training import layer_watch
from objectives.training.engines import captured
from spaces import Choice, Configuration, Fixed, Space
from tests.objectives.diagnosis.made import LayersCallback
from tests.objectives.training.engines.made import CONFIG, OBJECTIVE, pictures
from tests.objectives.training.made import Curve, count_graphs

CNN = Objective(data="digits", model="cnn", space=Space(depth=Fixed(2), width=Fixed(8)))
CASES: Mapping[str, tuple[Objective, Mapping[str, Any]]] = {
    "plain": (OBJECTIVE, {}),
    "whitening": (CNN, {"width": 8, "whitening": 2}),
    "pretraining": (CNN, {"width": 8, "reuse": Choice("pretrain", {"pretrain_epochs": 1, "freeze_epochs": 1})}),
    "averaging": (OBJECTIVE, {"swa": True, "schedule": Choice("cosine_dips", {"dips": 1})}),
    "lookahead": (OBJECTIVE, {"lookahead": 3}),
}


class Callback(LayersCallback):
    """Wants measurements, and keeps how steps ran."""

    engines: tuple[str, ...] = ()

    def note_engine(self, description: str) -> None:
        self.engines += (description,)


@pytest.mark.parametrize("name", CASES)
def test_no_graph_of_gradients_is_alive_when_a_step_is_recorded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    objective, changes = CASES[name]
    found: list[int] = []
    record = captured.CapturedEngine._record

    def look(engine: captured.CapturedEngine) -> None:
        found.append(count_graphs() - before)
        record(engine)

    monkeypatch.setattr(captured.CapturedEngine, "_record", look)
    monkeypatch.setattr(layer_watch, "STEPS_BETWEEN", 1)  # in every epoch
    callback, before = Callback(), count_graphs()
    config = Configuration({**CONFIG, **changes})
    train(objective, config, pictures("cpu"), Curve(), epochs=3, seed=7, callback=callback, step_mode="graph")
    assert callback.engines == ("graph",)
    assert callback.layers.keys() == {0, 1, 2}
    assert set(found) == {0}

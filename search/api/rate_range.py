"""The learning-rate range test (Smith 2017) of an objective: no study, and no storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from objectives.base.plurals import count_noun
from objectives.core.middle import find_middle
from objectives.core.overriding import override_objective
from objectives.core.rate_range import RateRange, space_rates
from objectives.discovery import find_objective, make_importable
from search.errors import UsageError
from search.settings import Settings
from spaces import Categorical, Choice, Configuration, Fixed, Scalar, Space

if TYPE_CHECKING:
    from objectives.core.objective import Objective
    from objectives.data.batches.examples import TrainValidation
    from objectives.data.files.decoded import Progress as Decoding

MOST_STEPS = 100_000
OPTIMIZER, RATE = "optimizer", "learning_rate"


@dataclass(frozen=True, kw_only=True)
class RateRangeRequest:
    """What to ramp: an objective with its overrides, and the ramp."""

    objective: str
    overrides: tuple[str, ...] = ()
    low: float = 1e-6
    """The first learning rate."""
    high: float = 10.0
    """The last learning rate."""
    steps: int = 300
    """Training steps, each at a higher rate."""
    seed: int = 0
    """Of the split, the weights and the order of the images."""

    def __post_init__(self) -> None:
        """Raise `UsageError` if a number breaks its rule."""
        if not 0 < self.low < self.high <= 1e6:
            raise UsageError(f"0 < --low < --high <= 1e6 must hold, but got --low {self.low:g} --high {self.high:g}")
        if not 20 <= self.steps <= MOST_STEPS:
            raise UsageError(f"--steps must be from 20 to {MOST_STEPS:,}, but got {self.steps}")
        if not 0 <= self.seed < 2**31:
            raise UsageError(f"--seed must be from 0 to {2**31 - 1}, but got {self.seed}")


@dataclass(frozen=True, kw_only=True)
class RatePoint:
    """One step of a ramp."""

    rate: float
    loss: float
    """The training loss of the next batch, penalties included, in nats; null if it is no number."""
    smoothed: float
    """The smoothed loss; none is above four times the first one."""


@dataclass(frozen=True, kw_only=True)
class OptimizerRange:
    """What the ramp of one optimizer tells."""

    optimizer: str | None
    """None if the space names none: the default of a training."""
    steepest: float | None
    """The rate at which the smoothed loss falls fastest; null if it does not fall."""
    lowest: float | None
    """The rate at which the smoothed loss is lowest; null if it does not fall."""
    blow_up: float | None
    """The rate at which half of what the loss had fallen by is lost again; null if the ramp ends before."""
    proposed: str | None
    """What to give to --set: a range from a tenth of the steepest rate to the lowest, at most half of the blow-up."""
    points: tuple[RatePoint, ...]


@dataclass(frozen=True, kw_only=True)
class RateRanges:
    """A learning-rate range test."""

    objective: str
    device: str
    configuration: Mapping[str, Scalar]
    """What was trained: the middle of each range, the first of all choices but the optimizer's."""
    ranges: tuple[OptimizerRange, ...]
    """One for each optimizer of the space."""

    def to_json(self) -> dict[str, object]:
        """Return the document that `search lr-range --json` prints."""
        from dataclasses import asdict

        return asdict(self)


def measure_rate_ranges(
    request: RateRangeRequest, settings: Settings, tell: Callable[[str], None], decoding: Decoding | None = None
) -> RateRanges:
    """Train an objective for a few hundred steps with each of its optimizers; only training images are read.

    From here on this process cannot open test files.

    Raises:
        ObjectiveError, SpaceError, DataError: there is no such objective or data, or an override breaks a rule.
    """
    from objectives.base.device import resolve_devices
    from objectives.core.rate_ramp import check_ramp, train_ramp

    found = find_objective(request.objective)
    objective = override_objective(found.objective, request.overrides)
    check_ramp(objective)
    device = resolve_devices(settings.device)[0]
    data = _load_training_part(objective, settings, request.seed, device, decoding)
    make_importable(found)
    rates = space_rates(request.low, request.high, request.steps)
    ranges = []
    for name in _list_optimizers(objective.space):
        tell(f"{name or 'training'}: {count_noun(request.steps, 'step')} on {device}")
        config = find_middle(objective.space, {} if name is None else {OPTIMIZER: name})
        ranges.append(_describe(name, objective.space, train_ramp(objective, config, data, rates, seed=request.seed)))
    return RateRanges(
        objective=found.name,
        device=device,
        configuration=dict(_list_fixed(find_middle(objective.space))),
        ranges=tuple(ranges),
    )


def _load_training_part(
    objective: Objective, settings: Settings, seed: int, device: str, decoding: Decoding | None
) -> TrainValidation:
    """Return the data that a study of this seed trains on, and seal this process against test files."""
    from objectives.data import seal
    from objectives.data.batches.examples import load
    from objectives.data.cache import prepare
    from objectives.data.splits.divide import split_data

    size = objective.image_size
    prepared = prepare(objective.data, settings.data, settings.cache, image_size=size, progress=decoding)
    objective.check_images(prepared.image_shape)
    seal.install(seal.find_sealed_paths(settings.data, settings.cache))
    split = split_data(prepared, objective.validation_fraction, seed, objective.train_examples, objective.classes)
    return load(prepared, split, device, classes=objective.classes)


def _list_optimizers(space: Space) -> Iterator[str | None]:
    """Yield the optimizers that the space may choose; None if it names none."""
    domains = [domain for name, domain in space.values() if name == OPTIMIZER]
    choices = [
        domain.choices if isinstance(domain, Categorical) else (domain.value,)
        for domain in domains
        if isinstance(domain, Categorical | Fixed)
    ]
    yield from dict.fromkeys(str(choice) for found in choices for choice in found) or (None,)


def _list_fixed(middle: Configuration) -> Iterator[tuple[str, Scalar]]:
    """Yield what all ramps have in common, an option as `<choice>.<option>`."""
    for name, value in middle.items():
        if name in (OPTIMIZER, RATE, "schedule"):
            continue
        if not isinstance(value, Choice):
            yield name, value
            continue
        yield name, value.name
        yield from ((f"{value.name}.{option}", inner) for option, inner in value.options.items())


def _describe(optimizer: str | None, space: Space, found: RateRange) -> OptimizerRange:
    """Return a ramp's result with the override that sets this optimizer's range and no other's."""
    shared = RATE in space.names() or optimizer is None
    several = len(list(_list_optimizers(space))) > 1
    name = RATE if shared or not several else f"{optimizer}.{RATE}"
    return OptimizerRange(
        optimizer=optimizer,
        steepest=found.steepest,
        lowest=found.lowest,
        blow_up=found.blow_up,
        proposed=None if found.proposed is None else f"{name}={found.proposed[0]:g}:{found.proposed[1]:g}",
        points=tuple(
            RatePoint(rate=rate, loss=loss, smoothed=smoothed)
            for rate, loss, smoothed in zip(found.rates, found.losses, found.smoothed, strict=True)
        ),
    )

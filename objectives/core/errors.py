"""The exceptions of objectives.

ObjectiveError            a definition, a name or a configuration breaks a rule
TrainingError             something happened while a trial trained
├── Diverged              the loss or a metric became NaN or infinite
└── OutOfMemory           the device had too little memory for this configuration
"""


class ObjectiveError(ValueError):
    """An objective, a registry name or a configuration breaks a rule; the message names both."""


class TrainingError(Exception):
    """A configuration did something to itself while it trained."""


class Diverged(TrainingError):
    """The loss or a metric became NaN or infinite."""


class OutOfMemory(TrainingError):
    """The device had too little memory; `peak_bytes` is the most that was held, 0 where unknown."""

    def __init__(self, message: str, peak_bytes: int = 0) -> None:
        super().__init__(message)
        self.peak_bytes = peak_bytes

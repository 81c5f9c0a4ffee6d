"""The exceptions of objectives.

ObjectiveError            a definition, a name or a configuration breaks a rule
TrainingError             a configuration failed while it trained
├── Diverged              the loss or a metric became NaN or infinite
└── OutOfMemory           the device had too little memory for this configuration
UnusableState             the saved state of an unfinished training cannot be resumed
StopTraining              a request to stop training now, before its end
StopReading               a request to stop reading an objective's file
"""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, which may be empty."""
    return (str(error).splitlines() or [""])[0]


class ObjectiveError(ValueError):
    """An objective, a registry name or a configuration breaks a rule; the message names the value and the rule."""


class TrainingError(Exception):
    """A configuration failed while it trained, by its own fault."""


class Diverged(TrainingError):
    """The loss or a metric became NaN or infinite."""


class OutOfMemory(TrainingError):
    """The device had too little memory; `peak_bytes` is the most that was allocated, 0 if unknown."""

    def __init__(self, message: str, peak_bytes: int = 0) -> None:
        super().__init__(message)
        self.peak_bytes = peak_bytes


class UnusableState(Exception):
    """The saved state of an unfinished training is damaged or belongs to another network; training must start over."""


class StopTraining(Exception):
    """A callback's request to stop training now; another process may resume it from its state."""


class StopReading(BaseException):
    """A request to stop reading an objective's file; not an Exception, so that the file cannot swallow it."""

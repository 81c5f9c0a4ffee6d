"""The exceptions of objectives.

ObjectiveError            a definition, a name or a configuration breaks a rule
TrainingError             something happened while a trial trained
├── Diverged              the loss or a metric became NaN or infinite
└── OutOfMemory           the device had too little memory for this configuration
UnusableState             what was kept of an unfinished training cannot be gone on from
StopTraining              the training ends now, unfinished
StopReading               an objective's file has been read far enough
"""


def first_line(error: BaseException) -> str:
    """The first line of what an error says; empty where it says nothing."""
    return (str(error).splitlines() or [""])[0]


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


class UnusableState(Exception):
    """What was kept of an unfinished training is damaged, or of another network; it must begin anew."""


class StopTraining(Exception):
    """The training is to be left now, for whoever goes on from its state; raised by who watches it."""


class StopReading(BaseException):
    """An objective's file has been read far enough; not an Exception, so that the file cannot swallow it."""

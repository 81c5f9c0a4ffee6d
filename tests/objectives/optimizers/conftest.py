"""The tests of this folder compute on one thread."""

from tests.objectives.threads import one_thread

__all__ = ["one_thread"]

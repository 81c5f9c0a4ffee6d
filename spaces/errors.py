"""The one exception of this package."""


class SpaceError(ValueError):
    """A space, an override or a set of parameters breaks a rule; the message names the rule and the value."""

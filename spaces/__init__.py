"""What may vary: typed domains, conditional spaces and the configurations drawn from them.

Nothing here imports torch, so that a command line can read, print and compare spaces at once.
"""

from spaces.configuration import Choice, Configuration
from spaces.corners import corners
from spaces.domains import Categorical, Domain, Fixed, Float, Int, Scalar
from spaces.errors import SpaceError
from spaces.limits import beyond_limits, ends
from spaces.overrides import number_or_text, override
from spaces.space import Space

__all__ = [
    "Categorical",
    "Choice",
    "Configuration",
    "Domain",
    "Fixed",
    "Float",
    "Int",
    "Scalar",
    "Space",
    "SpaceError",
    "beyond_limits",
    "corners",
    "ends",
    "number_or_text",
    "override",
]

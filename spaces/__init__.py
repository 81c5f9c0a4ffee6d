"""Search spaces of depthsearch: typed domains, conditional spaces and the configurations drawn from them.

Nothing here imports torch, so that a command line can read, print and compare spaces quickly.
"""

from spaces.configuration import Choice, Configuration
from spaces.corners import corners
from spaces.domains import Categorical, Domain, Fixed, Float, Int, Scalar
from spaces.errors import SpaceError
from spaces.limits import ends, find_broken_limit
from spaces.overriding.offers import Offers
from spaces.overriding.overrides import override
from spaces.overriding.texts import parse_number_or_text
from spaces.space import Space
from spaces.unless import Unless

__all__ = [
    "Categorical",
    "Choice",
    "Configuration",
    "Domain",
    "Fixed",
    "Float",
    "Int",
    "Offers",
    "Scalar",
    "Space",
    "SpaceError",
    "Unless",
    "corners",
    "ends",
    "find_broken_limit",
    "override",
    "parse_number_or_text",
]

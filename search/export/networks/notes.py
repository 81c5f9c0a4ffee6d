"""What a user should know of the network that is exported."""

from __future__ import annotations

from collections.abc import Callable

from search.evaluation.variant_args import join_variants
from search.export.networks.found import FoundNetwork
from storage.errors import format_command


def tell_of_network(network: FoundNetwork, tell: Callable[[str], object]) -> None:
    """Tell if the network was not scored, or is not quite what was scored."""
    if network.score is None:
        name = network.final_step.record.name
        tell(
            f"note: study {name!r} has no test score; this is the network of its best trial, "
            f"{network.winner.trial.number}, trained without the validation images; "
            f"`{format_command('final', '--study', name)}` trains and scores the final one"
        )
    elif network.left_out:
        tell(
            f"note: the score is that of {join_variants(network.score.variants)}; the exported network predicts "
            f"without {', '.join(network.left_out)}"
        )

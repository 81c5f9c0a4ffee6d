"""Everything that repeating a study needs, in words."""

from __future__ import annotations

from search.report.document.content.study_report import StudyReport
from search.report.document.wording.blocks import Block, Code, Section, Text, tabulate


def describe_repetition(report: StudyReport) -> Section:
    """Return commands, seeds, versions and digests."""
    made = report.repetition
    own = " The objective is a file of your own: give its path." if made.is_own_objective else ""
    blocks: list[Block] = [
        Text(
            f"These commands make the study again under its name, in another storage.{own} One worker proposes the "
            "same trials in the same order; with several, the order in which trials end decides what is proposed next."
        ),
        Code(made.commands),
    ]
    rows = [("study's identity", made.uuid), ("objective", made.objective), ("data set", made.dataset)]
    rows += [(f"seed of {_with_article(name)}", str(seed)) for name, seed in made.seeds.items()]
    rows += [(f"{name} of the best trial", value) for name, value in made.hardware.items()]
    rows += [(f"version of {name}", value) for name, value in made.versions.items()]
    rows += [] if made.git_commit is None else [("git commit of the working folder", made.git_commit)]
    rows += [(f"search policy from trial {each.first_trial} on", each.policy) for each in made.policies]
    rows += [(f"SHA-256 of the {name}", digest) for name, digest in made.digests.items()]
    rows += [(f"learned from {name}", f"{count} trials") for name, count in made.experience.items()]
    blocks.append(tabulate(("what", "value"), rows))
    return Section(title="To repeat it", blocks=tuple(blocks))


def _with_article(name: str) -> str:
    """Return what a seed is of: a trial has a number, and the others an article."""
    return name if name.startswith("trial ") else f"the {name}"

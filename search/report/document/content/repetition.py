"""Everything that repeating a study needs: its command, versions, seeds and digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from search.report.document.content.facts import StudyFacts
from search.study.options import OPTIONS
from search.study.spec import PolicyPeriod
from storage.errors import format_command

OWN_FILE = "path/to/"


@dataclass(frozen=True, kw_only=True)
class Repetition:
    """What a study was created with."""

    uuid: str
    objective: str
    dataset: str
    commands: tuple[str, ...]
    """What makes the study again, and scores it if it was scored."""
    is_own_objective: bool
    """Whether the objective is a user's own file, which the command must name by its path."""
    seeds: Mapping[str, int]
    """Of the study, the best trial and the scored retraining, as far as they are stored."""
    versions: Mapping[str, str]
    git_commit: str | None
    hardware: Mapping[str, str]
    """Of the best trial: its device's model and its threads, on which a repetition is the same to the last bit."""
    digests: Mapping[str, str]
    """By what they are of: the space, the objective, the data, the split, files, source networks, scored weights."""
    policies: tuple[PolicyPeriod, ...]
    experience: Mapping[str, int]
    """Trials of each earlier study that this one learned from, by UUID or `portfolio:NAME`."""


def describe_repetition(facts: StudyFacts) -> Repetition:
    """Return what the records say about the study's making."""
    spec, final = facts.spec, facts.status.final
    best = None if facts.status.best is None else facts.trials[facts.status.best.trial]
    attributes = {} if best is None else best.user_attrs
    seeds = {"study": int(spec.seed)}
    if best is not None and "seed" in attributes:
        seeds[f"trial {best.number}"] = int(attributes["seed"])
    if final is not None:
        seeds[f"retraining of trial {final.trial}"] = final.seed
    return Repetition(
        uuid=facts.uuid,
        objective=spec.objective,
        dataset=spec.dataset,
        commands=_format_commands(facts),
        is_own_objective=bool(spec.objective_files),
        seeds=seeds,
        versions=dict(spec.versions or {}),
        git_commit=spec.git_commit,
        hardware={name: str(attributes[name]) for name in ("hardware", "threads", "step") if name in attributes},
        digests=_list_digests(facts),
        policies=tuple(facts.status.policies),
        experience=dict(spec.experience or {}),
    )


def _format_commands(facts: StudyFacts) -> tuple[str, ...]:
    spec, budget, final = facts.spec, facts.status.budget, facts.status.final
    objective = f"{OWN_FILE}{next(iter(spec.objective_files))}" if spec.objective_files else spec.objective
    words = ["run", "--study", facts.name, "--objective", objective]
    if budget.trials is not None:
        words += ["--trials", str(budget.trials)]
    if budget.epochs is not None:
        words += ["--budget", f"{budget.epochs / spec.epochs:g}R"]
    for name in OPTIONS:
        value = getattr(spec, name)
        if value is not None and not (name == "validation_fraction" and spec.validation_folder):
            words += [f"--{name.replace('_', '-')}", str(value)]
    for override in spec.overrides or ():
        words += ["--set", override]
    words += ["--experience", "none"] if spec.experience is None else []
    commands = [format_command(*words)]
    if final is not None:
        commands.append(format_command(*_list_final_words(facts)))
    return tuple(commands)


def _list_final_words(facts: StudyFacts) -> list[str]:
    final = facts.status.final
    assert final is not None
    words = ["final", "--study", facts.name]
    if final.confirmation is not None:
        words += ["--confirm", str(final.confirmation.asked), "--confirm-seeds", str(final.confirmation.seeds)]
    words += ["--all"] if final.retraining.all_images else []
    words += ["--epochs", "full"] if final.retraining.full else []
    return words + [word for variant in final.variants for word in ("--variant", variant)]


def _list_digests(facts: StudyFacts) -> dict[str, str]:
    spec, final = facts.spec, facts.status.final
    found = {
        "space": spec.space_digest,
        "objective": spec.objective_hash,
        "data": spec.data_fingerprint,
        "split": spec.split_fingerprint,
        **{f"file {name}": digest for name, digest in spec.objective_files.items()},
        **{f"source network of {name}": digest for name, digest in spec.sources.items()},
    }
    if final is not None:
        found["scored weights"] = final.weights_sha256
    return {name: digest for name, digest in found.items() if digest}

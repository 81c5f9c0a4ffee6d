"""The targets of `search deploy`: one entry each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

COMMON = frozenset({"study", "storage", "objective", "workers", "gpus", "cpus", "memory", "data", "checkpoints"})
"""The options that every target reads."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Something that starts workers, given a file."""

    template: str
    """The name of a file in `templates`."""
    description: str
    options: frozenset[str]
    """The options that this target reads, beside those that all read."""
    defaults: dict[str, Any] = field(default_factory=dict)
    """Values of options that were not given; `{version}` stands for the program's version."""
    one_machine: bool = False
    """Whether --workers are processes of one command, and not as many machines."""
    pool_template: str | None = None
    """The file of a pool of machines, where the target has such a thing."""


TARGETS = {
    "slurm": Target(
        template="slurm.sh.j2",
        description="a job array that is queued again when it is preempted; for sbatch",
        options=frozenset({"time", "partition", "account", "password_file", "gpu_type"}),
    ),
    "kubernetes": Target(
        template="kubernetes.yaml.j2",
        description="a Job whose evicted pods are replaced; for kubectl, and Kueue with --queue",
        options=frozenset({"image", "secret", "queue", "claim", "gpu_type"}),
        defaults={"image": "depthsearch:{version}", "secret": "depthsearch"},
    ),
    "skypilot": Target(
        template="skypilot.yaml.j2",
        description="a managed job on spot machines of any cloud, or with --pool the pool for such jobs; for sky jobs",
        options=frozenset({"image", "gpu_type", "package", "spot", "pool"}),
        defaults={"gpu_type": "A100", "spot": True},
        pool_template="skypilot_pool.yaml.j2",
    ),
    "compose": Target(
        template="compose.yaml.j2",
        description="workers on one more machine with Docker; for docker compose",
        options=frozenset({"image"}),
        defaults={"image": "depthsearch:{version}"},
        one_machine=True,
    ),
}

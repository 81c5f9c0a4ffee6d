"""A real Slurm of one machine: its three daemons, started in a folder and ended with the block."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.search.command import until

DAEMONS = ("munged", "slurmctld", "slurmd")
CPUS = 4
# A job of `urgent` takes the place of those of `spare`, which are queued again.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=10
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=spare Nodes={host} Default=YES PriorityTier=1 State=UP
PartitionName=urgent Nodes={host} PriorityTier=10 PreemptMode=OFF State=UP
"""


def is_installed() -> bool:
    """Return whether this machine has Slurm, and we may start it."""
    return os.geteuid() == 0 and all(shutil.which(name) for name in (*DAEMONS, "sbatch"))


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """A running cluster of one node with the partitions `spare` and `urgent`."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, *command: str | Path, cwd: Path | None = None) -> str:
        """Run one of Slurm's programs and return what it prints."""
        ended = subprocess.run(
            command, env=self.environment, cwd=cwd or self.folder, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{command}: {ended.stderr}\n{self.read_logs()}"
        return ended.stdout.strip()

    def submit(self, *arguments: str | Path, cwd: Path | None = None) -> str:
        """Submit a job and return its number."""
        return self.run("sbatch", "--parsable", *arguments, cwd=cwd)

    def list_states(self, job: str) -> dict[str, str]:
        """Return the state of each task of an array that has not ended."""
        lines = self.run("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        states = dict(line.split() for line in lines)
        return {name.partition("_")[2]: state for name, state in states.items() if name.startswith(f"{job}_")}

    def wait_until(self, job: str, state: str, *tasks: str) -> None:
        """Wait until tasks of an array are in a state."""
        until(lambda: all(self.list_states(job).get(task) == state for task in tasks), f"{tasks} {state}")

    def start_now(self, job: str, *tasks: str) -> None:
        """Let queued tasks start, which Slurm delays by two minutes after they were requeued."""
        for task in tasks:
            self.run("scontrol", "update", f"JobId={job}_{task}", "StartTime=now")

    def read_logs(self) -> str:
        """Return what the daemons have said."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))


@contextmanager
def running(folder: Path, environment: Mapping[str, str]) -> Iterator[Slurm]:
    """Yield a cluster below `folder`, whose jobs get the environment."""
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(mode=0o755)
    key = folder / "key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    configuration, host = folder / "slurm.conf", socket.gethostname().partition(".")[0]
    controller, node = _free_ports()
    configuration.write_text(
        CONFIGURATION.format(folder=folder, host=host, controller=controller, node=node, cpus=CPUS)
    )
    slurm = Slurm(folder=folder, environment={**environment, "SLURM_CONF": str(configuration)})
    munge = [f"--{name}-file={folder / 'munge' / name}" for name in ("pid", "log", "seed")]
    with ExitStack() as stack:
        stack.enter_context(
            _daemon(slurm, "munged", "--foreground", f"--key-file={key}", f"--socket={folder}/munge/socket", *munge)
        )
        until(lambda: (folder / "munge" / "socket").exists(), "munge's socket", seconds=20)
        stack.enter_context(_daemon(slurm, "slurmctld", "-D", "-c"))
        stack.enter_context(_daemon(slurm, "slurmd", "-D"))
        until(lambda: _is_idle(slurm), "an idle node", seconds=60)
        stack.callback(_end_jobs, slurm)
        yield slurm


@contextmanager
def _daemon(slurm: Slurm, *command: str) -> Iterator[None]:
    with (slurm.folder / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=slurm.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_idle(slurm: Slurm) -> bool:
    ended = subprocess.run(
        ["sinfo", "--noheader", "--format=%T"], env=slurm.environment, capture_output=True, text=True, check=False
    )
    return ended.stdout.split()[:1] == ["idle"]


def _end_jobs(slurm: Slurm) -> None:
    """Cancel what is left, and wait until its processes are gone."""
    slurm.run("scancel", "--user=root")
    until(lambda: slurm.run("squeue", "--noheader") == "", "the last job's end", seconds=60)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return int(first.getsockname()[1]), int(second.getsockname()[1])

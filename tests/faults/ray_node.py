"""One machine of a Ray cluster, on loopback: `python -m tests.faults.ray_node FOLDER CPUS [ADDRESS]`, until killed."""

from __future__ import annotations

import signal
import sys

from ray._private.node import Node
from ray._private.parameter import RayParams

STORE_BYTES = 80_000_000


def run(folder: str, cpus: int, address: str | None) -> None:
    """Start a node, the first of a cluster without an address; print the cluster's, and wait."""
    # Not `ray start`, which listens on every interface.
    parameters = RayParams(
        gcs_address=address,
        node_ip_address="127.0.0.1",
        num_cpus=cpus,
        num_gpus=0,
        object_store_memory=STORE_BYTES,
        include_dashboard=False,
        include_log_monitor=False,
        temp_dir=folder,
        min_worker_port=0,
        max_worker_port=0,
        node_manager_port=0,
        dashboard_agent_listen_port=0 if address is None else None,
    )
    node = Node(parameters, head=address is None, shutdown_at_exit=False, spawn_reaper=False)
    print(node.gcs_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)

"""What CUDA sees in a worker's process: a driver for eight GPUs that notes who starts it, and which GPUs it may use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.faults.needs import need

# As much of the driver as CUDA's runtime calls before it counts devices.
DRIVER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int cuInit(unsigned flags) {
  const char *visible = getenv("CUDA_VISIBLE_DEVICES");
  FILE *notes = fopen(getenv("NOTES"), "a");
  fprintf(notes, "%d %s\\n", getpid(), visible ? visible : "-");
  fclose(notes);
  return 0;
}
int cuDriverGetVersion(int *version) { *version = 99000; return 0; }
int cuDeviceGetCount(int *count) { *count = 8; return 0; }
static int refuse(void) { return 100; }
int cuGetProcAddress_v2(const char *name, void **found, int version, unsigned long long flags, int *status) {
  Dl_info own;
  dladdr((void *)refuse, &own);
  void *library = dlopen(own.dli_fname, RTLD_NOW | RTLD_NOLOAD), *known = library ? dlsym(library, name) : 0;
  *found = known ? known : (void *)refuse;
  if (status) *status = 0;
  return 0;
}
int cuGetProcAddress(const char *name, void **found, int version, unsigned long long flags) {
  return cuGetProcAddress_v2(name, found, version, flags, 0);
}
int cuGetExportTable(const void **table, const void *identity) {
  static void *entries[512];
  entries[0] = (void *)sizeof entries;
  for (int i = 1; i < 512; i++) entries[i] = (void *)refuse;
  *table = entries;
  return 0;
}
"""
RUN = """
import os

from search.settings import load
from search.workers import processes
from search.workers.machine import fork_server
from search.workers.job import WorkerJob


def start_cuda(job, sender):
    processes.hide_other_gpus(job)
    import torch

    torch.cuda.is_available()
    sender.send(os.getpid())


if __name__ == "__main__":
    context = fork_server.start_fork_server()
    for visible in (("GPU-3f",), ("GPU-5f", "GPU-6f"), ("MIG-1",), ()):
        receiver, sender = context.Pipe(duplex=False)
        job = WorkerJob(
            storage="", study="s", objective=None, settings=load(), device="cuda:3", threads=1, visible=visible
        )
        process = context.Process(target=start_cuda, args=(job, sender))
        process.start()
        print(receiver.recv(), ",".join(visible) or "0,1", flush=True)
        process.join()
"""


@pytest.mark.long
def test_cuda_starts_in_workers_alone_which_see_their_own_gpus(tmp_path: Path) -> None:
    need(reason="needs gcc and a torch with CUDA", there=shutil.which("gcc") is not None and bool(torch.version.cuda))
    (tmp_path / "driver.c").write_text(DRIVER)
    (tmp_path / "run.py").write_text(RUN)
    library = tmp_path / "libcuda.so.1"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "driver.c", "-ldl"], check=True)
    environment = {"LD_LIBRARY_PATH": str(tmp_path), "NOTES": str(tmp_path / "notes"), "CUDA_VISIBLE_DEVICES": "0,1"}
    ran = subprocess.run(
        [sys.executable, tmp_path / "run.py"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    # Neither the command nor the server that workers are forked from has started the driver.
    assert (tmp_path / "notes").read_text().splitlines() == ran.stdout.splitlines() != []

"""One studio for all tests that only draw, a cluster, and an object store."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

import lbw

#: Small and quick.
SIZE: dict[str, Any] = {"width": 64, "height": 64, "steps": 2}


@pytest.fixture(scope="session")
def studio() -> Iterator[lbw.Studio]:
    with lbw.Studio(**SIZE) as studio:
        yield studio


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A cluster whose first node draws nothing: tests add those that do."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    # Workers are as important as whatever else runs on this machine.
    os.environ["RAY_worker_niceness"] = "0"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "resources": {"head": 4}})
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of a server of S3's kind on this machine, which has a bucket ``lbw``."""
    pytest.importorskip("moto")
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", "0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    log = server.stdout
    assert log is not None
    try:
        address = next(line.split()[-1] for line in log if "Running on" in line).rstrip("/")
        # It tells of each request, and waits until somebody has heard it.
        threading.Thread(target=log.read, daemon=True).start()
        for _ in range(100):
            try:
                urllib.request.urlopen(urllib.request.Request(f"{address}/lbw", method="PUT"))
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        yield address
    finally:
        server.kill()
        server.wait()

"""The driver of one job: a process of its own.

It is started as a Ray Job, `python -m cluster.search.job ID ATTEMPT ADDRESS`.

It imports what a search needs after it has asked Ray for workers: so they start meanwhile.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from uuid import UUID

import ray

from actors.options import NAMESPACE
from cluster.search.ready_workers import start_workers

TOLD_AFTER_S = 1.5
"""Ray tells its dashboard once a second which tasks have ended; what its driver had no time to tell is lost."""


def main(job_id: UUID, attempt: int, address: str) -> int:
    ray.init(address, namespace=NAMESPACE, log_to_driver=False, logging_level="WARNING")
    start_workers()
    from cluster.search.job_attempt import run  # a second of imports

    gc.freeze()  # what is imported stays: no collection looks at it again
    code = run(job_id, attempt)
    if code == 0:
        time.sleep(TOLD_AFTER_S)
    return code


if __name__ == "__main__":
    # Ray's own shutdown takes seconds, in which the job would count as running.
    os._exit(main(UUID(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))

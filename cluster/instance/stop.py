"""Stopping an instance from outside, and what a killed one left running."""

from __future__ import annotations

import signal
from contextlib import nullcontext, suppress

from cluster.instance.instance_file import Instance, read_instance, running_instance
from cluster.machine.data_folder import DataFolder
from cluster.machine.leftovers import boots_of, kill_leftovers
from cluster.machine.polls import polls
from cluster.machine.processes import end_process, opened_by, process_of
from cluster.services.embedded_postgres import EmbeddedPostgres
from cluster.services.embedded_service import EmbeddedService
from cluster.services.embedded_valkey import EmbeddedValkey
from cluster.services.simulated_exchanges import SimulatedExchanges

STOP_TIMEOUT_S = 60.0
"""Longer than the API lets requests under way finish."""

SERVICES: tuple[type[EmbeddedService], ...] = (EmbeddedPostgres, EmbeddedValkey, SimulatedExchanges)


def stop_instance(folder: DataFolder) -> str:
    """Stop whatever of the instance runs; returns what that was, in words.

    Raises:
        InstanceError: the folder is held by a process that is no instance.
    """
    running = running_instance(folder)
    if running:
        how = _end(running, folder)
        _clean(folder, read_instance(folder) or running)  # its Ray may have started anew meanwhile
        return f"stopped the instance in {folder} (process {running.pid}){how}"
    lost = process_of(None if folder.path.exists() else opened_by(folder.path))
    if lost:  # neither folder has kept its file, but it has the removed one open
        end_process(lost, signal.SIGTERM, STOP_TIMEOUT_S)
        _clean(folder, None)
        return f"stopped process {lost.pid}, which held the removed folder {folder}"
    orphans = _clean(folder, read_instance(folder))
    if orphans:
        return f"no instance ran in {folder}; stopped what a killed one had left: {', '.join(orphans)}"
    return f"no instance runs in {folder}"


def _end(instance: Instance, folder: DataFolder) -> str:
    instance.send(signal.SIGTERM)
    if any(not instance.lives() for _ in polls(STOP_TIMEOUT_S)):
        return ""
    instance.send(signal.SIGKILL)
    return f", which had to be killed after {STOP_TIMEOUT_S:g} s"


def _clean(folder: DataFolder, instance: Instance | None) -> list[str]:
    """End what is left of it; the names of what was."""
    with folder.locked() if folder.path.is_dir() else nullcontext():
        found = []
        # A copied folder's file names a boot of the original's, which may be alive.
        recorded = {instance.boot} if instance and not instance.lives() else set()
        boots = filter(None, recorded | boots_of(str(folder)))
        if sum(kill_leftovers(boot, str(folder.ray_dir(boot))) for boot in boots):
            found.append("ray")
        for kind in SERVICES:
            service = kind(folder)
            if service.find():
                service.stop()
                found.append(service.name)
        with suppress(OSError):
            folder.instance_file.unlink(missing_ok=True)
        folder.forget_run_dirs()
    return found

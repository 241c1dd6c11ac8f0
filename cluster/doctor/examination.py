"""The examination: all checks, one after the other, whatever each finds."""

from __future__ import annotations

from candleray.errors import CandlerayError
from candleray.settings import Settings
from cluster.doctor import folder_checks, machine_checks, service_checks
from cluster.doctor.finding import Check, Finding, Patient, fault, found_by
from cluster.instance.instance_file import running_instance
from cluster.machine.data_folder import DataFolder

CHECKS: dict[str, Check] = {
    "limits": machine_checks.limits,
    "disk": machine_checks.disk,
    "clock": machine_checks.clock,
    "ports": machine_checks.ports,
    "sockets": machine_checks.sockets,
    "permissions": folder_checks.permissions,
    "parts": folder_checks.parts,
    "version": folder_checks.version,
    "secrets": folder_checks.secrets,
    "backups": folder_checks.backups,
    "postgres": service_checks.postgres,
    "valkey": service_checks.valkey,
    "clickhouse": service_checks.clickhouse,
    "ray": service_checks.ray,
    "exchanges": service_checks.exchanges,
}


def examine(settings: Settings) -> list[Finding]:
    """Look at everything; nothing is changed."""
    folder = DataFolder(settings.data_path)
    try:
        patient = Patient(settings, folder, running_instance(folder))
    except CandlerayError as error:
        return [fault("instance", error.message, "see what that process is, and end it")]
    return [finding for about, check in CHECKS.items() for finding in found_by(about, check, patient)]

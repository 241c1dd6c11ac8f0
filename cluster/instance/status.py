"""The view of an instance from outside: every part, its process, its address and its memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.table import Table

from actors.answering import socket_of
from actors.options import RAY_DRIVER
from candleray.build import difference
from candleray.duties.outcomes import Activity, DutyCourse
from candleray.errors import CandlerayError
from candleray.heartbeats import WorkerBeat
from candleray.terminal.tables import second_text
from cluster.instance.api_deployment import readiness, told_at
from cluster.instance.asking import listener_of
from cluster.instance.instance_file import Restarts, State, Trouble, running_instance
from cluster.instance.stop import SERVICES
from cluster.machine.data_folder import DataFolder
from cluster.machine.processes import answers_of, process_of, tree_of
from cluster.services.simulated_exchanges import SimulatedExchanges

MIB = 2**20
OK = 200


class PartStatus(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    state: str
    pid: int | None = None
    address: str | None = None
    pss_bytes: int | None = None
    """Memory with shared pages counted in proportion: the parts add up."""
    restarts: Restarts | None = None
    beaten_ago_s: float | None = None
    """Seconds since its last heartbeat, where it is a worker that has beaten."""


class InstanceStatus(BaseModel):
    model_config = ConfigDict(frozen=True)

    ready: bool
    state: Literal["not running"] | State
    data_dir: Path
    build: str | None = None
    """Version and commit of the code that the instance runs."""
    other_build: str | None = None
    """The remedy where that is not the code that looks."""
    parts: tuple[PartStatus, ...]
    cautions: dict[str, str] = {}
    """Sentences that the owner should know, by the thing that each is about."""
    troubles: dict[str, Trouble] = {}
    """Troubles by the part that the supervisor cannot put right at the moment."""
    duties: tuple[DutyCourse, ...] = ()
    """Work that it does by itself again and again."""


def inspect(folder: DataFolder) -> InstanceStatus:
    """
    Raises:
        InstanceError: the folder is held by a process that is no instance.
    """
    instance = running_instance(folder)
    services = [kind(folder) for kind in SERVICES]
    trees = {service.name: tree_of(service.find()) for service in services}
    addresses = {service.name: service.url for service in services if trees[service.name]}
    if instance is None:
        left = tuple(_part(name, "left running", tree, addresses[name]) for name, tree in trees.items() if tree)
        return InstanceStatus(ready=False, state="not running", data_dir=folder.path, parts=left)
    status, answer = readiness(instance.api_url)
    activity = _activity(instance.api_url)
    told = _told(answer)
    tree = tree_of(process_of(instance.pid))
    apart = {process.pid for tree in trees.values() for process in tree}
    answering = _answering(folder.ray_dir(instance.boot))
    apart |= {process.pid for process in answering.values() if process}
    ray = [process for process in tree[1:] if process.pid not in apart]
    parts = (
        _part("instance", instance.state, tree[:1], str(folder)),
        _part("api", {OK: "ready", 0: "no answer"}.get(status, "not ready"), [], instance.api_url),
        _part("clickhouse", told.get("clickhouse", "unknown"), []),
        *(
            _part(name, told.get(name, "running" if tree else "elsewhere"), tree, addresses.get(name))
            for name, tree in trees.items()
            if tree or name != SimulatedExchanges.name
        ),
        _part("ray", told.get("ray", "running" if ray else "elsewhere"), ray, instance.ray_address),
        *_workers(answering, {one.worker: one for one in activity.workers}),
        *([_part("disk", told["disk"], [], str(folder))] if "disk" in told else []),
        *([_part("dashboard", "", [], instance.dashboard_url)] if instance.dashboard_url else []),
    )
    restarts = instance.restarts
    return InstanceStatus(
        ready=instance.state == "ready" and status == OK,
        state=instance.state,
        data_dir=folder.path,
        build=instance.build,
        other_build=difference(instance.build),
        parts=tuple(part.model_copy(update={"restarts": restarts.get(part.name)}) for part in parts),
        cautions={**instance.cautions, **_noticed(answer)},
        troubles=instance.troubles,
        duties=activity.duties,
    )


def _answering(ray_dir: Path) -> dict[str, psutil.Process | None]:
    """The actors with their processes, by the sockets at which they answer for themselves."""
    prefix = socket_of(ray_dir, "").name
    names = {socket: socket.name.removeprefix(prefix).replace("-", " ") for socket in ray_dir.glob(f"{prefix}*")}
    found = {name: process_of(listener_of(socket)) for socket, name in names.items() if name != RAY_DRIVER}
    return dict(sorted(found.items()))


def _activity(api_url: str) -> Activity:
    """The last beats of the workers and the courses of duties, by `/status`; none where that does not answer."""
    code, answer = told_at(f"{api_url}/status")
    with suppress(CandlerayError, ValidationError):  # another version may tell other things
        if code == OK:
            return Activity.model_validate(answer)
    return Activity(late=(), workers=())


def _workers(
    answering: Mapping[str, psutil.Process | None], beats: Mapping[str, WorkerBeat]
) -> Iterator[PartStatus]:
    for name in dict.fromkeys((*answering, *beats)):
        process, beat = answering.get(name), beats.get(name)
        state = "late" if beat and beat.is_late else "running"
        if name in answering and process is None:
            state = "no process"
        part = _part(name, state, [process] if process else [])
        yield part.model_copy(update={"beaten_ago_s": beat.ago_s if beat else None})


def status_table(status: InstanceStatus) -> Table:
    table = Table(
        "Part",
        "State",
        "Process",
        "Memory (MiB)",
        "Restarts",
        "Last beat",
        "Address",
        title=f"{status.data_dir}: {status.state}" + (f", {status.build}" if status.build else ""),
    )
    for column in table.columns[2:6]:
        column.justify = "right"
    table.columns[6].overflow = "fold"
    for part in status.parts:
        memory = f"{part.pss_bytes / MIB:.0f}" if part.pss_bytes is not None else ""
        restarts = str(part.restarts.count) if part.restarts else ""
        beat = f"{part.beaten_ago_s:.0f} s ago" if part.beaten_ago_s is not None else ""
        table.add_row(part.name, part.state, str(part.pid or ""), memory, restarts, beat, part.address or "")
    lasting = (*status.cautions.values(), *([status.other_build] if status.other_build else []))
    table.caption = "\n".join((*_restarts_told(status), *_troubles_told(status), *lasting))
    return table


def duties_table(status: InstanceStatus) -> Table:
    """Make a table of the duties: how often each is due, when it was done and is next, how long the last took."""
    table = Table("Duty", "Every", "Last done", "Took", "Next", "Failures", title="duties")
    for column in (table.columns[1], table.columns[3], table.columns[5]):
        column.justify = "right"
    for duty in status.duties:
        moments = [second_text(at) if at else "never" for at in (duty.done_at, duty.next_at)]
        every, took = (
            f"{seconds:,.0f} s" if seconds is not None else "" for seconds in (duty.every_s, duty.took_s)
        )
        table.add_row(duty.name, every, moments[0], took, moments[1], str(duty.failures_in_row or ""))
    return table


def _restarts_told(status: InstanceStatus) -> list[str]:
    return [
        f"{part.name} was last started again at {second_text(part.restarts.at)}: {part.restarts.reason}"
        for part in status.parts
        if part.restarts
    ]


def _troubles_told(status: InstanceStatus) -> list[str]:
    return [
        f"{part} is in trouble since {second_text(trouble.since)}: {trouble.reason}"
        for part, trouble in status.troubles.items()
    ]


def _part(name: str, state: str, tree: list[psutil.Process], address: str | None = None) -> PartStatus:
    pid = tree[0].pid if tree else None
    return PartStatus(name=name, state=state, pid=pid, address=address, pss_bytes=_pss(tree) if tree else None)


def _told(answer: Any) -> dict[str, str]:
    """The state of each service behind the API, by `/ready`."""
    return {
        name: told["state"] if not told.get("reason") else f"down: {told['reason']}"
        for name, told in _services(answer).items()
    }


def _noticed(answer: Any) -> dict[str, str]:
    """Notices of services that are up, by `/ready`."""
    return {name: f"{name}: {told['notice']}" for name, told in _services(answer).items() if told.get("notice")}


def _services(answer: Any) -> dict[str, dict[str, Any]]:
    return answer.get("services", {}) if isinstance(answer, dict) else {}


def _pss(processes: Iterable[psutil.Process]) -> int:
    """The memory of those that still run, where the kernel has the figure."""
    return sum(
        pss for _, pss in answers_of(processes, lambda process: getattr(process.memory_full_info(), "pss", 0))
    )

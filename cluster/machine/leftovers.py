"""Kill what a killed supervisor leaves behind.

Ray's own processes end with their driver, but not all of them and not at once: after `kill -9` its two agents wait
a minute for the lost control store, and in one run of two HAProxy lived on and kept the API's port.

Everything that an instance starts through Ray inherits a variable with a value drawn at that start, by which it is
found. Ray's agents wipe their environment when they set their title; those are known by the title and by the log
files that they hold open in that start's folder.

Run as a program this is the guard: it waits for the end of its input, which comes when the supervisor is gone in
whatever way, then kills. It runs apart from the packages, with the standard library alone.
"""

import os
import signal
import sys
import time
from contextlib import suppress

BOOT = "CANDLERAY_BOOT"
DATA_DIR = "CANDLERAY_DATA_DIR"
LOOK_EVERY_S = 0.1
GUARD_S = 10.0
"""Seconds for which the guard looks for more: a worker may just be starting when its raylet is killed."""


def left_by(boot_id: str, ray_dir: str) -> list[int]:
    """The processes that Ray started in this boot, ourselves excepted."""
    variable = f"{BOOT}={boot_id}".encode()
    return [pid for pid in _pids() if pid != os.getpid() and (_carries(pid, variable) or _is_titled(pid, ray_dir))]


def boots_of(data_dir: str) -> set[str]:
    """The boots of which something runs on that data folder, be the folder there or not."""
    found = set()
    for pid in _pids():
        pairs = (os.fsdecode(pair).partition("=") for pair in _read(pid, "environ").split(b"\0"))
        variables = {name: value for name, _, value in pairs if name in (BOOT, DATA_DIR)}
        if len(variables) == 2 and os.path.realpath(os.path.expanduser(variables[DATA_DIR])) == data_dir:
            found.add(variables[BOOT])
    return found


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _carries(pid: int, variable: bytes) -> bool:
    return variable in _read(pid, "environ").split(b"\0")


def _is_titled(pid: int, ray_dir: str) -> bool:
    if not _read(pid, "cmdline").startswith((b"ray::", b"ray-dashboard")):
        return False
    with suppress(OSError):
        files = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
        return any(file.startswith(f"{ray_dir}/") for file in files)
    return False


def _read(pid: int, name: str) -> bytes:
    with suppress(OSError), open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read()
    return b""  # gone meanwhile, or another user's


def kill_leftovers(boot_id: str, ray_dir: str, timeout_s: float = 5.0) -> int:
    """Kill them until twice none is found; how many there were.

    Once is not enough: at the moment a process executes its program it shows no environment.
    """
    killed: set[int] = set()
    give_up_at = time.monotonic() + timeout_s
    looks_in_vain = 0
    while looks_in_vain < 2 and time.monotonic() < give_up_at:
        pids = left_by(boot_id, ray_dir)
        looks_in_vain = 0 if pids else looks_in_vain + 1
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed.update(pids)
        time.sleep(LOOK_EVERY_S)
    return len(killed)


def guard(boot_id: str, ray_dir: str) -> None:
    sys.stdin.buffer.read()
    give_up_at = time.monotonic() + GUARD_S
    while time.monotonic() < give_up_at:
        kill_leftovers(boot_id, ray_dir)
        time.sleep(0.5)


if __name__ == "__main__":
    guard(*sys.argv[1:])

"""The units of systemd of an instance: the service, and a timer of its backups."""

from __future__ import annotations

import os
import sys
from pathlib import Path

SERVICE, BACKUP, TIMER = "candleray.service", "candleray-backup.service", "candleray-backup.timer"

# Not `PrivateTmp=`: the sockets in /tmp are those that the commands look for. Not `ProtectHome=`: the data folder
# may lie there.
_HARDENED = """\
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
"""


def service(data: Path, port: int | None, *, user: bool) -> str:
    """The unit that keeps an instance up.

    Args:
        user: it is of a user's own systemd.
    """
    command = [sys.executable, "-m", "candleray", "up", "--data", str(data)]
    command += ["--port", str(port)] if port else []
    return f"""\
[Unit]
Description=Candleray, data in {_escaped(str(data))}
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
NotifyAccess=main
ExecStart={_command(command)}
EnvironmentFile=-{_environment(user)}
# A first start makes databases; one after a crash reads their logs.
TimeoutStartSec=600
TimeoutStopSec=150
# SIGTERM goes to the supervisor alone, which stops its parts in order; what is left then is killed.
KillMode=mixed
# Left by a signal before it was ready, it ends with 130.
SuccessExitStatus=130
Restart=on-failure
RestartSec=5
LimitNOFILE=65536
TasksMax=infinity
{_HARDENED}
[Install]
WantedBy={"default.target" if user else "multi-user.target"}
"""


def backup(data: Path, place: str, keep: int, *, user: bool) -> str:
    """The unit that makes a backup once."""
    command = [sys.executable, "-m", "candleray", "backup", "create", place]
    command += ["--keep-last", str(keep), "--data", str(data)]
    return f"""\
[Unit]
Description=Backup of Candleray, data in {_escaped(str(data))}

[Service]
Type=oneshot
ExecStart={_command(command)}
EnvironmentFile=-{_environment(user)}
Nice=10
IOSchedulingClass=idle
{_HARDENED}"""


def timer() -> str:
    """The timer of the backups."""
    return """\
[Unit]
Description=A backup of Candleray every night

[Timer]
OnCalendar=*-*-* 03:30:00
RandomizedDelaySec=15min
Persistent=true

[Install]
WantedBy=timers.target
"""


def unit_folder(*, user: bool) -> Path:
    """The folder that units of one's own, or the machine's, are read from."""
    if not user:
        return Path("/etc/systemd/system")
    configuration = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(configuration) / "systemd" / "user"


def _environment(user: bool) -> str:
    return "%h/.config/candleray/environment" if user else "/etc/candleray/environment"


def _command(words: list[str]) -> str:
    return " ".join(f'"{_escaped(word)}"' if set(word) & set(" '\"\\;") else _escaped(word) for word in words)


def _escaped(word: str) -> str:
    """Spell it so that systemd reads it as it is: `%` and `$` are its own, a line has one unit's setting."""
    if "\n" in word:
        raise ValueError("a path in a unit has one line")
    return word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")

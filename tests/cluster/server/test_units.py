"""The units of systemd and the example of a proxy: what the programs themselves take."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from candleray import cli
from candleray.settings import ROOT
from cluster.server import units
from cluster.server.readiness import VARIABLE, tell_ready


def verified(tmp_path: Path, **texts: str) -> None:
    for name, text in texts.items():
        (tmp_path / name.replace("_", "-").replace("-dot-", ".")).write_text(text)
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze here")
    files = sorted(str(file) for file in tmp_path.glob("candleray*"))
    done = subprocess.run(
        [program, "verify", "--man=no", *files], capture_output=True, text=True, check=False, timeout=60
    )
    told = [line for line in (done.stderr + done.stdout).splitlines() if "candleray" in line]
    assert (done.returncode, told) == (0, []), done.stderr


@pytest.mark.parametrize("data", ["/srv/candleray", "/srv/with space/100%/$HOME"])
@pytest.mark.parametrize("user", [True, False])
def test_systemd_takes_the_units(tmp_path: Path, data: str, user: bool):
    verified(
        tmp_path,
        candleray_dot_service=units.service(Path(data), 8001, user=user),
        candleray_backup_dot_service=units.backup(Path(data), "/mnt/back ups", 14, user=user),
        candleray_backup_dot_timer=units.timer(),
    )


def test_the_service_starts_what_is_installed_here_and_stops_it_in_order():
    parsed = configparser.ConfigParser(interpolation=None, strict=False)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string(units.service(Path("/srv/a b"), None, user=True))
    unit = parsed["Service"]
    assert shlex.split(unit["ExecStart"]) == [sys.executable, "-m", "candleray", "up", "--data", "/srv/a b"]
    assert (unit["Type"], unit["KillMode"], unit["SuccessExitStatus"]) == ("notify", "mixed", "130")
    assert (unit["Restart"], unit["UMask"], unit["NoNewPrivileges"]) == ("on-failure", "0077", "yes")


def test_a_path_cannot_bring_a_setting_of_its_own():
    with pytest.raises(ValueError, match="one line"):
        units.service(Path("/srv/a\nExecStartPre=/bin/evil"), None, user=True)


def test_the_command_writes_them_and_says_what_starts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    command = [
        "service",
        "install",
        "--user",
        "--data",
        "/srv/data",
        "--backup-to",
        "/mnt/backups",
        "--keep-last",
        "3",
    ]
    told = CliRunner().invoke(cli.app, command)
    assert told.exit_code == 0, told.output
    folder = tmp_path / "systemd" / "user"
    assert {file.name for file in folder.iterdir()} == {units.SERVICE, units.BACKUP, units.TIMER}
    assert "backup create /mnt/backups --keep-last 3 --data /srv/data" in (folder / units.BACKUP).read_text()
    assert "systemctl --user enable --now candleray-backup.timer" in told.output


def test_systemd_is_told_once_an_instance_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tell_ready()  # nobody asked
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.settimeout(5)
        monkeypatch.setenv(VARIABLE, address)
        tell_ready()
        assert systemd.recv(100) == b"READY=1"
    tell_ready()  # and where nobody listens any more, nothing happens


def test_nginx_takes_the_example(tmp_path: Path):
    program = shutil.which("nginx")
    if program is None:
        pytest.skip("no nginx here")
    text = (ROOT / "configs" / "nginx" / "candleray.conf").read_text()
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=example.org", "-days", "1"]
    subprocess.run(
        [*made, "-keyout", tmp_path / "key.pem", "-out", tmp_path / "chain.pem"], check=True, capture_output=True
    )
    place = "/etc/letsencrypt/live/candleray.example.org"
    text = text.replace(f"{place}/fullchain.pem", str(tmp_path / "chain.pem"))
    text = text.replace(f"{place}/privkey.pem", str(tmp_path / "key.pem"))
    whole = tmp_path / "nginx.conf"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in kinds)
    whole.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{text}\n}}\n")
    done = subprocess.run(
        [program, "-t", "-p", tmp_path, "-c", whole], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr

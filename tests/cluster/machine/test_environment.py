"""The environment of an instance: what its processes are given, and what of the machine is looked at first."""

from __future__ import annotations

import ast
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from candleray.errors import InstanceError
from candleray.private_files import expanded, read_private
from candleray.settings import ROOT, ServiceSettings, Settings
from cluster.instance.environment import driver_environment
from cluster.instance.instance_file import read_instance
from cluster.machine import limits
from cluster.machine.child_environment import inherited
from cluster.machine.data_folder import DataFolder, make_folder
from cluster.machine.limits import FEWEST_OPEN_FILES, memory_limit_bytes, warnings
from cluster.machine.ports import Ports


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that has neither a home folder nor a name, as in a container."""

    def unknown(_: int) -> Any:
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def python(code: str, **environment: str) -> str:
    """Return what a fresh interpreter prints."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))
    }
    given = {**inherited, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("latin-1")


def test_children_ask_this_machine_directly_and_write_utf_8(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "candles.example")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    given = inherited(without=["PATH"], direct=["node.example"])
    for name in ("NO_PROXY", "no_proxy"):
        assert {"127.0.0.1", "localhost", "::1", "candles.example", "node.example"} <= set(given[name].split(","))
    assert given["http_proxy"] == "http://127.0.0.1:9"  # an exchange may be reachable by it alone
    assert given["PYTHONUTF8"] == "1"
    assert not {"PYTHONIOENCODING", "PATH"} & given.keys()


def test_children_have_a_home(homeless):
    assert Path(inherited()["HOME"]).is_dir()


@pytest.mark.parametrize("address", [None, "10.1.2.3:6379"])
def test_the_driver_of_ray_and_so_all_that_ray_starts_asks_its_nodes_directly(monkeypatch, tmp_path, address):
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    settings = Settings(environment="test", services=ServiceSettings(ray_address=address))
    folder = DataFolder(tmp_path)
    folder.prepare()
    given = driver_environment(settings, folder, Ports(20_000), "boot")
    listed = given["no_proxy"].split(",")
    assert {"127.0.0.1", "localhost"} <= set(listed)
    assert ("10.1.2.3" in listed) == (address is not None)


def test_whatever_starts_a_process_that_stays_gives_it_an_environment_made_here():
    given = {}
    for path in (ROOT / "cluster").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "subprocess.Popen":
                named = [ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg == "env"]
                given[path.name, node.lineno] = named[0] if named else "nothing"
    assert len(given) >= 4
    made_here = ("inherited()", "BARE", "driver_environment(")
    assert {place: made for place, made in given.items() if not any(part in made for part in made_here)} == {}


def test_without_a_home_folder_the_error_says_what_to_set(homeless):
    with pytest.raises(InstanceError, match=r"set HOME, or name a whole path \(CANDLERAY_DATA_DIR"):
        expanded(Path("~/.candleray"))
    assert expanded(Path("/data/../candles")) == Path("/candles")


@pytest.mark.parametrize("content", [b"\xff\xfe1:geheim", b"1:\xe9", b"\x80"])
def test_a_file_of_secrets_that_is_no_text_is_named_and_not_quoted(tmp_path, content):
    path = tmp_path / "key_encryption_keys"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(InstanceError, match=r"key_encryption_keys is damaged.* restore it from a copy") as caught:
        read_private(path)
    assert "geheim" not in caught.value.message
    assert caught.value.__cause__ is None


def test_an_instance_file_that_is_no_text_is_none(tmp_path):
    folder = DataFolder(tmp_path)
    folder.instance_file.write_bytes(b"\xff\xfe{}")
    assert read_instance(folder) is None


def test_a_folder_has_its_permissions_whatever_the_umask(tmp_path):
    former = os.umask(0o077)
    try:
        make_folder(tmp_path / "shared" / "below", 0o711)
        make_folder(tmp_path / "shared" / "below", 0o700)
    finally:
        os.umask(former)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("shared", "shared/below")] == [0o711, 0o711]


LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from cluster.machine.limits import warnings
print(*warnings(1), sep="\\n")
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be_and_said_where_it_is_low():
    *said, raised = python(LIMITED.format(soft=256, hard=1024)).split("\n")[:-1]
    assert raised == "1024"
    assert said[0].startswith("a process may open 1,024 files here, fewer than the 4,096")
    assert "LimitNOFILE" in said[0]
    high = python(LIMITED.format(soft=256, hard=FEWEST_OPEN_FILES)).split("\n")[:-1]
    assert high[-1] == str(FEWEST_OPEN_FILES)
    assert "files" not in "".join(high[:-1])


def test_shared_memory_that_is_too_small_is_said_with_its_size():
    said = list(warnings(2**60))
    assert any("MiB free, less than compute.object_store_bytes" in line for line in said)


@pytest.mark.parametrize(
    ("membership", "written", "least"),
    [
        ("0::/", {"memory.max": "max"}, None),
        ("0::/", {"memory.max": "1000"}, 1000),
        ("0::/a/b", {"a/memory.max": "500", "a/b/memory.max": "max"}, 500),
        ("4:cpu,memory:/c\n0::/", {"memory/c/memory.limit_in_bytes": "700", "memory.max": "max"}, 700),
        ("4:memory:/c", {"memory/memory.limit_in_bytes": "300", "memory/c/memory.limit_in_bytes": "700"}, 300),
        # As a container without a namespace of its own sees it: its group is mounted at the root.
        ("0::/docker/x", {"memory.max": "900"}, 900),
        ("3:cpuset:/", {"memory.max": "900"}, None),
    ],
)
def test_the_memory_of_a_container_is_the_tightest_limit_of_its_groups(tmp_path, membership, written, least):
    for name, content in written.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{content}\n")
    assert memory_limit_bytes(membership, tmp_path) == least


def test_memory_that_is_too_little_is_said_with_its_size_and_the_remedy(monkeypatch):
    monkeypatch.setattr(limits, "memory_limit_bytes", lambda _: 2**30)
    (said,) = [line for line in warnings(2**30) if "memory" in line and "/dev/shm" not in line]
    assert said.startswith(
        "this container or service may use 1,024 MiB of memory, less than the 2,384 MiB of an idle"
    )
    assert "compute.object_store_bytes (1,024 MiB)" in said
    assert "--memory" in said


WRITES = """
import json
from candleray.terminal.streams import make_streams_readable
make_streams_readable()
print(json.dumps(["\\u5e01\\u5b89\\u4eba\\u751f", "\\U0001f600", "\\xe9", "BTC"], ensure_ascii=False))
print("a name that is no text: \\udcff")
"""


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C"},
        {},
    ],
)
def test_output_holds_every_character_in_any_encoding_and_json_reads_it_back(environment):
    line, name = python(WRITES, **environment).split("\n")[:2]
    if not environment or environment == {"LC_ALL": "C"}:
        line = line.encode("latin-1").decode()
    assert json.loads(line) == ["币安人生", "😀", "é", "BTC"]
    assert name == "a name that is no text: \\udcff"


def test_a_table_is_printed_whole_in_ascii():
    code = "from candleray.cli import main; import sys; sys.argv = ['candleray', 'up', '--help']; main()"
    assert "Usage" in python(code, PYTHONIOENCODING="ascii")

"""The environments of the processes that we start: every one begins with what is here.

What Ray starts inherits its driver's; an embedded service gets a bare one, with neither a secret nor a proxy.
"""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Collection, Iterable

from candleray.network.own_addresses import direct_variables

BARE = {"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"}
"""The environment of a program that is none of ours."""

_OF_THE_TERMINAL = frozenset({"PYTHONIOENCODING"})
"""Meant for what a person reads here; a child's pipes and files are UTF-8."""


def inherited(*, without: Collection[str] = (), direct: Iterable[str] = ()) -> dict[str, str]:
    """Our own environment, set right: text is UTF-8, there is a home, and this machine is asked without a proxy.

    Args:
        direct: more hosts that are to be asked without a proxy.
    """
    left_out = _OF_THE_TERMINAL.union(without)
    ours = {name: value for name, value in os.environ.items() if name not in left_out}
    return {"HOME": _home(), **ours, **direct_variables(ours, direct), "PYTHONUTF8": "1"}


def _home() -> str:
    """The account's folder: a container's process may have neither the variable nor an account."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return tempfile.gettempdir()

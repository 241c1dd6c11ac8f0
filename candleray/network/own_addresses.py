"""Addresses of this machine, which no proxy can reach for us: another machine's loopback is another machine."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterable, Mapping, MutableMapping

LOOPBACK = ("localhost", "127.0.0.1", "::1")
NO_PROXY = ("NO_PROXY", "no_proxy")
"""Programs read either, so both are set."""


def is_own(host: str) -> bool:
    """Tells whether a URL's host is this machine: loopback, its name, or an address of one of its interfaces."""
    name = host.strip("[]").rstrip(".").lower()
    if name in LOOPBACK or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name == socket.gethostname().lower()
    return address.is_loopback or address.is_unspecified or name in interface_addresses()


def interface_addresses() -> tuple[str, ...]:
    """The addresses of this machine's interfaces; none where the system does not tell them."""
    import psutil  # 20 ms, which a client of a loopback address does without

    families = (socket.AF_INET, socket.AF_INET6)
    try:
        interfaces = psutil.net_if_addrs().values()
    except OSError:
        return ()
    found = (one.address for addresses in interfaces for one in addresses if one.family in families)
    return tuple(dict.fromkeys(address.partition("%")[0].lower() for address in found))


def own_hosts() -> tuple[str, ...]:
    """Every name and address under which this machine is asked, as `NO_PROXY` lists them."""
    return tuple(dict.fromkeys((*LOOPBACK, "127.0.0.0/8", socket.gethostname(), *interface_addresses())))


def direct_variables(environment: Mapping[str, str], more: Iterable[str] = ()) -> dict[str, str]:
    """`NO_PROXY` in both spellings: what the environment lists, this machine, and `more` hosts."""
    listed = [host.strip() for name in NO_PROXY for host in environment.get(name, "").split(",")]
    hosts = dict.fromkeys(host for host in (*listed, *own_hosts(), *more) if host)
    return dict.fromkeys(NO_PROXY, ",".join(hosts))


def ask_directly(host: str, environment: MutableMapping[str, str] = os.environ) -> None:
    """Have libraries that read the environment of this process ask a host without a proxy."""
    environment.update(direct_variables(environment, [host]))

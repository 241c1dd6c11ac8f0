"""The proxies and certificates that the environment names, checked before a library meets them.

A proxy's URL may hold a password: messages name the variable, and of its value the host at most.
"""

from __future__ import annotations

import os
import ssl
from importlib.util import find_spec
from urllib.request import getproxies, proxy_bypass

import httpx

from candleray.errors import InvalidInput, invalid
from candleray.network.own_addresses import NO_PROXY

_SCHEMES = ("http", "https", "all")
_HTTP, _SOCKS = ("http", "https"), ("socks5", "socks5h")


def require_usable_environment(*, direct: bool) -> None:
    """
    Args:
        direct: only this machine is asked, by neither proxies nor certificates of the environment.

    Raises:
        InvalidInput: it names a proxy or certificates that cannot be used; with the variable and the remedy.
    """
    _require_key_log()
    if direct:
        return
    for scheme in _SCHEMES:
        if value := getproxies().get(scheme):
            _require_proxy(_variable(scheme, value), value)
    _require_certificates()


def proxy_in_words(url: httpx.URL) -> str:
    """The proxy that a request goes by, as ` by the proxy HOST of VARIABLE`; empty where there is none."""
    proxies = {} if proxy_bypass(url.host) else getproxies()
    for scheme in (url.scheme, "all"):
        if value := proxies.get(scheme):
            return f" by the proxy {_host(value)} of {_variable(scheme, value)}"
    return ""


def _require_proxy(variable: str, value: str) -> None:
    remedy = f"correct it, unset it, or list the hosts to be asked directly in {NO_PROXY[0]}"
    try:
        proxy = httpx.Proxy(_with_scheme(value))
    except (httpx.InvalidURL, ValueError) as exc:
        known = ", ".join(f"{scheme}://" for scheme in (*_HTTP, *_SOCKS))
        is_scheme = not isinstance(exc, httpx.InvalidURL | UnicodeError)
        why = f"is none of {known}" if is_scheme else "is no URL"
        raise _refused(variable, "bad_proxy", f"{why}, as a proxy's is: {remedy}") from None
    if not proxy.url.host:
        raise _refused(variable, "bad_proxy", f"names no host: {remedy}")
    if proxy.url.scheme in _SOCKS and find_spec("socksio") is None:
        raise _refused(
            variable,
            "no_socks",
            f"names a SOCKS proxy, which needs the package socksio: install it (pip install socksio), or {remedy}",
        )


def _require_certificates() -> None:
    """Check the file or folder that TLS trusts; without a variable it is certifi's."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        if file:
            ssl.create_default_context(cafile=file)
        elif folder and not os.path.isdir(folder):
            raise NotADirectoryError(0, "it is no folder")
    except (OSError, ValueError) as exc:
        variable, named = ("SSL_CERT_FILE", file) if file else ("SSL_CERT_DIR", folder)
        why = "it holds no certificates" if isinstance(exc, ssl.SSLError | ValueError) else exc.strerror
        what = f"names {named!r}: {why}; name certificates in PEM, or unset it"
        raise _refused(variable, "bad_certificates", what) from None


def _require_key_log() -> None:
    """TLS opens this file for every client, whether or not that ever speaks TLS."""
    file = os.environ.get("SSLKEYLOGFILE")
    try:
        if file:
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    except OSError as exc:
        what = f"names {file!r}, which cannot be written: {exc.strerror}; unset it"
        raise _refused("SSLKEYLOGFILE", "bad_key_log", what) from None


def _refused(variable: str, code: str, what: str) -> InvalidInput:
    return invalid(variable, code, f"the environment's {variable} {what}")


def _variable(scheme: str, value: str) -> str:
    """The name of the variable as it is spelled there; proxies of other origin have the usual one."""
    named = f"{scheme}_proxy"
    spelled = (name for name in os.environ if name.lower() == named and os.environ[name] == value)
    return next(spelled, named)


def _with_scheme(value: str) -> str:
    return value if "://" in value else f"http://{value}"


def _host(value: str) -> str:
    try:
        url = httpx.URL(_with_scheme(value))
    except (httpx.InvalidURL, ValueError):
        return "that cannot be read"
    return url.host + (f":{url.port}" if url.port else "")

"""Makers of every HTTP client: this machine is asked directly, others as the environment says."""

from __future__ import annotations

import ssl
from typing import Any

import httpx

from candleray.network.own_addresses import is_own
from candleray.network.proxies import proxy_in_words, require_usable_environment


def client(url: httpx.URL, transport: httpx.BaseTransport | None = None, **options: Any) -> httpx.Client:
    """A client of one server.

    Raises:
        InvalidInput: the environment names a proxy or certificates that cannot be used.
    """
    direct = is_own(url.host)
    if transport is None:
        require_usable_environment(direct=direct)
    return httpx.Client(base_url=url, transport=transport, trust_env=not direct, **options)


def async_client(
    *, direct: bool, transport: httpx.AsyncBaseTransport | None = None, **options: Any
) -> httpx.AsyncClient:
    """A client of many servers, all of this machine where it is `direct`.

    Raises:
        InvalidInput: the environment names a proxy or certificates that cannot be used.
    """
    if transport is None:
        require_usable_environment(direct=direct)
    return httpx.AsyncClient(transport=transport, trust_env=not direct, **options)


def probe(url: str, timeout_s: float) -> httpx.Response:
    """Ask a server of this machine once.

    Raises:
        httpx.HTTPError: it does not answer.
    """
    return httpx.get(url, timeout=timeout_s, trust_env=False)


def failure_in_words(error: httpx.HTTPError, url: httpx.URL) -> str:
    """Why there is no answer, and by which proxy it was asked for.

    A protocol error quotes the header that it refuses, which may be a token: its text goes nowhere.
    """
    by = "" if is_own(url.host) else proxy_in_words(url)
    if isinstance(error, httpx.LocalProtocolError):
        return "the request cannot be sent as HTTP: a header or the URL holds what none may"
    if isinstance(error, httpx.RemoteProtocolError):
        return f"what came back{by} is no whole HTTP answer"
    if isinstance(error, httpx.DecodingError):
        return f"what came back{by} is compressed, and damaged"
    if isinstance(error, httpx.TimeoutException):
        return f"nothing came back{by} in time ({type(error).__name__})"
    if isinstance(_root(error), ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
        return f"its certificate{by} is not trusted: name its authority's in SSL_CERT_FILE ({_one_line(error)})"
    return f"{_one_line(error) or type(error).__name__}{by}"


def _root(error: BaseException) -> BaseException:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]

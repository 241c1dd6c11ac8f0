"""Requests that are no HTTP, or HTTP that two servers may read differently, as bytes on a connection."""

from __future__ import annotations

_HOST = b"Host: x\r\n"


def _get(target: bytes = b"/health", headers: bytes = _HOST, version: bytes = b"HTTP/1.1") -> bytes:
    return b"GET " + target + b" " + version + b"\r\n" + headers + b"\r\n"


def _post(headers: bytes, body: bytes = b"") -> bytes:
    json_type = b"Content-Type: application/json\r\n"
    return b"POST /login/telegram/widget HTTP/1.1\r\n" + _HOST + json_type + headers + b"\r\n" + body


MALFORMED: dict[str, bytes] = {
    "no request": b"hello\r\n\r\n",
    "zero bytes": b"\0" * 64 + b"\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 200 + b"\r\n\r\n",
    "PROXY protocol": b"PROXY TCP4 9.9.9.9 127.0.0.1 1 2\r\n" + _get(),
    "a line without a version": b"GET /health\r\n\r\n",
    "version of letters": _get(version=b"HTTP/x.y"),
    "version twice": _get(version=b"HTTP/1.1 HTTP/1.1"),
    "space before the method": b" " + _get(),
    "a method with a colon": _get().replace(b"GET", b"G:T"),
    "a method with a zero byte": _get().replace(b"GET", b"G\0T"),
    "a target with a space": _get(b"/hea lth"),
    "a target with a zero byte": _get(b"/health\0"),
    "a target with a control byte": _get(b"/hea\x0blth"),
    "a target of bytes beyond ASCII": _get(b"/\xff\xfe"),
    "an endless target": _get(b"/" + b"a" * 40_000),
    "an endless header": _get(headers=_HOST + b"X-Long: " + b"a" * 40_000 + b"\r\n"),
    "endless headers": _get(headers=_HOST + b"X: y\r\n" * 5_000),
    "a header without a colon": _get(headers=_HOST + b"nonsense\r\n"),
    "a header without a name": _get(headers=_HOST + b": value\r\n"),
    "a header's name with a space": _get(headers=_HOST + b"X Y: z\r\n"),
    "a space before a header's colon": _post(b"Content-Length : 5\r\n", b"12345"),
    "a header with a zero byte": _get(headers=_HOST + b"X: a\0b\r\n"),
    "two hosts": _get(headers=_HOST + b"Host: y\r\n"),
    "lines of bare CR": _get().replace(b"\r\n", b"\r"),
    "two lengths": _post(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{}x"),
    "two lengths in one": _post(b"Content-Length: 2, 3\r\n", b"{}x"),
    "a length below zero": _post(b"Content-Length: -1\r\n", b"{}"),
    "a length with a sign": _post(b"Content-Length: +2\r\n", b"{}"),
    "a length in hexadecimal": _post(b"Content-Length: 0x2\r\n", b"{}"),
    "a length beyond numbers": _post(b"Content-Length: " + b"9" * 40 + b"\r\n", b"{}"),
    "a length of nothing": _post(b"Content-Length:\r\n", b"{}"),
    "chunked and not": _post(b"Transfer-Encoding: chunked, identity\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    "chunked twice": _post(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"
    ),
    "an unknown encoding": _post(b"Transfer-Encoding: cow\r\n", b"{}"),
    "a chunk's size that is none": _post(b"Transfer-Encoding: chunked\r\n", b"xyz\r\n{}\r\n0\r\n\r\n"),
    "a chunk beyond numbers": _post(b"Transfer-Encoding: chunked\r\n", b"f" * 40 + b"\r\n{}\r\n0\r\n\r\n"),
    "a chunk longer than it says": _post(b"Transfer-Encoding: chunked\r\n", b"1\r\n{}\r\n0\r\n\r\n"),
}
"""Requests by what is wrong: the proxy refuses each before a replica hears of it."""

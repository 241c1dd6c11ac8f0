"""One HTTP connection to the API: its address, the requests that are tried again, bad answers as our exceptions.

`Sender` is what the methods of the SDK are made of: it sends a request and returns the answer's bytes.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from candleray.build import BUILD_HEADER, difference
from candleray.errors import (
    ApiError,
    CandlerayError,
    Conflict,
    InstanceError,
    Problem,
    ServiceUnavailable,
    TooManyRequests,
    error_classes,
    invalid,
)
from candleray.network.clients import client, failure_in_words
from candleray.network.foreign_pages import page_in_words, telling_headers
from candleray.network.forks import PerProcess, require_own
from candleray.private_files import expanded
from candleray.sdk.credentials import checked_token, token_for

INSTANCE_FILE = "instance.json"
DATA_VARIABLE = "CANDLERAY_DATA_DIR"
JSON = "application/json"
CONNECT_TIMEOUT_S = 5.0

RETRY_DELAYS_S = (0.2, 0.6, 1.8)
RETRY_AFTER_LIMIT_S = 10.0
"""A longer wait is the caller's to decide: the error names the seconds."""
RETRY_WITHIN_S = 30.0
"""A request that took longer than this to fail is not tried again: it would take as long to fail again."""

_PASSING_STATUS = frozenset({429, 502, 503, 504})
_OTHER_BUILD_STATUS = frozenset({404, 405, 415, 422, 500})
"""Answers to a request that another version does not know, or does not take."""
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout)

REQUEST_ID = "X-Request-ID"
_OWN_ID = "sdk-"
"""The beginning of the ids that clients like this one give their requests."""

QueryValue: TypeAlias = str | int | list[str] | None

T = TypeVar("T")

Outcome = httpx.Response | httpx.HTTPError

log = logging.getLogger("candleray.sdk")


def find_api_url(data_dir: Path | None = None) -> str:
    """The API's address: of the settings, else of the instance in the data folder, else the default.

    Raises:
        InstanceError: a data folder was named, there or by `CANDLERAY_DATA_DIR`, and no instance runs in it.
    """
    from candleray.settings import get_settings  # 0.3 s, which a named URL does without

    if data_dir is not None:
        return _running_url(data_dir, f"candleray up --data {data_dir}")
    settings = get_settings()
    if settings.api_url:
        return settings.api_url
    if os.environ.get(DATA_VARIABLE):
        # Whoever names a folder means that instance: never another that listens at the default port.
        return _running_url(settings.data_path, "candleray up")
    return _instance_url(settings.data_path) or settings.base_url


def _running_url(data_dir: Path, start: str) -> str:
    folder = expanded(data_dir)
    running = _instance_url(folder)
    if running is None:
        raise InstanceError(f"no instance runs in {folder}: start one with `{start}`")
    return running


def _instance_url(folder: Path) -> str | None:
    try:
        url = json.loads((folder / INSTANCE_FILE).read_bytes())["api_url"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url if isinstance(url, str) else None


def encoded(content: Any) -> bytes:
    """A JSON body from models, dicts and lists of them, dates, numpy numbers and arrays; bytes are one already.

    NaN and infinity go out as they are spelled, so that the API names the field they stand in.

    Raises:
        InvalidInput: a text holds half of a character, which no JSON in UTF-8 can.
    """
    if isinstance(content, bytes):
        return content
    try:
        if isinstance(content, BaseModel):
            return content.model_dump_json(exclude_none=True).encode()
        return to_json(content, inf_nan_mode="constants", fallback=_plain)
    except (PydanticSerializationError, UnicodeEncodeError) as error:
        if "surrogates not allowed" not in str(error):
            raise
        message = "a text of it holds half of a character (a lone surrogate): send whole characters"
        raise invalid("", "cannot_be_sent", message) from None


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return value.tolist()
    if isinstance(value, range):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


class Answer(bytes):
    """The bytes of an answer, and the build of the instance that gave it."""

    build: str | None = None

    @classmethod
    def of(cls, response: httpx.Response) -> Answer:
        answer = cls(response.content)
        answer.build = response.headers.get(BUILD_HEADER)
        return answer


class Connection:
    """An HTTP client that tries repeatable requests again, with back-off, where they failed in passing.

    A process that was forked opens connections of its own; it cannot where the client was given a transport.
    """

    def __init__(
        self, url: str, *, token: str | None, timeout_s: float, transport: httpx.BaseTransport | None
    ) -> None:
        self._base = _base_url(url)
        self.url = str(self._base.copy_with(userinfo=b"")).rstrip("/")
        """The API's address, without the user and the password that a URL may hold."""
        token = checked_token(token, "token") or token_for(self.url)
        self._timeout_s = timeout_s
        self._closed = False
        pid = os.getpid()

        def opened() -> httpx.Client:
            if transport is not None:
                require_own(pid, "the transport that this client was given")
            return client(
                self._base,
                transport,
                headers={"Authorization": f"Bearer {token}"} if token else {},
                timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
            )

        self._http = PerProcess(opened)
        self._http.get()  # what the environment makes impossible is said here

    def close(self) -> None:
        self._closed = True
        if opened := self._http.made():
            opened.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, QueryValue] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> httpx.Response:
        """The answer to a request that succeeded; see `Sender.send`."""
        if self._closed:
            raise Conflict("this client is closed: make a new one")
        given = {name: value for name, value in (params or {}).items() if value is not None}
        named = {REQUEST_ID: f"{_OWN_ID}{uuid4().hex}", **(headers or {})}
        try:
            request = self._http.get().build_request(method, path, params=given, content=content, headers=named)
        except (httpx.InvalidURL, UnicodeError, TypeError):
            # Not its text, nor itself as the cause: it may quote a header.
            message = "the request's path and headers must be text that HTTP can carry: visible ASCII"
            raise invalid("", "cannot_be_sent", message) from None
        outcome = self._outcome(request, repeatable)
        if isinstance(outcome, httpx.HTTPError):
            raise self._broken(outcome) from None
        self._require_own(request, outcome)
        if not outcome.is_success:
            raise error_of(outcome)
        return outcome

    @contextmanager
    def streamed(self, path: str, params: Mapping[str, QueryValue], silent_s: float) -> Iterator[Iterator[str]]:
        """The lines of an answer that goes on, as they come, until the block ends.

        Args:
            silent_s: a stream that says nothing for so long is broken.

        Raises:
            CandlerayError: the class that the API named.
            ServiceUnavailable: nothing listens there, or the stream broke.
        """
        if self._closed:
            raise Conflict("this client is closed: make a new one")
        given = {name: value for name, value in params.items() if value is not None}
        named = {REQUEST_ID: f"{_OWN_ID}{uuid4().hex}"}
        timeout = httpx.Timeout(silent_s, connect=CONNECT_TIMEOUT_S)
        try:
            with self._http.get().stream("GET", path, params=given, headers=named, timeout=timeout) as response:
                self._require_own(response.request, response)
                if not response.is_success:
                    response.read()
                    raise error_of(response)
                yield _lines(response.iter_text())
        except httpx.ReadTimeout:
            raise ServiceUnavailable(f"the stream from {self.url} said nothing for {silent_s:g} s") from None
        except httpx.HTTPError as error:
            raise self._broken(error) from None

    def _outcome(self, request: httpx.Request, repeatable: bool) -> Outcome:
        give_up_at = time.monotonic() + RETRY_WITHIN_S
        delays_s = iter(RETRY_DELAYS_S)
        while True:
            outcome = self._attempt(request)
            delay_s, asked_s = next(delays_s, None), _retry_after_s(outcome) or 0
            if delay_s is None or time.monotonic() > give_up_at or not _is_passing(outcome, repeatable):
                return outcome
            if asked_s > RETRY_AFTER_LIMIT_S:
                return outcome
            if asked_s:
                log.warning("%s answered %s: asking again in %d s", self.url, _status_of(outcome), asked_s)
            time.sleep(max(delay_s, asked_s))

    def _attempt(self, request: httpx.Request) -> Outcome:
        try:
            return self._http.get().send(request)
        except httpx.HTTPError as error:
            return error

    def _require_own(self, request: httpx.Request, answer: httpx.Response) -> None:
        """
        Raises:
            ApiError: it is the answer to a request of another client. A gateway's own id says nothing; one that
                repeats the id names it twice.
        """
        asked = request.headers.get(REQUEST_ID, "")
        answered = [
            each for each in answer.headers.get_list(REQUEST_ID, split_commas=True) if each.startswith(_OWN_ID)
        ]
        if answered and asked not in answered and asked.startswith(_OWN_ID):
            self._http.get().close()
            self._closed = True
            raise ApiError(
                f"the answer is another request's ({answered[0]}, not {asked}): something shares this connection; "
                "make a client in each process"
            )

    def _broken(self, error: httpx.HTTPError) -> CandlerayError:
        why = failure_in_words(error, self._base)
        if isinstance(error, _NEVER_SENT):
            return ServiceUnavailable(f"no Candleray API at {self.url}: start one with `candleray up` ({why})")
        if isinstance(error, httpx.TimeoutException):
            return ServiceUnavailable(f"the API at {self.url} did not answer within {self._timeout_s:g} s")
        if isinstance(error, httpx.LocalProtocolError):
            return invalid("", "cannot_be_sent", why)
        return ServiceUnavailable(f"the connection to the API at {self.url} broke: {why}")


def _lines(parts: Iterable[str]) -> Iterator[str]:
    """Lines as the API ends them; Python ends some at other characters too, which JSON may hold."""
    rest = ""
    for part in parts:
        *lines, rest = (rest + part).split("\n")
        yield from lines


class Sender:
    """Base of every group of the client's methods: sends requests over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def url(self) -> str:
        """The API's address, without the user and the password that a URL may hold."""
        return self._connection.url

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, QueryValue] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> bytes:
        """Send a request to any route; return its answer byte for byte.

        Args:
            params: of the query; those that are None are left out.
            content: a body, which is JSON unless `headers` say otherwise.
            repeatable: sent twice it does what it does sent once, so it may be tried again.

        Raises:
            CandlerayError: the class that the API named.
            ServiceUnavailable: nothing listens there, or does not answer in time.

        >>> client.send("GET", "/health").startswith(b'{"status":"ok"')
        True
        """
        content_type = {} if content is None else {"Content-Type": JSON}
        response = self._connection.send(
            method,
            path,
            params=params,
            content=content,
            headers={**content_type, **(headers or {})},
            repeatable=repeatable,
        )
        return Answer.of(response)


def _base_url(url: str) -> httpx.URL:
    text = url if "://" in url else f"http://{url}"
    try:
        base = httpx.URL(text.rstrip("/"))
    except (httpx.InvalidURL, UnicodeError):
        # Its text may be a part of a password.
        raise ApiError("the URL of an API looks like http://host:8000") from None
    if base.scheme not in ("http", "https") or not base.host:
        raise ApiError("the URL of an API looks like http://host:8000")
    return base


def _is_passing(outcome: Outcome, repeatable: bool) -> bool:
    """Tells whether the same request may well succeed a moment later, and does no harm if both arrive."""
    if isinstance(outcome, _NEVER_SENT):
        return True
    if isinstance(outcome, httpx.Response):
        return repeatable and outcome.status_code in _PASSING_STATUS
    return repeatable and isinstance(outcome, httpx.NetworkError | httpx.RemoteProtocolError)


def _retry_after_s(outcome: Outcome) -> int | None:
    """Seconds to wait, where the answer asks for so many."""
    asked = outcome.headers.get("Retry-After", "") if isinstance(outcome, httpx.Response) else ""
    return int(asked) if asked.isdecimal() and len(asked) < 10 else None


def _status_of(outcome: Outcome) -> int | None:
    return outcome.status_code if isinstance(outcome, httpx.Response) else None


def error_of(response: httpx.Response) -> CandlerayError:
    """The exception that the API raised, as far as the answer tells; with a note where builds may be why."""
    error, build = _error_of(response), response.headers.get(BUILD_HEADER)
    if build and response.status_code in _OTHER_BUILD_STATUS and (note := difference(build)):
        error.add_note(note)
    return error


def _error_of(response: httpx.Response) -> CandlerayError:
    try:
        payload = response.json()["error"]
        problems = [Problem(**problem) for problem in payload.get("problems", ())]
        kind, asked_s = error_classes().get(payload["code"], ApiError), _retry_after_s(response)
        if asked_s is None:
            return kind(payload["message"], problems)
        message = f"{payload['message']} (try again in {asked_s} s)"
        if issubclass(kind, TooManyRequests):
            return kind(message, problems, retry_after_s=asked_s)
        return kind(message, problems)
    except (ValueError, KeyError, TypeError, AttributeError):
        # A 404 that is not the API's own comes from the proxy before it, while the API is being started.
        passing = response.status_code in _PASSING_STATUS or response.status_code == httpx.codes.NOT_FOUND
        where = f"{response.request.method} {response.request.url.copy_with(userinfo=b'', query=None)}"
        said = page_in_words(response.text) or "nothing"
        text = f"{where} answered {response.status_code}: {said}{telling_headers(response.headers)}"
        return (ServiceUnavailable if passing else ApiError)(text)


def error_in(payload: str) -> CandlerayError:
    """The exception that the API raised amid a stream."""
    try:
        told = json.loads(payload)["error"]
        kind = error_classes().get(told["code"], ApiError)
        return kind(told["message"], [Problem(**problem) for problem in told.get("problems", ())])
    except (ValueError, KeyError, TypeError, AttributeError):
        return ApiError(f"the API ended the stream with {payload[:200]!r}")


def segment(part: UUID | str) -> str:
    """One segment of a path, quoted: whatever a caller names stays below that path."""
    quoted = quote(str(part), safe="")
    # These would name the path above, or that path itself.
    return quoted.replace(".", "%2E") if quoted in (".", "..") else quoted


def read(kind: type[T], answer: bytes) -> T:
    """An answer of the API as the model that it is.

    Raises:
        ApiError: it is something else, as where client and API are of different versions.
    """
    try:
        content: T = TypeAdapter(kind).validate_json(answer)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        told = f"the API's answer is not understood ({where or 'all of it'}: {first['msg']})"
        other = difference(getattr(answer, "build", None))
        raise ApiError(f"{other} ({told})" if other else told) from exc
    return content

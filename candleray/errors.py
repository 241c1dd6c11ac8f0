"""Errors that a person can meet, as one tree.

Each class says in its docstring what has happened. The reference page and the exports of `candleray` come from it.

`payload()` is what the API sends and what the SDK turns back into the same class; it is a pure function of the
error, so that the same bad request gets the same bytes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong, at one place of the input.

    `field` is a dotted path (`indicators.0.params.window`); empty where the whole input is meant.
    """

    field: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.field or 'request'}: {self.message}"


class CandlerayError(Exception):
    """The base of all errors; alone, a mistake of ours whose details are in the log.

    `status` is the HTTP status, `code` the stable name that a program may test.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.problems: tuple[Problem, ...] = tuple(sorted(problems))

    def __str__(self) -> str:
        """The message, and behind it each problem that it leaves out."""
        told = self.message.removesuffix(f" (and {len(self.problems) - 1} more)")
        left_out = [problem for problem in self.problems if problem.message != told and str(problem) not in told]
        return "; ".join([told, *map(str, left_out)])

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process boundaries: the default would lose the problems.
        return type(self), (self.message, self.problems)

    def payload(self) -> dict[str, Any]:
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "problems": [asdict(problem) for problem in self.problems],
            }
        }


class InvalidInput(CandlerayError):
    """A value is wrong: one problem a field, sorted."""

    status, code = 422, "invalid_input"


class GuardExceeded(InvalidInput):
    """The request is well formed and too large: with the numbers and limits."""

    code = "guard_exceeded"


class GapsInRange(InvalidInput):
    """Candles are missing inside the range: with the holes, and the command that fetches the minutes."""

    code = "gaps_in_range"


class SealedCandles(InvalidInput):
    """Candles are held out and would be read: with the holdout, and the end that a range may have."""

    code = "sealed_candles"


class BadFile(InvalidInput):
    """A file is not what it claims to be."""

    code = "bad_file"


class NotFound(CandlerayError):
    """Nothing has that name: with the nearest match."""

    status, code = 404, "not_found"


class Conflict(CandlerayError):
    """The state does not allow it."""

    status, code = 409, "conflict"


class PayloadTooLarge(CandlerayError):
    """The body has more bytes than the limit."""

    status, code = 413, "payload_too_large"


class UnsupportedMediaType(CandlerayError):
    """The body is of another kind than the route takes."""

    status, code = 415, "unsupported_media_type"


class MethodNotAllowed(CandlerayError):
    """The route does not take this method: with the allowed ones."""

    status, code = 405, "method_not_allowed"


class Unauthenticated(CandlerayError):
    """Nobody is logged in, or the login does not hold."""

    status, code = 401, "unauthenticated"


class Forbidden(CandlerayError):
    """The caller is logged in, and not allowed that."""

    status, code = 403, "forbidden"


class TooManyRequests(CandlerayError):
    """Too many at once or in a row by one caller: the header `Retry-After` says for how long to wait.

    The body stays the same, whatever `retry_after_s` is.
    """

    status, code = 429, "too_many_requests"

    def __init__(self, message: str, problems: Iterable[Problem] = (), *, retry_after_s: int = 1) -> None:
        super().__init__(message, problems)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.problems), {"retry_after_s": self.retry_after_s}


class ExchangeError(CandlerayError):
    """An exchange answered wrongly or not at all."""

    status, code = 502, "exchange_error"


class RateLimited(ExchangeError):
    """An exchange asks us to wait."""

    status, code = 503, "rate_limited"


class OrderRejected(ExchangeError):
    """An exchange refuses an order, or its cancelling: it has no effect and never will."""

    status, code = 422, "order_rejected"


class OrderNotTaken(RateLimited):
    """An exchange did not take an order this time: it may be sent again after `retry_after_s`."""

    code = "order_not_taken"

    def __init__(self, message: str, problems: Iterable[Problem] = (), *, retry_after_s: float = 1.0) -> None:
        super().__init__(message, problems)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.problems), {"retry_after_s": self.retry_after_s}


class OutcomeUnknown(ExchangeError):
    """Nobody knows yet whether an exchange took an order: it is asked, and nothing is sent again before."""

    code = "outcome_unknown"


class ServiceUnavailable(CandlerayError):
    """ClickHouse, Postgres, Valkey or Ray does not answer."""

    status, code = 503, "service_unavailable"


class Busy(ServiceUnavailable):
    """All that callers may hold together is in use: the header `Retry-After` says when to try again."""

    code = "busy"


class RequestTimeout(CandlerayError):
    """The request did not arrive whole within its time."""

    status, code = 408, "request_timeout"


class StatementRefused(CandlerayError):
    """Postgres answers, and not to that statement: a mistake of ours.

    Its cause goes to the log; the message, which people may see, quotes neither SQL nor values.
    """


class InstanceError(CandlerayError):
    """The data folder, its lock or a port is somebody else's."""

    status, code = 409, "instance_error"


class ApiError(CandlerayError):
    """An answer to the SDK is none of the other errors."""

    code = "api_error"


def invalid(field: str, code: str, message: str) -> InvalidInput:
    """An `InvalidInput` with one problem, whose message is the whole message."""
    return InvalidInput(message, [Problem(field, code, message)])


_TELLING_LETTERS = 4
"""Letters that tell which longer name is begun with them."""


def nearest(value: str, allowed: Sequence[str]) -> str:
    """The tail of a message about an unknown name: the nearest match, or what is allowed."""
    # Cut: comparing costs seconds where somebody sends a megabyte in place of a name.
    typed, names = value[:64].lower(), [name.lower() for name in allowed]
    close = difflib.get_close_matches(typed, names, n=1) or [
        name for name in names if len(typed) >= _TELLING_LETTERS and name.startswith(typed)
    ]
    if close:
        match = next(name for name in allowed if name.lower() == close[0])
        return f"did you mean {match!r}?"
    shown = ", ".join(sorted(allowed)[:8])
    more = f" and {len(allowed) - 8} more" if len(allowed) > 8 else ""
    return f"known: {shown}{more}" if shown else "none is known"


def first_line(error: BaseException, most: int = 300) -> str:
    """The first line of an error's text that says something; its kind where it says nothing."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)[:most]


def in_words(error: BaseException) -> str:
    """The reason that an error is, never empty: ours and the system's in their words, others' with their kind."""
    if isinstance(error, CandlerayError):
        return error.message or first_line(error)
    kind, said = type(error).__name__, first_line(error)
    return said if isinstance(error, OSError) or said == kind else f"{kind}: {said}"


def error_classes() -> dict[str, type[CandlerayError]]:
    """Return every class of the tree by its code."""
    classes: dict[str, type[CandlerayError]] = {}
    pending: list[type[CandlerayError]] = [CandlerayError]
    while pending:
        cls = pending.pop()
        classes.setdefault(cls.code, cls)
        pending.extend(cls.__subclasses__())
    return classes

"""Every error that a person can meet, as one tree.

CandlerayError
├── InvalidInput            422  a value is wrong: one problem a field, sorted
│   ├── GuardExceeded       422  the request is well formed and too large
│   └── BadFile             422  a file that is not what it claims to be
├── NotFound                404  nothing of that name, nearest match offered
├── Conflict                409  the state does not allow it
├── PayloadTooLarge         413  more bytes than the limit
├── UnsupportedMediaType    415  a body of another kind than the route takes
├── MethodNotAllowed        405  a method the route does not take
├── Unauthenticated         401  nobody is logged in, or the login does not hold
├── Forbidden               403  logged in, and not allowed that
├── TooManyRequests         429  too many attempts: how long to wait is told
├── ExchangeError           502  an exchange answered wrongly or not at all
│   └── RateLimited         503  an exchange asked us to wait
├── ServiceUnavailable      503  ClickHouse, Postgres, Valkey or Ray does not answer
├── InstanceError           409  the data folder, its lock or a port is somebody else's
├── StatementRefused        500  Postgres answers, and not to that statement: a mistake of ours
└── ApiError                     what the SDK raises for an answer that is none of the above

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


class CandlerayError(Exception):
    """Base of all errors; `status` is the HTTP status, `code` the stable name a program may test."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.problems: tuple[Problem, ...] = tuple(sorted(problems))

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
    status, code = 422, "invalid_input"


class GuardExceeded(InvalidInput):
    code = "guard_exceeded"


class BadFile(InvalidInput):
    code = "bad_file"


class NotFound(CandlerayError):
    status, code = 404, "not_found"


class Conflict(CandlerayError):
    status, code = 409, "conflict"


class PayloadTooLarge(CandlerayError):
    status, code = 413, "payload_too_large"


class UnsupportedMediaType(CandlerayError):
    status, code = 415, "unsupported_media_type"


class MethodNotAllowed(CandlerayError):
    status, code = 405, "method_not_allowed"


class Unauthenticated(CandlerayError):
    status, code = 401, "unauthenticated"


class Forbidden(CandlerayError):
    status, code = 403, "forbidden"


class TooManyRequests(CandlerayError):
    """`retry_after_s` goes into the header `Retry-After`: the body stays the same."""

    status, code = 429, "too_many_requests"

    def __init__(self, message: str, problems: Iterable[Problem] = (), *, retry_after_s: int = 1) -> None:
        super().__init__(message, problems)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.problems), {"retry_after_s": self.retry_after_s}


class ExchangeError(CandlerayError):
    status, code = 502, "exchange_error"


class RateLimited(ExchangeError):
    status, code = 503, "rate_limited"


class ServiceUnavailable(CandlerayError):
    status, code = 503, "service_unavailable"


class StatementRefused(CandlerayError):
    """The cause tells it to the log; the message, which people may see, quotes neither SQL nor values."""


class InstanceError(CandlerayError):
    status, code = 409, "instance_error"


class ApiError(CandlerayError):
    code = "api_error"


def invalid(field: str, code: str, message: str) -> InvalidInput:
    """An `InvalidInput` with one problem, whose message is the whole message."""
    return InvalidInput(message, [Problem(field, code, message)])


def nearest(value: str, allowed: Sequence[str]) -> str:
    """The tail of a message about an unknown name: the nearest match, or what is allowed."""
    # Cut: comparing costs seconds where somebody sends a megabyte in place of a name.
    close = difflib.get_close_matches(value[:64].lower(), [name.lower() for name in allowed], n=1, cutoff=0.5)
    if close:
        match = next(name for name in allowed if name.lower() == close[0])
        return f"did you mean {match!r}?"
    shown = ", ".join(sorted(allowed)[:8])
    more = f" and {len(allowed) - 8} more" if len(allowed) > 8 else ""
    return f"known: {shown}{more}" if shown else "none is known"


def error_classes() -> dict[str, type[CandlerayError]]:
    """Every class of the tree by its code."""
    found: dict[str, type[CandlerayError]] = {}
    pending: list[type[CandlerayError]] = [CandlerayError]
    while pending:
        cls = pending.pop()
        found.setdefault(cls.code, cls)
        pending.extend(cls.__subclasses__())
    return found

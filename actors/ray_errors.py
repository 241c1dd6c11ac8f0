"""Errors of actors as their callers see them: ours as they were raised, Ray's as one of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from candleray.errors import CandlerayError, ServiceUnavailable


@contextmanager
def translated_errors(actor: str) -> Iterator[None]:
    """Translate the errors of a `ray.get` or an `await` of an actor's answer.

    Raises:
        CandlerayError: the actor raised it; Ray's wrapping is taken off.
        ServiceUnavailable: the actor is gone or did not answer in time.
    """
    try:
        yield
    except RayTaskError as exc:
        if isinstance(exc.cause, CandlerayError):
            raise exc.cause from exc
        raise
    except (RayActorError, GetTimeoutError) as exc:
        raise ServiceUnavailable(f"{actor} does not answer") from exc


def original_error(error: Exception) -> Exception:
    """The error as it was raised: Ray wraps those of actors and tasks, and the wrapping's text is a traceback."""
    return getattr(error, "cause", None) or error

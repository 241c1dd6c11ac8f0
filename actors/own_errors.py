"""Errors on their way back from an actor: ours as they were raised, Ray's as one of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from candleray.errors import CandlerayError, ServiceUnavailable


@contextmanager
def own_errors(actor: str) -> Iterator[None]:
    """Around a `ray.get` or an `await` of an actor's answer.

    Raises:
        CandlerayError: the one the actor raised, without Ray's wrapping.
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

"""Subjects of a call: a request, a variant of a job, or a saved strategy, of which it names one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from candleray.agents.schemas import SameRequest
from candleray.errors import invalid
from candleray.sdk.client import Client
from candleray.sdk.saved_requests import request_of_saved
from candleray.validation import Model


class Subject(Model):
    """One of the three, and the variant of it."""

    request: SameRequest | None = None
    job: Annotated[str, Field(max_length=64)] | None = None
    """The id of a job."""
    strategy: Annotated[str, Field(max_length=300)] | None = None
    """A saved strategy's id or name."""
    variant_index: Annotated[int, Field(ge=0)] = 0
    """The variant, as a row of the ranking has it; of a strategy there is one."""


def require_one(**subjects: object) -> None:
    """
    Raises:
        InvalidInput: not exactly one of them is given.
    """
    if sum(one is not None for one in subjects.values()) != 1:
        *names, last = subjects
        raise invalid(names[0], "not_one_subject", f"give one of {', '.join(names)} and {last}")


def request_about(client: Client, asked: Subject) -> dict[str, Any]:
    """The request that the subject is a variant of; of a strategy over the last year of its candles."""
    require_one(request=asked.request, job=asked.job, strategy=asked.strategy)
    if asked.job is not None:
        return client.job(asked.job).status().request.model_dump(mode="json", exclude_none=True)
    if asked.strategy is not None:
        return dict(request_of_saved(client.strategy(asked.strategy), client.coverage, None, None))
    return asked.request or {}

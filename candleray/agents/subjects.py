"""Subjects of a call: a request, a variant of a job, or a saved strategy, of which it names one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from candleray.agents.schemas import SameRequest
from candleray.errors import invalid
from candleray.sdk.client import Client
from candleray.sdk.saved_requests import request_of_saved
from candleray.validation import Model


class OfStrategy(Model):
    """A saved strategy, over a range."""

    strategy: Annotated[str, Field(max_length=300)] | None = None
    """A saved strategy's id or name."""
    start: Annotated[str, Field(max_length=40)] | None = None
    """The beginning of the range that a strategy is looked at over, as is `end`; left out, its last year."""
    end: Annotated[str, Field(max_length=40)] | None = None
    allow_gaps: bool = False
    """True for a strategy over a range with a long hole in its candles."""


class Subject(OfStrategy):
    """One of the three, and the variant of it."""

    request: SameRequest | None = None
    job: Annotated[str, Field(max_length=64)] | None = None
    """The id of a job."""
    variant_index: Annotated[int, Field(ge=0)] | None = None
    """The variant, as a row of the ranking has it; needed where there are several."""


def require_one(**subjects: object) -> None:
    """
    Raises:
        InvalidInput: not exactly one of them is given.
    """
    if sum(one is not None for one in subjects.values()) != 1:
        *names, last = subjects
        raise invalid(names[0], "not_one_subject", f"give one of {', '.join(names)} and {last}")


def request_about(client: Client, asked: Subject) -> dict[str, Any]:
    """The request that the subject is a variant of."""
    require_one(request=asked.request, job=asked.job, strategy=asked.strategy)
    if asked.job is not None:
        return client.job(asked.job).status().request.model_dump(mode="json", exclude_none=True)
    if asked.strategy is not None:
        return request_of_strategy(client, asked)
    return asked.request or {}


def request_of_strategy(client: Client, asked: OfStrategy) -> dict[str, Any]:
    """The request of a saved strategy over the range that is asked for."""
    strategy = client.strategy(str(asked.strategy))
    request = dict(request_of_saved(strategy, client.coverage, asked.start, asked.end))
    return request | ({"allow_gaps": True} if asked.allow_gaps else {})


def variant_of(client: Client, asked: Subject, request: dict[str, Any]) -> int:
    """The number of the variant that is asked about.

    Raises:
        InvalidInput: there are several, and none is named.
    """
    if asked.variant_index is not None or asked.strategy is not None:
        return asked.variant_index or 0
    total = client.job(asked.job).status().variants_total if asked.job else client.explain(request).variants_total
    if total > 1:
        message = f"the search has {total:,} variants: give variant_index, as a row of the ranking has it"
        raise invalid("variant_index", "one_of_many", message)
    return 0

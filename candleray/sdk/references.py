"""References to jobs, strategies, runs, tokens and keys: a whole id, the beginning of one, or a name.

Every method and every command that takes an id takes these, and all of them are told apart here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from candleray.errors import NotFound, invalid
from candleray.sdk.connection import Sender, encoded

SHORTEST = 4
"""Characters that a beginning must have: of fewer the next entry makes another match."""

_PAGE_ENTRIES = 500
_SHOWN_MATCHES = 8
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,300}")
_BEGINNING_OF_ID = re.compile(r"[0-9a-f]{1,8}(-[0-9a-f-]*)?")


@dataclass(frozen=True)
class Kind:
    """A kind of thing that has ids, and the route that lists the user's own."""

    noun: str
    path: str
    id_field: str
    page_field: str | None = None
    """The entries of a page; the answer itself is the list where there are no pages."""
    name_field: str | None = None
    about_fields: tuple[str, ...] = ()
    """The words that tell two of them apart for a person."""
    has_name_filter: bool = False


JOB = Kind("job", "/backtests/jobs", "job_id", "jobs", about_fields=("state", "created_at"))
STRATEGY = Kind("strategy", "/strategies", "strategy_id", "strategies", "name", has_name_filter=True)
RUN = Kind("run", "/runs", "run_id", "runs", about_fields=("state", "state_since"))
HOLDOUT = Kind("holdout", "/holdouts", "holdout_id", "holdouts", about_fields=("created_at",))
TOKEN = Kind("token", "/tokens", "token_id", name_field="name", about_fields=("created_at",))
SESSION = Kind("session", "/sessions", "token_id", about_fields=("created_at",))
WISH = Kind(
    "request",
    "/market-data/subscription-requests",
    "request_id",
    "requests",
    about_fields=("market_id", "symbol", "state"),
)
EXCHANGE_KEY = Kind("exchange key", "/exchange-keys", "key_id", name_field="label", about_fields=("exchange",))


def find_id(sender: Sender, kind: Kind, reference: UUID | str) -> UUID:
    """The id of the only entry that the reference means; a whole id is not asked about.

    Raises:
        NotFound: no entry has such an id or name.
        InvalidInput: several have, and the message lists them; or the reference is too short.
    """
    text = str(reference).strip()
    try:
        return UUID(text)
    except ValueError:
        pass
    if len(text) < SHORTEST:
        raise invalid(kind.id_field, "too_short", f"{text!r} is too short: {_rule(kind)}")
    matches = _matches(sender, kind, text)
    if not matches:
        close = _nearest_name(sender, kind, text)
        raise NotFound(f"no {kind.noun} of yours is meant by {text[:80]!r}{close}: {_rule(kind)}")
    if len(matches) > 1:
        listed = "; ".join(_shown(kind, entry) for entry in matches[:_SHOWN_MATCHES])
        more = f"; and {len(matches) - _SHOWN_MATCHES} more" if len(matches) > _SHOWN_MATCHES else ""
        message = f"{text[:80]!r} may mean {len(matches)} entries, name one by more of its id: {listed}{more}"
        raise invalid(kind.id_field, "ambiguous", message)
    return UUID(matches[0][kind.id_field])


def request_body(sender: Sender, content: BaseModel | Mapping[str, Any] | bytes) -> bytes:
    """The bytes of a request, with the id in place of any other reference to a saved strategy."""
    body = encoded(content)
    if b'"strategy_id"' not in body:
        return body
    try:
        request = json.loads(body)
    except ValueError:
        return body  # the API says where
    reference = request.get("strategy_id") if isinstance(request, dict) else None
    if not isinstance(reference, str) or _is_uuid(reference):
        return body
    return encoded({**request, "strategy_id": find_id(sender, STRATEGY, reference)})


def _nearest_name(sender: Sender, kind: Kind, text: str) -> str:
    """Ask for the name that may have been meant, among the first thousand; nothing where none is like it."""
    if not kind.name_field:
        return ""
    names = {_name(kind, entry): str(entry[kind.name_field]) for entry in islice(_entries(sender, kind, ""), 1000)}
    close = get_close_matches(text.lower(), names, n=1)
    return f"; did you mean {names[close[0]]!r}?" if close else ""


def _matches(sender: Sender, kind: Kind, text: str) -> list[Mapping[str, Any]]:
    """The entries of exactly that name; else those whose id or name begins so."""
    wanted = text.lower()
    begins = [entry for entry in _entries(sender, kind, text) if _begins(kind, entry, wanted)]
    exact = [entry for entry in begins if _name(kind, entry) == wanted]
    return exact or begins


def _begins(kind: Kind, entry: Mapping[str, Any], wanted: str) -> bool:
    return str(entry[kind.id_field]).startswith(wanted) or _name(kind, entry).startswith(wanted)


def _name(kind: Kind, entry: Mapping[str, Any]) -> str:
    return str(entry[kind.name_field]).lower() if kind.name_field else ""


def _entries(sender: Sender, kind: Kind, text: str) -> Iterator[Mapping[str, Any]]:
    if kind.page_field is None:
        yield from json.loads(sender.send("GET", kind.path))
        return
    # The API looks for a part of a name; what may be the beginning of an id is looked for among all.
    is_name = _PLAIN_NAME.fullmatch(text) and not _BEGINNING_OF_ID.fullmatch(text.lower())
    name = text if kind.has_name_filter and is_name else None
    cursor: str | None = None
    while True:
        params = {"limit": str(_PAGE_ENTRIES), "cursor": cursor, "name": name}
        page = json.loads(sender.send("GET", kind.path, params=params))
        yield from page[kind.page_field]
        cursor = page.get("next_cursor")
        if cursor is None:
            return


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _shown(kind: Kind, entry: Mapping[str, Any]) -> str:
    name = (str(entry[kind.name_field]),) if kind.name_field else ()
    about = ", ".join((*name, *(str(entry.get(field)) for field in kind.about_fields)))
    return f"{entry[kind.id_field]} ({about})"


def _rule(kind: Kind) -> str:
    name = f", or its {kind.name_field}," if kind.name_field else ""
    return f"give the id of a {kind.noun}{name} or the first {SHORTEST} or more characters that no other has"

"""The id by which an exchange knows an order of ours: derived, so that the same order can never have two.

Both venues take 36 letters, digits and dashes. The database derives it too, and takes no other
(`postgres_0027_orders.sql`).
"""

from __future__ import annotations

import hashlib
from typing import Annotated
from uuid import UUID

from pydantic import Field

OURS = "cr"
"""The beginning of our ids: at the exchange, one without a row of ours is nobody's order and an alarm."""

Intent = Annotated[str, Field(pattern=r"^(increase|reduce|kill)-[1-9][0-9]{0,3}$")]
"""Purpose of an order, and its number among those of its bar."""


def client_order_id(run_id: UUID, signal_bar_ms: int, intent: str) -> str:
    digest = hashlib.sha256(f"{run_id}/{signal_bar_ms}/{intent}".encode()).hexdigest()
    return OURS + digest[:30]


def is_ours(client_id: str) -> bool:
    return client_id.startswith(OURS) and len(client_id) == len(OURS) + 30

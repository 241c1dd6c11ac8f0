"""Examples of the routes about messages by Telegram, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any

LINK: dict[str, Any] = {"url": "https://t.me/your_candleray_bot?start=…", "expires_at": "2025-01-01T00:10:00Z"}

POLICY: dict[str, Any] = {
    "kinds": ["entry", "exit", "state"],
    "muted": False,
    "muted_until": None,
    "quiet_hours": {"start": "23:00", "end": "07:00", "zone": "Europe/Berlin"},
    "runs": {},
}
CHAT: dict[str, Any] = {
    "linked": True,
    "bot": "your_candleray_bot",
    "linked_at": "2025-01-01T00:01:00Z",
    "off_since": None,
    "waiting": 0,
    "trouble": None,
    "policy": POLICY,
}
UNLINKED: dict[str, Any] = {**CHAT, "linked": False, "linked_at": None}

POLICIES: dict[str, Any] = {
    "trades": {"summary": "Trades alone, and a quiet night", "value": POLICY},
    "muted": {"summary": "Nothing for now", "value": {"muted_until": "2025-01-02T00:00:00Z"}},
}

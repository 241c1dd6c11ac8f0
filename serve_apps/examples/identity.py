"""Examples of the identity routes, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any

TOKEN_ID = "5c8a8f5e-3f0e-4b8a-9d0c-0d7f3a1e9b11"  # noqa: S105 - an id, and of nothing
USER: dict[str, Any] = {"user_id": "b4a5b7e2-8a3c-4a6e-9f5e-1a2b3c4d5e6f", "telegram_user_id": 123456789}
ME: dict[str, Any] = {**USER, "role": "operator", "scopes": ["read", "trade", "account"]}

_TIMES = {
    "created_at": "2025-01-01T00:00:00Z",
    "last_used_at": "2025-01-01T12:00:00Z",
    "expires_at": "2025-01-04T12:00:00Z",
    "ends_at": "2025-01-31T00:00:00Z",
}
SESSION: dict[str, Any] = {
    "token_id": TOKEN_ID,
    "kind": "session",
    "name": "token",
    "scopes": ["read", "trade", "account"],
    **_TIMES,
    "current": True,
}
API_TOKEN: dict[str, Any] = {
    **SESSION,
    "kind": "api",
    "name": "notebook",
    "scopes": ["read"],
    "expires_at": "2025-01-31T00:00:00Z",
    "current": False,
}
LOGIN: dict[str, Any] = {"token": "crs_…", "info": SESSION}
LOGIN_WAYS: dict[str, Any] = {"bot_id": 1234567890}
BROWSER_SESSION: dict[str, Any] = {"user": ME, "second_factor": False}
NEW_TOKEN: dict[str, Any] = {"token": "crt_…", "info": API_TOKEN}

_HASH = "5f8b1d3c" * 8
WIDGET_BODIES: dict[str, Any] = {
    "widget": {
        "summary": "As the widget calls back",
        "value": {"id": 123456789, "first_name": "Ada", "auth_date": 1735689600, "hash": _HASH},
    }
}
MINI_APP_BODIES: dict[str, Any] = {
    "mini app": {
        "summary": "Telegram.WebApp.initData",
        "value": {"init_data": f"user=%7B%22id%22%3A123456789%7D&auth_date=1735689600&hash={_HASH}"},
    }
}
TOKEN_BODIES: dict[str, Any] = {
    "read only": {
        "summary": "For a notebook",
        "value": {"name": "notebook", "scopes": ["read"], "days": 90},
    }
}

CODE_BODIES: dict[str, Any] = {
    "code": {"summary": "Of the authenticator app", "value": {"code": "123456"}},
    "recovery": {"summary": "One of the ten", "value": {"code": "ABCD-EFGH-2345-6723"}},
}
OPTIONAL_CODE_BODIES: dict[str, Any] = {
    "first": {"summary": "The first second factor", "value": {}},
    "replace": {"summary": "In place of another one", "value": {"code": "123456"}},
}
SECOND_FACTOR: dict[str, Any] = {
    "enabled": False,
    "pending": False,
    "recovery_codes_left": 0,
    "locked_until": None,
}
SETUP: dict[str, Any] = {
    "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
    "otpauth_uri": "otpauth://totp/Candleray:123456789?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Candleray",
    "qr_svg": "<svg …></svg>",
}
RECOVERY: dict[str, Any] = {"recovery_codes": ["ABCD-EFGH-2345-6723"]}
ACCEPTED: dict[str, Any] = {"fresh_until": "2025-01-01T12:10:00Z"}

KEY_ID = "9a1f6a1e-52c7-4f7b-8d39-5d0b2f4c6e7a"
EXCHANGE_KEY: dict[str, Any] = {
    "key_id": KEY_ID,
    "exchange": "binance",
    "label": "main",
    "last_four": "x7Qf",
    "created_at": "2025-01-01T00:00:00Z",
}
KEY_BODIES: dict[str, Any] = {
    "binance": {
        "summary": "A key without the right to withdraw",
        "value": {
            "exchange": "binance",
            "label": "main",
            "api_key": "an-api-key-as-the-exchange-shows-it",
            "api_secret": "its-secret-as-the-exchange-shows-it",
        },
    }
}

"""The key and the secret of an account at an exchange, and what is signed with them.

Bybit publishes no secret with its examples; Binance does, and both say which text is signed.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Credentials:
    """An API key; its secret stands in no text that is made of it."""

    api_key: str = field(repr=False)
    secret: str = field(repr=False)

    def __reduce__(self) -> str:
        raise TypeError("credentials are not pickled: that would write the secret in the clear")


def signature(secret: str, text: str) -> str:
    """Compute the HMAC-SHA256 of a text as 64 hexadecimal digits."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def is_signature(secret: str, text: str, claimed: str) -> bool:
    return hmac.compare_digest(signature(secret, text), claimed.lower())


def bybit_text(timestamp: str, api_key: str, window: str, payload: str) -> str:
    """The text that Bybit has signed; `payload` is the query or the body, as they are sent."""
    return f"{timestamp}{api_key}{window}{payload}"

"""Keys of exchanges: kept sealed, added only past the second factor, never shown again."""

from __future__ import annotations

import json

from pydantic import Field

from candleray.identity.vault import Secret
from candleray.markets import MARKETS
from candleray.validation import Model

_EXCHANGES = sorted({market.exchange for market in MARKETS.values()})


class NewExchangeKey(Model):
    exchange: str = Field(pattern=f"^({'|'.join(_EXCHANGES)})$", examples=_EXCHANGES)
    label: str = Field(min_length=1, max_length=64, pattern=r"^[\w .:@/-]+$")
    """A name for people, to tell their keys apart."""
    api_key: Secret
    api_secret: Secret

    def sealed_text(self) -> Secret:
        return Secret(json.dumps({"api_key": self.api_key.reveal(), "api_secret": self.api_secret.reveal()}))


class Credentials(Model):
    """The key and secret that an exchange's requests are signed with."""

    api_key: Secret
    api_secret: Secret


def credentials_of(text: Secret) -> Credentials:
    return Credentials.model_validate(json.loads(text.reveal()))

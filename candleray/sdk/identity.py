"""The client's methods about its user: logins, tokens, the second factor, exchange keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from candleray.identity.models import (
    CodeAccepted,
    ExchangeKey,
    Me,
    MiniAppLogin,
    NewToken,
    RecoveryCodes,
    SecondFactorSetup,
    SecondFactorState,
    TokenInfo,
    TokenRequest,
    WidgetLogin,
)
from candleray.sdk.connection import Sender, encoded, read
from candleray.sdk.references import EXCHANGE_KEY, SESSION, TOKEN, find_id

_MINI_APP = re.compile(rb'"init_data"\s*:')
"""The one field of a Mini App's login, which no widget's has."""


class IdentityMethods(Sender):
    """The user that the client acts for."""

    def log_in(self, login: WidgetLogin | MiniAppLogin | Mapping[str, Any] | bytes) -> NewToken:
        """Open a session with a login that Telegram signed: it is accepted once, within five minutes.

        >>> session = client.log_in(login)
        >>> session.info.kind
        'session'
        """
        body = encoded(login)
        kind = "mini-app" if _MINI_APP.search(body) else "widget"
        return read(NewToken, self.send("POST", f"/login/telegram/{kind}", content=body, repeatable=False))

    def log_out(self) -> None:
        """End this client's session; where it has an API token, revoke that.

        >>> client.log_out()
        """
        self.send("POST", "/logout", repeatable=False)

    def me(self) -> Me:
        """The user that this client's token stands for, their role, and the token's scopes.

        >>> me = client.me()
        >>> me.telegram_user_id == login.id
        True
        >>> me.role
        'operator'
        """
        return read(Me, self.send("GET", "/me"))

    def sessions(self) -> list[TokenInfo]:
        """Your sessions that have neither ended nor been revoked, the newest first.

        >>> [session.current for session in client.sessions()]
        [True]
        """
        return read(list[TokenInfo], self.send("GET", "/sessions"))

    def tokens(self) -> list[TokenInfo]:
        """Your personal API tokens that have neither expired nor been revoked, the newest first.

        >>> client.tokens()
        []
        """
        return read(list[TokenInfo], self.send("GET", "/tokens"))

    def create_token(self, request: TokenRequest | Mapping[str, Any] | bytes) -> NewToken:
        """Make a personal API token; this answer alone shows it.

        >>> from candleray import TokenRequest
        >>> created = client.create_token(TokenRequest(name="notebook", scopes=("read", "trade"), days=30))
        >>> created.token.startswith("crt_")
        True
        """
        return read(NewToken, self.send("POST", "/tokens", content=encoded(request), repeatable=False))

    def revoke_token(self, token_id: UUID | str) -> None:
        """Revoke a personal API token at once, by its id, the beginning of one, or its name.

        >>> created = client.create_token({"name": "notebook"})
        >>> client.revoke_token(created.info.token_id)
        """
        self.send("DELETE", f"/tokens/{find_id(self, TOKEN, token_id)}", repeatable=False)

    def revoke_session(self, token_id: UUID | str) -> None:
        """End one of your sessions at once, by the `token_id` that `sessions` shows, or the beginning of it.

        >>> for session in client.sessions():
        ...     if not session.current:
        ...         client.revoke_session(session.token_id)
        """
        self.send("DELETE", f"/sessions/{find_id(self, SESSION, token_id)}", repeatable=False)

    def second_factor(self) -> SecondFactorState:
        """Tell whether you have a second factor, and how many recovery codes are left.

        >>> client.second_factor().enabled
        False
        """
        return read(SecondFactorState, self.send("GET", "/second-factor"))

    def begin_second_factor(self, code: str | None = None) -> SecondFactorSetup:
        """Make a secret for an authenticator app, in force once `confirm_second_factor` has its first code.

        Args:
            code: of the second factor that you have, which the new one is to replace.

        >>> setup = client.begin_second_factor()
        >>> setup.otpauth_uri.startswith("otpauth://totp/Candleray")
        True
        """
        return read(SecondFactorSetup, self._send_code("", code))

    def confirm_second_factor(self, code: str) -> RecoveryCodes:
        """Turn on the second factor that has begun, with the first code that the app shows.

        From then on its recovery codes are good, each once; this answer alone shows them.

        >>> setup = client.begin_second_factor()
        >>> codes = client.confirm_second_factor(input("First code of the app: "))
        >>> len(codes.recovery_codes)
        10
        """
        return read(RecoveryCodes, self._send_code("/confirm", code))

    def verify_code(self, code: str) -> CodeAccepted:
        """Show a code, so that this token may do for some minutes what needs a fresh one.

        >>> accepted = client.verify_code(input("Code: "))
        >>> accepted.fresh_until > client.sessions()[0].created_at
        True
        """
        return read(CodeAccepted, self._send_code("/verify", code))

    def replace_recovery_codes(self, code: str) -> RecoveryCodes:
        """Make ten new recovery codes; the old ones are no longer accepted.

        >>> codes = client.replace_recovery_codes(input("Code: "))
        >>> len(codes.recovery_codes)
        10
        """
        return read(RecoveryCodes, self._send_code("/recovery-codes", code))

    def disable_second_factor(self, code: str) -> SecondFactorState:
        """Turn the second factor off, with a code of it.

        >>> client.disable_second_factor(input("Code: ")).enabled
        False
        """
        return read(SecondFactorState, self._send_code("/disable", code))

    def _send_code(self, path: str, code: str | None) -> bytes:
        body = encoded({} if code is None else {"code": code})
        return self.send("POST", f"/second-factor{path}", content=body, repeatable=False)

    def exchange_keys(self) -> list[ExchangeKey]:
        """Your exchange keys, the newest first, each by the last four characters of its API key.

        >>> client.exchange_keys()
        []
        """
        return read(list[ExchangeKey], self.send("GET", "/exchange-keys"))

    def add_exchange_key(self, exchange: str, label: str, api_key: str, api_secret: str) -> ExchangeKey:
        """Store an exchange key, encrypted; needs a fresh code (`verify_code`).

        >>> accepted = client.verify_code(input("Code: "))
        >>> key = client.add_exchange_key("binance", "main", input("API key: "), input("API secret: "))
        >>> key.label
        'main'
        """
        body = {"exchange": exchange, "label": label, "api_key": api_key, "api_secret": api_secret}
        return read(ExchangeKey, self.send("POST", "/exchange-keys", content=encoded(body), repeatable=False))

    def delete_exchange_key(self, key_id: UUID | str) -> None:
        """Delete an exchange key for good; needs a fresh code (`verify_code`).

        >>> accepted = client.verify_code(input("Code: "))
        >>> key = client.add_exchange_key("binance", "old", input("API key: "), input("API secret: "))
        >>> client.delete_exchange_key(key.key_id)
        """
        self.send("DELETE", f"/exchange-keys/{find_id(self, EXCHANGE_KEY, key_id)}", repeatable=False)

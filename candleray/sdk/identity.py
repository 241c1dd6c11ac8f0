"""What of a client is about who calls: logins, tokens, the second factor, keys of exchanges."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

from candleray.identity.models import (
    CodeAccepted,
    ExchangeKey,
    MiniAppLogin,
    NewToken,
    RecoveryCodes,
    SecondFactorSetup,
    SecondFactorState,
    TokenInfo,
    TokenRequest,
    User,
    WidgetLogin,
)
from candleray.sdk.connection import encoded, read


class IdentityMethods:
    """The client's methods that are about its user."""

    def log_in(self: Any, login: WidgetLogin | MiniAppLogin) -> NewToken:
        """A session by what Telegram signed; a login is good for five minutes, once."""
        kind = "widget" if isinstance(login, WidgetLogin) else "mini-app"
        return read(
            NewToken, self.send("POST", f"/login/telegram/{kind}", content=encoded(login), repeatable=False)
        )

    def log_out(self: Any) -> None:
        """End the session, or revoke the API token, of this client."""
        self.send("POST", "/logout", repeatable=False)

    def me(self: Any) -> User:
        """The user that this client's token stands for."""
        return read(User, self.send("GET", "/me"))

    def sessions(self: Any) -> list[TokenInfo]:
        return read(list[TokenInfo], self.send("GET", "/sessions"))

    def tokens(self: Any) -> list[TokenInfo]:
        """The personal API tokens that are good."""
        return read(list[TokenInfo], self.send("GET", "/tokens"))

    def create_token(self: Any, request: TokenRequest) -> NewToken:
        """A personal API token, shown this once."""
        return read(NewToken, self.send("POST", "/tokens", content=encoded(request), repeatable=False))

    def revoke_token(self: Any, token_id: UUID | str) -> None:
        self.send("DELETE", f"/tokens/{quote(str(token_id), safe='')}", repeatable=False)

    def revoke_session(self: Any, session_id: UUID | str) -> None:
        self.send("DELETE", f"/sessions/{quote(str(session_id), safe='')}", repeatable=False)

    def second_factor(self: Any) -> SecondFactorState:
        return read(SecondFactorState, self.send("GET", "/second-factor"))

    def begin_second_factor(self: Any, code: str | None = None) -> SecondFactorSetup:
        """A secret for an authenticator app; with a code of the present one it will replace that."""
        return read(SecondFactorSetup, self._coded("", {} if code is None else {"code": code}))

    def confirm_second_factor(self: Any, code: str) -> RecoveryCodes:
        return read(RecoveryCodes, self._coded("/confirm", {"code": code}))

    def verify_code(self: Any, code: str) -> CodeAccepted:
        """For some minutes this client's token opens what asks for a fresh code."""
        return read(CodeAccepted, self._coded("/verify", {"code": code}))

    def replace_recovery_codes(self: Any, code: str) -> RecoveryCodes:
        return read(RecoveryCodes, self._coded("/recovery-codes", {"code": code}))

    def disable_second_factor(self: Any, code: str) -> SecondFactorState:
        return read(SecondFactorState, self._coded("/disable", {"code": code}))

    def _coded(self: Any, path: str, body: dict[str, str]) -> bytes:
        answer: bytes = self.send("POST", f"/second-factor{path}", content=encoded(body), repeatable=False)
        return answer

    def exchange_keys(self: Any) -> list[ExchangeKey]:
        return read(list[ExchangeKey], self.send("GET", "/exchange-keys"))

    def add_exchange_key(self: Any, exchange: str, label: str, api_key: str, api_secret: str) -> ExchangeKey:
        """Keep a key encrypted; needs a code of the last minutes (`verify_code`)."""
        body = {"exchange": exchange, "label": label, "api_key": api_key, "api_secret": api_secret}
        return read(ExchangeKey, self.send("POST", "/exchange-keys", content=encoded(body), repeatable=False))

    def delete_exchange_key(self: Any, key_id: UUID | str) -> None:
        self.send("DELETE", f"/exchange-keys/{quote(str(key_id), safe='')}", repeatable=False)

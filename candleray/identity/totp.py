"""The second factor: TOTP codes of RFC 6238, and recovery codes for when the telephone is lost."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import re
import secrets
import unicodedata
from uuid import UUID

import pyotp
import segno

from candleray.identity.models import SecondFactorSetup
from candleray.identity.vault import Secret

STEP_S = 30
DRIFT_STEPS = 1
"""A code of the step before and after is taken too: clocks differ."""
RECOVERY_CODES = 10
ISSUER = "Candleray"

_TOTP = re.compile(r"[0-9]{6}")
_RECOVERY = re.compile(r"[A-Z2-7]{16}")


def new_totp_secret() -> Secret:
    return Secret(pyotp.random_base32())


def setup_of(secret: Secret, telegram_user_id: int) -> SecondFactorSetup:
    uri = pyotp.TOTP(secret.reveal()).provisioning_uri(name=str(telegram_user_id), issuer_name=ISSUER)
    svg = io.BytesIO()
    segno.make(uri, error="m").save(svg, kind="svg", scale=4, xmldecl=False)
    return SecondFactorSetup(secret=secret.reveal(), otpauth_uri=uri, qr_svg=svg.getvalue().decode())


def matching_step(secret: Secret, code: str, now_s: float) -> int | None:
    """The time step that a code is of, if it is one of those taken now; every candidate is compared."""
    plain = _plain(code)
    if not _TOTP.fullmatch(plain):
        return None
    totp, now_step, found = pyotp.TOTP(secret.reveal()), int(now_s) // STEP_S, None
    for step in range(now_step - DRIFT_STEPS, now_step + DRIFT_STEPS + 1):
        if hmac.compare_digest(totp.generate_otp(step), plain):
            found = step
    return found


def new_recovery_codes() -> tuple[str, ...]:
    """80 random bits each: too many to be found from a hash."""
    return tuple(_new_recovery_code() for _ in range(RECOVERY_CODES))


def _new_recovery_code() -> str:
    text = base64.b32encode(secrets.token_bytes(10)).decode()
    return "-".join(text[at : at + 4] for at in range(0, 16, 4))


def recovery_hash(user_id: UUID, code: str) -> bytes | None:
    """Return the hash that is kept of a recovery code, however it is spelled; None where it is none."""
    plain = _plain(code).upper()
    return hashlib.sha256(f"{user_id}:{plain}".encode()).digest() if _RECOVERY.fullmatch(plain) else None


def _plain(code: str) -> str:
    """The code without what keyboards and authenticators put into it: full-width letters, spaces, dashes."""
    return re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", code))

"""The answer to a certificate that is computed again from the candles of another instance."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from candleray.live.certificates.certificate import Certificate
from candleray.live.certificates.certificate import Verdict as CertifiedVerdict
from candleray.markets import Instrument
from candleray.validation import Model


class Finding(StrEnum):
    CONFIRMED = "confirmed"
    DIFFERENT = "different"
    NOT_COMPARABLE = "not comparable"


FINDING_MEANINGS: Mapping[Finding, str] = {
    Finding.CONFIRMED: "the candles here give the certificate's tapes, and the engine the run's events over them",
    Finding.DIFFERENT: "the certificate says something that these candles and this engine do not",
    Finding.NOT_COMPARABLE: "the candles here are others, so nothing can be said of the events",
}


class VerifiedTape(Model):
    instrument: Instrument
    is_received: bool
    """True where the candles here, with the listed minutes put back, are what the run received."""
    is_canonical: bool
    """True where the candles here are those that the certificate calls today's."""


class VerifiedSession(Model):
    session: int
    tapes: tuple[VerifiedTape, ...]
    finding: Finding
    said: tuple[str, ...]
    """The reasons, in words."""


class Verification(Model):
    certificate_hash: str
    certified_verdict: CertifiedVerdict
    """The verdict that the certificate states of itself."""
    is_intact: bool
    """False where the certificate was changed since it was made."""
    is_same_engine: bool
    """False where the engine here has other versions than the one that made it."""
    sessions: tuple[VerifiedSession, ...]
    finding: Finding


def verification_of(
    certificate: Certificate, is_same_engine: bool, sessions: tuple[VerifiedSession, ...]
) -> Verification:
    findings = {one.finding for one in sessions}
    finding = Finding.CONFIRMED
    if not certificate.is_intact or Finding.DIFFERENT in findings:
        finding = Finding.DIFFERENT
    elif Finding.NOT_COMPARABLE in findings:
        finding = Finding.NOT_COMPARABLE
    return Verification(
        certificate_hash=certificate.hash,
        certified_verdict=certificate.verdict,
        is_intact=certificate.is_intact,
        is_same_engine=is_same_engine,
        sessions=sessions,
        finding=finding,
    )

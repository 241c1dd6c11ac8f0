"""Certificates of runs, and their verification from the candles of this instance."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import Field

from candleray.indicators.request_models import get_request_models
from candleray.live.certificates.certificate import Certificate
from candleray.live.certificates.certifier import Certifier
from candleray.live.certificates.verification import Verification
from candleray.live.certificates.verifier import Verifier
from candleray.timeframes import Moment
from candleray.validation import Model
from serve_apps.backend import Backend, InBackend
from serve_apps.examples import certificates as examples
from serve_apps.http.access import needs
from serve_apps.http.callers import InUser
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example
from serve_apps.http.own_candles import InCandles
from serve_apps.http.timeouts import answer_in_time
from serve_apps.routes.runs import RunId

router = APIRouter(tags=["runs"], route_class=StrictRoute)


class CertificateQuery(Model):
    start: Moment | None = Field(
        None, alias="from", description="bars that open from here on; all if not given", examples=["2026-01-05"]
    )
    end: Moment | None = Field(
        None, alias="to", description="bars that have closed by then; all if not given", examples=["2026-01-06"]
    )


@router.get("/runs/{run_id}/certificate", response_model=Certificate, responses=example(examples.CERTIFICATE))
async def certify_run(
    request: Request, run_id: RunId, query: Annotated[CertificateQuery, Query()], backend: InBackend, user: InUser
) -> Any:
    """Hold what a run has said against the backtest, bar by bar and to the bit.

    `received` compares it with the backtest over the candles as the run received them: the two are equal, or
    Candleray has an error. `canonical` compares it with the backtest over the candles of today, and names the
    minute behind each difference. The same input gives the same bytes.
    """

    async def in_turn() -> Certificate:
        async with backend.searches.held(f"user {user.user_id}"):
            certifier = Certifier(await backend.postgres(), backend.candles, backend.settings, backend.compute)
            return await certifier.certify(user.user_id, run_id, query.start, query.end)

    certificate = await answer_in_time(request, in_turn(), _timeout_s(backend), "the certificate")
    return Response(certificate.canonical_bytes(), media_type="application/json")


@router.post("/certificates/verify", response_model=Verification, responses=example(examples.VERIFICATION))
@needs("read")
async def verify_certificate(
    request: Request,
    certificate: Annotated[Certificate, Body(openapi_examples=examples.CERTIFICATES)],
    backend: InBackend,
    candles: InCandles,
    user: InUser,
) -> Any:
    """Compute a certificate again from the candles of this instance, whoever has made it, and say what differs.

    The tapes that the run received follow from these candles and the minutes that the certificate lists.
    """
    get_request_models().validated_draft(certificate.spec.model_dump(mode="json", exclude={"spec_version"}))

    async def in_turn() -> Verification:
        async with backend.searches.held(f"user {user.user_id}"):
            return await Verifier(candles, backend.settings, backend.compute).verify(certificate)

    return await answer_in_time(request, in_turn(), _timeout_s(backend), "the verification")


def _timeout_s(backend: Backend) -> float:
    return backend.settings.api.backtest_timeout_s

"""The second factor: set up, verified, replaced, disabled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request
from starlette.responses import JSONResponse, Response

from candleray.identity.attempt_limits import AttemptLimits
from candleray.identity.local_secrets import key_ring
from candleray.identity.models import (
    CodeAccepted,
    CodeBody,
    OptionalCode,
    RecoveryCodes,
    SecondFactorSetup,
    SecondFactorState,
)
from candleray.identity.second_factor_store import SecondFactors
from serve_apps.backend import InBackend
from serve_apps.examples import identity as examples
from serve_apps.http.access import needs
from serve_apps.http.callers import InCaller, InUser, address_of
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example

router = APIRouter(prefix="/second-factor", tags=["identity"], route_class=StrictRoute)

_WINDOW_S = 600


async def _factors(backend: InBackend) -> SecondFactors:
    settings = backend.settings
    return SecondFactors(await backend.postgres(), settings.identity, lambda: key_ring(settings))


async def _counting(request: Request, user: InUser, backend: InBackend) -> Callable[[], Awaitable[None]]:
    """Counts a code by user and by address; called before it is looked at, and not for what is no code."""

    async def count() -> None:
        rules, limits = backend.settings.identity, AttemptLimits(await backend.valkey())
        await limits.require("code_user", str(user.user_id), rules.codes_per_user, _WINDOW_S)
        address = address_of(request, backend.settings)
        await limits.require("code_address", address, 10 * rules.codes_per_user, _WINDOW_S)

    return count


InCount = Annotated[Callable[[], Awaitable[None]], Depends(_counting)]
InFactors = Annotated[SecondFactors, Depends(_factors)]
InCode = Annotated[CodeBody, Body(openapi_examples=examples.CODE_BODIES)]


def _unkept(content: SecondFactorSetup | RecoveryCodes) -> Response:
    return JSONResponse(content.model_dump(mode="json"), headers={"Cache-Control": "no-store"})


@router.get("", response_model=SecondFactorState, responses=example(examples.SECOND_FACTOR))
@needs("account")
async def get_second_factor(user: InUser, factors: InFactors) -> Any:
    """State of the second factor, and the number of recovery codes left."""
    return await factors.state(user)


@router.post("", response_model=SecondFactorSetup, responses=example(examples.SETUP))
@needs("account")
async def begin_second_factor(
    body: Annotated[OptionalCode, Body(openapi_examples=examples.OPTIONAL_CODE_BODIES)],
    user: InUser,
    factors: InFactors,
    count: InCount,
) -> Response:
    """Begin a second factor: a secret for an authenticator app, as URI and as QR code, shown in this answer alone.

    It counts from its first code on (`/second-factor/confirm`). Replacing one needs a code of the one there is.
    """
    await count()
    return _unkept(await factors.begin(user, body.code))


@router.post("/confirm", response_model=RecoveryCodes, responses=example(examples.RECOVERY))
@needs("account")
async def confirm_second_factor(body: InCode, caller: InCaller, factors: InFactors, count: InCount) -> Response:
    """Confirm the new second factor by its first code: the answer holds ten recovery codes, shown this once."""
    await count()
    return _unkept(await factors.confirm(caller, body.code))


@router.post("/verify", response_model=CodeAccepted, responses=example(examples.ACCEPTED))
@needs("account")
async def verify_code(body: InCode, caller: InCaller, factors: InFactors, count: InCount) -> Any:
    """Show a code, once: for some minutes this token opens what asks for a fresh code.

    A recovery code does too. Repeated wrong codes lock the second factor for a while.
    """
    await count()
    return await factors.verify(caller, body.code)


@router.post("/recovery-codes", response_model=RecoveryCodes, responses=example(examples.RECOVERY))
@needs("account")
async def replace_recovery_codes(body: InCode, user: InUser, factors: InFactors, count: InCount) -> Response:
    """Replace the recovery codes by ten new ones, shown this once; the old ones are void."""
    await count()
    return _unkept(await factors.replace_recovery_codes(user, body.code))


@router.post("/disable", response_model=SecondFactorState, responses=example(examples.SECOND_FACTOR))
@needs("account")
async def disable_second_factor(body: InCode, user: InUser, factors: InFactors, count: InCount) -> Any:
    """Turn the second factor off, by a code of it; what needs one is closed from then on."""
    await count()
    await factors.disable(user, body.code)
    return await factors.state(user)

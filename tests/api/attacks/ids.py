"""Another user's ids: in every path and every body that takes one, as the OpenAPI document has them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from candleray.live.starting.warm_up import run_metadata
from candleray.live.stores.store import Runs
from candleray.strategies.store import Strategies
from tests.api.attacks.target import Attack, Target
from tests.support.api.accounts import OWNED, log_in, set_up
from tests.support.api.api_document import operations, places, with_ids

EVERYBODYS = {"indicator_id", "market_id", "symbol"}
"""Ids of what belongs to nobody."""

BY_CONTENT = {"POST /certificates/verify"}
"""Routes that look nothing up by the ids in their bodies: whoever has a certificate may have it computed again."""

IN_PATHS = [
    one
    for one in operations()
    # An operator answers every user's wish: to anybody else its id is as forbidden as any.
    if one.ids and not EVERYBODYS.intersection(one.ids) and one.described.get("x-role") != "operator"
]
IN_BODIES = [
    (one, body)
    for one in operations()
    for body in one.bodies
    if any(place and place[-1] in OWNED for place, _ in places(body)) and str(one) not in BY_CONTENT
]
IN_QUERIES = [(one, name) for one in operations() for name in one.query if name in OWNED]
"""Ids that narrow a list: another user's id is as empty as an unknown one."""


async def run_of(target: Target, strategy_id: str) -> str:
    """Start a run in the database: a real instance wants candles that go on until now."""
    user_id = UUID((await target.api.get("/me")).json()["user_id"])
    strategy = await Strategies(target.postgres).get(user_id, UUID(strategy_id))
    metadata = run_metadata(strategy.spec, datetime.now(UTC))
    return str((await Runs(target.postgres).start(user_id, strategy.strategy_id, metadata, "a test")).run_id)


async def foreign_ids(target: Target) -> None:
    await log_in(target.api)
    await set_up(target.api)
    owned = {name: await make(target.api) for name, make in OWNED.items() if name != "run_id"}
    owned["run_id"] = await run_of(target, owned["strategy_id"])
    await log_in(target.api)
    await set_up(target.api)
    for one in IN_PATHS:
        body = next(iter(one.bodies), None)
        await target.attack(one.method, one.path.format(**owned), json=body)
    for one, body in IN_BODIES:
        await target.attack(one.method, one.path.format(**owned), json=with_ids(body, owned))
    for exception in ({"muted": True}, {"kinds": ["exit"]}):
        await target.attack("PUT", "/me/telegram/policy", json={"runs": {owned["run_id"]: exception}})


ATTACKS = [Attack("another user's ids, on every route that takes one", frozenset({404}), foreign_ids)]

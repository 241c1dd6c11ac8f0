"""Strategies in Postgres: immutable in the database itself, one a content and user."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from candleray.databases.postgres import Postgres
from candleray.errors import Conflict, NotFound
from candleray.paging import position_of
from candleray.settings import BacktestSettings
from candleray.strategies.saving import name_of, spec_of
from candleray.strategies.store import Strategies
from candleray.strategies.strategy import Strategy, StrategyDraft, StrategyFilter, StrategySpec
from tests.support.users import new_user_id

ANY = StrategyFilter()


@pytest.fixture
def strategies(postgres: Postgres) -> Strategies:
    return Strategies(postgres)


@pytest.fixture
async def stranger_id(postgres: Postgres) -> UUID:
    return await new_user_id(postgres)


def spec(window: int = 20, symbol: str = "BTCUSDT", timeframe: str = "1h", **parts: Any) -> StrategySpec:
    content = {
        "instrument": {"market_id": 1, "symbol": symbol},
        "timeframe": timeframe,
        "indicators": [{"id": "sma", "params": {"window": window}}],
        **parts,
    }
    return spec_of(StrategyDraft.model_validate(content), BacktestSettings())


async def saved(
    store: Strategies, user_id: UUID, content: StrategySpec, parent_id: UUID | None = None
) -> Strategy:
    return await store.save(user_id, name_of(content), content, parent_id)


async def test_what_is_saved_is_found_as_it_was(strategies, user_id):
    kept = await saved(strategies, user_id, spec(sizing={"mode": "fixed_quote", "quote": 0.1}))
    assert await strategies.get(user_id, kept.strategy_id) == kept
    assert kept.spec.sizing.quote == 0.1
    assert (kept.spec_hash, kept.name) == (kept.spec.hash, name_of(kept.spec))


async def test_the_same_content_is_one_strategy_however_many_save_it_at_once(strategies, user_id):
    kept = await asyncio.gather(*(saved(strategies, user_id, spec()) for _ in range(20)))
    assert len({one.strategy_id for one in kept}) == 1
    assert len((await strategies.page(user_id, ANY, None, 10)).strategies) == 1


async def test_two_users_each_have_their_own_of_the_same_content(strategies, user_id, stranger_id):
    own, foreign = await saved(strategies, user_id, spec()), await saved(strategies, stranger_id, spec())
    assert own.strategy_id != foreign.strategy_id
    assert (own.name, own.spec_hash) == (foreign.name, foreign.spec_hash)


async def test_a_foreign_strategy_is_answered_as_an_unknown_one(strategies, user_id, stranger_id):
    foreign = await saved(strategies, stranger_id, spec())
    for act in (strategies.get, strategies.delete):
        for strategy_id in (foreign.strategy_id, uuid4()):
            with pytest.raises(NotFound, match=f"^there is no strategy {strategy_id}$"):
                await act(user_id, strategy_id)
    assert (await strategies.page(user_id, ANY, None, 10)).strategies == ()


CHANGES = [
    "UPDATE strategies SET name = 'another' WHERE strategy_id = $1",
    "UPDATE strategies SET spec = '{}', spec_hash = encode(sha256('{}'), 'hex') WHERE strategy_id = $1",
    "UPDATE strategies SET symbol = 'ETHUSDT' WHERE strategy_id = $1",
    "UPDATE strategies SET user_id = gen_random_uuid() WHERE strategy_id = $1",
    "UPDATE strategies SET created_at = now(), deleted_at = now() WHERE strategy_id = $1",
    "UPDATE strategies SET name = name WHERE strategy_id = $1",
    "DELETE FROM strategies WHERE strategy_id = $1",
]


@pytest.mark.parametrize("statement", CHANGES)
async def test_the_database_refuses_every_change(postgres, strategies, user_id, statement):
    kept = await saved(strategies, user_id, spec())
    async with postgres._pool.acquire() as connection:
        with pytest.raises(asyncpg.RestrictViolationError, match="a strategy never changes"):
            await connection.execute(statement, kept.strategy_id)
    assert await strategies.get(user_id, kept.strategy_id) == kept


@pytest.mark.parametrize("deleted_at", ["NULL", "now() + interval '1 day'"])
async def test_a_deletion_is_neither_undone_nor_moved(postgres, strategies, user_id, deleted_at):
    gone = await strategies.delete(user_id, (await saved(strategies, user_id, spec())).strategy_id)
    async with postgres._pool.acquire() as connection:
        with pytest.raises(asyncpg.RestrictViolationError):
            await connection.execute(
                f"UPDATE strategies SET deleted_at = {deleted_at} WHERE strategy_id = $1", gone.strategy_id
            )


async def test_the_table_is_not_emptied_and_a_spec_has_its_hash(postgres, user_id):
    async with postgres._pool.acquire() as connection:
        with pytest.raises(asyncpg.PostgresError, match="a strategy never changes"):
            await connection.execute("TRUNCATE strategies CASCADE")
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(
                "INSERT INTO strategies (user_id, name, spec_hash, spec, market_id, symbol, timeframe, indicators)"
                " VALUES ($1, 'n', 'another hash', '{}', 1, 'BTCUSDT', '1h', '{}')",
                user_id,
            )


async def test_a_deleted_strategy_is_found_no_more_and_its_content_may_be_saved_again(strategies, user_id):
    first = await saved(strategies, user_id, spec())
    gone = await strategies.delete(user_id, first.strategy_id)
    assert gone == first.model_copy(update={"deleted_at": gone.deleted_at})
    assert gone.deleted_at is not None
    for act in (strategies.get, strategies.delete):
        with pytest.raises(NotFound):
            await act(user_id, first.strategy_id)
    second = await saved(strategies, user_id, spec())
    assert (second.strategy_id != first.strategy_id, second.name) == (True, first.name)


async def test_a_clone_remembers_its_parent_even_after_that_is_deleted(strategies, user_id):
    parent = await saved(strategies, user_id, spec(20))
    clone = await saved(strategies, user_id, spec(21), parent.strategy_id)
    await strategies.delete(user_id, parent.strategy_id)
    assert (await strategies.get(user_id, clone.strategy_id)).parent_id == parent.strategy_id


async def test_the_database_refuses_a_parent_of_another_user(postgres, strategies, user_id, stranger_id):
    foreign = await saved(strategies, stranger_id, spec(20))
    with pytest.raises(Exception, match="foreign key"):
        await saved(strategies, user_id, spec(21), foreign.strategy_id)


async def test_pages_go_from_the_newest_to_the_oldest_and_what_is_added_meanwhile_moves_nothing(
    strategies, user_id
):
    kept = [await saved(strategies, user_id, spec(window)) for window in range(10, 17)]
    names, cursor = [], None
    while True:
        page = await strategies.page(user_id, ANY, position_of(cursor) if cursor else None, 3)
        names += [one.name for one in page.strategies]
        await saved(strategies, user_id, spec(100 + len(names)))
        cursor = page.next_cursor
        if cursor is None:
            break
    assert names == [one.name for one in reversed(kept)]


@pytest.mark.parametrize(
    ("chosen", "windows"),
    [
        ({}, [3, 2, 1]),
        ({"symbol": "ETHUSDT"}, [2]),
        ({"timeframe": "5m"}, [3]),
        ({"indicator": "rsi"}, [3]),
        ({"indicator": "sma", "symbol": "BTCUSDT"}, [3, 1]),
        ({"name": "ethusdt-1h"}, [2]),
        ({"name": "SMA3"}, [3]),
        ({"name": "%"}, []),
        ({"market_id": 2}, []),
    ],
)
async def test_a_list_is_narrowed_by_what_strategies_say(strategies, user_id, chosen, windows):
    for window, parts in (
        (1, {}),
        (2, {"symbol": "ETHUSDT"}),
        (3, {"timeframe": "5m", "indicators": [{"id": "sma", "params": {"window": 3}}, {"id": "rsi"}]}),
    ):
        await saved(strategies, user_id, spec(window, **parts))
    page = await strategies.page(user_id, StrategyFilter(**chosen), None, 10)
    assert [one.spec.indicators[-1].params["window"] for one in page.strategies] == windows


async def test_a_user_keeps_so_many_strategies_and_no_more_however_many_come_at_once(postgres, user_id):
    strategies = Strategies(postgres, max_per_user=3)
    tried = await asyncio.gather(
        *(saved(strategies, user_id, spec(window)) for window in range(10, 20)), return_exceptions=True
    )
    kept = [one for one in tried if isinstance(one, Strategy)]
    refused = {str(one) for one in tried if isinstance(one, Conflict)}
    assert len(kept) == 3
    assert refused == {"saved strategies 3, the limit of one user is 3: delete one"}
    assert await saved(strategies, user_id, kept[0].spec) == kept[0]
    await strategies.delete(user_id, kept[0].strategy_id)
    await saved(strategies, user_id, spec(30))

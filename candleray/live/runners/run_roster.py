"""The runs of a shard: taken up when they are started or come back, let go when they are stopped."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError

from candleray.candles import Candles
from candleray.errors import CandlerayError, InvalidInput, in_words
from candleray.live.received.received_tape import OPEN_END_MS, KnownMinutes, ReceivedTape
from candleray.live.received.session_sources import sources_of
from candleray.live.run import ACTIVE_STATES, RunAction, RunState
from candleray.live.runners.commits import Move
from candleray.live.runners.restoring import SnapshotRestorer
from candleray.live.runners.run_book import StaleHistory
from candleray.live.runners.shard_state import ShardState, ToCome
from candleray.live.runners.sharding import shard_of
from candleray.live.runners.strategy import strategy_texts
from candleray.live.sessions import LiveRun
from candleray.logs import get_logger
from candleray.markets import Instrument
from candleray.strategies.strategy import StrategySpec
from candleray.timeframes import MINUTE_MS, iso, to_ms

log = get_logger("runners")

STARTS_AND_STOPS = (RunState.STARTING, RunState.WARMING_UP, RunState.STOPPING)
SETTLED_S = 1.0
"""After a start: what was known then is there for whoever reads."""
AGAIN_S = 5.0
"""The pause until a run that could not be taken up is tried again."""
TAKEN_AT_ONCE = 50
"""Runs that are taken up in one turn; live minutes of the others wait so long."""
LOOK_AT_ALL_S = 60.0


@dataclass
class Ready:
    """A run with all that the book wants of it."""

    live: LiveRun
    spec: StrategySpec
    spec_hash: str
    first_ms: Mapping[Instrument, int]
    tapes: dict[Instrument, ReceivedTape]
    seams_ms: dict[Instrument, int]


class RunRoster:
    def __init__(self, state: ShardState) -> None:
        self._state = state
        self._restorer = SnapshotRestorer(state)
        self._again_s: dict[UUID, float] = {}
        """Runs that are tried again, with the moment."""
        self._faults: dict[UUID, tuple[LiveRun, str]] = {}
        """Runs that are to fail with the next turn, each with the reason."""
        self._looked_s = -LOOK_AT_ALL_S
        self._untaken: dict[UUID, RunState] = {}
        """Runs that are to live and were not taken up at the last look."""

    def untaken(self) -> Counter[RunState]:
        """Runs that are to live and are not taken up, by state."""
        return Counter(state for run_id, state in self._untaken.items() if run_id not in self._state.attached)

    def counts(self) -> Mapping[RunState, int]:
        """Runs that are to live, by state: those that are taken up run."""
        known = self.untaken() + Counter({RunState.RUNNING: len(self._state.attached)})
        return {state: known[state] for state in ACTIVE_STATES}

    async def look(self) -> float:
        """Take up and let go what is due; return how long to pause before the next look."""
        now_s = time.monotonic()
        is_whole = (
            self._state.looks_at_all
            or now_s - self._looked_s >= LOOK_AT_ALL_S
            or any(self._again_s.get(run_id, now_s) < now_s for run_id in self._state.not_taken_up)
        )
        self._state.looks_at_all = False
        try:
            found = [one for one in await self._runs(is_whole) if self._is_ours(one)]
            if is_whole:
                await self._let_go({one.run.run_id for one in found})
                self._note_who_is_to_come_back(found)
                self._looked_s = now_s
            await self._stop([one for one in found if one.run.state is RunState.STOPPING])
            self._note_untaken(found, is_whole)
            await self._take_up([one for one in found if self._is_due(one, now_s)])
        except BaseException:
            self._state.looks_at_all |= is_whole
            raise
        return self._state.limits.look_s

    async def _runs(self, is_whole: bool) -> list[LiveRun]:
        return await self._state.store.runs(ACTIVE_STATES if is_whole else STARTS_AND_STOPS)

    def _is_ours(self, live: LiveRun) -> bool:
        return shard_of(live.run.metadata.instrument_key, self._state.limits.shards) == self._state.shard

    def _is_due(self, live: LiveRun, now_s: float) -> bool:
        if live.run.state is RunState.STOPPING or self._again_s.get(live.run.run_id, 0.0) > now_s:
            return False
        known = self._state.attached.get(live.run.run_id)
        return known is None or known.live.last.session != live.last.session

    def _note_untaken(self, found: Sequence[LiveRun], is_whole: bool) -> None:
        to_live = {one.run.run_id: one.run.state for one in found if one.run.state is not RunState.STOPPING}
        if not is_whole:  # those that run were not looked at
            looked_at = {one.run.run_id for one in found}
            running = {one for one, state in self._untaken.items() if state is RunState.RUNNING}
            to_live |= dict.fromkeys(running - looked_at, RunState.RUNNING)
        self._untaken = {one: state for one, state in to_live.items() if one not in self._state.attached}

    async def _let_go(self, active: set[UUID]) -> None:
        """Let go of runs that have ended without us."""
        async with self._state.turn():
            for run_id in self._state.attached.keys() - active:
                self._state.detach(run_id)

    def _note_who_is_to_come_back(self, active: Sequence[LiveRun]) -> None:
        ids = {one.run.run_id for one in active}
        self._again_s = {one: again_s for one, again_s in self._again_s.items() if one in ids}
        self._state.to_come = {one: wait for one, wait in self._state.to_come.items() if one in self._again_s}
        self._state.not_taken_up = {
            one.run.run_id: one.run.metadata.instrument_key
            for one in active
            if one.run.state is RunState.RUNNING and one.run.run_id not in self._state.attached
        }

    async def _stop(self, stopping: Sequence[LiveRun]) -> None:
        if not stopping:
            return
        async with self._state.turn():
            for live in stopping:
                self._state.detach(live.run.run_id)
                self._state.forget(live)
                self._move(live, RunAction.HALT, f"let go of by {self._state.name}")
            await self._state.commit()
        await self._state.commits.tell()

    async def _take_up(self, due: Sequence[LiveRun]) -> None:
        settled_ms = (time.time() - SETTLED_S) * 1000
        settled = [one for one in due if to_ms(one.last.started_at) <= settled_ms]
        settled = await self._restorer.restore(await self._within_limit(settled))
        await self._say_that_they_are_taken([one for one in settled if one.run.state is RunState.STARTING])
        by_instrument: dict[str, list[LiveRun]] = {}
        for live in settled:
            by_instrument.setdefault(live.run.metadata.instrument_key, []).append(live)
        for together in by_instrument.values():
            for first in range(0, len(together), TAKEN_AT_ONCE):
                await self._take_up_together(together[first : first + TAKEN_AT_ONCE])

    async def _within_limit(self, due: list[LiveRun]) -> list[LiveRun]:
        """The runs for which there is room; of the others those that start fail at once."""
        most = self._state.limits.max_runs_per_shard
        room = max(0, most - len(self._state.attached))
        known = [one for one in due if one.run.state is RunState.RUNNING]
        others = [one for one in due if one.run.state is not RunState.RUNNING]
        beyond = others[max(0, room - len(known)) :]
        if beyond:
            async with self._state.turn():
                for live in beyond:
                    self._state.fail(
                        live,
                        f"{self._state.name} has {len(self._state.attached):,} runs and takes no more "
                        f"(live_runs.max_runs_per_shard is {most:,}): stop others, or ask an operator",
                    )
                await self._state.commit()
            await self._state.commits.tell()
        return [*known, *others[: len(others) - len(beyond)]]

    async def _say_that_they_are_taken(self, starting: Sequence[LiveRun]) -> None:
        if not starting:
            return
        async with self._state.turn():
            for live in starting:
                self._state.detach(live.run.run_id)  # an earlier session of it
                self._move(live, RunAction.WARM_UP, f"taken by {self._state.name}")
            await self._state.commit()
        await self._state.commits.tell()

    async def _take_up_together(self, runs: Sequence[LiveRun]) -> None:
        """Take up runs on one instrument; what is wrong with one is its own fault."""
        specs = await self._specs(runs)
        ready = await self._read([(live, *specs[live.run.run_id]) for live in runs if live.run.run_id in specs])
        async with self._state.turn():
            # Within the turn: nobody moves them before these runs are there.
            checkpoints = await self._state.store.checkpoints(list({one.spec.instrument for one in ready}))
            faults, self._faults = self._faults, {}
            for live, reason in faults.values():
                self._state.fail(live, reason)
            attached = [one for one in ready if self._attach(one, checkpoints.get(one.spec.instrument))]
            for one in attached:
                if one.live.run.state is not RunState.RUNNING:
                    self._move(one.live, RunAction.GO_LIVE, _caught_up(one))
            await self._state.advance()
        await self._state.commits.tell()
        await asyncio.sleep(0)

    async def _specs(self, runs: Sequence[LiveRun]) -> dict[UUID, tuple[StrategySpec, str]]:
        """The strategies of runs with their hashes, by run; a run whose strategy cannot be read fails."""
        texts = await strategy_texts(self._state.services.postgres, runs)
        found: dict[UUID, tuple[StrategySpec, str]] = {}
        for live in runs:
            try:
                text = texts[live.run.strategy_id]
                found[live.run.run_id] = text.spec, text.hash
            except (KeyError, ValidationError, CandlerayError) as error:
                reason = f"this version cannot read its strategy: {in_words(error)}"
                self._faults[live.run.run_id] = live, reason
        return found

    async def _read(self, wanted: Sequence[tuple[LiveRun, StrategySpec, str]]) -> list[Ready]:
        """Read the received tapes of runs, each instrument once for all of them."""
        ready: list[Ready] = []
        for live, spec, spec_hash in wanted:
            try:
                ready.append(Ready(live, spec, spec_hash, sources_of(live, spec), {}, {}))
            except Exception as error:  # noqa: BLE001 - whatever it was: the others go on
                self._faults[live.run.run_id] = live, _told_to_owner(live, error)
        starts: dict[Instrument, int] = {}
        for one in ready:
            for instrument, first_ms in one.first_ms.items():
                starts[instrument] = min(first_ms, starts.get(instrument, first_ms))
        for instrument, start_ms in starts.items():
            known = (await self._state.tapes.known({instrument: start_ms}))[instrument]
            for one in ready:
                if instrument in one.first_ms:
                    await self._receive(one, instrument, known)
        return [one for one in ready if one.tapes.keys() == one.first_ms.keys()]

    async def _receive(self, one: Ready, instrument: Instrument, known: KnownMinutes) -> None:
        started_at_ms, first_ms = to_ms(one.live.last.started_at), one.first_ms[instrument]
        seam_ms = known.seam_ms(started_at_ms)
        if seam_ms is None:
            try:
                seam_ms = await self._state.tapes.seam(instrument, one.live.last)
            except InvalidInput:  # by the store's clock it has not begun yet
                began = iso(started_at_ms)
                self._try_again(one, f"the candle store's clock, which is not at the start of {began} yet")
                return
        one.seams_ms[instrument] = seam_ms
        one.tapes[instrument] = known.received(started_at_ms, seam_ms, first_ms, OPEN_END_MS)

    def _attach(self, one: Ready, checkpoint_ms: int | None) -> bool:
        """Have the book take a run; False where it fails, or has to wait for minutes that others have taken."""
        live, run_id = one.live, one.live.run.run_id
        decided_ms = {instrument: tape.decided_ms for instrument, tape in one.tapes.items()}
        reaches_ms = {name: max(ms, self._state.book.decided_ms(name) or 0) for name, ms in decided_ms.items()}
        last = min(reaches_ms, key=lambda name: reaches_ms[name])
        known_until_ms = None if checkpoint_ms is None else checkpoint_ms + MINUTE_MS
        is_known = live.run.state is RunState.RUNNING
        if not is_known and known_until_ms is not None and reaches_ms[last] < known_until_ms:
            # After a restart, events up to the checkpoint count as told: before it, nobody goes live.
            words = f"minutes of {last.key} from {iso(reaches_ms[last])} on to go live at {iso(known_until_ms)}"
            self._try_again(one, words, last)
            return False
        self._state.detach(run_id)
        try:
            history: dict[Instrument, Candles] = {name: tape.candles for name, tape in one.tapes.items()}
            told_until_ms = known_until_ms if is_known else None
            events = self._state.book.attach(live, one.spec, history, decided_ms, told_until_ms)
        except StaleHistory:
            self._try_again(one, "candles to be read again", after_s=0.0)
            return False
        except Exception as error:  # noqa: BLE001 - whatever it was: the others go on
            self._state.fail(live, _told_to_owner(live, error))
            return False
        self._state.attach(live, one.seams_ms, one.spec_hash)
        self._state.commits.batch.events += events
        self._again_s.pop(run_id, None)
        return True

    def _try_again(
        self, one: Ready, words: str, instrument: Instrument | None = None, after_s: float = AGAIN_S
    ) -> None:
        self._again_s[one.live.run.run_id] = time.monotonic() + after_s
        waits = ToCome(words, instrument, one.spec.init_cash_quote or 0.0)
        self._state.to_come[one.live.run.run_id] = one.live, waits
        self._state.looks_at_all |= after_s == 0.0

    def _move(self, live: LiveRun, action: RunAction, cause: str) -> None:
        self._state.commits.batch.moves.append(Move(live.user_id, live.run.run_id, action, cause))


def _told_to_owner(live: LiveRun, error: Exception) -> str:
    if isinstance(error, CandlerayError):
        return error.message
    log.error("run_broken", run_id=str(live.run.run_id), exc_info=error)
    return f"the runner cannot take it up: {in_words(error)}"


def _caught_up(one: Ready) -> str:
    decided_ms = min(tape.decided_ms for tape in one.tapes.values())
    candles = sum(len(tape.candles) for tape in one.tapes.values())
    return f"caught up to {iso(decided_ms)} with {candles:,} minutes"

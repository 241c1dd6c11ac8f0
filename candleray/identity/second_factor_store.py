"""The second factor of each user in Postgres: secrets sealed, recovery codes as hashes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from candleray.databases.postgres import Postgres, Transaction
from candleray.errors import CandlerayError, Conflict, Forbidden, TooManyRequests
from candleray.identity.audit import Event
from candleray.identity.audit_store import record
from candleray.identity.models import CodeAccepted, RecoveryCodes, SecondFactorSetup, SecondFactorState, User
from candleray.identity.tokens import Caller, utc_now
from candleray.identity.totp import matching_step, new_recovery_codes, new_totp_secret, recovery_hash, setup_of
from candleray.identity.vault import KeyRing, Sealed
from candleray.settings import IdentitySettings

WRONG_CODE = Forbidden("the code is not valid")
NOT_SET_UP = Conflict("there is no second factor: set one up by POST /second-factor")
NOT_BEGUN = Conflict("no second factor awaits its first code: begin by POST /second-factor")

Row = dict[str, Any]


class SecondFactors:
    def __init__(
        self,
        postgres: Postgres,
        rules: IdentitySettings,
        ring: Callable[[], KeyRing],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._postgres = postgres
        self._rules = rules
        self._ring = ring
        self._clock = clock

    async def state(self, user: User) -> SecondFactorState:
        row = await self._postgres.fetch_one("second_factor", user.user_id) or {}
        left = await self._postgres.fetch_one("count_recovery_codes", user.user_id)
        locked_until = row.get("locked_until")
        return SecondFactorState(
            enabled=bool(row.get("sealed")),
            pending=bool(row.get("pending")),
            recovery_codes_left=left["codes"] if left else 0,
            locked_until=locked_until if locked_until and locked_until > utc_now() else None,
        )

    async def begin(self, user: User, code: str | None) -> SecondFactorSetup:
        """A new secret, which counts once it has given its first code; replacing one needs a code of that.

        Raises:
            Forbidden: there is one, and the code is not its.
            TooManyRequests: locked out.
        """
        user_id, secret, pending_id = user.user_id, new_totp_secret(), uuid4()
        taken: Event | CandlerayError | None = None
        async with self._postgres.transaction() as transaction:
            await transaction.fetch("share_key_rotation")
            # A user who has none yet has no row to lock; one who is just getting one must not lose it to this.
            await transaction.fetch("lock_user", user_id)
            row = await transaction.fetch_one("lock_second_factor", user_id)
            if row and row["sealed"]:
                taken = await self._take(transaction, user_id, code or "")
            if not isinstance(taken, CandlerayError):
                sealed = self._ring().seal(secret, "totp", user_id, pending_id)
                await transaction.fetch("begin_second_factor", user_id, pending_id, sealed.model_dump())
                await _record_all(transaction, user_id, taken, "second_factor_begun")
        if isinstance(taken, CandlerayError):
            raise taken
        return setup_of(secret, user.telegram_user_id)

    async def confirm(self, caller: Caller, code: str) -> RecoveryCodes:
        """The new secret counts from now on.

        Raises:
            Conflict: none has begun.
            Forbidden: the code is not its.
            TooManyRequests: locked out.
        """
        user_id = caller.user.user_id
        refused: CandlerayError | None = None
        codes = new_recovery_codes()
        async with self._postgres.transaction() as transaction:
            row = await self._unlocked(transaction, user_id)
            if not row or not row["pending"]:
                raise NOT_BEGUN
            secret = self._ring().open(Sealed(**row["pending"]), "totp", user_id, row["pending_id"])
            step = matching_step(secret, code, self._clock())
            if step is None:
                refused = await self._count_failure(transaction, user_id, row)
            else:
                await transaction.fetch("enable_second_factor", user_id, step)
                await self._replace_recovery_codes(transaction, user_id, codes)
                await transaction.fetch("forget_codes", user_id)
                await transaction.fetch("mark_code_verified", caller.token_id)
                await record(transaction, user_id, "second_factor_enabled")
        if refused:
            raise refused
        return RecoveryCodes(recovery_codes=codes)

    async def verify(self, caller: Caller, code: str) -> CodeAccepted:
        """The caller's token opens for some minutes what asks for a fresh code.

        Raises:
            Conflict: there is no second factor.
            Forbidden: the code is wrong, or was taken before.
            TooManyRequests: locked out.
        """

        async def mark(transaction: Transaction) -> None:
            await transaction.fetch("mark_code_verified", caller.token_id)

        await self._with_code(caller.user, code, mark)
        return CodeAccepted(fresh_until=utc_now() + timedelta(minutes=self._rules.fresh_code_minutes))

    async def disable(self, user: User, code: str) -> None:
        """Raises as `verify` does."""

        async def disable(transaction: Transaction) -> None:
            await transaction.fetch("disable_second_factor", user.user_id)
            await transaction.fetch("delete_recovery_codes", user.user_id)
            await transaction.fetch("forget_codes", user.user_id)

        await self._with_code(user, code, disable, "second_factor_disabled")

    async def replace_recovery_codes(self, user: User, code: str) -> RecoveryCodes:
        """Raises as `verify` does."""
        codes = new_recovery_codes()

        async def replace(transaction: Transaction) -> None:
            await self._replace_recovery_codes(transaction, user.user_id, codes)

        await self._with_code(user, code, replace, "recovery_codes_replaced")
        return RecoveryCodes(recovery_codes=codes)

    async def _with_code(
        self, user: User, code: str, work: Callable[[Transaction], Awaitable[None]], *events: Event
    ) -> None:
        """Take a code and do what it opens, together: neither stands without the other.

        Args:
            events: of that work, for the audit trail.
        """
        async with self._postgres.transaction() as transaction:
            taken = await self._take(transaction, user.user_id, code)
            if not isinstance(taken, CandlerayError):
                await work(transaction)
                await _record_all(transaction, user.user_id, taken, *events)
        if isinstance(taken, CandlerayError):
            raise taken  # after the transaction: what it counts must stay

    async def _take(self, transaction: Transaction, user_id: UUID, code: str) -> Event | CandlerayError:
        """The event of a code that is right; the answer to one that is wrong, which is counted and recorded."""
        row = await self._unlocked(transaction, user_id)
        if not row or not row["sealed"]:
            raise NOT_SET_UP
        recovery = recovery_hash(user_id, code)
        if recovery:
            if await transaction.fetch_one("use_recovery_code", user_id, recovery) is None:
                return await self._count_failure(transaction, user_id, row)
            await transaction.fetch("code_was_right", user_id, row["last_step"])
            return "recovery_code_used"
        secret = self._ring().open(Sealed(**row["sealed"]), "totp", user_id, row["factor_id"])
        step = matching_step(secret, code, self._clock())
        if step is None or step <= row["last_step"]:
            return await self._count_failure(transaction, user_id, row)
        await transaction.fetch("code_was_right", user_id, step)
        return "code_accepted"

    async def _unlocked(self, transaction: Transaction, user_id: UUID) -> Row | None:
        row = await transaction.fetch_one("lock_second_factor", user_id)
        if row and row["locked_until"] and row["locked_until"] > utc_now():
            left_s = int((row["locked_until"] - utc_now()).total_seconds()) + 1
            raise TooManyRequests("too many wrong codes: locked for a while", retry_after_s=left_s)
        return row

    async def _count_failure(self, transaction: Transaction, user_id: UUID, row: Row) -> CandlerayError:
        failures = row["failures"] + 1
        if failures < self._rules.max_code_failures:
            await transaction.fetch("code_was_wrong", user_id, failures, None)
            await record(transaction, user_id, "code_refused")
            return WRONG_CODE
        locked_until = utc_now() + timedelta(minutes=self._rules.lockout_minutes)
        await transaction.fetch("code_was_wrong", user_id, 0, locked_until)
        await record(transaction, user_id, "codes_locked", failures=failures)
        return WRONG_CODE

    async def _replace_recovery_codes(
        self, transaction: Transaction, user_id: UUID, codes: tuple[str, ...]
    ) -> None:
        await transaction.fetch("delete_recovery_codes", user_id)
        await transaction.fetch("add_recovery_codes", user_id, [recovery_hash(user_id, code) for code in codes])


async def _record_all(transaction: Transaction, user_id: UUID, *events: Event | None) -> None:
    """Record the events; call it last in a transaction, because events of all users wait for one another."""
    for event in events:
        if event is not None:
            await record(transaction, user_id, event)

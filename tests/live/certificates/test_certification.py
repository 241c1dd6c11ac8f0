"""Certificates of drawn sessions: equal over what was received; what today's candles change has its minute."""

from __future__ import annotations

from collections import Counter

from candleray.live.certificates.certificate import Cause, Verdict
from candleray.timeframes import to_ms
from tests.support.live.faulty_sessions import FaultySession

SESSIONS = 25


def test_drawn_faults_leave_the_first_half_equal_and_explain_the_second():
    verdicts, causes = Counter[str](), Counter[str]()
    for seed in range(SESSIONS):
        faulty = FaultySession(seed)
        certificate = faulty.certificate(faulty.told())
        [session] = certificate.sessions
        assert session.received.differing == 0, seed
        assert certificate.verdict in (Verdict.EQUAL, Verdict.EXPLAINED), seed
        for difference in session.canonical.differences:
            minute = difference.minute
            assert minute is not None, seed
            assert minute.cause is difference.cause
            assert faulty.causes[minute.instrument, to_ms(minute.ts_open)] is minute.cause
        verdicts[certificate.verdict] += 1
        causes.update(session.canonical.causes)
    assert verdicts.keys() == {Verdict.EQUAL, Verdict.EXPLAINED}
    assert causes.keys() == {Cause.REVISED_MINUTE, Cause.LATE_MINUTE, Cause.HOLE_FILLED_LATER}

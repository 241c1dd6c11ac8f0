"""Verdicts of a venue on its clients: frames a second, pongs, silence, connections, bans."""

from __future__ import annotations

import pytest

from candleray.simulator.client_conduct import NO_PONG, SILENT, TOO_MANY_FRAMES, AddressConduct, ClientConduct
from candleray.simulator.stream_dialect import HandshakeRefused
from candleray.simulator.venues import simulated_venues

SPOT = simulated_venues()["binance"].streams.rules["spot"]
FUTURES = simulated_venues()["binance"].streams.rules["futures"]
BYBIT = simulated_venues()["bybit"].streams.rules["spot"]


@pytest.mark.parametrize(("rules", "most"), [(SPOT, 5), (FUTURES, 10)])
def test_one_frame_too_many_in_a_second_ends_the_connection(rules, most):
    conduct = ClientConduct(rules, 0)
    assert [conduct.hear(0.1 * n / most) for n in range(most)] == [None] * most
    assert conduct.hear(0.9) == TOO_MANY_FRAMES
    paced = ClientConduct(rules, 0)
    assert {paced.hear(1.01 * n / most) for n in range(100)} == {None}


def test_bybit_counts_no_frames():
    conduct = ClientConduct(BYBIT, 0)
    assert {conduct.hear(0.001 * n) for n in range(1000)} == {None}


def test_an_unanswered_ping_ends_the_connection_and_an_unasked_pong_does_not_help():
    conduct = ClientConduct(SPOT, 0)
    assert not conduct.is_ping_due(19)
    assert conduct.is_ping_due(20)
    conduct.ping(b"1", 20)
    conduct.hear_pong(b"unasked")
    assert conduct.verdict(79) is None
    assert conduct.verdict(80) == NO_PONG


def test_a_pong_answers_its_ping_and_those_before():
    conduct = ClientConduct(SPOT, 0)
    conduct.ping(b"1", 20)
    conduct.ping(b"2", 40)
    conduct.hear_pong(b"2")
    assert conduct.verdict(1000) is None


def test_bybit_ends_the_connection_of_a_client_that_is_silent_for_ten_minutes():
    conduct = ClientConduct(BYBIT, 0)
    conduct.hear(100)
    assert conduct.verdict(699) is None
    assert conduct.verdict(700) == SILENT
    assert not conduct.is_ping_due(10_000)


def test_the_third_time_in_an_hour_bans_the_address():
    address = AddressConduct(SPOT)
    assert [address.strike(ms) for ms in (0, 3_600_001, 3_700_000, 3_800_000)] == [False, False, False, True]
    with pytest.raises(HandshakeRefused, match="banned") as refused:
        address.connect(3_800_001)
    assert (refused.value.status, refused.value.retry_after_s) == (418, 120)
    address.connect(3_920_000)


def test_so_many_connections_in_five_minutes():
    address = AddressConduct(SPOT)
    for n in range(300):
        address.connect(n)
    with pytest.raises(HandshakeRefused, match="more than 300 connections"):
        address.connect(299_000)
    address.connect(300_010)

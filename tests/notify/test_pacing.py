"""The pace of messages, and which one is next."""

from __future__ import annotations

from candleray.notify.outbox import Message, Waiting, next_message
from candleray.notify.pacing import Growing, Pace
from tests.support.hand_clock import HandClock


def waiting(*numbers: int, message: str | None = None) -> list[Waiting]:
    state = "waiting" if message is None else "sending"
    return [Waiting(one, state, f"text {one}", f"#{one} line", message, message and 7) for one in numbers]


def test_all_chats_together_get_25_turns_a_second_and_each_one_a_second():
    clock = HandClock()
    pace = Pace(25, 1.0, clock)
    assert [round(pace.reserve(chat), 3) for chat in range(4)] == [0.0, 0.04, 0.08, 0.12]
    assert round(pace.reserve(0), 3) == 1.0
    assert round(pace.reserve(9), 3) == 0.2, "a chat that waits longer holds back no other"
    assert not pace.is_free(0)
    clock.now_s += 2.5
    assert pace.is_free(0)
    pace.hold(0, 30.0)
    assert round(pace.wait_s(0), 3) == 30.0
    assert pace.reserve(1) == 0.0


async def test_what_changes_nothing_in_a_chat_takes_a_turn_of_all_and_none_of_the_chat(monkeypatch):
    waited = []

    async def note(seconds: float) -> None:
        waited.append(round(seconds, 3))

    monkeypatch.setattr("candleray.notify.pacing.asyncio.sleep", note)
    pace = Pace(25, 1.0, HandClock())
    for _ in range(3):
        await pace.turn_of_all()
    await pace.turn(0)
    assert waited == [0.0, 0.04, 0.08, 0.12]


def test_a_chat_that_is_held_longer_stays_held_and_one_whose_turn_has_passed_is_forgotten():
    clock = HandClock()
    pace = Pace(25, 1.0, clock)
    pace.hold(0, 30.0)
    pace.hold(0, 5.0)
    for chat in range(1, 10_002):
        pace.hold(chat, 1.0)
    clock.now_s += 10
    pace.reserve(10_003)
    assert round(pace.wait_s(0), 3) == 20.0
    assert set(pace._chat_next_s) == {0, 10_003}


def test_pauses_double_up_to_the_longest():
    pauses = Growing(1.0, 5.0)
    assert [pauses.next_s() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    pauses.reset()
    assert pauses.next_s() == 1.0


def test_few_events_come_one_by_one_and_many_together():
    assert next_message([], 5) is None
    assert next_message(waiting(3, 4, 5, 6, 7), 5) == Message("text 3", (3,))
    assert next_message(waiting(3, 4, 5, 6, 7, 8), 5) == Message(
        "6 events\n" + "\n".join(f"#{number} line" for number in range(3, 9)), (3, 4, 5, 6, 7, 8)
    )


def test_one_that_may_have_been_sent_already_comes_first_as_it_was():
    begun = waiting(3, 4, message="2 events")
    assert next_message([*begun, *waiting(5, 6, 7, 8, 9, 10)], 5) == Message("2 events", (3, 4), 7)

"""Where a lost connection is sought again, and how soon."""

from urllib.parse import urlparse

from nats.aio.client import Server

from common.bus.attempts import Attempts

SERVERS = [Server(uri=urlparse(f"nats://nats-{index}:4222")) for index in range(3)]
LOST = "nats-0:4222"


def hosts(attempts: Attempts, count: int, servers: list[Server] = SERVERS) -> list[str]:
    return [attempts.next(servers)[0].uri.netloc for _ in range(count)]


def test_the_server_just_lost_is_tried_last_and_then_all_in_turn() -> None:
    attempts = Attempts()
    attempts.begin(LOST, now=100)
    tried = hosts(attempts, 7)
    assert tried[2] == tried[5] == LOST
    assert set(tried[:2]) == {"nats-1:4222", "nats-2:4222"}
    assert tried[:3] == tried[3:6]


def test_an_only_server_is_tried_again_and_again() -> None:
    attempts = Attempts()
    attempts.begin(LOST, now=100)
    assert hosts(attempts, 3, SERVERS[:1]) == [LOST] * 3


def test_the_first_round_is_quick_and_the_next_ones_leave_the_servers_some_air() -> None:
    attempts = Attempts()
    attempts.begin(LOST, now=100)
    waits = [attempts.next(SERVERS)[1] for _ in range(30)]
    assert max(waits[:3]) <= 0.1
    assert min(waits[3:]) >= 0.1
    assert max(waits) <= 0.5
    assert len(set(waits)) == 30


def test_who_was_asked_to_leave_does_not_wait() -> None:
    attempts = Attempts()
    attempts.hurry()
    attempts.begin(LOST, now=100)
    assert attempts.next(SERVERS)[1] == 0
    assert attempts.next(SERVERS)[1] > 0


def test_a_connection_that_did_not_last_counts_as_an_attempt_that_failed() -> None:
    attempts = Attempts()
    attempts.begin(LOST, now=100)
    for _ in range(3):
        attempts.next(SERVERS)
    attempts.begin("nats-1:4222", now=attempts.last_at + 0.1)
    assert attempts.next(SERVERS)[1] >= 0.1
    attempts.begin("nats-1:4222", now=attempts.last_at + 60)
    assert attempts.next(SERVERS)[1] <= 0.1

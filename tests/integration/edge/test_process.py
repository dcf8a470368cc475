"""The edge as a process: start without a bus, wrong settings, two edges on one port, and the end."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fakes.nats import NatsBinary, free_port
from fakes.talker import talking
from fakes.waiting import until
from integration.edge.phone import Phone, Stream, new_call_sid
from integration.edge.running import UNAVAILABLE, EdgeProcess, edge_process, fact_log


async def test_without_a_bus_the_caller_hears_a_sentence_and_the_edge_recovers_when_it_comes(tmp_path: Path) -> None:
    server = NatsBinary()
    try:
        async with edge_process(server.url, tmp_path, wait="answering") as edge:
            await answers(edge)
            assert (await edge.phone.webhook("voice", new_call_sid())).said == UNAVAILABLE
            assert (await edge.phone.webhook("resume", new_call_sid())).verbs == ["Say", "Pause", "Redirect"]
            ready = await edge.ready()
            assert (ready.status, ready.body) == (503, "NATS is not connected")
            labels = {"direction": "inbound", "carrier": "twilio", "reason": "bus_down"}
            assert await edge.counted("calls_rejected_total", **labels) == 1
            await until(lambda: "NATS is not reachable, trying again" in edge.log())
            await server.start()
            async with talking(server.url) as talker, edge.phone.call() as stream:
                await talker.cut_over_to()
                assert stream.is_open
                assert (await edge.ready()).status == 200
            assert await edge.stop() == 0
            assert_clean(edge)
    finally:
        await server.discard()


async def test_an_edge_that_never_found_its_bus_ends_when_asked(tmp_path: Path) -> None:
    async with edge_process(f"nats://127.0.0.1:{free_port()}", tmp_path, wait="answering") as edge:
        assert await edge.stop() == 0
        assert_clean(edge)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"PUBLIC_BASE_URL": "voice.example.com"}, "PUBLIC_BASE_URL: "),
        ({"TWILIO_ACCOUNT_SID": ""}, "TWILIO_ACCOUNT_SID is required but not set"),
        ({"TWILIO_AUTH_TOKEN": ""}, "TWILIO_AUTH_TOKEN is required but not set"),
        ({"EDGE_MAX_CALL": "1"}, "EDGE_MAX_CALL is not a setting of this service; did you mean EDGE_MAX_CALLS?"),
        ({"EDGE_AGENT_PROFILES": "/nowhere"}, "EDGE_AGENT_PROFILES: no *.yaml agent profile in /nowhere"),
    ],
)
async def test_a_wrong_setting_ends_the_start_with_one_line(tmp_path: Path, environ: dict[str, str], said: str) -> None:
    assert (await one_line(tmp_path, environ)).startswith(f"error: {said}")


async def test_a_wrong_profile_ends_the_start_with_file_line_and_field(tmp_path: Path) -> None:
    agents = tmp_path / "wrong"
    agents.mkdir()
    (agents / "desk.yaml").write_text("name: desk\ngreeting: Hi\nvoise: marin\ninstructions: Be.\n")
    line = await one_line(tmp_path, {"EDGE_AGENT_PROFILES": str(agents)})
    assert line.startswith(f"error: {agents}/desk.yaml:3: voise: ")


async def test_a_port_that_is_taken_ends_the_start(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        line = await one_line(tmp_path, {"EDGE_PORT": str(port)})
    assert line.startswith(f"error: EDGE_PORT: cannot listen on 127.0.0.1:{port}")


async def test_asked_to_end_the_edge_gives_its_calls_back_to_the_carrier(nats_url: str, tmp_path: Path) -> None:
    async with edge_process(nats_url, tmp_path) as edge, talking(nats_url) as talker, fact_log(nats_url) as facts:
        async with edge.phone.call() as stream:
            await talker.cut_over_to()
            assert await edge.stop() == 0
            assert await stream.closed() == 1000
        released = await talker.released()
        await facts.wait_for(stream.call_sid, "call_ended")
        assert released.call_id == stream.call_sid
        assert_clean(edge)
        async with edge_process(
            nats_url, tmp_path, environ={"PUBLIC_BASE_URL": edge.phone.public_base_url}
        ) as next_edge:
            phone = Phone(edge.phone.public_base_url, next_edge.reached_at)
            await phone.connected(new_call_sid())
            answer = await phone.webhook("resume", stream.call_sid)
            assert answer.verbs == ["Connect", "Redirect"]
            async with phone.stream(stream.call_sid, answer.parameters):
                assert (await talker.cut_over_to(2)).call_id == stream.call_sid


async def test_while_draining_new_calls_hear_a_sentence_and_the_running_one_goes_on(
    nats_url: str, tmp_path: Path
) -> None:
    async with (
        edge_process(nats_url, tmp_path, environ={"EDGE_DRAIN_DEADLINE_S": "60"}) as edge,
        talking(nats_url) as talker,
    ):
        async with edge.phone.call() as stream:
            offer = await talker.cut_over_to()
            edge.process.send_signal(signal.SIGTERM)
            while (await edge.phone.webhook("voice", new_call_sid())).said != UNAVAILABLE:
                pass
            await talker.say(offer, "still", 20)
            await until(lambda: stream.agent_audio)
            await stream.hang_up()
            assert await stream.closed() == 1000
        assert await edge.stop() == 0
        assert_clean(edge)


# --- two edges --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def two_edges(nats_url: str, directory: Path) -> AsyncIterator[tuple[EdgeProcess, EdgeProcess, Phone]]:
    """Two edges behind one public address, and the phone network in front of them."""
    port = free_port()
    async with (
        edge_process(nats_url, directory, port=port) as one,
        edge_process(nats_url, directory, port=port) as other,
    ):
        yield one, other, one.phone
        for edge in (one, other):
            assert await edge.stop() == 0
            assert_clean(edge)


async def offered(*edges: EdgeProcess) -> list[float]:
    labels = {"direction": "inbound", "carrier": "twilio"}
    return [await edge.counted("calls_offered_total", **labels) for edge in edges]


async def admitted(*edges: EdgeProcess) -> list[float]:
    labels = {"direction": "inbound", "carrier": "twilio"}
    return [await edge.counted("calls_admitted_total", **labels) for edge in edges]


async def test_webhook_and_socket_of_one_call_may_meet_different_edges_on_one_port(
    nats_url: str, tmp_path: Path
) -> None:
    async with two_edges(nats_url, tmp_path) as (one, other, phone), talking(nats_url, capacity=1_000) as talker:
        met_another, count = False, 0
        while not met_another:
            before = await offered(one, other), await admitted(one, other)
            async with phone.call() as stream:
                count += 1
                offer = await talker.cut_over_to(count)
                await talker.say(offer, "item", 40)
                await stream.hears(320)
            after = await offered(one, other), await admitted(one, other)
            webhooks, sockets = (
                [x - y for x, y in zip(*pair, strict=True)] for pair in zip(after, before, strict=True)
            )
            met_another = (webhooks[0] == 0 and sockets[0] == 1) or (webhooks[1] == 0 and sockets[1] == 1)


async def test_a_token_spent_at_one_edge_is_spent_at_every_edge(nats_url: str, tmp_path: Path) -> None:
    async with two_edges(nats_url, tmp_path) as (one, other, phone), talking(nats_url) as talker:
        call_sid = new_call_sid()
        token = (await phone.connected(call_sid)).parameters
        async with phone.stream(call_sid, token):
            await talker.cut_over_to()
        refused_at: list[float] = [0, 0]
        while not all(refused_at):
            async with phone.socket(call_sid) as replay:
                await replay.start(token)
                assert await replay.closed() == 1008
            refused_at = [await edge.counted("security_rejects_total", kind="replayed_token") for edge in (one, other)]
        assert len(talker.offers) == 1


async def test_a_second_stream_is_refused_wherever_it_comes_while_the_first_lives(
    nats_url: str, tmp_path: Path
) -> None:
    async with two_edges(nats_url, tmp_path) as (one, other, phone), talking(nats_url) as talker:
        labels = {"carrier": "twilio", "kind": "duplicate_stream"}
        async with phone.call() as stream:
            await talker.cut_over_to()
            refused_at: list[float] = [0, 0]
            while not all(refused_at):
                token = (await phone.webhook("voice", stream.call_sid)).parameters
                async with phone.socket(stream.call_sid) as second:
                    await second.start(token)
                    assert await second.closed() == 1008
                refused_at = [await edge.counted("carrier_protocol_errors_total", **labels) for edge in (one, other)]
            assert stream.is_open
        assert len(talker.offers) == 1


async def test_of_streams_that_come_at_once_at_two_edges_exactly_one_is_let_in(nats_url: str, tmp_path: Path) -> None:
    async with two_edges(nats_url, tmp_path) as (one, other, phone), talking(nats_url, capacity=1_000) as talker:
        for count in range(1, 21):
            call_sid = new_call_sid()
            tokens = [(await phone.connected(call_sid)).parameters for _ in range(2)]
            async with phone.socket(call_sid) as first, phone.socket(call_sid) as second:
                await asyncio.gather(first.start(tokens[0]), second.start(tokens[1]))
                await one_is_left(first, second)
                await talker.cut_over_to(count)
        assert len(talker.offers) == 20
        assert sum(await admitted(one, other)) == 20


async def test_when_an_edge_is_killed_its_call_comes_back_through_the_other(nats_url: str, tmp_path: Path) -> None:
    port = free_port()
    async with (
        edge_process(nats_url, tmp_path, port=port) as one,
        edge_process(nats_url, tmp_path, port=port) as other,
        talking(nats_url) as talker,
        one.phone.call() as stream,
    ):
        offer = await talker.cut_over_to()
        carrier, survivor = (one, other) if (await admitted(one))[0] else (other, one)
        carrier.process.kill()
        await carrier.process.wait()
        await until(lambda: not stream.is_open)
        answer = await survivor.phone.webhook("resume", stream.call_sid)
        assert answer.verbs == ["Connect", "Redirect"]
        async with survivor.phone.stream(stream.call_sid, answer.parameters) as again:
            following = await talker.cut_over_to(2)
            assert (following.call_id, following.edge_id != offer.edge_id) == (stream.call_sid, True)
            await talker.say(following, "again", 20)
            await until(lambda: again.agent_audio)


# ----------------------------------------------------------------------------------------------------------------------


async def one_is_left(first: Stream, second: Stream) -> None:
    await until(lambda: first.is_open != second.is_open)


async def answers(edge: EdgeProcess) -> None:
    """Wait for the ops port."""
    async with asyncio.timeout(20):
        while (await edge.ready()).body == "starting":
            await asyncio.sleep(0.02)


async def one_line(directory: Path, environ: dict[str, str]) -> str:
    """Start the process with wrong settings. Returns the only line it says before it ends with 2."""
    async with edge_process("nats://127.0.0.1:1", directory, wait="ended", environ=environ) as edge:
        assert edge.process.returncode == 2
        (line,) = (line for line in edge.log().splitlines() if not line.startswith("{"))
    return line


def assert_clean(edge: EdgeProcess) -> None:
    """Its log holds no traceback and no error."""
    assert "Traceback" not in edge.log()
    assert '"level": "error"' not in edge.log()

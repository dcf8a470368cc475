"""An edge that ends while others live steps aside; alone it keeps its calls, also those whose stream breaks."""

import asyncio
import http.client
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

from twilio.request_validator import RequestValidator

from common.messages.commands import EndReason
from fakes.nats import free_port
from fakes.talker import talking
from fakes.waiting import until
from integration.edge.phone import ACCOUNT, AUTH_TOKEN, DIALLED, Phone, new_call_sid
from integration.edge.running import EdgeProcess, edge_process, fact_log
from integration.edge.two_edges import all_known, gone, lets_itself_be_adopted, resumed

ADMITTED = {"direction": "inbound", "carrier": "twilio"}


@asynccontextmanager
async def edges_on_one_port(nats_url: str, directory: Path, **environ: str) -> AsyncIterator[list[EdgeProcess]]:
    """Two edges that share a port, as behind a balancer."""
    port, given = free_port(), {"EDGE_DRAIN_DEADLINE_S": "60", **environ}
    async with (
        edge_process(nats_url, directory, port=port, environ=given) as one,
        edge_process(nats_url, directory, port=port, environ=given) as other,
    ):
        await all_known(nats_url, 2)
        yield [one, other]
        for edge in (one, other):
            assert await edge.stop() == 0
            assert "Traceback" not in edge.log(), edge.log()


async def in_order(edges: list[EdgeProcess]) -> tuple[EdgeProcess, EdgeProcess]:
    """The edge that admitted the call first."""
    one, other = edges
    return (one, other) if await one.counted("calls_admitted_total", **ADMITTED) else (other, one)


async def steps_aside(edge: EdgeProcess) -> None:
    """Tell it to end; wait until it has left the port."""
    edge.process.send_signal(signal.SIGTERM)
    await until(lambda: "leaving the public port" in edge.log())


async def test_a_draining_edge_leaves_new_callers_to_the_others_and_finishes_its_call(
    nats_url: str, tmp_path: Path
) -> None:
    async with edges_on_one_port(nats_url, tmp_path) as edges, talking(nats_url, capacity=1_000) as talker:
        phone = edges[0].phone
        async with phone.call() as stream:
            offer = await talker.cut_over_to()
            carrier, other = await in_order(edges)
            await steps_aside(carrier)
            before = await carrier.counted("calls_offered_total", **ADMITTED)
            for count in range(2, 12):
                async with phone.call() as another:
                    await talker.cut_over_to(count)
                    await another.hang_up()
                    await gone(another)
            assert await carrier.counted("calls_offered_total", **ADMITTED) == before
            assert await other.counted("calls_admitted_total", **ADMITTED) == 10
            await talker.say(offer, "still", 20)
            await until(lambda: stream.agent_audio)
            await stream.hang_up()
            await gone(stream)
        await until(lambda: carrier.process.returncode is not None)
        assert carrier.process.returncode == 0


async def test_told_to_move_its_calls_an_edge_gives_them_to_the_other_with_their_talker(
    nats_url: str, tmp_path: Path
) -> None:
    moves = edges_on_one_port(nats_url, tmp_path, EDGE_DRAIN_MOVES_CALLS="1")
    async with moves as edges, talking(nats_url) as talker, fact_log(nats_url) as facts:
        adoptions = lets_itself_be_adopted(talker)
        async with edges[0].phone.call() as stream:
            await talker.cut_over_to()
            carrier, other = await in_order(edges)
            carrier.process.send_signal(signal.SIGTERM)
            assert await stream.closed() == 1000
        async with resumed(other.phone, stream.call_sid) as again:
            changed = await facts.wait_for(stream.call_sid, "epoch_changed", 2)
            assert (len(adoptions), changed.epoch) == (1, adoptions[0].new_epoch)
            await until(lambda: carrier.process.returncode is not None)
            assert carrier.process.returncode == 0
            await talker.say(talker.offers[-1], "there", 20)
            await until(lambda: again.agent_audio)
            await again.hang_up()
            await gone(again)
        await facts.wait_for(stream.call_sid, "call_ended")
        kinds = facts.types(stream.call_sid)
        assert [kinds.count(kind) for kind in ("call_started", "leg_reattached", "call_ended")] == [1, 1, 1]
        assert await other.stop() == 0
        assert (tmp_path / "calls.jsonl").read_text().count(stream.call_sid) == 1
        assert EndReason.CALLER_HANGUP in (tmp_path / "calls.jsonl").read_text()


async def test_the_only_edge_keeps_a_call_whose_stream_breaks_while_it_drains(nats_url: str, tmp_path: Path) -> None:
    drains = edge_process(nats_url, tmp_path, environ={"EDGE_DRAIN_DEADLINE_S": "60", "EDGE_DRAIN_MOVES_CALLS": "1"})
    async with drains as edge, talking(nats_url) as talker, fact_log(nats_url) as facts:
        lets_itself_be_adopted(talker)
        async with edge.phone.call() as stream:
            await talker.cut_over_to()
            edge.process.send_signal(signal.SIGTERM)
            await until(lambda: '"message": "draining"' in edge.log())
            stream.socket.transport.abort()
        async with resumed(edge.phone, stream.call_sid) as again:
            await facts.wait_for(stream.call_sid, "epoch_changed", 2)
            assert (await edge.phone.webhook("voice", new_call_sid())).verbs == ["Say", "Hangup"]
            await again.hang_up()
            await gone(again)
        await until(lambda: edge.process.returncode is not None)
        assert edge.process.returncode == 0


async def test_who_keeps_a_connection_to_a_draining_edge_is_sent_to_the_others(nats_url: str, tmp_path: Path) -> None:
    async with edges_on_one_port(nats_url, tmp_path) as edges, talking(nats_url, capacity=1_000) as talker:
        phone = edges[0].phone
        async with phone.call() as stream:
            await talker.cut_over_to()
            carrier, _ = await in_order(edges)
            kept = await connections_to(carrier, phone)
            await steps_aside(carrier)
            for kind in ("voice", "resume"):
                connection = kept.pop()
                body, is_closed = await asyncio.to_thread(ask, connection, phone, kind)
                assert is_closed
                redirect = ElementTree.fromstring(body).findtext("Redirect")
                assert redirect == f"{phone.public_base_url}/twilio/{kind}?waits=1"
                answer = await phone.webhook(f"{kind}?waits=1", new_call_sid())
                assert answer.verbs == ["Connect", "Redirect"]
            await stream.hang_up()
            await gone(stream)


# ----------------------------------------------------------------------------------------------------------------------


async def connections_to(edge: EdgeProcess, phone: Phone) -> list[http.client.HTTPConnection]:
    """Two connections that are kept open, both to this one of the edges."""
    kept: list[http.client.HTTPConnection] = []
    address = urlsplit(phone.public_base_url)
    while len(kept) < 2:
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
        before = await edge.counted("calls_offered_total", **ADMITTED)
        await asyncio.to_thread(ask, connection, phone, "voice")
        if await edge.counted("calls_offered_total", **ADMITTED) > before:
            kept.append(connection)
        else:
            connection.close()
    return kept


def ask(connection: http.client.HTTPConnection, phone: Phone, kind: str) -> tuple[str, bool]:
    """One webhook over this connection. Returns what came, and whether the connection is closed after it."""
    form = {"CallSid": new_call_sid(), "AccountSid": ACCOUNT, "To": DIALLED, "CallStatus": "in-progress"}
    path = f"/twilio/{kind}"
    signature = RequestValidator(AUTH_TOKEN).compute_signature(phone.public_base_url + path, form)
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", path, urlencode(form), headers)
    response = connection.getresponse()
    body = response.read().decode()
    return body, response.getheader("connection") == "close"

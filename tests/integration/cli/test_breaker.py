"""`trunkline breaker`, on a real bus with a real replica of the fallback service."""

from pathlib import Path

import e2e.command
from e2e.command import Command, environment
from integration.fallback.replicas import MODEL, fleet, replica

SHOWN = ("provider", "model", "state", "mode", "share")


async def breaker(nats_url: str, cwd: Path, *arguments: str) -> Command:
    """The command, which has ended."""
    return await e2e.command.run("breaker", *arguments, "--nats-url", nats_url, cwd=cwd, env=environment())


def shown(command: Command) -> list[tuple[object, ...]]:
    return [tuple(event[name] for name in SHOWN) for event in command.named("breaker")]


async def test_a_breaker_is_shown_held_open_and_given_back(nats_url: str, tmp_path: Path) -> None:
    async with fleet(nats_url) as on, replica(nats_url):
        await on.ask()
        await on.attempt(3)
        await on.stands("closed")
        command = await breaker(nats_url, tmp_path, "show", "--json")
        assert (command.process.returncode, shown(command)) == (0, [("openai", MODEL, "closed", "auto", 1.0)])
        command = await breaker(nats_url, tmp_path, "open", "--json")
        assert (command.process.returncode, shown(command)) == (0, [("openai", MODEL, "closed", "open", 0.0)])
        command = await breaker(nats_url, tmp_path, "close", "--model", MODEL, "--json")
        assert shown(command) == [("openai", MODEL, "closed", "closed", 1.0)]
        command = await breaker(nats_url, tmp_path, "auto", "--json")
        assert shown(command) == [("openai", MODEL, "closed", "auto", 1.0)]


async def test_of_several_breakers_one_must_be_named(nats_url: str, tmp_path: Path) -> None:
    async with fleet(nats_url) as on, replica(nats_url):
        await on.ask()
        command = await breaker(nats_url, tmp_path, "open", "--json")
        assert command.process.returncode == 1
        assert "none yet: no attempt at a provider was seen" in command.errors
        await on.attempt(1)
        await on.attempt(1, model="gpt-realtime-2.1-mini")
        await on.stands("closed", "gpt-realtime-2.1-mini")
        command = await breaker(nats_url, tmp_path, "open", "--json")
        assert command.process.returncode == 1
        there = f"openai {MODEL}, openai gpt-realtime-2.1-mini"
        assert f"Name one with --provider and --model; there are: {there}" in command.errors
        named = ("--provider", "openai", "--model", MODEL)
        command = await breaker(nats_url, tmp_path, "open", *named, "--json")
        assert ("openai", MODEL, "closed", "open", 0.0) in shown(command)
        command = await breaker(nats_url, tmp_path, "auto", "--provider", "elsewhere", "--json")
        assert command.process.returncode == 1
        assert "Traceback" not in command.errors


async def test_without_a_fallback_service_it_says_what_to_do(nats_url: str, tmp_path: Path) -> None:
    command = await breaker(nats_url, tmp_path, "show", "--json")
    assert (command.process.returncode, command.events) == (1, [])
    assert "no fallback service runs: start one" in command.errors

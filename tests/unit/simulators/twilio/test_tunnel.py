"""Public and local addresses."""

import pytest

from simulators.twilio.tunnel import Route, Tunnel, is_loopback

TUNNEL = Tunnel("http://127.0.0.1:8080/twilio/voice", "https://edge.example")


@pytest.mark.parametrize(
    ("url", "route"),
    [
        ("https://edge.example/a?b=c", "http://127.0.0.1:8080/a?b=c"),
        ("https://edge.example:443/a", "http://127.0.0.1:8080/a"),
        ("wss://edge.example/media", "ws://127.0.0.1:8080/media"),
        ("https://other.example/a", "https://other.example/a"),
        ("http://edge.example/a", "http://edge.example/a"),
    ],
)
def test_urls_of_the_public_address_lead_to_the_local_one(url: str, route: str) -> None:
    assert TUNNEL.route(url).url == route


def test_the_host_header_stays_public() -> None:
    assert TUNNEL.route("wss://edge.example/m") == Route("ws://127.0.0.1:8080/m", "edge.example")


def test_the_public_name_of_a_local_url() -> None:
    assert TUNNEL.public("http://127.0.0.1:8080/twilio/voice?x=1") == "https://edge.example/twilio/voice?x=1"
    assert TUNNEL.public("https://edge.example/a") == "https://edge.example/a"


def test_without_a_public_address_everything_is_direct() -> None:
    direct = Tunnel("http://127.0.0.1:8080/voice")
    assert direct.public("http://127.0.0.1:8080/voice") == "http://127.0.0.1:8080/voice"
    assert direct.route("ws://127.0.0.1:8080/m") == Route("ws://127.0.0.1:8080/m", "127.0.0.1:8080")


def test_loopback_is_this_machine_only() -> None:
    assert is_loopback("ws://127.0.0.1:1/x")
    assert is_loopback("ws://[::1]/x")
    assert is_loopback("ws://localhost/x")
    assert not is_loopback("ws://10.0.0.1/x")
    assert not is_loopback("ws://localhost.example/x")

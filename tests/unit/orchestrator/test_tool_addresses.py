"""Where tools may not go by accident."""

import pytest

from orchestrator.core.addresses import is_literal, is_loopback, is_public


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::0101:0101"])
def test_the_open_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:0001::",
        "example.com",
        "",
    ],
)
def test_neighbourhoods_and_metadata_services_are_not(address: str) -> None:
    assert not is_public(address)


def test_this_machine_is_told_from_others() -> None:
    assert [is_loopback(each) for each in ("127.0.0.1", "::1", "localhost", "1.1.1.1", "example.com")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert [is_literal(each) for each in ("127.0.0.1", "::1", "localhost")] == [True, True, False]

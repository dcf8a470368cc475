"""Whether a network address belongs to the open internet, or to a neighbourhood no tool should reach by accident."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_NAT64: Final = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """False for private, loopback, link-local (cloud metadata), multicast and reserved ones, and for what is none."""
    try:
        read = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(each.is_global and not each.is_multicast for each in (_embedded(read) or (read,)))


def is_loopback(address: str) -> bool:
    """True for this machine's own."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def is_literal(host: str) -> bool:
    """True if a host is given as an address, not as a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _embedded(address: IPv4Address | IPv6Address) -> tuple[IPv4Address, ...]:
    """IPv4 addresses an IPv6 address only wraps: they say where packets end up."""
    if isinstance(address, IPv4Address):
        return ()
    nat64 = IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None
    return tuple(each for each in (address.ipv4_mapped, address.sixtofour, nat64) if each is not None)

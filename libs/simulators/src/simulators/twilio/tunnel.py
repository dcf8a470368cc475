"""Where a URL really leads: the public address may stand for one that is connected to here, as behind a tunnel."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

_SECURE = {"https": True, "wss": True, "http": False, "ws": False}
_DEFAULT_PORTS = {True: 443, False: 80}


@dataclass(frozen=True, slots=True)
class Route:
    """The URL to connect to, and the `Host` header that the signed URL implies."""

    url: str
    host: str


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Maps URLs of `public_base_url` to the origin of `local_url`; without a public one everything is direct."""

    local_url: str
    public_base_url: str | None = None

    def public(self, local_url: str) -> str:
        """The URL under which the outside world knows this local one: what is signed."""
        if self.public_base_url is None or _origin(local_url) != _origin(self.local_url):
            return local_url
        parts = urlsplit(local_url)
        query = f"?{parts.query}" if parts.query else ""
        return f"{self.public_base_url.rstrip('/')}{parts.path}{query}"

    def route(self, url: str) -> Route:
        """Where to connect for a URL as the outside world writes it."""
        parts = urlsplit(url)
        if self.public_base_url is None or _origin(url) != _origin(self.public_base_url):
            return Route(url, parts.netloc)
        local = urlsplit(self.local_url)
        scheme = _scheme(is_socket=parts.scheme in {"ws", "wss"}, is_secure=_SECURE[local.scheme])
        prefix = urlsplit(self.public_base_url).path.rstrip("/")
        path = parts.path.removeprefix(prefix)
        return Route(parts._replace(scheme=scheme, netloc=local.netloc, path=path).geturl(), parts.netloc)


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _scheme(*, is_socket: bool, is_secure: bool) -> str:
    return ("ws" if is_socket else "http") + ("s" if is_secure else "")


def _origin(url: str) -> tuple[bool, str, int]:
    parts: SplitResult = urlsplit(url)
    is_secure = _SECURE[parts.scheme]
    return is_secure, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS[is_secure]

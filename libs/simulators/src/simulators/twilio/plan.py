"""Everything that is known about a call before it is placed."""

import ssl
from dataclasses import dataclass, field

from simulators.twilio.human import Human
from simulators.twilio.script import Script
from simulators.twilio.signature import SharedKey, Signer
from simulators.twilio.tunnel import Tunnel, is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """One call to place.

    `voice_url` is where the number's webhook is reached; `public_base_url` is the address under which the outside
    world knows it, if that differs (it is what gets signed, and URLs under it are connected to at `voice_url`).
    `allow_insecure` None means: `ws://` only to this machine. `drop_delay_s` is the time Twilio needs to notice a
    broken media socket: not documented, to be measured on a live account. `caller_mark`, if given, is the number with
    which everything the caller says is watermarked (`people.watermark`), two cells for each 20 ms since the answer.
    """

    voice_url: str
    account_sid: str
    auth_token: str = field(repr=False)
    script: Script
    caller: str = "+15550100001"
    called: str = "+15550100100"
    public_base_url: str | None = None
    shared_key: SharedKey | None = None
    fallback_url: str | None = None
    status_callback_url: str | None = None
    allow_insecure: bool | None = None
    drop_delay_s: float = 0.5
    webhook_timeout_s: float = 15.0
    handshake_timeout_s: float = 5.0
    say_ms_per_character: float = 55.0
    tls: ssl.SSLContext | None = None
    keep_audio: bool = False
    caller_mark: int | None = None

    def human(self, number: int) -> Human:
        """Who is reached by the call's `<Dial>` of this number, counted from 0."""
        humans = self.script.humans or (Human(),)
        return humans[min(number, len(humans) - 1)]

    @property
    def signer(self) -> Signer:
        """Signs what this account sends."""
        return Signer(self.auth_token, self.shared_key)

    @property
    def tunnel(self) -> Tunnel:
        """Where URLs really lead."""
        return Tunnel(self.voice_url, self.public_base_url)

    def accepts_scheme_of(self, stream_url: str) -> bool:
        """Whether a stream URL is secure enough: wss, or ws where that is allowed."""
        if stream_url.startswith("wss:"):
            return True
        return is_loopback(stream_url) if self.allow_insecure is None else self.allow_insecure

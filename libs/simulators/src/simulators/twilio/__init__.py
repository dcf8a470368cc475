"""A strict stand-in for Twilio and a caller, reached over the network: signed webhooks, TwiML, Media Streams.

`async with TwilioCloud() as cloud: result = await cloud.place_call(CallPlan(...))`, or `python -m simulators.twilio`.
"""

from simulators.twilio.cloud import TwilioCloud, place_call
from simulators.twilio.events import Event
from simulators.twilio.human import Human
from simulators.twilio.plan import CallPlan
from simulators.twilio.result import CallResult
from simulators.twilio.script import Script, ScriptError, load_script
from simulators.twilio.signature import SharedKey, SignatureFault

__all__ = [
    "CallPlan",
    "CallResult",
    "Event",
    "Human",
    "Script",
    "ScriptError",
    "SharedKey",
    "SignatureFault",
    "TwilioCloud",
    "load_script",
    "place_call",
]

"""The streams and buckets Trunkline keeps in JetStream, made if missing."""

import asyncio
from typing import Final

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError

from common import backoff, logs, subjects
from common.bus.connection import Bus

log = logs.get("topology")

LEASE_S: Final = 2.0
"""How long a lease that is not renewed lasts (the bucket's age limit: renewing a key's own limit would lose it)."""
_HOUR_S: Final = 3_600.0


def streams(replicas: int) -> tuple[StreamConfig, ...]:
    """Facts hold spoken words, so they age out; instructions keep only the newest revision of a call."""
    return (
        StreamConfig(
            name=subjects.FACTS_STREAM,
            subjects=[subjects.ALL_FACTS],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            max_age=24 * _HOUR_S,
            max_bytes=1024**3,
            duplicate_window=120.0,
            num_replicas=replicas,
            allow_direct=True,  # every replica answers `common.bus.history`, also while there is no leader
        ),
        StreamConfig(
            name=subjects.INSTRUCTIONS_STREAM,
            subjects=[subjects.ALL_INSTRUCTIONS],
            max_msgs_per_subject=1,
            max_age=2 * _HOUR_S,
            max_bytes=256 * 1024**2,
            num_replicas=replicas,
        ),
    )


def buckets(replicas: int) -> tuple[KeyValueConfig, ...]:
    """The registry of calls outlives the longest call; a nonce its token; a lease is gone soon after its holder.

    The last values of each flag are kept to show what was changed; they are read with `common.bus.direct_get`.
    """
    return (
        KeyValueConfig(bucket=subjects.CALLS_BUCKET, ttl=26 * _HOUR_S, max_bytes=256 * 1024**2, replicas=replicas),
        KeyValueConfig(bucket=subjects.NONCES_BUCKET, ttl=120.0, max_bytes=64 * 1024**2, replicas=replicas),
        KeyValueConfig(bucket=subjects.CONTROL_BUCKET, max_bytes=16 * 1024**2, replicas=replicas),
        KeyValueConfig(bucket=subjects.FLAGS_BUCKET, history=8, max_bytes=1024**2, replicas=replicas, direct=True),
        KeyValueConfig(bucket=subjects.LEASES_BUCKET, ttl=LEASE_S, max_bytes=1024**2, replicas=replicas),
    )


async def ensure(bus: Bus, replicas: int = 1) -> None:
    """Create what is missing and change what differs, trying until it works. Nothing on a call waits for it.

    `replicas`: 1 on a server of its own, 3 (or 5) in a cluster (`NATS_REPLICAS`).
    """
    for wait in backoff.delays(0.25, 10.0):
        try:
            await _create(bus, replicas)
            return
        except (NatsError, OSError, TimeoutError) as error:
            log.warning("JetStream is not ready, trying again", extra=logs.fields(error=type(error).__name__))
            await asyncio.sleep(wait)


async def _create(bus: Bus, replicas: int) -> None:
    jetstream = bus.jetstream
    for stream in streams(replicas):
        try:
            await jetstream.add_stream(stream)
        except BadRequestError:
            await jetstream.update_stream(stream)
    for bucket in buckets(replicas):
        try:
            await jetstream.create_key_value(bucket)
        except BadRequestError:
            await _update(jetstream, bucket)


async def _update(jetstream: JetStreamContext, bucket: KeyValueConfig) -> None:
    """A bucket is a stream; nats-py makes buckets but does not change them."""
    existing = (await jetstream.stream_info(f"KV_{bucket.bucket}")).config
    await jetstream.update_stream(
        existing.evolve(
            max_age=bucket.ttl,
            max_bytes=bucket.max_bytes,
            max_msgs_per_subject=bucket.history,
            num_replicas=bucket.replicas,
            allow_direct=bool(bucket.direct),
        )
    )

"""`python -m realtime_worker`: one realtime worker process."""

from common import lifecycle
from common.settings import load
from realtime_worker.bootstrap import build
from realtime_worker.settings import PREFIX, RealtimeWorkerSettings


def main() -> None:
    """Read the settings and run until told to end."""
    lifecycle.run(
        lambda: load(RealtimeWorkerSettings, PREFIX), build, ops_port=lambda settings: settings.realtime_worker_ops_port
    )


if __name__ == "__main__":
    main()

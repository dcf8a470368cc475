"""`python -m edge`: one edge process."""

from common import lifecycle, settings
from edge.bootstrap import Edge
from edge.settings import PREFIX, EdgeSettings


def main() -> None:
    """Run the edge until it is told to end."""
    lifecycle.run(lambda: settings.load(EdgeSettings, PREFIX), Edge, ops_port=lambda given: given.edge_ops_port)


if __name__ == "__main__":
    main()

"""What tools answered is forgotten with a caller's words; that they ran is not."""

from orchestrator.core.run_state import RunState
from orchestrator.core.tool_policy import Decision, Go
from orchestrator.core.tool_rules import ToolClass
from orchestrator.stores.database import Database
from orchestrator.stores.tool_runs import Ending, NewRun, RunKey, ToolRuns


def _go(_: object) -> Decision:
    return Go()


async def test_outputs_are_forgotten_and_the_request_stays_claimed(database: Database) -> None:
    runs, key, other = ToolRuns(database), RunKey("CA1", "call_1"), RunKey("CA2", "call_1")
    for each in (key, other):
        new = NewRun(each, "pay", ToolClass.MONEY, "f", "orchestrator-1")
        assert isinstance(await runs.claim(new, _go, Ending("")), Go)
        assert await runs.end(each, "orchestrator-1", RunState.DONE, Ending('{"card": "private"}'))
    await runs.forget(["CA1"])
    mine, others = await runs.read(key), await runs.read(other)
    assert mine is not None
    assert others is not None
    assert (mine.state, mine.ending.output) == (RunState.DONE, "")
    assert others.ending.output == '{"card": "private"}'

"""What the operator's file says about a tool in place of the tool itself."""

from dataclasses import replace

from orchestrator.tools.file import Rules
from orchestrator.tools.tool import Tool


def with_rules(tool: Tool, said: Rules) -> Tool:
    """`tool` with everything that is said."""
    rules = replace(
        tool.rules,
        is_confirmed=tool.rules.is_confirmed if said.confirm is None else said.confirm,
        per_call=tool.rules.per_call if said.per_call is None else said.per_call,
    )
    return replace(
        tool,
        rules=rules,
        timeout_s=said.timeout_s or tool.timeout_s,
        filler=tool.filler if said.filler is None else said.filler,
        output_bytes=said.output_bytes or tool.output_bytes,
    )

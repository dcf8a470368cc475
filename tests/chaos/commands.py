"""The `trunkline` command as an operator uses it, against the stack."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from chaos.processes import ROOT, StackFailedError, clean_environment
from chaos.stack import Stack


async def trunkline(stack: Stack, *arguments: str) -> list[dict[str, Any]]:
    """One command; its JSON lines. Raises `StackFailedError` if it fails."""
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).parent / "trunkline"), *arguments, "--json"),
        cwd=ROOT,
        env=clean_environment({"NATS_URL": ",".join(stack.cluster.urls), "FALLBACK_MESSAGES": str(stack.messages)}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode:
        raise StackFailedError(f"trunkline {' '.join(arguments)}: {err.decode(errors='replace')}")
    return [json.loads(line) for line in out.decode().splitlines() if line.startswith("{")]

"""`trunkline demo`: one simulated phone call through the whole system."""

import asyncio

import click

from trunkline.demo.run import run_demo
from trunkline.demo.scenario import CONVERSATION, TRANSFER
from trunkline.output import Output


@click.command()
@click.option(
    "--transfer", is_flag=True, help="show a caller who is given to a human: first in vain, then with a summary"
)
@click.option("--json", "as_json", is_flag=True, help="print JSON lines, the last one the result")
@click.option("--keep", is_flag=True, help="keep the temporary directory (streams, call records, measurements)")
def demo(transfer: bool, as_json: bool, keep: bool) -> int:
    """Place a simulated call through a stack of its own and show it; no account, no key, no cost.

    A recorded person calls through the Twilio protocol, a simulated model answers through the Realtime protocol.
    Leaves build/demo/call.wav and call.json (transfer.wav, transfer.json); exit code 1 if the conversation did not
    take place.
    """
    output = Output(as_json=as_json)
    try:
        return asyncio.run(run_demo(output, TRANSFER if transfer else CONVERSATION, keep=keep))
    finally:
        output.close()

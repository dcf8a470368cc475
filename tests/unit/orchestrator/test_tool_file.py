"""The file that says where tools come from: every mistake stops the start with file, table and key."""

import re
from pathlib import Path

import pytest

from common.agents import Specialist, ToolGrant
from common.bus.connection import Bus
from common.errors import ConfigError
from common.profile import AgentProfile, TransferTarget
from orchestrator.core.tool_rules import ToolClass
from orchestrator.tools.file import load_tools_file, parse_tools_file
from orchestrator.tools.registry import Registry
from orchestrator.tools.sources import gather
from orchestrator.tools.tool import Tool

EXAMPLE = Path(__file__).parents[3] / "agents" / "tools.example.toml"
NETWORK = '[network]\nhosts = ["shop.example.com"]\n'
HTTP = NETWORK + (
    '[[http]]\nname = "order"\ndescription = "Looks it up."\nmethod = "GET"\nclass = "read"\n'
    'url = "https://shop.example.com/orders"\n'
)
MCP = NETWORK + '[[mcp]]\nname = "crm"\ncommand = "crm-mcp"\n[mcp.tools.find]\nclass = "read"\n'
PYTHON = '[[python]]\nmodule = "orchestrator.tools.booking_desk"\n'


def gathered(text: str, **environ: str) -> Registry:
    return gather(parse_tools_file(text, "tools.toml"), Bus([], "test"), environ, 15.0).registry


def the(registry: Registry, name: str) -> Tool:
    found = registry.find(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[", "tools.toml: not TOML"),
        ("[[soap]]", "tools.toml: soap is no table of this file"),
        ('[http]\nname = "a"', r"tools.toml: write [[http]]"),
        ("http = [7]", "tools.toml: [[http]] 1: expected a table"),
        ("[limits]\nper_call = 0", "tools.toml: [limits]: per_call"),
        ('[network]\nhosts = "a"', "tools.toml: [network]: hosts"),
        ('[[python]]\nmodule = "a b"', "tools.toml: [[python]] 1: module"),
        (HTTP.replace('method = "GET"', 'method = "TRACE"'), "[[http]] 1: method"),
        (HTTP.replace('class = "read"', 'class = "telephony"'), "[[http]] 1: class"),
        (HTTP.replace('name = "order"', 'name = "Order"'), "[[http]] 1: name"),
        (HTTP + "retries = 3", "[[http]] 1: retries: is no key of this table"),
        (HTTP + "timeout_s = inf", "[[http]] 1: timeout_s"),
        (HTTP + "output_bytes = 1_000_000", "[[http]] 1: output_bytes"),
        (HTTP.replace("https://shop", "http://shop"), "[[http]] 1: url: must be https://"),
        (HTTP.replace("https://shop", "ftp://shop"), "[[http]] 1: url"),
        (HTTP.replace("https://", "https://user:pass@"), "[[http]] 1: url"),
        (HTTP.replace("/orders", "/orders#a"), "[[http]] 1: url"),
        (HTTP.replace("//shop.", "//evil."), "[[http]] 1: url: evil.example.com is not among the hosts"),
        (HTTP.replace("shop.example.com", "169.254.169.254"), "is a private address and not among the private_hosts"),
        (HTTP + "[http.headers]\nAuthorization = 'Bearer abcdefgh'", "name the environment variable that holds it"),
        (HTTP + "[http.headers]\n'X Y' = 'a'", "headers"),
        (HTTP + '[http.headers]\nX = "a\\nb"', "headers.X"),
        (MCP.replace('command = "crm-mcp"', ""), "[[mcp]] 1: give command, or url"),
        (
            MCP.replace('command = "crm-mcp"', 'command = "a"\nurl = "https://shop.example.com/"'),
            "give command, or url",
        ),
        (MCP.replace('[mcp.tools.find]\nclass = "read"', "tools = {}"), "[[mcp]] 1: tools"),
        (MCP.replace('class = "read"', ""), "[[mcp]] 1: tools.find.class"),
        (MCP.replace("command", "headers = { A = 'b' }\ncommand"), "headers are for a server with a url"),
        (MCP + MCP.removeprefix(NETWORK), "[[mcp]] 2: name: another server is called that"),
    ],
)
def test_mistakes_in_the_file_are_named(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        parse_tools_file(text, "tools.toml")


PLACE = '[http.parameters]\ntype = "object"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (HTTP + '[http.parameters]\ntype = "string"', "[[http]] 1: parameters: must be a JSON Schema"),
        (HTTP.replace("/orders", "/{id}"), "[[http]] 1: url: {id} must be a required argument"),
        (HTTP.replace("/orders", "/{id}") + PLACE + 'properties.id.type = "string"', "{id} must be a required"),
        (
            HTTP.replace("/orders", "/{id}") + PLACE + 'required = ["id"]\nproperties.id.type = "object"',
            "{id} must be a required argument of a plain type",
        ),
        (HTTP.replace("/orders", "/orders?id={id}"), "arguments may stand in its path only"),
        (
            HTTP + "[http.headers]\nAuthorization = 'Bearer ${SHOP_TOKEN}'",
            "headers: wants SHOP_TOKEN, which is not set",
        ),
        (MCP.replace("command", "env = { TOKEN = '${CRM_TOKEN}' }\ncommand"), "[[mcp]] crm: env: wants CRM_TOKEN"),
        (
            '[[python]]\nmodule = "orchestrator.nowhere"',
            "[[python]] 1: module: cannot be imported: ModuleNotFoundError",
        ),
        ('[[python]]\nmodule = "orchestrator.part"', "[[python]] 1: module: there is no @tool in orchestrator.part"),
        (PYTHON + "[python.tools.drop_table]\nconfirm = true", "[[python]] 1: tools.drop_table: there are: list_tasks"),
        (PYTHON + PYTHON, "[[python]] 2: list_tasks: tools.toml: [[python]] 1 has a tool of that name already"),
        (HTTP.replace('"order"', '"end_call"'), "[[http]] 1: end_call: built in has a tool of that name already"),
    ],
)
def test_mistakes_that_show_when_tools_are_made_are_named(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        gathered(text)


def test_no_value_of_the_file_is_repeated() -> None:
    with pytest.raises(ConfigError) as refused:
        parse_tools_file(HTTP + "[http.headers]\nAuthorization = 'Bearer sk-verysecret'", "tools.toml")
    assert "verysecret" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read: FileNotFoundError"):
        load_tools_file(tmp_path / "gone.toml")


def test_the_example_is_right() -> None:
    file = load_tools_file(EXAMPLE)
    environ = dict.fromkeys(file.variables, "x")
    assert file.variables == ("SHOP_TOKEN", "SEARCH_TOKEN", "CRM_TOKEN")
    names = gather(file, Bus([], "test"), environ, 15.0).registry.names
    assert {"transfer_to_human", "end_call", "send_digits", "collect_digits", "list_tasks", "order_status"} <= set(
        names
    )


def test_the_order_is_that_of_the_file() -> None:
    registry = gathered(HTTP + MCP.removeprefix(NETWORK) + PYTHON)
    tasks = ("list_tasks", "create_task", "get_task", "update_task", "delete_task")
    builtin = ("transfer_to_human", "end_call", "send_digits", "collect_digits")
    assert registry.names == (*builtin, *tasks, "order", "find")


def test_the_file_has_the_last_word_about_a_tools_rules() -> None:
    said = (
        PYTHON
        + '[python.tools.create_task]\nconfirm = true\nper_call = 1\ntimeout_s = 2\nfiller = { de = "Moment." }\n'
    )
    tool = the(gathered(said), "create_task")
    assert (tool.rules.is_confirmed, tool.rules.per_call, tool.timeout_s) == (True, 1, 2)
    assert (tool.filler_in("de"), tool.filler_in("en")) == ("Moment.", "")
    assert the(gathered(PYTHON), "create_task").timeout_s == 15.0
    assert the(gathered(HTTP.replace('"read"', '"money"')), "order").rules.is_confirmed
    assert the(gathered(HTTP), "order").rules.tool_class is ToolClass.READ


PROFILE = AgentProfile(
    name="desk",
    greeting="Hello",
    instructions="Help.",
    tools=(ToolGrant(name="end_call"), ToolGrant(name="transfer_to_human")),
    transfers={"front-desk": TransferTarget(number="+15550100100"), "billing": TransferTarget(number="+15550100101")},
    agents={"bookings": Specialist(when="Tables", instructions="Book.", tools=("create_task",))},
)


def test_a_model_is_told_of_granted_tools_in_the_order_asked_for() -> None:
    grants = gathered(PYTHON + MCP).grants(["create_task", "end_call", "create_task", "unknown", "find"], PROFILE)
    assert [grant.name for grant in grants] == ["create_task", "end_call", "find"]
    assert grants[0].description == "Makes a new task for the caller."
    assert grants[0].parameters["additionalProperties"] is False
    assert [grant.is_described for grant in grants] == [True, True, False]  # nobody has reached that server yet


def test_whom_a_caller_may_be_transferred_to_is_the_profiles_to_say() -> None:
    (grant,) = gathered("").grants(["transfer_to_human"], PROFILE)
    assert grant.parameters["properties"]["to"]["enum"] == ["front-desk", "billing"]
    assert "enum" not in gathered("").grants(["transfer_to_human"])[0].parameters["properties"]["to"]


def test_a_profile_is_checked_for_tools_that_cannot_work() -> None:
    gathered(PYTHON).check(PROFILE)
    with pytest.raises(ConfigError, match="profile desk: agent bookings: tools: create_task: there is no such tool"):
        gathered("").check(PROFILE)
    odd = PROFILE.model_copy(update={"transfers": {"Front Desk": TransferTarget(number="+15550100100")}})
    with pytest.raises(ConfigError, match="names of transfers have small letters"):
        gathered(PYTHON).check(odd)
    nobody = PROFILE.model_copy(update={"transfers": {}})
    with pytest.raises(ConfigError, match="agent front: tools: transfer_to_human: the profile has no transfers"):
        gathered(PYTHON).check(nobody)

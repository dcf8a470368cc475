"""The watch over the profiles: takes what is good, refuses what is broken once, and never loses the last good ones."""

import logging
import os
import shutil
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from common.errors import ConfigError
from common.profile_watch import ProfileWatch
from common.profiles import Profiles

GOOD = "name: desk\nnumbers: ['*']\ngreeting: Hello.\ninstructions: Be brief.\n"
FROM_FILE = "name: desk\ngreeting: Hello.\ninstructions_file: desk.md\n"


def counted(result: str) -> float:
    return REGISTRY.get_sample_value("trunkline_profile_reloads_total", {"result": result}) or 0.0


def write(directory: Path, text: str, name: str = "desk.yaml") -> None:
    (directory / name).write_text(text, encoding="utf-8")


def instructions(watch: ProfileWatch) -> str:
    return watch.current.by_name["desk"].instructions


async def settle(watch: ProfileWatch) -> None:
    """Two looks find the same files."""
    await watch.look()
    await watch.look()


def test_a_broken_profile_at_the_start_is_the_operators(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^DESK_PROFILES: no"):
        ProfileWatch(tmp_path, "DESK_PROFILES")


async def test_a_changed_profile_is_there_for_the_next_call_and_not_for_a_running_one(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    watch = ProfileWatch(tmp_path, "DESK_PROFILES")
    running = watch.current.by_name["desk"]
    taken = counted("taken")
    write(tmp_path, GOOD.replace("brief", "very brief"))
    await settle(watch)
    assert instructions(watch) == "Be very brief."
    assert running.instructions == "Be brief."
    assert counted("taken") - taken == 1


async def test_nothing_is_read_while_nothing_changes(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    watch = ProfileWatch(tmp_path, "DESK_PROFILES")
    first = watch.current
    for _ in range(3):
        await watch.look()
    assert watch.current is first


async def test_a_file_that_is_still_being_written_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    watch = ProfileWatch(tmp_path, "DESK_PROFILES")
    refused = counted("refused")
    for length in (10, 20, 30):
        write(tmp_path, GOOD[:length])
        await watch.look()
    write(tmp_path, GOOD.replace("brief", "new"))
    await settle(watch)
    assert instructions(watch) == "Be new."
    assert counted("refused") == refused


async def test_a_broken_change_is_refused_with_one_warning_and_mended_by_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, GOOD)
    watch = ProfileWatch(tmp_path, "DESK_PROFILES")
    refused = counted("refused")
    write(tmp_path, GOOD + "voise: marin\n")
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            await watch.look()
    assert [vars(record)["fields"]["why"] for record in caplog.records] == [
        f"{tmp_path / 'desk.yaml'}:5: voise: Extra inputs are not permitted"
    ]
    assert counted("refused") - refused == 1
    assert instructions(watch) == "Be brief."
    write(tmp_path, GOOD.replace("brief", "mended"))
    await settle(watch)
    assert instructions(watch) == "Be mended."


async def test_a_profile_that_names_a_missing_file_is_taken_once_the_file_is_there(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    watch = ProfileWatch(tmp_path, "DESK_PROFILES")
    write(tmp_path, FROM_FILE)
    await settle(watch)
    assert instructions(watch) == "Be brief."
    write(tmp_path, "From a file.", "desk.md")
    await settle(watch)
    assert instructions(watch) == "From a file."


async def test_a_changed_file_of_instructions_is_read(tmp_path: Path) -> None:
    write(tmp_path, "First.", "desk.md")
    write(tmp_path, FROM_FILE)
    watch = ProfileWatch(tmp_path, "DESK_PROFILES")
    write(tmp_path, "Second.", "desk.md")
    await settle(watch)
    assert instructions(watch) == "Second."


async def test_profiles_come_and_go(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    watch = ProfileWatch(tmp_path, "DESK_PROFILES")
    write(tmp_path, GOOD.replace("desk", "loans").replace("'*'", "'+15550100100'"), "loans.yml")
    await settle(watch)
    assert set(watch.current.by_name) == {"desk", "loans"}
    (tmp_path / "desk.yaml").unlink()
    await settle(watch)
    assert set(watch.current.by_name) == {"loans"}


async def test_the_last_profiles_stay_when_the_directory_is_gone(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    watch = ProfileWatch(tmp_path, "DESK_PROFILES")
    shutil.rmtree(tmp_path)
    await settle(watch)
    assert instructions(watch) == "Be brief."


async def test_a_pipeline_that_appears_is_checked_against(tmp_path: Path) -> None:
    write(tmp_path, GOOD + "fallback: {chat: [openai]}\n")
    watch = ProfileWatch(tmp_path, "DESK_PROFILES")
    refused = counted("refused")
    write(tmp_path, '[[chat]]\nname = "house"\nbase_url = "http://house/v1"\nmodel = "m"\n', "pipeline.toml")
    await settle(watch)
    assert counted("refused") - refused == 1


async def test_a_file_put_in_place_of_another_with_the_same_time_and_length_is_read(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    watch = ProfileWatch(tmp_path, "DESK_PROFILES")
    before = (tmp_path / "desk.yaml").stat()
    write(tmp_path, GOOD.replace("brief", "exact"), "new")
    os.utime(tmp_path / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (tmp_path / "new").replace(tmp_path / "desk.yaml")
    await settle(watch)
    assert instructions(watch) == "Be exact."


async def test_a_change_somebody_else_refuses_is_not_taken(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    watch = ProfileWatch(tmp_path, "DESK_PROFILES")

    def check(changed: Profiles) -> None:
        if "rude" in changed.by_name["desk"].instructions:
            raise ConfigError("profile desk: no rudeness")

    watch.demand(check)
    refused = counted("refused")
    write(tmp_path, GOOD.replace("brief", "rude"))
    await settle(watch)
    assert instructions(watch) == "Be brief."
    assert counted("refused") - refused == 1
    write(tmp_path, GOOD.replace("brief", "polite"))
    await settle(watch)
    assert instructions(watch) == "Be polite."

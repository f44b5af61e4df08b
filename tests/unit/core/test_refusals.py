"""What an apply refuses before it makes anything, plan and check refuse: same code, same words."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from model_site import NAME, Site
from msgspec.structs import replace

from tasks import builds
from tasks.commands.apply import Apply
from tasks.commands.check import Check
from tasks.commands.plan import Plan
from tasks.containers import container_for
from tasks.containers.lxc import network
from tasks.containers.lxc import network_check as checked
from tasks.containers.lxc.container import LxcContainer
from tasks.errors import DatabaseError, UsageError
from tasks.host.routes import Route
from tasks.model import registry
from tasks.model.plan import InstancePlan, Lost, PlanEntry
from tasks.model.registry import Registered
from tasks.paths import Paths
from tasks.planning.refusals import all_refused, refuse, refuse_loss

FIRST, SECOND = "20250101000000", "20250901120000"

BRIDGE = f"vkr{os.getpid()}"

Arrange = Callable[[Site, pytest.MonkeyPatch], Any]

OTHER = Registered(
    instance_id="vikunja-other",
    driver="lxc",
    node=None,
    container_id=None,
    container_name="vikunja-other",
    ip_address="10.99.0.99/24",
    domain="other.example.com",
    created_at="2026-11-29T06:00:00Z",
    config="/etc/vikunja-deploy/other.yaml",
)


def entered(site: Site, **changes: Any) -> None:
    registry.add(site.paths, replace(OTHER, **changes))


def name_is_registered(site: Site, *_: object) -> None:
    entered(site, container_name=NAME)


def address_is_registered(site: Site, *_: object) -> None:
    entered(site, ip_address="10.99.0.10/24")


def address_is_desired_for_that_is_registered(site: Site, *_: object) -> None:
    site.deploy()
    entered(site, ip_address="10.99.0.99/24")
    site.document["network"]["ip_address"] = "10.99.0.99/24"
    site.write()


def container_is_somebodys(site: Site, patch: pytest.MonkeyPatch) -> None:
    real(site, patch)
    config = site.paths.lxc / NAME / "config"
    config.parent.mkdir(parents=True)
    config.write_text("lxc.uts.name = somebody\n")


def folder_is_in_the_way(site: Site, patch: pytest.MonkeyPatch) -> None:
    real(site, patch)
    (site.paths.lxc / NAME / "rootfs").mkdir(parents=True)


def address_is_another_container_s(site: Site, patch: pytest.MonkeyPatch) -> None:
    real(site, patch)
    config = site.paths.lxc / "somebody" / "config"
    config.parent.mkdir(parents=True)
    config.write_text("lxc.net.0.type = veth\nlxc.net.0.ipv4.address = 10.99.0.10/24\n")


def network_is_reached_otherwise(site: Site, patch: pytest.MonkeyPatch) -> None:
    real(site, patch)
    reached(patch, Route("eth0", IPv4Network("10.99.0.0/16")))


def bridge_is_none(site: Site, patch: pytest.MonkeyPatch) -> None:
    real(site, patch)
    site.document["network"]["bridge"] = "lo"
    site.write()


def bridge_would_be_made_for_ipv6(site: Site, patch: pytest.MonkeyPatch) -> None:
    real(site, patch)
    site.document["network"] |= {"gateway": "fd99::1", "ip_address": "fd99::10/64"}
    site.write()


def nobody_has_the_suite(site: Site, patch: pytest.MonkeyPatch) -> None:
    real(site, patch)
    patch.setattr("tasks.containers.lxc.apt._read_sources", lambda *_: [])


def real(site: Site, patch: pytest.MonkeyPatch) -> None:
    """Containers are plain LXC's own, on a bridge that nobody has; none is ever made."""

    def made(*_: object) -> None:
        raise AssertionError("a container was made")

    patch.setattr("tasks.planning.inspection.container_for", container_for)
    patch.setattr(LxcContainer, "create", made)
    reached(patch)
    site.document["network"]["bridge"] = BRIDGE
    site.write()


def reached(patch: pytest.MonkeyPatch, *known: Route) -> None:
    """What this machine reaches through interfaces of its own."""
    for module in (network, checked):
        patch.setattr(module, "read_routes", lambda: list(known))


def tools_are_missing(site: Site, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(builds, "check_toolchain", lambda *_: ["go is not installed", "neither is node"])


def secrets_in_files(site: Site, *_: object) -> None:
    site.repository.tag(site.repository.commit(), "v0.24.6")
    site.document["vikunja"] = {"secrets": "files"}
    site.write()


def secrets_in_files_of_a_release(site: Site, *_: object) -> None:
    site.document["vikunja"] = {"secrets": "files"}
    archive = {"url": "https://dl.example.org/0.24.6.zip", "sha256": "0" * 64, "version": "0.24.6"}
    site.document["release"] = archive
    del site.document["git"]
    site.write()


def a_directory_for_an_old_version(site: Site, *_: object) -> None:
    site.repository.tag(site.repository.commit(), "v0.24.6")
    ldap = {"host": "ldap.example.com", "base_dn": "dc=a", "user_filter": "(uid=%s)"}
    site.document["vikunja"] = {"auth": {"ldap": ldap}}
    site.write()


def deployed(site: Site) -> None:
    site.repository.commit(migrations=[FIRST])
    site.deploy()
    site.machine.migrations = f"SCHEMA_INIT {FIRST}"


def migrations_are_refused(site: Site, *_: object) -> None:
    deployed(site)
    site.document["update"] = {"migrations": "refuse"}
    site.write()
    site.repository.commit(migrations=[FIRST, SECOND])


def database_is_newer(site: Site, *_: object) -> None:
    deployed(site)
    site.repository.commit(migrations=[FIRST])
    site.machine.migrations = f"SCHEMA_INIT {FIRST} {SECOND}"


def attachments_stay_behind(site: Site, *_: object) -> None:
    deployed(site)
    site.machine.attachments_left = b"3 /var/lib/vikunja/files\n"
    site.document["vikunja"] = {"files": {"path": "/srv/vikunja"}}
    site.write()


def attachments_are_not_in_the_bucket(site: Site, *_: object) -> None:
    deployed(site)
    site.machine.attachments_left = b"1 /srv/vikunja/files\n"
    secret = site.config.with_name("s3")
    secret.write_text("canary\n")
    secret.chmod(0o600)
    bucket = {"endpoint": "https://s3.example.com", "bucket": "tasks", "access_key": "A"}
    s3 = {**bucket, "secret_file": str(secret)}
    site.document["vikunja"] = {"files": {"type": "s3", "s3": s3}}
    site.write()


def a_part_of_an_update(site: Site, *_: object) -> tuple[str, ...]:
    deployed(site)
    site.repository.commit(migrations=[FIRST, SECOND])
    return ("--target", "writes:*")


def a_part_of_a_switch(target: str) -> Arrange:
    def arrange(site: Site, *_: object) -> tuple[str, ...]:
        deployed(site)
        site.document["vikunja"] = {"registration": True}
        site.write()
        return ("--target", target)

    return arrange


def a_part_of_a_move(site: Site, *_: object) -> tuple[str, ...]:
    deployed(site)
    site.document["database"] = {"type": "postgresql"}
    site.write()
    return ("--target", "link:/etc/vikunja/environment")


REFUSED: dict[str, tuple[Arrange, int, str]] = {
    "name registered": (name_is_registered, 4, f"container name {NAME} belongs to vikunja-other"),
    "address registered": (
        address_is_registered,
        4,
        "address 10.99.0.10 belongs to vikunja-other",
    ),
    "new address registered": (
        address_is_desired_for_that_is_registered,
        4,
        "address 10.99.0.99 belongs to vikunja-other",
    ),
    "container": (container_is_somebodys, 4, f"container {NAME} exists and is not proven ours"),
    "folder": (folder_is_in_the_way, 4, "exists and holds no container of ours"),
    "address taken": (
        address_is_another_container_s,
        4,
        "the address 10.99.0.10/24 is taken by the container somebody",
    ),
    "network": (
        network_is_reached_otherwise,
        4,
        f"{BRIDGE} would be made for 10.99.0.0/24, but this machine reaches 10.99.0.0/16",
    ),
    "bridge": (bridge_is_none, 4, "the network interface lo exists and is not a bridge"),
    "ipv6": (bridge_would_be_made_for_ipv6, 4, "none is made for IPv6"),
    "suite": (nobody_has_the_suite, 4, "no apt source of this machine serves"),
    "tools": (tools_are_missing, 9, "go is not installed"),
    "secrets in files": (secrets_in_files, 3, "v0.24.6 reads no secrets from files"),
    "secrets in files of a release": (
        secrets_in_files_of_a_release,
        3,
        "0.24.6 reads no secrets from files",
    ),
    "settings of later versions": (
        a_directory_for_an_old_version,
        3,
        "Vikunja v0.24.6 does not know it",
    ),
    "attachments in another folder": (
        attachments_stay_behind,
        3,
        "3 attachments are in /var/lib/vikunja/files of the container, and would not be found in "
        "/srv/vikunja/files",
    ),
    "attachments for a bucket": (
        attachments_are_not_in_the_bucket,
        3,
        "1 attachments are in /srv/vikunja/files of the container, and would not be found in bucket"
        " tasks, files/, at https://s3.example.com",
    ),
    "migrations": (migrations_are_refused, 3, "update.migrations is refuse"),
    "newer database": (database_is_newer, 7, "the database is newer than"),
    "part of an update": (a_part_of_an_update, 3, "is done as a whole"),
    "what serves alone is stopped": (
        a_part_of_a_switch("unit:vikunja-backend@blue.service"),
        3,
        "blue serves, and stops only once green does",
    ),
    "what serves alone loses its settings": (
        a_part_of_a_switch("file:/etc/vikunja/environment.blue"),
        3,
        "blue serves, and stops only once green does",
    ),
    "the link alone goes to what does not serve": (
        a_part_of_a_switch("link:/etc/vikunja/*"),
        3,
        "blue serves, and stops only once green does",
    ),
    "part of a move": (a_part_of_a_move, 3, "carried over to another database as a whole"),
}


def errors(said: str) -> list[str]:
    """From the first error on."""
    lines = said.splitlines()
    first = next((at for at, line in enumerate(lines) if line.startswith("error: ")), len(lines))
    return lines[first:]


def there(paths: Paths) -> list[str]:
    """What is of containers on this host."""
    found = [*paths.lxc.rglob("*"), *paths.registry.parent.glob("instances.json")]
    return sorted(str(path) for path in found)


@pytest.mark.parametrize("name", REFUSED)
def test_plan_apply_and_check_refuse_the_same_and_nothing_is_made(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    arrange, code, words = REFUSED[name]
    more = arrange(site, monkeypatch) or ()
    before, containers = there(site.paths), list(site.world.places)
    site.world.log.clear()

    def run(command: Any, *arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        ended = command().parse_execute([*arguments, "--config", str(site.config)])
        captured = capsys.readouterr()
        return ended, captured.out, captured.err

    planned, shown, said = run(Plan, *more)
    applied, _, failed = run(Apply, "--yes", *more)
    assert (planned, applied) == (code, code), said + failed
    assert words in errors(said)[0]
    assert errors(said) == errors(failed)
    assert planned == code and (shown or name == "container")
    assert (there(site.paths), list(site.world.places)) == (before, containers)
    assert site.world.log == []
    if more:
        return
    _, document, _ = run(Check, "--json")
    problems = [one for one in json.loads(document)["findings"] if words in one["what"]]
    assert [one["exit_code"] for one in problems] == [code]


def test_secrets_in_files_are_refused_for_no_later_version(site: Site) -> None:
    site.repository.tag(site.repository.commit(), "v1.0.0-rc0")
    site.document["vikunja"] = {"secrets": "files"}
    site.write()

    assert Plan().parse_execute(["--config", str(site.config)]) == 0


@pytest.mark.parametrize("left", [b"", b"0 /var/lib/vikunja/files\n"])
def test_another_folder_is_taken_where_no_attachment_stays_behind(site: Site, left: bytes) -> None:
    deployed(site)
    site.machine.attachments_left = left
    site.document["vikunja"] = {"files": {"path": "/srv/vikunja"}}
    site.write()

    assert Apply().parse_execute(["--yes", "--config", str(site.config)]) == 0
    assert Plan().parse_execute(["--detailed-exitcode", "--config", str(site.config)]) == 0
    environment = site.machine.files.content("/etc/vikunja/environment.green") or b""
    assert b'VIKUNJA_FILES_BASEPATH="/srv/vikunja/files"' in environment


def test_a_plan_with_nothing_to_do_asks_nothing_of_what_could_refuse_it(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site.deploy()

    def asked(*_: object, **__: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr("tasks.planning.refusals.refuse", asked)
    monkeypatch.setattr(registry, "refuse_conflicts", asked)
    assert Plan().parse_execute(["--config", str(site.config)]) == 0
    assert re.search("as desired|up to date", capsys.readouterr().out)


def test_a_plan_of_which_nothing_is_left_is_refused_for_nothing(site: Site) -> None:
    database_is_newer(site)
    looks, _ = site.plan()
    with pytest.raises(DatabaseError, match="is newer than"):
        refuse(looks[NAME], site.paths)
    nothing = replace(looks[NAME], plan=replace(looks[NAME].plan, entries=()))
    refuse(nothing, site.paths)
    assert all_refused([nothing], site.paths) == {}
    assert list(all_refused(looks.values(), site.paths)) == [NAME]


@pytest.mark.parametrize(
    ("lost", "backup", "what", "hint"),
    [
        (
            True,
            "2025-01-01T00:00:00Z",
            "data is gone: one/database:a",
            "Bring back the newest backup: ./doit restore one --from latest. To go on",
        ),
        (True, None, "data is gone: one/database:a", "There is no backup of it. To go on"),
        (False, None, "data would be lost by one/database:a", "Take a backup first: ./doit backup"),
    ],
)
def test_data_that_is_gone_is_told_before_data_that_would_be_lost(
    lost: bool, backup: str | None, what: str, hint: str
) -> None:
    entry = PlanEntry("one", "system", "database:a", "create", (), destructive=True, lost=lost)
    other = PlanEntry("two", "system", "database:b", "create", (), destructive=lost)
    harmless = PlanEntry("one", "system", "file:/a", "create", ())
    plans = [
        InstancePlan("one", (harmless, entry), {}, {}, lost=Lost(backup, ("database:a",), None)),
        InstancePlan("two", (other,), {}, {}),
    ]
    with pytest.raises(UsageError) as caught:
        refuse_loss(plans)
    assert caught.value.what == what
    assert caught.value.hint.startswith(hint)
    refuse_loss([InstancePlan("one", (harmless,), {}, {})])


def test_each_instance_with_a_backup_is_named_once() -> None:
    gone = [
        PlanEntry("one", "system", f"database:{name}", "create", (), destructive=True, lost=True)
        for name in "ab"
    ]
    lost = Lost("2025-01-01T00:00:00Z", ("database:a", "database:b"), None)
    with pytest.raises(UsageError) as caught:
        refuse_loss([InstancePlan("one", tuple(gone), {}, {}, lost=lost)])
    assert caught.value.what == "data is gone: one/database:a, one/database:b"
    assert caught.value.hint.startswith(
        "Bring back the newest backup: ./doit restore one --from latest. To go on"
    )


def test_a_plan_that_is_refused_is_shown_and_saved_all_the_same(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name_is_registered(site)
    saved = tmp_path / "plan.json"
    assert Plan().parse_execute(["--out", str(saved), "--config", str(site.config)]) == 4
    assert f"+ container:{NAME}" in capsys.readouterr().out
    assert json.loads(saved.read_text())["instances"][0]["instance"] == NAME

"""Files of the user's own take effect: the unit that reads them starts anew, and says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from instance_samples import sample_instance

from tasks.desired import authorities, system
from tasks.desired.color import backend_unit, mcp_unit
from tasks.desired.rendering import render
from tasks.errors import UsageError
from tasks.model.applied import NOTHING_APPLIED, with_resources
from tasks.model.host_files import NO_HOST_FILES, HostFiles, read_host_files
from tasks.model.instance import Instance
from tasks.planning.planner import Desired, orphans, plan
from tasks.resources.applied import applied_resource
from tasks.resources.base import Facts, FileFact, Resource, UnitFact
from tasks.resources.files import File
from tasks.resources.system import Script, Unit

FILES = Path(__file__).parents[1] / "config/files"
CERTIFICATE = (FILES / "good.pem").read_bytes()
UP = UnitFact("loaded", "active", "enabled", stale=False)


def with_files(*paths: str, **more: Any) -> Instance:
    return sample_instance(
        files=[{"path": path, "content": f"# {path}\n"} for path in paths],
        **{"database": {"type": "postgresql"}, "redis": {"enabled": True}, **more},
    )


def declared(instance: Instance, files: HostFiles = NO_HOST_FILES) -> tuple[Resource, ...]:
    return system.declare(instance, render(instance, system.templated(instance)), files)


def unit(instance: Instance, name: str) -> Unit:
    (found,) = (one for one in declared(instance) if isinstance(one, Unit) and one.unit == name)
    return found


@pytest.mark.parametrize(
    ("path", "name", "more"),
    [
        ("/etc/postgresql/15/main/conf.d/tune.conf", "postgresql.service", {}),
        ("/etc/systemd/system/postgresql@.service.d/limits.conf", "postgresql.service", {}),
        ("/etc/mysql/conf.d/tune.cnf", "mariadb.service", {"database": {"type": "mysql"}}),
        ("/etc/systemd/system/mariadb.service.d/a.conf", "mariadb.service",
         {"database": {"type": "mysql"}}),
        ("/etc/systemd/system/redis-server.service.d/a.conf", "redis-server.service", {}),
        ("/etc/systemd/system/logrotate.timer.d/a.conf", "logrotate.timer", {}),
    ],
)  # fmt: skip
def test_the_unit_that_reads_a_file_starts_anew_with_it(
    path: str, name: str, more: dict[str, Any]
) -> None:
    without, given = unit(with_files(**more), name), unit(with_files(path, **more), name)
    assert given.revision != without.revision
    assert f"file:{path}" in given.triggers
    # Of other files it is the same as ever.
    assert unit(with_files("/etc/cron.d/mine", **more), name) == without


def test_a_file_that_goes_is_gone_before_its_unit_starts_without_it() -> None:
    path = "/etc/systemd/system/postgresql@.service.d/limits.conf"
    before, after = with_files(path), with_files()
    resources = {one.address: applied_resource(one) for one in declared(before)}
    applied = with_resources(NOTHING_APPLIED, resources)
    facts = Facts(
        files={path: FileFact("file", "0644", "root", "root")},
        units={"postgresql.service": UP},
    )
    desired = Desired("a", {"system": declared(after), "switch": ()})
    found = [(one.step, one.address, one.action) for one in plan(desired, facts, applied)]
    gone = found.index(("system", f"file:{path}", "delete"))
    (started,) = [n for n, one in enumerate(found) if one[1] == "unit:postgresql.service"]
    assert gone < found.index(("system", "systemd:unit-files-of-postgresql", "run")) < started
    assert [one for one in found if one[0] == "switch"] == []


@pytest.mark.parametrize(("suite", "version"), [("bookworm", "17"), ("trixie", "15")])
def test_files_of_another_postgresql_than_there_is_are_refused(suite: str, version: str) -> None:
    path = f"/etc/postgresql/{version}/main/conf.d/tune.conf"
    instance = with_files(path, lxc={"template": suite})
    with pytest.raises(UsageError, match=f"is of PostgreSQL {version}, and {suite} has"):
        declared(instance)


# Authorities


def trusting(*names: str, **more: Any) -> Instance:
    network = {**sample_instance().document["network"], "trusted_ca": [*map(str, names)]}
    return sample_instance(network=network, **more)


def revisions(instance: Instance) -> set[str]:
    files = read_host_files(instance)
    rendered = render(instance, system.templated(instance))
    units = (
        backend_unit(instance, "blue", rendered, "key", "v1", files),
        mcp_unit(instance, "blue", rendered, "key", files),
    )
    return {one.revision for one in units}


MCP = {"services": {"mcp": {"enabled": True}}, "redis": {"enabled": True}}


def test_the_application_starts_anew_with_another_authority(tmp_path: Path) -> None:
    first, second = tmp_path / "a.pem", tmp_path / "b.pem"
    first.write_bytes(CERTIFICATE)
    second.write_bytes(CERTIFICATE + (FILES / "future.pem").read_bytes())
    none, one, both = (trusting(*names, **MCP) for names in ((), (first,), (first, second)))
    assert len(revisions(none) | revisions(one) | revisions(both)) == 6
    # Named twice it is the same, and wherever it lies.
    assert len(read_host_files(both).authorities) == 2

    (file, _), (script,) = (
        [r for r in declared(both, read_host_files(both)) if isinstance(r, kind) and wanted(r)]
        for kind, wanted in (
            (File, lambda r: authorities.is_authority(r.path)),
            (Script, lambda r: r.script == authorities.SCRIPT),
        )
    )
    assert isinstance(file, File) and file.content == CERTIFICATE and not file.sensitive
    assert file.address in script.triggers
    rendered = render(one, system.templated(one))
    assert b"NODE_EXTRA_CA_CERTS" in rendered["/etc/vikunja/mcp-environment.blue"].content
    backend = backend_unit(both, "blue", rendered, "key", "v1", read_host_files(both))
    assert script.address in backend.triggers


def test_without_authorities_nothing_is_different() -> None:
    instance = trusting(**MCP)
    assert not any(getattr(r, "script", "") == authorities.SCRIPT for r in declared(instance))
    rendered = render(instance, system.templated(instance))
    assert b"NODE_EXTRA" not in rendered["/etc/vikunja/mcp-environment.blue"].content
    triggers = backend_unit(instance, "blue", rendered, "key").triggers
    assert not any("authorities" in one for one in triggers)


def test_an_authority_of_the_users_own_files_counts_as_well() -> None:
    path = f"{authorities.FOLDER}/mine.crt"
    instance = with_files(path)
    (script,) = (r for r in declared(instance) if getattr(r, "script", "") == authorities.SCRIPT)
    assert isinstance(script, Script) and script.arguments == ("with", path)
    assert authorities.names(instance, NO_HOST_FILES)[0].startswith(f"{path} ")


def test_an_authority_goes_with_all_that_was_made_of_it_before_anything_starts() -> None:
    before = with_files(f"{authorities.FOLDER}/mine.crt")
    resources = {one.address: applied_resource(one) for one in declared(before)}
    applied = with_resources(NOTHING_APPLIED, resources)
    after = declared(with_files())
    (gone,) = orphans(applied, {one.address for one in after})
    assert gone.address == f"{authorities.SCRIPT}:{authorities.FOLDER}/mine.crt"
    (question,) = gone.questions()
    facts = Facts(probes={question[1:]: "present"})
    entries = plan(Desired("a", {"system": after, "switch": ()}), facts, applied)
    assert (entries[-1].step, entries[-1].address, entries[-1].action) == (
        "system",
        gone.address,
        "delete",
    )
    assert not gone.difference(Facts(probes={question[1:]: "absent"}))

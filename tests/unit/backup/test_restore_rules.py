"""What may be restored into what, which archive is meant, and where a drill takes place."""

from __future__ import annotations

import json
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, cast

import pytest
from backup_samples import CONTENTS
from msgspec.structs import asdict, replace

from tasks.backup.running_instance import RunningInstance
from tasks.backup.schema_check import refuse_other_schema
from tasks.backup.staging import refuse_other_engine, require_room
from tasks.commands.drill import network_at
from tasks.commands.restore import chosen
from tasks.config.make import make_instance
from tasks.config.schema import with_defaults
from tasks.errors import DatabaseError, ResourceError, UsageError
from tasks.host.process import Completed
from tasks.model.archive import Archive, Trigger, sealed, sidecar_text
from tasks.model.instance import Instance
from tasks.model.layout import OUTBOUND_SETTINGS
from tasks.workflows.drill_site import DrillNetwork, drill_instance, isolated_network


def instance(tmp_path: Path, **changes: Any) -> Instance:
    document = {
        "deployment": {"instance_id": "vikunja-main"},
        "lxc": {"name": "tasks"},
        "network": {
            "bridge": "br0",
            "ip_address": "10.0.0.5/24",
            "gateway": "10.0.0.1",
            "domain": "tasks.example.org",
        },
        "git": {"repository": "https://example.org/vikunja.git"},
        "database": {"type": "sqlite"},
        "backup": {"directory": str(tmp_path / "backups")},
        "admin": {"email": "admin@example.org"},
        **changes,
    }
    return make_instance(with_defaults(document, tmp_path), tmp_path / "config.yaml")


def running(tmp_path: Path) -> RunningInstance:
    gathered = cast(Any, None)
    return RunningInstance(instance(tmp_path), "blue", "v1.1.0", "1" * 40, gathered, 0)


def test_an_archive_of_another_engine_is_refused(tmp_path: Path) -> None:
    refuse_other_engine(CONTENTS, instance(tmp_path))
    with pytest.raises(DatabaseError, match="of PostgreSQL, and this instance uses SQLite"):
        refuse_other_engine(replace(CONTENTS, database_type="postgresql"), instance(tmp_path))


def test_the_same_migrations_in_any_order_are_restored_whatever_the_version(tmp_path: Path) -> None:
    refuse_other_schema(CONTENTS, running(tmp_path), ["1", "2"], ["2", "1"])


def test_a_database_that_would_be_migrated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"v1\.1\.0 would run 2 migrations on it") as refused:
        refuse_other_schema(CONTENTS, running(tmp_path), ["1"], ["1", "2", "3"])
    assert "--allow-version" in refused.value.hint


def test_a_database_that_is_ahead_is_refused_even_if_it_also_lacks_some(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"through 1 migrations that v1\.1\.0 does not know"):
        refuse_other_schema(CONTENTS, running(tmp_path), ["1", "9"], ["1", "2"])


def test_what_serves_takes_its_own_archive_though_the_live_database_lost_its_migrations(
    tmp_path: Path,
) -> None:
    own = replace(CONTENTS, vikunja_version="v1.1.0", vikunja_commit="1" * 40)
    refuse_other_schema(own, running(tmp_path), ["1", "2"], [])
    with pytest.raises(DatabaseError, match="does not know"):
        refuse_other_schema(replace(own, vikunja_commit="2" * 40), running(tmp_path), ["1"], [])
    with pytest.raises(DatabaseError, match="does not know"):
        refuse_other_schema(own, running(tmp_path), ["1", "9"], ["1", "2"])


def test_room_for_what_lies_beside_is_asked_for_before_it_is_needed() -> None:
    class Disk:
        def run(self, argv: list[str]) -> Completed:
            return Completed(tuple(argv), 0, b"Avail\n1000000000\n", b"")

    container = cast(Any, Disk())
    large = replace(CONTENTS, database_size_bytes=100_000_000, files_size_bytes=700_000_000)
    require_room(large, container, "one")
    with pytest.raises(ResourceError, match=r"may need 1\.1 GB .*, and 1\.0 GB are free"):
        require_room(replace(large, database_size_bytes=150_000_000), container, "one")
    # Attachments on a disk of their own come to lie there beside those that are.
    more = replace(large, files_size_bytes=960_000_000, database_size_bytes=-50_000_000)
    with pytest.raises(ResourceError, match=r"may need 1\.0 GB") as caught:
        require_room(more, container, "one", "/srv/vikunja/files")
    assert caught.value.hint.startswith("Enlarge the disk of /srv/vikunja,")


def put(folder: Path, epoch: int, trigger: Trigger) -> Archive:
    archive = Archive(epoch, folder)
    folder.mkdir(parents=True, exist_ok=True)
    archive.path.write_bytes(b"archive")
    metadata = sealed(replace(CONTENTS, backup_trigger=trigger), 7, "0" * 64)
    archive.sidecar.write_bytes(sidecar_text(metadata))
    return archive


def test_latest_is_the_newest_that_no_restore_has_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    desired = instance(tmp_path)
    folder = tmp_path / "backups/vikunja-main"
    with pytest.raises(ResourceError, match="no backup"):
        chosen(desired, "latest")
    put(folder, 1, "scheduled")
    wanted = put(folder, 2, "manual")
    before = put(folder, 3, "restore")
    assert chosen(desired, "latest") == wanted
    assert chosen(desired, before.name) == before
    assert chosen(desired, f"backups/vikunja-main/{wanted.name}").path == wanted.path
    with pytest.raises(ResourceError, match="no such archive"):
        chosen(desired, "4.tar.gz")
    with pytest.raises(UsageError, match="needs --from"):
        chosen(desired, "")


def test_a_drills_instance_shares_nothing_that_others_could_notice(tmp_path: Path) -> None:
    password = tmp_path / "password"
    original = instance(
        tmp_path,
        database={"type": "postgresql", "host": "10.0.0.9", "password_file": str(password)},
        vikunja={"environment": {"VIKUNJA_MAILER_ENABLED": "true", "VIKUNJA_X": "1"}},
    )
    network = isolated_network(original.id, Path("/"))
    drilled = drill_instance(original, network)
    assert (drilled.id, drilled.container_name) == ("vikunja-main-drill", "tasks-drill")
    assert ip_interface(drilled.network.ip_address).network != original.network.interface.network
    assert ip_interface(network.address).ip in ip_interface("198.18.0.0/15").network
    assert ip_interface(network.gateway or "").ip in ip_interface(network.address).network
    assert len(network.bridge) <= 15
    assert drilled.database.inside and drilled.database.password_file is None
    assert drilled.database.name == original.database.name
    environment = drilled.vikunja.environment
    assert environment["VIKUNJA_X"] == "1"
    quiet = {f"VIKUNJA_{name}" for name in OUTBOUND_SETTINGS} - {"VIKUNJA_REDIS_ENABLED"}
    assert {name for name, value in environment.items() if value == "false"} == quiet
    assert original.vikunja.environment["VIKUNJA_MAILER_ENABLED"] == "true"


def test_two_instances_drill_on_different_bridges() -> None:
    networks = {isolated_network(name, Path("/")) for name in ("a", "b", "c")}
    assert len({network.bridge for network in networks}) == 3


def test_a_drills_address_is_another_one_of_the_instances_network(tmp_path: Path) -> None:
    original = instance(tmp_path)
    wanted = DrillNetwork("br0", "10.0.0.77/24", "10.0.0.1")
    assert network_at(original, "10.0.0.77/24") == network_at(original, "10.0.0.77") == wanted
    assert network_at(original, "") is None
    for wrong in ("10.0.0.5", "10.0.1.7/24", "10.0.0.7/25", "nonsense"):
        with pytest.raises(UsageError, match=f"--address {wrong}"):
            network_at(original, wrong)


def test_what_is_noted_of_a_drill_is_read_again(tmp_path: Path) -> None:
    from tasks.errors import DeployError
    from tasks.model import last_drill
    from tasks.paths import Paths

    paths = Paths(tmp_path)
    assert last_drill.read(paths, "one") is None
    went = last_drill.LastDrill("2025-01-01T00:00:00Z", "1.tar.gz", "v1", 10, 2, 1.5, 20.0)
    last_drill.write(paths, "one", went)
    assert last_drill.read(paths, "one") == went
    path = paths.last_drill("one")
    path.write_text(json.dumps({**asdict(went), "rows": -1}))
    with pytest.raises(DeployError, match="rows"):
        last_drill.read(paths, "one")

"""The status as metrics: read by Prometheus's own parsers, strictly and as node_exporter does."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text_format
from standing_samples import COMMIT, NEW, NOW, RUNNING

from tasks.commands.status import Evaluation, write_metrics
from tasks.errors import DeployError
from tasks.model.last_drill import LastDrill
from tasks.status import health
from tasks.status.facts import Standing
from tasks.status.metrics import metrics
from tasks.status.notes import notes
from tasks.status.view import resource_lines

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def document(standing: Standing) -> dict[str, object]:
    return health.document(standing, notes(standing, NOW), NOW)


def read(*standings: Standing) -> Samples:
    """Name without its prefix and labels but the instance's → value; as both parsers say."""
    text = metrics((one, document(one)) for one in standings).decode()
    found: list[Samples] = []
    for parser in (openmetrics, text_format):
        samples = [sample for family in parser(text) for sample in family.samples]
        assert all(name.startswith("vikunja_deploy_") for name, *_ in samples)
        found.append(
            {
                (
                    one.name.removeprefix("vikunja_deploy_"),
                    tuple(sorted((k, v) for k, v in one.labels.items() if k != "instance_id")),
                ): one.value
                for one in samples
            }
        )
    assert found[0] == found[1]
    return found[0]


def test_what_serves_is_measured_in_prometheus_s_own_units() -> None:
    found = read(RUNNING)
    assert found["checked_timestamp_seconds", ()] == NOW.timestamp()
    assert found["status", (("status", "healthy"),)] == 1
    assert found["status", (("status", "degraded"),)] == 0
    backend = (("component", "backend"),)
    assert found["component_status", (*backend, ("status", "healthy"))] == 1
    assert found["response_seconds", backend] == 0.045
    assert found["component_uptime_seconds", backend] == 3600
    release = (("color", "blue"), ("commit", COMMIT[:10]), ("version", "v1.2.0"))
    assert found["release_info", release] == 1
    assert found["memory_bytes", (("state", "used"),)] == 512 * 1024**2
    assert found["disk_bytes", (("state", "available"),)] == 15 * 1024**3
    assert found["findings", (("level", "error"),)] == 0
    inside = RUNNING.inside
    assert inside is not None and inside.certificate_until is not None
    until = inside.certificate_until.timestamp()
    assert found["certificate_expiry_timestamp_seconds", ()] == until
    state = RUNNING.state
    assert state is not None
    (operation,) = (labels for name, labels in found if name.startswith("last_operation"))
    assert operation == (("operation", state.last_operation), ("outcome", "success"))


def test_attachments_on_a_disk_of_their_own_have_a_series_and_no_other() -> None:
    assert not [name for name, _ in read(RUNNING) if name.startswith("attachments")]
    inside = RUNNING.inside
    assert inside is not None and inside.measured is not None
    usage = replace(
        inside.measured.usage, attachments_used_bytes=0, attachments_available_bytes=2 * 1024**3
    )
    measured = replace(inside.measured, usage=usage)
    own = replace(RUNNING, inside=replace(inside, measured=measured))
    found = read(own)
    assert found["attachments_disk_bytes", (("state", "available"),)] == 2 * 1024**3
    shown = dict(resource_lines(document(own)))
    assert shown["Attachments' disk"] == "2.0 GB free of 2.0 GB"
    assert "Attachments' disk" not in dict(resource_lines(document(RUNNING)))


def test_backups_and_drills_are_moments() -> None:
    backups = RUNNING.backups
    assert backups is not None and backups.newest is not None
    found = read(RUNNING)
    assert found["backups", ()] == backups.count
    assert NOW.timestamp() - found["last_backup_timestamp_seconds", ()] > 0
    drill = LastDrill("2025-10-19T10:30:00Z", "1729338000.tar.gz", "v1.0.0", 12, 3, 4.2, 31.0)
    found = read(replace(RUNNING, drill=drill))
    assert NOW.timestamp() - found["last_drill_timestamp_seconds", ()] == 5400
    assert found["last_drill_restore_seconds", ()] == 4.2


def test_what_is_not_known_has_no_series() -> None:
    found = read(NEW)
    assert found["status", (("status", "unknown"),)] == 1
    names = {name for name, _ in found}
    assert not names & {"response_seconds", "memory_bytes", "last_backup_timestamp_seconds"}


def test_several_instances_share_a_file_that_is_whole_or_as_before(tmp_path: Path) -> None:
    other = replace(RUNNING, instance_id='vikunja-"o\\ther')
    found = [Evaluation(one, (), document(one), NOW) for one in (RUNNING, other)]
    file = tmp_path / "vikunja.prom"
    write_metrics(found, file)
    text = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o644
    ids = {s.labels["instance_id"] for f in openmetrics(text) for s in f.samples}  # type: ignore[no-untyped-call]
    assert ids == {"vikunja-main", 'vikunja-"o\\ther'}
    (tmp_path / "folder.prom").mkdir()
    with pytest.raises(DeployError, match="cannot be written"):
        write_metrics(found, tmp_path / "folder.prom")
    # A name that no collector takes for one of its files.
    assert {one.name for one in tmp_path.glob("*.prom")} == {"vikunja.prom", "folder.prom"}

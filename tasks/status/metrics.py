"""How instances are, as metrics: OpenMetrics text, for node_exporter's textfile collector. Pure.

Gauges alone: of OpenMetrics, that is what its parser reads as well. Moments are Unix seconds, as
Prometheus wants them: `time() - …` is an age.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.exposition import generate_latest

from tasks.status.facts import Standing
from tasks.status.view import version_of

STATUSES = ("healthy", "degraded", "unhealthy", "unknown")
ID = "instance_id"


class Metrics:
    """What is measured of every instance, to be filled one by one."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._checked = self._gauge(
            "checked_timestamp_seconds", "When this was measured, or tried to be."
        )
        self._status = self._gauge(
            "status", "1 for the state that the instance is in, 0 for the others.", "status"
        )
        self._component = self._gauge(
            "component_status",
            "1 for the state that a part of the instance is in, 0 for the others.",
            "component",
            "status",
        )
        self._response = self._gauge(
            "response_seconds", "How long a part took to answer its health check.", "component"
        )
        self._uptime = self._gauge(
            "component_uptime_seconds", "For how long a part has run.", "component"
        )
        self._release = self._gauge(
            "release_info", "What serves; always 1.", "version", "commit", "color"
        )
        self._certificate = self._gauge(
            "certificate_expiry_timestamp_seconds", "When the certificate ends."
        )
        self._backups = self._gauge("backups", "Backups that are kept.")
        self._backup = self._gauge(
            "last_backup_timestamp_seconds", "When the newest backup was begun."
        )
        self._backup_size = self._gauge("last_backup_size_bytes", "Size of the newest backup.")
        self._verified = self._gauge(
            "last_verified_timestamp_seconds", "When the newest backup was begun that was verified."
        )
        self._drill = self._gauge(
            "last_drill_timestamp_seconds", "When a backup was last proven by restoring it."
        )
        self._restore = self._gauge(
            "last_drill_restore_seconds", "How long that took, to a healthy answer."
        )
        self._memory = self._gauge(
            "memory_bytes", "Memory of the container that is used, and available.", "state"
        )
        self._disk = self._gauge(
            "disk_bytes", "Disk of the container that is used, and available.", "state"
        )
        self._attachments = self._gauge(
            "attachments_disk_bytes",
            "Disk that attachments have of their own: what is used of it, and available.",
            "state",
        )
        self._operation = self._gauge(
            "last_operation_timestamp_seconds",
            "When the last operation began or ended, and how it stands.",
            "operation",
            "outcome",
        )
        self._pending = self._gauge(
            "pending_updates", "Packages of the container that have a newer version.", "kind"
        )
        self._held = self._gauge("held_packages", "Packages that are held back from updates.")
        self._updated = self._gauge(
            "last_updates_timestamp_seconds",
            "When the container last took updates by itself, and how that ended.",
            "outcome",
        )
        self._support = self._gauge(
            "release_support_end_timestamp_seconds",
            "When security updates of the container's Debian end.",
            "release",
        )
        self._restart = self._gauge(
            "machine_restart_pending", "1 where the container's machine waits for a restart."
        )
        self._findings = self._gauge("findings", "What there is to say of the instance.", "level")

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, (ID, *labels), namespace="vikunja_deploy", registry=self._registry)

    def add(self, standing: Standing, health: Mapping[str, Any]) -> None:
        """health: the document of data-model.md. What is not known has no series."""
        name = standing.instance_id
        self._checked.labels(name).set(_moment(health["timestamp"]))
        for status in STATUSES:
            self._status.labels(name, status).set(health["overall_status"] == status)
        for component, found in health["components"].items():
            for status in STATUSES:
                self._component.labels(name, component, status).set(found["status"] == status)
            if milliseconds := found.get("response_time_ms"):
                self._response.labels(name, component).set(milliseconds / 1000)
            if (uptime := found.get("uptime_seconds")) is not None:
                self._uptime.labels(name, component).set(uptime)
        self._release.labels(name, *version_of(standing)).set(1)
        until = health["components"].get("frontend", {}).get("certificate_until")
        if until:
            self._certificate.labels(name).set(_moment(until))
        self._add_backups(name, health["backups"])
        self._add_resources(name, health["resources"])
        self._add_packages(name, health)
        if standing.state is not None:
            state = standing.state
            outcome = "interrupted" if standing.interrupted else state.last_operation_status
            self._operation.labels(name, state.last_operation, outcome).set(
                _moment(state.last_operation_time)
            )
        for level in ("warnings", "errors"):
            self._findings.labels(name, level.removesuffix("s")).set(len(health[level]))

    def _add_backups(self, name: str, found: Mapping[str, Any] | None) -> None:
        if found is None:
            return
        self._backups.labels(name).set(found["count"])
        if found["last_backup"]:
            self._backup.labels(name).set(_moment(found["last_backup"]))
        if found["last_size_bytes"] is not None:
            self._backup_size.labels(name).set(found["last_size_bytes"])
        if found["last_verified"]:
            self._verified.labels(name).set(_moment(found["last_verified"]))
        if drill := found["last_drill"]:
            self._drill.labels(name).set(_moment(drill["drilled_at"]))
            self._restore.labels(name).set(drill["restore_seconds"])

    def _add_resources(self, name: str, found: Mapping[str, Any]) -> None:
        for gauge, key, unit in (
            (self._memory, "memory_{}_mb", 1024**2),
            (self._disk, "disk_{}_gb", 1024**3),
            (self._attachments, "attachments_{}_gb", 1024**3),
        ):
            for state in ("used", "available"):
                value = found.get(key.format(state))
                if value is not None:
                    gauge.labels(name, state).set(value * unit)

    def _add_packages(self, name: str, health: Mapping[str, Any]) -> None:
        # A document of an older version has neither.
        if (pending := health.get("restart_pending")) is not None:
            self._restart.labels(name).set(pending)
        if (found := health.get("packages")) is None:
            return
        for kind, key in (("all", "pending"), ("security", "pending_security")):
            if found[key] is not None:
                self._pending.labels(name, kind).set(found[key])
        self._held.labels(name).set(len(found["held"]))
        if found["updated_at"]:
            outcome = "failure" if found["update_failure"] else "success"
            self._updated.labels(name, outcome).set(_moment(found["updated_at"]))
        if found["supported_until"]:
            # The whole of that day.
            end = _moment(f"{found['supported_until']}T23:59:59+00:00")
            self._support.labels(name, found["release"]).set(end)

    def text(self) -> bytes:
        made: bytes = generate_latest(self._registry)  # type: ignore[no-untyped-call]
        return made


def metrics(found: Iterable[tuple[Standing, Mapping[str, Any]]]) -> bytes:
    """The whole file, of standings with their health documents."""
    made = Metrics()
    for standing, health in found:
        made.add(standing, health)
    return made.text()


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()

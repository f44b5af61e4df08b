"""The health document of data-model.md: what the last check of an instance measured."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from tasks.model.fields import Count, InstanceId, Text, UtcTime
from tasks.model.instance import DatabaseType
from tasks.model.last_drill import LastDrill

Status = Literal["healthy", "degraded", "unhealthy", "unknown"]

ContainerState = Literal["running", "stopped", "absent", "foreign", "unknown"]

Milliseconds = Annotated[int, Meta(ge=1)]
HttpCode = Annotated[int, Meta(ge=100, le=599)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Size = Annotated[float, Meta(ge=0)]


class _Part(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class ContainerHealth(_Part, frozen=True, kw_only=True):
    status: Status
    state: ContainerState


class Checks(_Part, frozen=True, kw_only=True):
    database: Literal["connected", "disconnected"]
    redis: Literal["connected", "disconnected", "not used"]
    filesystem: Literal["writable", "not writable"]


class BackendHealth(_Part, frozen=True, kw_only=True):
    status: Status
    response_time_ms: Milliseconds | None
    http_code: HttpCode | None
    version: Text | None
    uptime_seconds: Count | None
    checks: Checks


class FrontendHealth(_Part, frozen=True, kw_only=True):
    """The page itself, through nginx."""

    status: Status
    response_time_ms: Milliseconds | None
    http_code: HttpCode | None
    nginx_status: Text
    certificate_until: UtcTime | None = None


class McpHealth(_Part, frozen=True, kw_only=True):
    status: Status
    response_time_ms: Milliseconds | None
    http_code: HttpCode | None
    version: Text | None
    uptime_seconds: Count | None


class DatabaseHealth(_Part, frozen=True, kw_only=True):
    status: Status
    type: DatabaseType
    size_mb: Size | None
    connections: Count | None
    version: Text | None = None


class RedisHealth(_Part, frozen=True, kw_only=True):
    status: Status
    uptime_seconds: Count | None


class Components(_Part, frozen=True, kw_only=True):
    """Those that the instance has and that could be looked at."""

    container: ContainerHealth | UnsetType = UNSET
    backend: BackendHealth | UnsetType = UNSET
    frontend: FrontendHealth | UnsetType = UNSET
    mcp: McpHealth | UnsetType = UNSET
    database: DatabaseHealth | UnsetType = UNSET
    redis: RedisHealth | UnsetType = UNSET


class ResourcesUsed(_Part, frozen=True, kw_only=True):
    cpu_percent: Percent | None
    memory_used_mb: Count | None
    memory_available_mb: Count | None
    disk_used_gb: Size | None
    disk_available_gb: Size | None
    attachments_used_gb: Size | UnsetType = UNSET
    """Of the disk that attachments have of their own; not there where they have none."""
    attachments_available_gb: Size | UnsetType = UNSET


class BackupsHealth(_Part, frozen=True, kw_only=True):
    count: Count
    last_backup: UtcTime | None
    last_size_bytes: Count | None
    last_verified: UtcTime | None
    last_drill: Annotated[
        LastDrill | None,
        Meta(
            description="The last that went well: how long from the archive to a healthy answer, "
            "and what was proven."
        ),
    ] = None


class PackagesHealth(_Part, frozen=True, kw_only=True):
    """Of the container's own Debian. pending, pending_security: as its lists of packages tell."""

    release: Text | None
    supported_until: Text | None
    pending: Count | None
    pending_security: Count | None
    held: list[Text]
    outdated: list[Text]
    updated_at: UtcTime | None
    update_failure: Text | None


class HealthFinding(_Part, frozen=True, kw_only=True):
    component: Text
    what: Text
    hint: str


class HealthDocument(_Part, frozen=True, kw_only=True):
    """/var/lib/vikunja-deploy/health/ID.json: what the last ./doit status measured. Good for 60
    seconds. Null: not known."""

    instance_id: InstanceId
    timestamp: UtcTime
    overall_status: Status
    components: Components
    resources: ResourcesUsed
    backups: Annotated[
        BackupsHealth | None,
        Meta(description="Null where the configuration that names their folder was not loaded."),
    ] = None
    packages: Annotated[
        PackagesHealth | None,
        Meta(description="Null where nobody could look into the container."),
    ] = None
    restart_pending: Annotated[
        bool | None,
        Meta(description="The machine that the container is on waits for a restart."),
    ] = None
    warnings: list[HealthFinding]
    errors: list[HealthFinding]

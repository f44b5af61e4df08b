"""How secrets reach the backend: by its version, as the launcher reads it where it starts."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess, run

import pytest
from instance_samples import sample_instance

from tasks.desired.rendering import render
from tasks.desired.system import templated
from tasks.model.layout import backend_launcher

OLD, NEW = "SERVICE_JWTSECRET", "SERVICE_SECRET"
SECRETS = {
    "service-secret": "one two",
    "db-password": "p'w\"",
    "redis-password": "r$w",
    "VIKUNJA_MAILER_PASSWORD": "m\\n w",
}


def launched(tmp_path: Path, release: str | None, secrets: str) -> CompletedProcess[bytes]:
    """Run the launcher of a color that holds this version; instead of a backend, `env`."""
    instance = sample_instance(
        database={"type": "mysql"},
        redis={"enabled": True},
        vikunja={"secrets": secrets, "secret_files": {"VIKUNJA_MAILER_PASSWORD": "/secret/m"}},
    )
    launcher = backend_launcher("blue")
    text = render(instance, templated(instance))[launcher].content.decode()
    if release is not None:
        (tmp_path / ".release").write_text(f"{'0' * 64} {release} - 5\n")
    text = text.replace("/etc/vikunja/secrets/blue", str(tmp_path))
    text = text.replace("/opt/vikunja/backend/blue", str(tmp_path))
    return run(["sh", "-c", text, "sh", "env"], env={"PATH": "/usr/bin:/bin"}, capture_output=True)


def started(tmp_path: Path, release: str | None, secrets: str = "auto") -> dict[str, str]:
    """The variables that a backend of this version gets; `FILE` for one that names the file."""
    for name, value in SECRETS.items():
        (tmp_path / name).write_text(f"{value}\n")
    done = launched(tmp_path, release, secrets)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    found = dict(line.split("=", 1) for line in lines if line.startswith("VIKUNJA_"))
    for name in SECRETS:
        found = {k: "FILE" if v == str(tmp_path / name) else v for k, v in found.items()}
    return {name.removeprefix("VIKUNJA_"): value for name, value in found.items()}


def by_files(*names: str) -> dict[str, str]:
    every = (*names, "DATABASE_PASSWORD", "REDIS_PASSWORD", "MAILER_PASSWORD")
    return {f"{name}_FILE": "FILE" for name in every}


def by_value(*names: str) -> dict[str, str]:
    return {
        **dict.fromkeys(names, "one two"),
        "DATABASE_PASSWORD": "p'w\"",
        "REDIS_PASSWORD": "r$w",
        "MAILER_PASSWORD": "m\\n w",
    }


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("v0.24.6", by_value(OLD)),
        ("0.24.6", by_value(OLD)),
        ("v0.24.1-457-g1db1333d8a", by_value(OLD)),
        ("v1.0.0-rc0", by_files(OLD)),
        ("1.0.0", by_files(OLD)),
        ("v2.2.2", by_files(OLD)),
        ("v2.2.2-45-g83bac15840", by_files(OLD, NEW)),
        ("v2.3.0", by_files(NEW)),
        ("v2.5.0-12-g0123456789", by_files(NEW)),
        ("v2.10.0", by_files(NEW)),
        ("v10.0.1", by_files(NEW)),
        ("83bac15840", by_value(OLD, NEW)),
        ("2025.10.1", by_value(OLD, NEW)),
        ("mcp-v3.1.0", by_value(OLD, NEW)),
        (None, by_value(OLD, NEW)),
    ],
)
def test_a_version_gets_its_secrets_as_it_reads_them(
    tmp_path: Path, version: str | None, expected: dict[str, str]
) -> None:
    assert started(tmp_path, version) == expected


def test_what_is_configured_counts_for_how_but_not_for_the_name(tmp_path: Path) -> None:
    assert started(tmp_path, "v2.5.0", "environment") == by_value(NEW)
    assert started(tmp_path, "83bac15840", "files") == by_files(OLD, NEW)


def test_a_secret_that_is_not_there_lets_nothing_start(tmp_path: Path) -> None:
    done = launched(tmp_path, "v0.24.6", "auto")

    assert (done.returncode != 0, done.stdout) == (True, b"")
    assert b"service-secret" in done.stderr

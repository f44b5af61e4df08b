"""The journey of a user: deploy, look, edit, apply; with every database; two at once; secrets."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from inside import Inside
from journey import DOIT, Site, new_site

from bench.support.clients import Clients
from tasks.config import load_instances
from tasks.paths import Paths
from tasks.planning.inspection import inspect
from tasks.resources.migration import recorded

CANARY = "canary-7f3a91c2e5"


@pytest.fixture(scope="module")
def first_apply(lab_paths: Paths, lab_network: object) -> tuple[Site, str]:
    """A site that was deployed, and what was said of that."""
    site = new_site(lab_paths, lab_network, "journey")
    return site, site.run("apply", "--yes").stderr


@pytest.fixture(scope="module")
def site(first_apply: tuple[Site, str]) -> Site:
    return first_apply[0]


def curl(site: Site, path: str, *options: str) -> str:
    argv = ["curl", "-sk", "--max-time", "10", *options, f"https://{site.address}{path}"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def clients(site: Site) -> Clients:
    # By its address, which it answers for under every domain.
    load = Clients(site.address, site.address)
    return load.keep_alive(2, 0.05).new_connections(1, 0.1)


def test_a_first_apply_serves_the_application_over_https(site: Site) -> None:
    assert '<div id="app">' in curl(site, "/")
    assert json.loads(curl(site, "/api/v1/info"))["version"] == "v1.0.0"


def test_a_first_apply_ends_with_how_somebody_comes_to_log_in(
    first_apply: tuple[Site, str],
) -> None:
    site, said = first_apply
    assert said.splitlines()[-1] == (
        f"Nobody can log in yet: ./doit user {site.id} --config {site.file} add NAME --email E"
    )
    assert "log in" not in site.run("apply", "--yes").stderr


def test_the_plan_after_an_apply_is_empty(site: Site) -> None:
    shown = site.run("plan", "--detailed-exitcode")
    assert shown.stdout == f"Nothing to do: {site.id} is up to date.\n"
    assert site.run("apply", "--yes").stdout == shown.stdout


def test_another_domain_changes_exactly_what_depends_on_it(site: Site) -> None:
    site.edit({"network": {"domain": "moved.example.com"}})
    site.run("plan", "--detailed-exitcode", code=2)
    planned = site.addresses()
    assert [address for address in planned if not address.startswith("record:")] == [
        "release:green",
        "file:/etc/vikunja/environment.green",
        "file:/etc/systemd/system/vikunja-backend@green.service",
        "file:/usr/local/lib/vikunja/backend.green",
        "color-secrets:green",
        "systemd:unit-files-of-green",
        "unit:vikunja-backend@green.service",
        "file:/etc/nginx/conf.d/vikunja.conf",
        "self-signed-certificate:/etc/vikunja/tls/self-signed",
        "unit:nginx.service",
        "color:active",
        "health:site",
        "link:/etc/vikunja/environment",
        "unit:vikunja-backend@blue.service",
        "file:/etc/vikunja/environment.blue",
        "retired-secrets:blue",
    ]
    before = len(site.done())
    with clients(site) as load:
        site.run("apply", "--yes")
        load.one_more()
    assert load.tally.failures == [] and load.tally.of("new")
    assert Inside(site).serving == "green"
    executed = [message.partition(" ")[2] for message in site.done()[before:]]
    assert executed == planned
    assert "moved.example.com" in json.loads(curl(site, "/api/v1/info"))["frontend_url"]
    assert site.addresses() == []


def test_resources_change_in_place_without_a_restart(site: Site) -> None:
    running_since = curl(site, "/api/v1/info")
    site.edit({"resources": {"memory_mb": 3072, "cpu_cores": 1}})
    assert [a for a in site.addresses() if not a.startswith("record:")] == [f"container:{site.id}"]
    site.run("apply", "--yes")
    assert site.addresses() == []
    assert curl(site, "/api/v1/info") == running_since


GIVEN = Path(__file__).parent.parent / "unit" / "config" / "files"


def test_other_ports_another_certificate_and_another_address_serve_after_the_next_apply(
    site: Site, lab_network: Any
) -> None:
    before = curl(site, "/api/v1/info")
    pair = {"ssl_cert": str(GIVEN / "good.pem"), "ssl_key": str(GIVEN / "good.key")}
    site.edit(
        {
            "services": {
                "backend": {"port_blue": 3556},
                "frontend": {"port": 8080, "ssl_port": 8443, **pair},
            }
        }
    )
    stops = {e["address"].partition("/")[2]: e["interrupts"] for e in site.plan()}
    assert {"unit:vikunja-backend@blue.service", "unit:nginx.service"} <= stops.keys()
    assert set(stops.values()) == {""}
    site.run("apply", "--yes")
    inside = Inside(site)
    assert inside.serving == "blue"
    assert '"v1.0.0"' in inside.run("curl", "-s", "http://127.0.0.1:3556/api/v1/info")
    moved = json.loads(curl(site, ":8443/api/v1/info"))
    assert moved["frontend_url"].endswith(":8443/")
    served = ssl.get_server_certificate((site.address, 8443))
    given = Path(pair["ssl_cert"]).read_text()
    assert ssl.PEM_cert_to_DER_cert(served) == ssl.PEM_cert_to_DER_cert(given)
    assert site.addresses() == []
    site.edit({"services": None, "network": {"ip_address": lab_network.free_address()}})
    stops = {e["address"].partition("/")[2]: e["interrupts"] for e in site.plan()}
    assert stops[f"running:{site.id}"] == "the site, while it restarts"
    site.run("apply", "--yes")
    assert inside.serving == "green"
    assert curl(site, "/api/v1/info") == before
    assert site.addresses() == []


def test_a_saved_plan_is_refused_once_the_configuration_moved(site: Site, tmp_path: Path) -> None:
    site.edit({"vikunja": {"registration": True}})
    saved = tmp_path / "plan.json"
    site.run("plan", "--out", str(saved))
    site.edit({"vikunja": {"max_upload_mb": 40}})
    refused = site.run("apply", "--plan", str(saved), code=21)
    assert "vikunja.max_upload_mb" in refused.stderr
    site.run("plan", "--out", str(saved))
    site.run("apply", "--plan", str(saved))
    assert site.addresses() == []


def test_the_second_of_two_applies_names_the_first(site: Site) -> None:
    site.edit({"vikunja": {"max_upload_mb": 41}})
    argv = [str(DOIT), "apply", "--yes", "--config", str(site.file)]
    first = subprocess.Popen(argv, env=site.environment, stderr=subprocess.PIPE, text=True)
    assert first.stderr is not None
    for line in first.stderr:
        if f"{site.id}  " in line:
            break
    second = site.run("apply", "--yes", code=5)
    first.stderr.read()
    assert first.wait(timeout=120) == 0
    assert "reconfigure by root@" in second.stderr
    assert f"pid {first.pid}" in second.stderr
    assert "since 20" in second.stderr
    assert site.addresses() == []


# Every database


class Sampler(threading.Thread):
    """Reads the arguments of every process on the machine, again and again."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stop = threading.Event()
        self.seen: set[bytes] = set()

    def run(self) -> None:
        while not self.stop.wait(0.002):
            for process in Path("/proc").iterdir():
                if not process.name.isdigit():
                    continue
                try:
                    self.seen.add((process / "cmdline").read_bytes())
                except OSError:
                    continue


def start_sampling() -> Sampler:
    sampler = Sampler()
    sampler.start()
    return sampler


def secrets_of(site: Site) -> list[bytes]:
    """The secrets that live in the container."""
    root = site.paths.lxc / site.id
    found = []
    for folder in root.rglob("etc/vikunja/secrets"):
        found += [path.read_bytes().strip() for path in folder.iterdir() if path.is_file()]
    return [secret.split()[-1] for secret in found if secret]


def assert_kept(site: Site, sampler: Sampler, said: str) -> None:
    """No secret in an argument, in what the tool said or logged, or where others can read."""
    secrets = secrets_of(site)
    assert secrets
    for secret in secrets:
        assert not [argv for argv in sampler.seen if secret in argv]
        assert secret.decode() not in said
        assert secret.decode() not in site.log()
        holders = [*site.paths.library.rglob("*"), *(site.paths.lxc / site.id).rglob("etc/**/*")]
        for path in holders:
            if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o004:
                assert secret not in path.read_bytes(), path


def add_task(site: Site) -> list[dict[str, Any]]:
    curl(site, "/api/v1/tasks", "-d", json.dumps({"title": "kept"}))
    tasks: list[dict[str, Any]] = json.loads(curl(site, "/api/v1/tasks"))
    return tasks


@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
def test_a_database_inside_with_redis_and_mcp(
    engine: str, lab_paths: Paths, lab_network: object
) -> None:
    site = new_site(
        lab_paths,
        lab_network,
        engine,
        database={"type": engine},
        redis={"enabled": True},
        services={"mcp": {"enabled": True}},
    )
    sampler = start_sampling()
    applied = site.run("apply", "--yes")
    planned = site.run("plan", "--detailed-exitcode", "--diff")
    sampler.stop.set()
    sampler.join()
    assert [task["title"] for task in add_task(site)] == ["kept"]
    assert_kept(site, sampler, applied.stdout + applied.stderr + planned.stdout)
    assert "Nothing to do" in planned.stdout


@pytest.fixture(scope="module")
def database_host(make_container: Any) -> Any:
    """A container with a PostgreSQL and a MariaDB server that an administrator looks after."""
    container = make_container("dbhost", memory_mb=1536)
    container.create()
    container.start()
    script = (Path(__file__).parent / "database_host.sh").read_bytes()
    container.run(["sh", "-s"], stdin=script, timeout=600)
    return container


@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
def test_a_database_outside(
    engine: str, lab_paths: Paths, lab_network: object, database_host: Any
) -> None:
    password = lab_paths.prefix / f"{engine}-password"
    password.write_text(f"{CANARY}-{engine}\n")
    password.chmod(0o600)
    admin = lab_paths.prefix / "admin-password"
    admin.write_text("lab-admin-password\n")
    admin.chmod(0o600)
    host = database_host.spec.ip_address.partition("/")[0]
    database = {"type": engine, "host": host, "user": "tasks", "name": "tasks",
                "password_file": str(password)}  # fmt: skip
    site = new_site(lab_paths, lab_network, f"out-{engine}", database=database)
    refused = site.run("apply", "--yes", code=7)
    assert "CREATE" in refused.stderr.upper()
    allowed = {"admin_user": "admin", "admin_password_file": str(admin)}
    site.edit({"database": allowed})
    sampler = start_sampling()
    applied = site.run("apply", "--yes")
    time.sleep(0.1)
    sampler.stop.set()
    sampler.join()
    assert [task["title"] for task in add_task(site)] == ["kept"]
    assert_kept(site, sampler, applied.stdout + applied.stderr)
    assert site.addresses() == []
    (instance,) = load_instances([site.file])
    assert "SCHEMA_INIT" in (recorded(inspect(instance, site.paths).facts, instance) or ())
    restored_by_whom_the_server_allows_to(site, database_host, engine)
    # To the other server outside, with another password, the old one keeps its own.
    other = {"postgresql": "mysql", "mysql": "postgresql"}[engine]
    second = lab_paths.prefix / f"{engine}-second-password"
    second.write_text(f"{CANARY}-second-{engine}\n")
    second.chmod(0o600)
    names = {"type": other, "name": f"from_{engine}", "user": f"from_{engine}"}
    site.edit({"database": {**names, "password_file": str(second), **allowed}})
    sampler = start_sampling()
    moved = site.run("apply", "--yes")
    sampler.stop.set()
    sampler.join()
    assert json.loads(curl(site, "/api/v1/tasks"))[0]["title"] == "kept"
    assert_kept(site, sampler, moved.stdout + moved.stderr)
    assert CANARY not in site.log()
    said = site.run("plan").stdout
    assert f"kept: {engine} tasks at {host}" in said and "stays on its server" in said


def restored_by_whom_the_server_allows_to(site: Site, host: Any, engine: str) -> None:
    """Without an administrator's account a restore is refused before anything changes, with the
    statement that allows it."""
    site.edit(
        {
            "database": {"admin_user": None, "admin_password_file": None},
            "backup": {"directory": str(site.paths.prefix / f"{engine}-backups")},
        }
    )
    site.run("apply", "--yes")
    site.run("backup")
    add_task(site)
    restore = ("restore", "--from", "latest", "--yes")
    refused = site.run(*restore, code=7)
    assert "make no database beside" in refused.stderr
    assert [task["title"] for task in json.loads(curl(site, "/api/v1/tasks"))] == ["kept"] * 2
    assert len(json.loads(site.run("backups", "--json").stdout)) == 1
    (statement,) = re.findall(r"has to run: (.*?;)", refused.stderr)
    client = {"postgresql": ["runuser", "-u", "postgres", "psql"], "mysql": ["mariadb"]}[engine]
    host.run(client, stdin=statement.encode())
    site.run(*restore)
    assert [task["title"] for task in json.loads(curl(site, "/api/v1/tasks"))] == ["kept"]

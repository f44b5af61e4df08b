"""What is changed by hand in a real container shows as drift, in words, and is mended."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from inside import Inside
from journey import DOIT, Site, new_site

from tasks.paths import Paths

LOGS = "/var/log/vikunja"
DROP_IN = "/etc/systemd/system/nginx.service.d/vikunja.conf"


@pytest.fixture(scope="module")
def site(lab_paths: Paths, lab_network: object) -> Iterator[Site]:
    site = new_site(lab_paths, lab_network, "drift")
    site.run("apply", "--yes")
    yield site


@pytest.fixture(scope="module")
def inside(site: Site) -> Inside:
    return Inside(site)


def shown(site: Site) -> list[str]:
    """The plan's lines about entries, without what follows from them."""
    lines = site.run("plan", "--detailed-exitcode", code=2).stdout.splitlines()
    entries = [" ".join(line.split()) for line in lines if line.startswith("  ")]
    return [line for line in entries if not line.startswith(("▸ health:", "~ record:"))]


def shown_nothing(site: Site) -> bool:
    return site.run("plan").stdout == f"Nothing to do: {site.id} is up to date.\n"


def mend(site: Site) -> None:
    site.run("apply", "--yes")
    assert shown_nothing(site)


def test_a_file_edited_by_hand_comes_back_and_its_service_takes_it_up(
    site: Site, inside: Inside
) -> None:
    inside.shell("echo 'client_max_body_size 1k;' >>/etc/nginx/conf.d/vikunja.conf")
    inside.run("systemctl", "reload", "nginx.service")
    assert shown(site) == [
        "~ file:/etc/nginx/conf.d/vikunja.conf drift: edited in the container",
        "▸ unit:nginx.service file:/etc/nginx/conf.d/vikunja.conf changes",
    ]
    diff = site.run("plan", "--diff").stdout
    assert "-client_max_body_size 1k;" in diff
    mend(site)
    assert "1k" not in inside.run("cat", "/etc/nginx/conf.d/vikunja.conf")


def test_a_stopped_unit_is_started(site: Site, inside: Inside) -> None:
    backend = inside.backend
    inside.run("systemctl", "stop", backend)
    assert shown(site) == [f"~ unit:{backend} drift: stopped", "state: inactive → active"]
    mend(site)
    assert (inside.backend, inside.active(backend)) == (backend, "active")


def test_a_disabled_unit_is_enabled(site: Site, inside: Inside) -> None:
    backend = inside.backend
    inside.run("systemctl", "disable", backend)
    assert shown(site) == [f"~ unit:{backend} drift: disabled", "enabled: disabled → enabled"]
    mend(site)
    assert inside.backend == backend
    assert inside.shell('systemctl is-enabled "$1"', backend).strip() == "enabled"


def test_a_masked_unit_is_unmasked_and_started(site: Site, inside: Inside) -> None:
    inside.run("systemctl", "mask", "--now", "nginx.service")
    assert shown(site) == ["~ unit:nginx.service drift: masked", "state: masked → active"]
    mend(site)
    assert inside.active("nginx.service") == "active"


def test_a_removed_package_is_installed_again_and_its_units_run(site: Site, inside: Inside) -> None:
    inside.shell("DEBIAN_FRONTEND=noninteractive apt-get -q -y remove logrotate >/dev/null 2>&1")
    lines = shown(site)
    assert lines[0] == "+ package:logrotate drift: removed"
    assert any(line.split()[1] == "unit:logrotate.timer" for line in lines)
    mend(site)
    assert inside.active("logrotate.timer") == "active"


def test_a_package_comes_back_though_the_lists_of_packages_were_emptied(
    site: Site, inside: Inside
) -> None:
    inside.shell("apt-get -qy purge sqlite3 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin")
    mend(site)
    assert inside.shell("command -v sqlite3")


def test_a_package_that_is_held_back_is_said_to_be(site: Site, inside: Inside) -> None:
    inside.shell("apt-get -qy purge sqlite3 && apt-mark hold sqlite3")
    refused = site.run("apply", "--yes", code=1).stderr
    assert "apt-mark unhold" in refused
    assert "package sources" not in refused
    inside.run("apt-mark", "unhold", "sqlite3")
    mend(site)


def test_packages_that_nobody_can_fetch_end_an_apply_soon_with_why(
    site: Site, inside: Inside
) -> None:
    gateway = site.document["network"]["gateway"]
    nobody = str(ip_address(gateway) + 200)
    inside.shell("apt-get -qy purge sqlite3")
    inside.run("ip", "route", "replace", "default", "via", nobody)
    begun = time.monotonic()
    said = site.run("apply", "--yes", code=6).stderr
    # Minutes of apt's own patience would be ten times that.
    assert time.monotonic() - begun < 200
    assert "the container reaches no archive of packages; nothing was installed" in said
    assert "network.gateway and network.nameservers" in said
    inside.run("ip", "route", "replace", "default", "via", gateway)
    mend(site)
    assert inside.shell("command -v sqlite3")


@pytest.mark.parametrize("chain", ["nat POSTROUTING", "filter FORWARD"])
def test_the_way_out_of_the_container_that_was_closed_is_opened_again(
    site: Site, inside: Inside, chain: str
) -> None:
    table, name = chain.split()
    bridge = site.document["network"]["bridge"]
    listed = subprocess.run(["iptables", "-t", table, "-S", name], capture_output=True, text=True)
    rules = [shlex.split(one) for one in listed.stdout.splitlines()]
    ours = [rule for rule in rules if f"vikunja-deploy:{bridge}" in rule]
    assert ours
    for rule in ours:
        subprocess.run(["iptables", "-t", table, "-D", *rule[1:]], check=True)
    assert "forwarding: no → yes" in shown(site)
    assert "lets nobody out" in site.run("check").stdout
    assert "reaches nothing outside this machine" in site.run("status").stderr
    mend(site)
    listed = subprocess.run(["iptables", "-t", table, "-S", name], capture_output=True, text=True)
    assert len([one for one in listed.stdout.splitlines() if bridge in one]) == len(ours)


def test_a_machine_that_forwards_nothing_any_more_is_seen_and_mended(
    site: Site, tmp_path: Path
) -> None:
    """As after `sysctl net.ipv4.ip_forward=0`: for the tool alone, whose own view of that file is
    another than this machine's."""
    forward = tmp_path / "ip_forward"
    forward.write_text("0\n")
    forward.chmod(0o644)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        over = 'mount --bind "$1" /proc/sys/net/ipv4/ip_forward && shift && exec "$@"'
        argv = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", over, "sh"]
        argv += [str(forward), str(DOIT), *arguments, "--config", str(site.file)]
        return subprocess.run(
            argv, env=site.environment, capture_output=True, text=True, timeout=600
        )

    assert "lets nobody out" in run("check").stdout
    assert "reaches nothing outside this machine" in run("status").stderr
    assert "forwarding: no → yes" in run("plan").stdout
    applied = run("apply", "--yes")
    assert applied.returncode == 0, applied.stderr
    assert forward.read_text() == "1\n"
    assert "reaches nothing" not in run("status").stderr
    assert json.loads(run("plan", "--json").stdout)["instances"][0]["entries"] == []


def test_a_mode_changed_by_hand_comes_back(site: Site, inside: Inside) -> None:
    inside.run("chmod", "0644", "/etc/vikunja/secrets/service-secret")
    before = inside.serving
    after = "green" if before == "blue" else "blue"
    assert shown(site)[:3] == [
        f"color: {before} → {after}, no request interrupted",
        "~ secret:/etc/vikunja/secrets/service-secret drift: mode changed",
        "mode: 0644 → 0600",
    ]
    mend(site)
    assert inside.serving == after
    secrets = (
        "/etc/vikunja/secrets/service-secret",
        f"/etc/vikunja/secrets/{after}/service-secret",
    )
    assert inside.run("stat", "-c", "%a", *secrets).split() == ["600", "600"]


def test_a_changed_drop_in_of_nginx_is_taken_up_by_a_restart(site: Site, inside: Inside) -> None:
    def started() -> str:
        return inside.run("systemctl", "show", "-p", "ExecMainPID", "--value", "nginx.service")

    def limit() -> str:
        return inside.shell("grep 'open files' /proc/$1/limits", started().strip()).split()[3]

    before = started()
    inside.shell('sed -i s/^LimitNOFILE=.*/LimitNOFILE=1024/ "$1"', DROP_IN)
    inside.shell("systemctl daemon-reload && systemctl restart nginx.service")
    assert (limit(), started() != before) == ("1024", True)
    assert f"~ file:{DROP_IN} drift: edited in the container" in shown(site)
    mend(site)
    assert limit() != "1024"
    # Its own files as they were since its start: a reload keeps it running.
    kept = started()
    inside.shell("echo '# by hand' >>/etc/nginx/nginx.conf")
    mend(site)
    assert started() == kept


@pytest.mark.parametrize(
    ("damage", "drift"),
    [
        (f"rm {LOGS}/nginx-access.log", "removed"),
        (f"rm -r {LOGS}", "absent"),
        (f"chown root: {LOGS}/nginx-access.log", "rights-changed"),
    ],
)
def test_log_files_that_are_gone_or_somebody_else_s_are_drift_and_nginx_writes_again(
    site: Site, inside: Inside, damage: str, drift: str
) -> None:
    inside.shell(damage)
    # What makes nginx reload, too.
    inside.shell("echo '# by hand' >>/etc/nginx/conf.d/vikunja.conf")
    assert any(
        line.startswith(("~ log-files:", "+ log-files:")) and line.endswith(drift)
        for line in shown(site)
    ), shown(site)
    mend(site)
    listed = inside.shell(f"cd {LOGS} && stat -c '%n %a %U %G' . *.log")
    assert listed.splitlines() == [
        ". 751 root adm",
        "backend-blue.log 640 vikunja adm",
        "backend-green.log 640 vikunja adm",
        "mcp-blue.log 640 vikunja adm",
        "mcp-green.log 640 vikunja adm",
        "nginx-access.log 640 www-data adm",
    ]
    inside.shell(f"curl -sk https://{site.address}/api/v1/info?{len(damage)} && sleep 0.5")
    assert "/api/v1/info" in inside.shell(f"tail -n 1 {LOGS}/nginx-access.log")
    inside.shell("logrotate --force /etc/logrotate.d/vikunja")
    assert shown_nothing(site)


def test_a_service_that_failed_is_brought_back(site: Site, inside: Inside) -> None:
    inside.shell("printf broken >/etc/nginx/nginx.conf && ! systemctl restart nginx.service")
    # systemd tries again and again, so it may be between two of its tries.
    assert {"state: failed → active", "state: activating → active"} & set(shown(site))
    mend(site)
    assert inside.active("nginx.service") == "active"


@pytest.mark.parametrize("lost", ["marker", "configuration"])
def test_what_was_lost_of_the_proof_is_said_and_put_back_by_adopting(
    site: Site, inside: Inside, lost: str
) -> None:
    file = site.paths.lxc / site.id / "config"
    before = file.read_text()
    if lost == "marker":
        inside.run("rm", "/etc/vikunja-deploy")
        said = f"its configuration names {site.id}, its marker /etc/vikunja-deploy is missing"
        back = "its /etc/vikunja-deploy back"
    else:
        kept = [line for line in before.splitlines() if not line.startswith("# vikunja-deploy: ")]
        file.write_text("\n".join(kept) + "\n")
        said = (
            f"its configuration names no instance, its marker /etc/vikunja-deploy names {site.id}"
        )
        back = "its line `# vikunja-deploy: instance=` of its config back"
    for command in (("plan",), ("apply", "--yes"), ("backup",), ("stop",), ("uninstall", "--yes")):
        refused = site.run(*command, code=4).stderr
        assert f"container {site.id} exists and is not proven ours: {said}" in refused
        assert f"./doit apply --adopt {site.id} puts that back" in refused
        assert "remove that" not in refused
    notes = site.run("status", "--json", code=None).stdout
    assert f"./doit apply --adopt {site.id}" in notes
    assert "apply needs --yes" in site.run("apply", "--adopt", code=3).stderr
    shown_now = site.run("apply", "--adopt", "--yes").stderr
    assert f"{site.id}: container {site.id} gets {back}" in shown_now
    assert shown_nothing(site)
    assert file.read_text() == before
    assert inside.run("cat", "/etc/vikunja-deploy") == f"{site.id}\n"
    assert inside.active(inside.backend) == "active"
    assert "Adopted: " in site.log()


def test_a_container_from_before_there_were_identities_gets_one_with_the_next_apply(
    site: Site,
) -> None:
    file = site.paths.lxc / site.id / "config"
    lines = file.read_text().splitlines()
    kept = [line for line in lines if not line.startswith("# vikunja-deploy: identity=")]
    file.write_text("\n".join(kept) + "\n")
    entries = json.loads(site.paths.registry.read_text())
    for entry in entries:
        del entry["identity"], entry["folder"]
    site.paths.registry.write_text(json.dumps(entries))
    # What it was deployed by before goes on in every other command.
    site.run("backup")
    site.run("restart")
    assert shown(site) == [
        f"~ container:{site.id} drift: identity not noted",
        "identity: not recorded → recorded",
    ]
    mend(site)
    (entry,) = [
        one for one in json.loads(site.paths.registry.read_text()) if one["instance_id"] == site.id
    ]
    assert f"# vikunja-deploy: identity={entry['identity']}\n" in file.read_text()
    assert entry["folder"] == file.parent.stat().st_ino

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from instance_samples import sample_instance

from tasks.checks import (
    backup,
    certificate,
    container,
    database,
    disk,
    host,
    lock,
    run,
    source,
)
from tasks.checks.disk import Room
from tasks.commands.check import Check, exit_code, line, summary
from tasks.containers import address_check
from tasks.containers.base import ContainerFacts, DiskNeed
from tasks.containers.lxc import DRIVER as LXC
from tasks.containers.lxc import network_check as network
from tasks.containers.lxc import preflight
from tasks.containers.lxc import template_check as template
from tasks.errors import GitError, ResourceError
from tasks.host import arp
from tasks.host.process import Completed
from tasks.host.routes import Route, parse_routes
from tasks.model.finding import MACHINE, Finding, World, from_error
from tasks.model.holder import LockInfo
from tasks.paths import PREFIX_VARIABLE, Paths

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FREE = Finding("vikunja-main", "container", "ok", "the name vikunja-main is free")
BROKEN = Finding("vikunja-main", "git", "problem", "no branch 'mian'", "nearest: main", 8)
SHORT = Finding(MACHINE, "disk", "warning", "/ has 1.0 GB free", "Watch it")
MISSING = Finding(MACHINE, "host", "problem", "no lxc", "apt-get install lxc", 4)


def world(paths: Paths = Paths(Path("/nowhere")), **changes: Any) -> World:  # noqa: B008
    return World(sample_instance(**changes), paths, lambda: COMMIT)


def reported(finding: Finding) -> tuple[str, str, str, int]:
    return finding.level, finding.what, finding.hint, finding.exit_code


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv(PREFIX_VARIABLE, str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.chdir(tmp_path)
    return Paths(tmp_path)


# The command


def test_a_finding_is_one_line_with_what_to_do() -> None:
    assert line(FREE) == "ok       vikunja-main: container: the name vikunja-main is free"
    assert line(BROKEN) == "problem  vikunja-main: git: no branch 'mian' → nearest: main"
    assert line(SHORT) == "warning  this machine: disk: / has 1.0 GB free → Watch it"


def test_the_sum_counts_each_kind() -> None:
    assert summary([FREE, BROKEN, SHORT, MISSING]) == "1 ok, 1 warning, 2 problems"
    assert summary([FREE, FREE]) == "2 ok"


def test_the_exit_code_is_the_first_problem_s() -> None:
    assert exit_code([FREE, SHORT, BROKEN, MISSING]) == 8
    assert exit_code([MISSING, BROKEN]) == 4
    assert exit_code([FREE, SHORT]) == 0


@pytest.fixture
def configured(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = paths.prefix / "config.yaml"
    file.write_text(
        "deployment: {instance_id: vikunja-main}\nlxc: {}\n"
        "network: {ip_address: 10.98.0.10/24, gateway: 10.98.0.1, domain: vikunja.example.com}\n"
        "database: {type: sqlite}\nadmin: {email: a@example.com}\n"
        "git: {repository: https://git.example.com/vikunja.git}\n"
    )
    monkeypatch.setattr(run, "check_all", lambda instances, paths: [FREE, BROKEN])
    return file


def test_findings_are_printed_and_the_first_problem_ends_it(
    configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Check().parse_execute([]) == 8
    assert capsys.readouterr().out == (
        f"ok       this machine: configuration: no problem in {configured}\n"
        "ok       vikunja-main: container: the name vikunja-main is free\n"
        "problem  vikunja-main: git: no branch 'mian' → nearest: main\n"
        "2 ok, 1 problem\n"
    )


def test_json_holds_every_finding(configured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Check().parse_execute(["--json"]) == 8
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == 8
    assert document["findings"][2] == {
        "where": "vikunja-main",
        "topic": "git",
        "level": "problem",
        "what": "no branch 'mian'",
        "hint": "nearest: main",
        "exit_code": 8,
    }


def test_all_problems_of_the_configuration_are_findings(
    configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = configured.read_text().replace("10.98.0.1,", "10.99.0.1,").replace("git:", "gti:")
    configured.write_text(text)
    assert Check().parse_execute([]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"problem  {MACHINE}: configuration: {configured.name}:")
    assert sum("network.gateway" in text for text in lines) == 1
    assert sum("gti" in text for text in lines) == 1


# All concerns together


def test_an_error_of_one_concern_hides_nothing_of_the_others(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(world: World) -> Any:
        yield FREE
        raise GitError("no branch 'mian'", where="https://git.example.com", hint="nearest: main")

    driver = SimpleNamespace(reach_checks=(("git", fails),), container_checks=())
    monkeypatch.setattr(run, "driver_of", lambda _: driver)
    monkeypatch.setattr(container, "check", lambda _: [])
    monkeypatch.setattr(run, "EVERY", (("lock", lambda world: [world.ok("lock", "free")]),))
    monkeypatch.setattr(host, "check", lambda instances, paths: [MISSING])
    monkeypatch.setattr(disk, "check", lambda worlds, paths: [SHORT])
    monkeypatch.setattr("tasks.builds.resolve_many", lambda desired: {})
    assert run.check_all([sample_instance()], paths) == [
        MISSING,
        SHORT,
        FREE,
        Finding(
            "vikunja-main",
            "git",
            "problem",
            "https://git.example.com: no branch 'mian'",
            "nearest: main",
            8,
        ),
        Finding("vikunja-main", "lock", "ok", "free"),
    ]


def test_a_repository_of_several_instances_is_asked_once(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def resolve_many(desired: list[Any]) -> dict[Any, Any]:
        asked.append(set(desired))
        return dict.fromkeys(desired, COMMIT)

    monkeypatch.setattr("tasks.builds.resolve_many", resolve_many)
    instances = [sample_instance(deployment={"instance_id": name}) for name in "abc"]
    worlds = run.worlds_of(instances, paths)
    assert [world.commit() for world in worlds] == [COMMIT] * 3
    assert asked == [{instances[0].git}]


def test_an_error_at_the_instance_s_own_place_does_not_repeat_it() -> None:
    error = ResourceError("the name is taken", where="a", hint="Choose another")
    assert from_error("a", "container", error).what == "the name is taken"
    assert from_error("b", "container", error).what == "a: the name is taken"


# This machine


def test_what_the_machine_lacks_is_a_problem_each() -> None:
    missing = [preflight.Lack("packages are missing: lxc", "apt-get install lxc")]
    assert reported(preflight.evaluate(missing)[0]) == (
        "problem",
        "packages are missing: lxc",
        "apt-get install lxc",
        4,
    )
    assert [finding.level for finding in preflight.evaluate([])] == ["ok"]


def test_what_an_apply_brings_about_is_no_problem() -> None:
    lacking = preflight.Lack("packages are missing: lxc", "./doit apply", mended=True)
    assert [finding.level for finding in preflight.evaluate([lacking])] == ["warning"]


def test_lxc_is_asked_of_a_machine_only_where_something_lives_in_it() -> None:
    proxmox = {"lxc": None, "proxmox": {"node": "pve"}}
    assert LXC in host.needed_drivers([sample_instance()])
    assert LXC in host.needed_drivers([sample_instance(**proxmox)])
    assert LXC not in host.needed_drivers([sample_instance(**proxmox, build={"where": "local"})])


def room(free: float, device: int = 1, files: int | None = 10**6) -> Room:
    return Room(device, Path(f"/disk{device}"), free, files)


def test_needs_on_one_file_system_add_up() -> None:
    lxc = DiskNeed(Path("/disk1/lxc"), "vikunja-main", 1.0, 20.0)
    built = DiskNeed(Path("/disk1/cache"), "the build", 4.0)
    backups = DiskNeed(Path("/disk2/backups"), "backups", 0.5)

    def found(free: float) -> list[tuple[str, str, str, int]]:
        rooms = [(lxc, room(free)), (built, room(free)), (backups, room(9.0, 2))]
        return [reported(finding) for finding in disk.evaluate(rooms)]

    assert found(4.9) == [
        (
            "problem",
            "/disk1 has 4.9 GB free, 5.0 GB are needed: vikunja-main, the build",
            "Make room there, or mount a larger disk",
            4,
        ),
        ("ok", "/disk2 has 9.0 GB free", "", 0),
    ]
    assert found(5.0)[0] == (
        "warning",
        "/disk1 has 5.0 GB free, the containers may grow to 20 GB",
        "Watch it, or lower resources.disk_size_gb",
        0,
    )
    assert found(20.0)[0] == ("ok", "/disk1 has 20.0 GB free", "", 0)


def test_a_file_system_can_run_out_of_files() -> None:
    need = DiskNeed(Path("/disk1"), "x", 0.0)
    assert [f.level for f in disk.evaluate_room(room(9.0, files=99_999), [need])] == [
        "ok",
        "warning",
    ]
    assert [f.level for f in disk.evaluate_room(room(9.0, files=None), [need])] == ["ok"]


def test_room_is_measured_where_the_folder_will_be(tmp_path: Path) -> None:
    found = disk.room_of(tmp_path / "not" / "there")
    assert (found.path, found.device) == (tmp_path, tmp_path.stat().st_dev)
    assert found.free > 0


# The container and its network


def test_a_container_of_its_own_is_fine_and_another_s_is_not() -> None:
    def found(exists: bool, running: bool, owner: str | None) -> Finding:
        return container.evaluate(world(), "main", ContainerFacts(exists, running, owner, {}))

    assert found(False, False, None).what == "the name main is free"
    assert found(True, True, "vikunja-main").what == "main is this instance's own, running"
    assert found(True, False, "vikunja-main").what == "main is this instance's own, stopped"
    with pytest.raises(ResourceError, match="is not proven ours"):
        found(True, True, None)
    with pytest.raises(ResourceError, match="belongs to instance other"):
        found(True, True, "other")


def test_an_address_that_somebody_answers_for_is_taken() -> None:
    assert reported(
        address_check.evaluate_address(world(), asked=True, taken="00:16:3e:00:00:01")
    ) == (
        "problem",
        "10.98.0.10 is in use on vikunja0, by 00:16:3e:00:00:01",
        "Set network.ip_address to an address that is free",
        4,
    )
    free = address_check.evaluate_address(world(), asked=True, taken=None)
    assert free.what == "10.98.0.10 is free: nobody on vikunja0 answers for it"
    unasked = address_check.evaluate_address(world(), asked=False, taken=None)
    assert unasked.what == "10.98.0.10 is free: no container and no registry has it"


def test_a_bridge_of_ours_must_not_hide_a_network_that_is_reached_otherwise() -> None:
    home = Route("eth0", IPv4Network("10.98.0.0/16"))
    assert reported(network.evaluate_own_bridge(world(), [home])) == (
        "problem",
        "vikunja0 would be made for 10.98.0.0/24, but this machine reaches 10.98.0.0/16 "
        "through eth0",
        "Set network.bridge to eth0 if that is a bridge, or network.ip_address and "
        "network.gateway to another network",
        4,
    )
    own = Route("vikunja0", IPv4Network("10.98.0.0/24"))
    elsewhere = Route("eth0", IPv4Network("192.0.2.0/24"))
    assert network.evaluate_own_bridge(world(), [own, elsewhere]).level == "ok"


def test_a_gateway_that_does_not_answer_is_a_network_problem() -> None:
    found = list(network.evaluate_foreign_bridge(world(), [], answers=False))
    assert [finding.level for finding in found] == ["ok", "problem"]
    assert reported(found[1]) == (
        "problem",
        "10.98.0.1 does not answer on vikunja0",
        "Correct network.gateway or network.bridge, or give that address to the bridge",
        6,
    )
    answered = network.evaluate_foreign_bridge(world(), [], answers=True)
    assert [finding.level for finding in answered] == ["ok", "ok"]


def test_a_gateway_of_another_interface_s_network_is_not_to_be_given_to_the_bridge() -> None:
    home = Route("eth0", IPv4Network("10.98.0.0/24"))
    (_, found) = network.evaluate_foreign_bridge(world(), [home], answers=False)
    assert reported(found) == (
        "problem",
        "10.98.0.1 does not answer on vikunja0: this machine reaches 10.98.0.0/24 through eth0",
        "Set network.bridge to eth0 if that is a bridge, or network.ip_address and "
        "network.gateway to the network of vikunja0",
        6,
    )


def test_routes_are_read_without_the_way_to_all_others() -> None:
    text = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "eth0\t0000070A\t010200C0\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert parse_routes(text) == [Route("eth0", IPv4Network("192.0.2.0/24"))]


addresses = st.integers(0, 2**32 - 1).map(IPv4Address)
hardware = st.binary(min_size=6, max_size=6)


@given(addresses, hardware, addresses)
def test_only_a_reply_for_the_very_address_names_its_holder(
    address: IPv4Address, mac: bytes, other: IPv4Address
) -> None:
    reply = arp.FRAME.pack(
        *(mac, mac, arp.ETHERTYPE, 1, 0x0800, 6, 4, arp.REPLY),
        *(mac, address.packed, mac, bytes(4)),
    )
    assert arp.holder(reply + bytes(18), address) == mac.hex(":")
    assert (arp.holder(reply, other) is None) == (other != address)
    assert arp.holder(arp.probe_frame(mac, address), address) is None


@given(st.binary(max_size=80), addresses)
def test_no_frame_breaks_the_reader(frame: bytes, address: IPv4Address) -> None:
    arp.holder(frame, address)


def test_a_probe_claims_no_address() -> None:
    frame = arp.probe_frame(b"\x02" * 6, IPv4Address("10.0.0.7"))
    assert frame.hex() == (
        "ffffffffffff020202020202" "0806" "0001080006040001"
        "020202020202" "00000000" "000000000000" "0a000007"
    )  # fmt: skip


# What is deployed, and what it needs


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(200, ("ok", 0)), (404, ("problem", 4)), (503, ("warning", 0)), ("refused", ("problem", 6))],
)
def test_the_archive_is_asked_whether_it_has_the_release(
    answer: int | str, expected: tuple[str, int]
) -> None:
    found = template.evaluate(world(), "trixie", answer)
    assert (found.level, found.exit_code) == expected


def test_missing_toolchains_are_build_problems() -> None:
    found = list(source.evaluate_toolchain(world(), ["Go 1.26 is needed, this machine has 1.19"]))
    assert reported(found[0])[:2] == ("problem", "Go 1.26 is needed, this machine has 1.19")
    assert found[0].exit_code == 9
    assert [finding.level for finding in source.evaluate_toolchain(world(), [])] == ["ok"]


def test_the_builder_s_network_must_be_its_own() -> None:
    taken = Route("eth0", IPv4Network("10.98.76.0/24"))
    assert [finding.exit_code for finding in source.evaluate_builder(world(), [taken])] == [4]
    own = Route("vikunja-build0", IPv4Network("10.98.76.0/24"))
    assert list(source.evaluate_builder(world(), [own])) == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (200, ("ok", "https://dl.example.com/v.zip is there", 0)),
        (404, ("problem", "https://dl.example.com/v.zip is not there (HTTP 404)", 6)),
        (
            405,
            (
                "warning",
                "https://dl.example.com/v.zip answers a question about it with HTTP 405",
                0,
            ),
        ),
        ("refused", ("problem", "https://dl.example.com/v.zip cannot be reached: refused", 6)),
    ],
)
def test_a_release_is_asked_for_without_being_downloaded_or_showing_a_password(
    answer: int | str, expected: tuple[str, str, int]
) -> None:
    found = source.evaluate_answer(
        world(), "https://me:geheim@dl.example.com/v.zip?key=1", answer, "release.url"
    )
    assert (found.level, found.what, found.exit_code) == expected


def test_a_release_in_a_file_must_be_there(tmp_path: Path) -> None:
    assert source.evaluate_file(world(), tmp_path).exit_code == 9
    file = tmp_path / "v.zip"
    file.write_bytes(b"")
    assert source.evaluate_file(world(), file).level == "ok"


@pytest.mark.parametrize(
    ("days", "strangers", "expected"),
    [
        (40, [], [("ok", "/c.pem holds until 2025-11-28")]),
        (29, [], [("warning", "/c.pem expires on 2025-11-17, in 29 days")]),
        (
            40,
            ["a.lan", "b.lan"],
            [("warning", "/c.pem is not for a.lan, b.lan: browsers refuse it")],
        ),
    ],
)
def test_a_certificate_must_last_and_be_for_the_domain(
    days: int, strangers: list[str], expected: list[tuple[str, str]]
) -> None:
    now = datetime(2025, 10, 19, tzinfo=UTC)
    end = datetime.fromtimestamp(now.timestamp() + days * 86400, UTC)
    found = certificate.evaluate(world(), Path("/c.pem"), end, now, strangers)
    assert [(finding.level, finding.what) for finding in found] == expected


def test_the_end_and_the_names_of_a_certificate_are_read() -> None:
    good = Path(__file__).parent.parent / "config" / "files" / "good.pem"
    assert certificate.end_of(good) > datetime(2025, 1, 1, tzinfo=UTC)
    assert certificate.strangers(world(), good) == []
    other = ["tasks.example.org", "192.0.2.1"]
    network = {**sample_instance().document["network"], "aliases": other}
    assert certificate.strangers(world(network=network), good) == other


def test_by_acme_it_is_said_whose_it_will_be_and_for_what() -> None:
    (found,) = certificate.check(world(services={"frontend": {"tls": "acme"}}))
    server = "https://acme-v02.api.letsencrypt.org/directory"
    assert found.what == f"for vikunja.example.com, of {server}, asked for by apply"


def test_without_tls_no_certificate_is_asked_for() -> None:
    (found,) = certificate.check(world(services={"frontend": {"tls": "off"}}))
    assert (found.level, "tls: off" in found.what) == ("ok", True)


def test_a_database_outside_is_reached_by_tcp(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert database.connect("127.0.0.1", port) == ""
    assert database.connect("127.0.0.1", port) == "Connection refused"
    password = tmp_path / "password"
    password.write_text("geheim\n")
    outside = {"type": "mysql", "host": "127.0.0.1", "port": port, "password_file": str(password)}
    (found,) = database.check(world(database=outside))
    assert reported(found) == (
        "problem",
        f"mysql at 127.0.0.1:{port} cannot be reached: Connection refused",
        "Check database.host and database.port, that the server listens on that address, and its "
        "firewall",
        6,
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("there", ("ok", "the socket is there in the container", "", 0)),
        ("missing", ("problem", "the socket is not in the container", "Check database.host,", 6)),
        ("closed", ("problem", "the socket is closed to the application's user", "Check", 6)),
        (
            None,
            ("warning", "there is no container yet, or none that runs, to look for it in", "An", 0),
        ),
    ],
)
def test_a_socket_is_looked_for_in_the_container(
    said: str | None, expected: tuple[str, str, str, int]
) -> None:
    asked: list[list[str]] = []

    def answer(argv: list[str], **_: object) -> Completed:
        asked.append(argv)
        return Completed(tuple(argv), 0, f"{said}\n".encode(), b"")

    container: Any = None if said is None else SimpleNamespace(run=answer)
    by_socket = {"type": "postgresql", "host": "/srv/pg", "port": 5433, "password_file": "/p"}
    found = database.socket_in(world(database=by_socket), container)
    level, what, hint, code = reported(found)
    assert (level, what, code) == (
        expected[0], f"postgresql at /srv/pg/.s.PGSQL.5433: {expected[1]}", expected[3],
    )  # fmt: skip
    assert hint.startswith(expected[2])
    assert [argv[-2:] for argv in asked] == (
        [] if said is None else [["/srv/pg/.s.PGSQL.5433", "vikunja"]]
    )


def test_a_database_inside_needs_nothing() -> None:
    assert [f.what for f in database.check(world())] == ["sqlite in the container"]


def test_a_password_file_that_is_gone_is_told_by_its_key(tmp_path: Path) -> None:
    outside = {"type": "mysql", "host": "db.example.com", "password_file": str(tmp_path / "none")}
    with pytest.raises(ResourceError, match=r"database\.password_file"):
        list(database.check(world(database=outside)))


def backups(directory: Path, lxc: Path = Path("/nowhere")) -> Finding:
    chosen = world(Paths(lxc), backup={"directory": str(directory)})
    (found,) = backup.check(chosen)
    return found


def test_backups_need_a_folder_that_can_be_written(tmp_path: Path) -> None:
    assert backups(tmp_path).what == str(tmp_path)
    later = tmp_path / "a" / "b"
    assert backups(later).what == f"{later}, made by the first backup"
    assert not later.parent.exists()
    file = tmp_path / "file"
    file.write_text("")
    below = backups(file / "backups")
    assert reported(below) == (
        "problem",
        f"{file}/backups cannot be a folder: {file} is a file",
        "Change backup.directory",
        4,
    )
    among = backups(tmp_path / "var/lib/lxc/backups", tmp_path)
    assert among.level == "warning"


def test_backups_on_a_disk_mounted_read_only_are_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As root only the mount says no, and a test has none to spare.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert reported(backups(tmp_path))[:2] == ("problem", f"nothing can be written to {tmp_path}")


def test_a_second_target_needs_its_program(tmp_path: Path) -> None:
    def found(program: str) -> Finding:
        section = {"directory": str(tmp_path), "after": [program, "{archive}"]}
        _, target = backup.check(world(Paths(tmp_path / "other"), backup=section))
        return target

    assert reported(found("sh"))[0] == "ok"
    assert reported(found("rclone-x"))[:3] == (
        "warning",
        "backup.after: there is no program rclone-x to run",
        "Install it, or correct backup.after",
    )


@pytest.fixture
def held() -> Callable[[Any], LockInfo]:
    def make(holder: Any) -> LockInfo:
        return LockInfo("vikunja-main", 7, 1760874900, "root@pve", "update", None, holder, False)

    return make


def test_a_lock_is_a_problem_unless_its_holder_is_dead(held: Callable[[Any], LockInfo]) -> None:
    assert reported(lock.evaluate(world(), None))[:2] == ("ok", "no operation is under way")
    assert reported(lock.evaluate(world(), held("alive"))) == (
        "problem",
        "locked by update by root@pve (pid 7) since 2025-10-19T11:55:00Z",
        "Wait until it has finished, or end it if it hangs.",
        5,
    )
    assert lock.evaluate(world(), held("unknown")).exit_code == 5
    assert reported(lock.evaluate(world(), held("dead"))) == (
        "warning",
        "an operation ended without releasing its lock: update by root@pve (pid 7) since "
        "2025-10-19T11:55:00Z",
        "The next apply frees it and finishes what is left",
        0,
    )


def test_a_machine_that_asks_only_itself_for_names_is_told() -> None:
    (found,) = network.evaluate_nameservers(world(), [])
    assert (found.level, found.exit_code) == ("problem", 6)
    assert "network.nameservers" in found.hint
    (found,) = network.evaluate_nameservers(world(), ["192.0.2.53"])
    assert found.level == "ok"

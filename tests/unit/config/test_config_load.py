"""Good configurations become instances; several files are judged together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from configuration_samples import BASE
from instance_samples import SECTIONS, sample_instance

from tasks.config import load_instances, yaml_tree
from tasks.config.evaluation import schema_findings, take_words
from tasks.config.schema import config_schema
from tasks.containers.drivers import DRIVERS
from tasks.containers.lxc.section import Lxc
from tasks.containers.proxmox import section_of
from tasks.errors import ConfigError
from tasks.model.instance import Acme, AcmeDns, Database, Instance
from tasks.paths import ROOT

LXC = BASE.replace("proxmox:\n  node: pve\n", "lxc:\n")


@pytest.fixture
def load(folder: Path) -> Callable[[str], Instance]:
    def one(text: str) -> Instance:
        (folder / "config.yaml").write_text(text)
        return load_instances([Path("config.yaml")])[0]

    return one


def test_the_smallest_configuration_has_every_default(load: Callable[[str], Instance]) -> None:
    instance = load(BASE)

    assert instance.id == "vikunja-main"
    assert instance.version == "1.0.0"
    proxmox = msgspec.to_builtins(section_of(instance))
    assert {name: value for name, value in proxmox.items() if value not in (None, (), False)} == {
        "node": "pve",
        "connection": dict.fromkeys(("host", "token_file", "fingerprint", "ca_file"))
        | {"type": "local", "port": 8006},
        "ssh": {"user": "root", "port": 22, "hosts": {}},
        "download": True,
        "swap_mb": 512,
        "onboot": True,
        "lock_wait_seconds": 300,
    }
    assert instance.driver == "proxmox"
    assert (instance.template, instance.suite) == ("debian-13-standard", "trixie")
    assert instance.network.bridge == "vmbr0"
    assert msgspec.structs.astuple(instance.resources) == (2, 4096, 20)
    assert instance.database == Database("sqlite", None, None, "vikunja", None, None, None, None)
    assert msgspec.structs.astuple(instance.services.backend) == (3456, 3457)
    assert msgspec.structs.astuple(instance.services.mcp) == (False, 8456, 8457)
    frontend = msgspec.structs.astuple(instance.services.frontend)
    acme = Acme(
        "https://acme-v02.api.letsencrypt.org/directory",
        None,
        "http",
        AcmeDns(None, None, None),
        None,
        None,
    )
    assert frontend == (80, 443, "auto", None, None, acme, (), False, None)
    assert instance.git is not None
    assert instance.git.branch == "main"
    assert instance.release is None
    assert instance.build.frontend == (
        ("pnpm", "install", "--frozen-lockfile"),
        ("pnpm", "run", "build"),
    )
    assert instance.backup.directory == Path("/var/backups/vikunja")
    assert instance.files == ()


def test_a_word_that_yaml_reads_as_true_or_false_is_the_word_where_it_is_one_of_those_allowed(
    load: Callable[[str], Instance],
) -> None:
    for written in ("{tls: off}", "{tls: 'off'}", "\n    tls: off # not here"):
        instance = load(f"{BASE}services:\n  frontend: {written}\n")
        assert instance.services.frontend.tls == "off"


def excerpts() -> Iterator[tuple[str, str]]:
    """Those of configurations in the pages for users, each with its page and line."""
    sections = config_schema()["properties"]
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text()
        for found in re.finditer(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            document = yaml.safe_load(found[1])
            whole = "…" not in found[1] and isinstance(document, dict)
            if whole and all(
                name in sections and isinstance(value, dict) for name, value in document.items()
            ):
                line = text.count("\n", 0, found.start()) + 1
                yield found[1], f"{page.name}:{line}"


@pytest.mark.parametrize(("excerpt", "_where"), [*excerpts()])
def test_what_the_pages_write_is_taken_as_it_is_written(excerpt: str, _where: str) -> None:
    tree = yaml_tree.load(excerpt)
    assert tree.document is not None
    take_words(tree.document, tree.texts)
    found = [one.what for one in schema_findings(tree.document, tree.texts)]
    # Each shows a part of a whole configuration.
    assert [what for what in found if not what.endswith((" is needed", "is missing"))] == []


def test_plain_lxc_has_its_own_defaults(load: Callable[[str], Instance]) -> None:
    instance = load(LXC)

    assert instance.placement == Lxc("vikunja-main", None)
    assert (instance.template, instance.suite) == ("trixie", "trixie")
    assert instance.driver == "lxc"
    assert instance.network.bridge == "vikunja0"


@pytest.mark.parametrize(("kind", "port"), [("postgresql", 5432), ("mysql", 3306)])
def test_a_database_has_the_defaults_of_its_type(
    load: Callable[[str], Instance], kind: str, port: int
) -> None:
    database = load(BASE.replace("type: sqlite", f"type: {kind}")).database

    assert (database.port, database.user, database.inside) == (port, "vikunja", True)


def test_a_server_outside_takes_its_password_from_a_file(
    load: Callable[[str], Instance], folder: Path
) -> None:
    database = load(
        BASE.replace(
            "type: sqlite", "type: mysql\n  host: db.example.com\n  password_file: password"
        )
    ).database

    assert database.password_file == folder / "password"
    assert not database.inside


def test_a_certificate_and_its_key_are_taken(load: Callable[[str], Instance], folder: Path) -> None:
    frontend = load(
        BASE + "services: {frontend: {ssl_cert: good.pem, ssl_key: ./good.key}}\n"
    ).services.frontend

    assert (frontend.ssl_cert, frontend.ssl_key) == (folder / "good.pem", folder / "good.key")


def test_relative_paths_start_at_the_file_and_not_at_the_working_folder(
    folder: Path, tmp_path: Path
) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    (place / "motd").write_text("hello\n")
    text = BASE.replace("https://git.example.com/vikunja.git", "../sources")
    (place / "one.yaml").write_text(
        text + "files: [{path: /etc/motd, source: motd, mode: '600'}]\nbackup: {directory: kept}\n"
    )

    instance = load_instances([place / "one.yaml"])[0]

    assert instance.files[0].source == place / "motd"
    assert instance.files[0].mode == "0600"
    assert instance.backup.directory == place / "kept"
    assert instance.git is not None
    assert instance.git.repository == str(tmp_path / "sources")
    assert instance.source == place / "one.yaml"


@pytest.mark.parametrize(
    ("more", "mode", "secret"),
    [
        ("", "0644", False),
        (", secret: true", "0600", True),
        (", secret: true, mode: '640'", "0640", True),
        (", mode: '600'", "0600", True),
        (", secret: false, mode: '640'", "0640", False),
    ],
)
def test_a_secret_file_is_for_its_owner_only_where_nothing_else_is_said(
    load: Callable[[str], Instance], more: str, mode: str, secret: bool
) -> None:
    (file,) = load(BASE + f"files: [{{path: /etc/a, content: x{more}}}]\n").files

    assert (file.mode, file.secret) == (mode, secret)


def address(ip_address: str, gateway: str) -> str:
    return BASE.replace("192.168.1.50/24", f"'{ip_address}'").replace(
        "192.168.1.1\n", f"'{gateway}'\n"
    )


def repository(place: str) -> str:
    return BASE.replace("https://git.example.com/vikunja.git", place)


GOOD = {
    "a byte order mark": "\ufeff" + BASE,
    "line ends of Windows": BASE.replace("\n", "\r\n"),
    "a document's start and end": "%YAML 1.1\n---\n" + BASE + "...\n",
    "empty sections": BASE + "redis:\nservices:\n  backend:\nfiles:\n",
    "yes for true": BASE + "redis: {enabled: yes}\n",
    "null for none": BASE.replace("type: sqlite", "type: sqlite\n  host: ~"),
    "a small subnet": address("192.168.1.50/30", "192.168.1.49"),
    "a subnet of two addresses": address("10.0.0.0/31", "10.0.0.1"),
    "IPv6": address("fd00::10/64", "fd00::1"),
    "an ssh repository": repository("git@git.example.com:me/vikunja.git"),
    "a repository with an ssh login": repository("ssh://git@git.example.com/vikunja.git"),
    "a local repository": repository("/srv/vikunja"),
    "variables": BASE + "vikunja: {environment: {VIKUNJA_MAILER_PORT: '587', A: ''}}\n",
    "variables beside those of the tool": BASE
    + "vikunja: {environment: {VIKUNJA_DATABASE_SSLMODES: x, VIKUNJA_DATABASE_TLSX: x,"
    + " VIKUNJA_LOG_STANDARD: file, VIKUNJA_FILES_S3_TEMPDIR: /tmp, VIKUNJA_SERVICE_SECRETS: x}}\n",
    "a variable that Vikunja fills in": BASE
    + "vikunja: {environment: {VIKUNJA_MAILER_PASSWORD_FILE: '${CREDENTIALS_DIRECTORY}/mail'}}\n",
    "dollars": BASE + "vikunja: {environment: {A: 'p$$w$ORD${', B: '${1}', C: '$HOME'}}\n",
    "text for a shell": BASE + "files: [{path: /usr/local/bin/x, content: 'echo ${HOME}'}]\n",
    "an MCP server": BASE + "redis: {enabled: true}\nservices: {mcp: {enabled: true}}\n",
    "other braces": BASE + "build: {backend: [[find, '{}', '${x}', '{{y}}', '{commit}']]}\n",
    "no commands": BASE + "build: {frontend: []}\n",
    "files": BASE + "files: [{path: /etc/a, content: ''}, {path: /etc/ab, content: x}]\n",
    "the largest container id": BASE.replace("node: pve", "node: pve\n  container_id: 999999999"),
    "the longest instance id": BASE.replace("vikunja-main", "V" * 50),
    "a later version": BASE.replace("main", "main\n  version: 1.0.7", 1),
    "an anchor": BASE + "backup: &b {retention_count: 3}\n",
    "a redis port that nothing uses": BASE + "redis: {enabled: false, port: 3456}\n",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_a_good_configuration_loads(load: Callable[[str], Instance], text: str) -> None:
    assert load(text).network.domain == "vikunja.example.com"


def test_a_release_archive_takes_the_place_of_git(load: Callable[[str], Instance]) -> None:
    start = BASE.index("git:\n")
    end = BASE.index("admin:")
    release = f"release: {{url: 'file:///srv/v.zip', sha256: {'aB' * 32}, version: v1.0.0}}\n"

    instance = load(BASE[:start] + release + BASE[end:])

    assert instance.git is None
    assert instance.release is not None
    assert instance.release.version == "v1.0.0"


def test_an_aliased_value_counts_in_both_places(load: Callable[[str], Instance]) -> None:
    text = BASE + "vikunja: {environment: &e {A: b}}\nbuild: {environment: *e}\n"

    instance = load(text)

    assert instance.vikunja.environment == instance.build.environment == {"A": "b"}


def test_the_instance_has_every_key_of_the_schema_and_no_other(
    load: Callable[[str], Instance],
) -> None:
    def names(thing: Any) -> Any:
        if isinstance(thing, msgspec.Struct):
            return {name: names(getattr(thing, name)) for name in thing.__struct_fields__}
        return None

    def known(schema: Any) -> Any:
        if "properties" not in schema:
            return None
        return {name: known(inner) for name, inner in schema["properties"].items()}

    def within(some: Any, every: Any) -> bool:
        if not isinstance(some, dict):
            return bool(some == every)
        return all(name in every and within(some[name], every[name]) for name in some)

    proxmox = load(BASE.replace("pve", "pve\n  ha: {}"))
    both = names(proxmox)
    both |= {name: names(sample_instance(**SECTIONS[name]).placement) for name in DRIVERS}
    both["proxmox"] = names(proxmox.placement)
    release = f"release: {{url: 'file:///v.zip', sha256: {'a' * 64}, version: v1}}\n"
    text = BASE.replace("git:\n  repository: https://git.example.com/vikunja.git\n", release)
    both["release"] = names(load(text))["release"]
    for name in ("source", "document", "driver", "placement"):
        del both[name]
    deployment = {"instance_id": both.pop("id"), "version": both.pop("version")}

    expected = known(config_schema())
    # Keys that only become variables of the application are read by the template alone.
    assert within(both.pop("vikunja"), expected.pop("vikunja"))
    assert {"deployment": deployment, **both} == expected


def test_the_document_is_plain_data_with_every_default(load: Callable[[str], Instance]) -> None:
    document = load(BASE).document

    assert yaml.safe_load(yaml.safe_dump(document)) == document
    assert document["redis"] == {"enabled": False, "port": 6379}
    assert document["proxmox"]["container_id"] is None
    assert "lxc" not in document
    assert "release" not in document


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problems(paths: list[Path]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_instances(paths)
    return [str(problem) for problem in caught.value.problems]


def other(text: str, number: int) -> str:
    return text.replace("vikunja-main", f"vikunja-{number}").replace("1.50/", f"1.{number}/")


def test_several_files_keep_their_order(folder: Path) -> None:
    paths = [write(folder, f"{n}.yaml", other(LXC, n)) for n in (7, 3, 5)]

    assert [i.id for i in load_instances(paths)] == ["vikunja-7", "vikunja-3", "vikunja-5"]


def test_the_same_instance_id_in_two_files_names_both(folder: Path) -> None:
    first = write(folder, "a.yaml", other(LXC, 5))
    second = write(folder, "b.yaml", other(LXC, 5).replace("1.5/", "1.6/").replace("vik", "Vik", 1))

    assert problems([first, second]) == [
        "b.yaml:2: deployment.instance_id: Vikunja-5 is the instance id in a.yaml:2 too"
    ]


def test_the_same_address_in_two_files_names_both_whatever_the_prefix(folder: Path) -> None:
    first = write(folder, "a.yaml", other(LXC, 5))
    second = write(folder, "b.yaml", other(LXC, 6).replace("192.168.1.6/24", "192.168.1.5/25"))

    assert problems([first, second]) == [
        "b.yaml:5: network.ip_address: 192.168.1.5 is the address in a.yaml:5 too"
    ]


def test_the_same_container_id_in_one_cluster_names_both(folder: Path) -> None:
    text = BASE.replace("node: pve", "node: pve\n  container_id: 100")
    first = write(folder, "a.yaml", other(text, 5))
    second = write(folder, "b.yaml", other(text, 6))
    elsewhere = "node: other\n  connection: {type: openssh, host: other.example.com}"
    third = write(folder, "c.yaml", other(text, 7).replace("node: pve", elsewhere))

    assert problems([first, second, third]) == [
        "b.yaml:5: proxmox.container_id: 100 is the container id in a.yaml:5 too"
    ]


def test_one_group_of_high_availability_has_the_same_nodes_in_all_files(folder: Path) -> None:
    def text(nodes: str) -> str:
        return BASE.replace("node: pve", f"node: pve\n  ha: {{group: web, nodes: [{nodes}]}}")

    first = write(folder, "a.yaml", other(text("'pve:0', pve2"), 5))
    second = write(folder, "b.yaml", other(text("pve2, pve"), 6))
    third = write(folder, "c.yaml", other(text("pve2"), 7))

    assert problems([first, second, third]) == [
        "c.yaml:5: proxmox.ha.nodes: group web has other nodes in a.yaml:5"
    ]


def test_a_container_name_that_is_anothers_instance_id_names_both(folder: Path) -> None:
    first = write(folder, "a.yaml", other(LXC, 5))
    second = write(folder, "b.yaml", other(LXC.replace("lxc:", "lxc: {name: vikunja-5}"), 6))

    assert problems([first, second]) == [
        "b.yaml:3: lxc.name: vikunja-5 is the container name in a.yaml too"
    ]


def test_all_problems_of_all_files_are_reported_at_once(folder: Path) -> None:
    first = write(folder, "a.yaml", other(LXC, 5) + "redis: {enabled: 7}\n")
    second = write(folder, "b.yaml", other(LXC, 5) + "redis:\n\tenabled: 7\n")
    third = write(folder, "c.yaml", other(LXC, 5) + "redis: {port: 1}\n")

    assert problems([first, second, third, folder / "d.yaml", folder]) == [
        f"{folder}: is a folder" if folder != Path.cwd() else ".: is a folder",
        "a.yaml:14: redis.enabled: 7 is a whole number, true or false is needed",
        "b.yaml:15: column 1: a tab cannot indent",
        "c.yaml:2: deployment.instance_id: vikunja-5 is the instance id in a.yaml:2 too",
        "c.yaml:5: network.ip_address: 192.168.1.5 is the address in a.yaml:5 too",
        "c.yaml:14: redis.port: 1 is less than the minimum 1024",
        "d.yaml: cannot be read: No such file or directory",
    ]


def test_a_file_elsewhere_is_named_by_its_whole_path(folder: Path, tmp_path: Path) -> None:
    path = write(tmp_path, "x.yaml", "")

    assert problems([path]) == [f"{path}: holds nothing"]


def test_what_is_no_regular_file_does_not_hang(folder: Path) -> None:
    assert problems([folder / "pipe", Path("/dev/zero")]) == [
        "/dev/zero: is no regular file",
        "pipe: is no regular file",
    ]


def test_a_huge_file_is_refused(folder: Path) -> None:
    path = write(folder, "huge.yaml", BASE + "#" * 1024 * 1024)

    assert problems([path]) == ["huge.yaml: is larger than 1048576 bytes"]
    path.unlink()


def test_what_a_terminal_would_obey_is_shown_as_an_escape(folder: Path) -> None:
    path = write(folder, "\x1b[31m.yaml", BASE + 'files: [{path: /etc/a, source: "x\\x7f"}]\n')

    assert problems([path]) == [
        f"\\x1b[31m.yaml:15: files[0].source: {folder}/x\\x7f does not exist"
    ]


@pytest.mark.parametrize(
    "deep",
    [
        pytest.param("files: " + "[" * 200000, id="brackets"),
        pytest.param("files: " + "{a: " * 200000, id="braces"),
        pytest.param("files:\n" + "- " * 200000 + "x\n", id="dashes"),
        pytest.param("files: " + "[" * 200000 + "#", id="a comment after it"),
        pytest.param("".join(f"{' ' * n}a:\n" for n in range(1300)), id="indentation"),
        pytest.param("files:\n" + "? " * 200000 + "x\n", id="question marks"),
    ],
)
def test_nesting_that_would_end_the_process_is_refused(folder: Path, deep: str) -> None:
    path = write(folder, "deep.yaml", BASE + deep)

    found = problems([path])
    path.unlink()

    assert len(found) == 1
    assert "is nested more than 100 deep" in found[0]

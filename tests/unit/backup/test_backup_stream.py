from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from backup_samples import CONTENTS, EPOCH, OWN, describe, tar_of
from jsonschema import Draft202012Validator
from msgspec.structs import asdict, replace

from tasks.backup.manifest import Manifest
from tasks.backup.stream import write_archive
from tasks.backup.verify import verify
from tasks.errors import DeployError
from tasks.model import archive as model
from tasks.model.archive import Archive, root_of
from tasks.paths import SCHEMAS

ROOT = root_of(EPOCH)
Make = Callable[..., Archive]


def digests(folder: Path) -> dict[str, str]:
    """Relative name → SHA-256 of every regular file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def test_tar_unpacks_exactly_what_was_there(archive: Archive, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "-xzf", archive.path, "-C", out], check=True)
    assert [path.name for path in out.iterdir()] == [ROOT]
    unpacked = digests(out / ROOT)
    metadata = json.loads((out / ROOT / "metadata.json").read_text())
    unpacked.pop("metadata.json")
    own = {name: hashlib.sha256(text).hexdigest() for name, text in OWN.items()}
    assert unpacked == digests(data) | own
    assert metadata.pop("members") == unpacked
    assert (out / ROOT / "files/link").readlink() == Path("1")
    files = [path for path in (data / "files").iterdir() if not path.is_symlink()]
    assert metadata["files_count"] == len(files)
    assert metadata["files_size_bytes"] == sum(path.stat().st_size for path in files)
    assert metadata["database_size_bytes"] == (data / "database/vikunja.db").stat().st_size


def test_gunzip_and_sha256sum_find_it_whole(archive: Archive) -> None:
    subprocess.run(["gunzip", "-t", archive.path], check=True)
    subprocess.run(
        ["sha256sum", "--quiet", "-c", archive.checksum.name], cwd=archive.folder, check=True
    )


def test_the_order_is_own_files_database_attachments_metadata(archive: Archive) -> None:
    with tarfile.open(archive.path) as tar:
        names = [name.removeprefix(f"{ROOT}/") for name in tar.getnames()]
    assert names[:2] == list(OWN)
    assert names[-1] == "metadata.json"
    first_attachment = min(n for n, name in enumerate(names) if name.startswith("files/"))
    assert names.index("database/vikunja.db") < first_attachment


def test_the_sidecar_says_what_is_true(archive: Archive) -> None:
    record = json.loads(archive.sidecar.read_text())
    schema = json.loads((SCHEMAS / "archive-metadata.schema.json").read_text())
    Draft202012Validator(schema).validate(record)
    assert record["total_size_bytes"] == archive.path.stat().st_size
    assert record["checksum_sha256"] == hashlib.sha256(archive.path.read_bytes()).hexdigest()
    metadata = model.read_metadata(archive)
    assert metadata is not None
    assert asdict(metadata) == record


def test_what_is_inside_fits_its_schema(archive: Archive) -> None:
    with tarfile.open(archive.path) as tar:
        member = tar.extractfile(f"{ROOT}/metadata.json")
        assert member is not None
        record = json.load(member)
    schema = json.loads((SCHEMAS / "archive-contents.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(record)
    optional = {"left_out", "files_elsewhere"}
    assert set(schema["required"]) == set(schema["properties"]) - optional == set(record)


def test_what_a_restore_may_leave_out_is_said_inside_and_the_archive_is_whole(
    data: Path, tmp_path: Path
) -> None:
    left_out = ("extension dblink", "event trigger told")
    archive = Archive(EPOCH, tmp_path / "archives")
    write_archive(
        archive,
        tar_of(data, ROOT),
        lambda counted: replace(describe(counted), left_out=left_out),
        own=OWN,
        level=1,
        expected=0,
    )
    with tarfile.open(archive.path) as tar:
        member = tar.extractfile(f"{ROOT}/metadata.json")
        assert member is not None
        record = json.load(member)
    schema = json.loads((SCHEMAS / "archive-contents.schema.json").read_text())
    Draft202012Validator(schema).validate(record)
    assert record["left_out"] == list(left_out)
    assert verify(archive).contents.left_out == left_out
    # What has nothing of the kind is, to the letter, what older versions wrote.
    assert b"left_out" not in Manifest.head(CONTENTS)


def test_there_is_nothing_but_the_archive_its_sidecars_and_the_link(archive: Archive) -> None:
    assert sorted(path.name for path in archive.folder.iterdir()) == [
        f"{EPOCH}.json",
        f"{EPOCH}.tar.gz",
        f"{EPOCH}.tar.gz.sha256",
        "latest",
    ]
    assert model.linked(archive.folder, "latest") == archive
    assert archive.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("level", range(1, 10))
def test_every_level_makes_a_whole_archive(back_up: Make, data: Path, level: int) -> None:
    archive = back_up(level=level)
    with tarfile.open(archive.path) as tar:
        assert len(tar.getmembers()) == len(list(data.rglob("*"))) + len(OWN) + 1


def test_latest_is_the_newest(back_up: Make, backups: Path) -> None:
    back_up()
    second = back_up(EPOCH + 60)
    assert model.linked(backups, "latest") == second


def test_progress_rises_to_the_end(data: Path, backups: Path) -> None:
    seen: list[float] = []

    class Watch:
        def step(
            self, text: str, fraction: float | None = None, since: float | None = None
        ) -> None:
            assert fraction is not None
            seen.append(fraction)

    archive = Archive(EPOCH, backups)
    produce = tar_of(data, ROOT)
    write_archive(
        archive, produce, describe, own=OWN, level=1, expected=4_500_000, progress=Watch()
    )
    assert seen == sorted(seen)
    assert len(seen) > 5
    assert seen[-1] == 1
    assert max(seen[:-1]) < 1


def failing_late(output: IO[bytes]) -> None:
    output.write(bytes(0))
    raise DeployError("tar failed with exit code 2")


def cut_short(data: Path) -> Callable[[IO[bytes]], None]:
    def produce(output: IO[bytes]) -> None:
        argv = ["tar", "-cf", "-", f"--transform=s|^|{ROOT}/|", "-C", str(data), "files"]
        whole = subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout
        output.write(whole[:700_000])

    return produce


def whole_but_failed(data: Path) -> Callable[[IO[bytes]], None]:
    def produce(output: IO[bytes]) -> None:
        tar_of(data, ROOT)(output)
        raise DeployError("tar could not read files/7")

    return produce


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("failing", "tar failed with exit code 2"),
        ("cut", "it ends within vikunja-backup|ends too early"),
        ("late", "could not read files/7"),
        ("foreign", "outside"),
    ],
)
def test_a_failed_stream_leaves_nothing(
    back_up: Make, data: Path, backups: Path, kind: str, said: str
) -> None:
    produce = {
        "failing": failing_late,
        "cut": cut_short(data),
        "late": whole_but_failed(data),
        "foreign": tar_of(data, "somewhere-else"),
    }[kind]
    with pytest.raises(DeployError, match=said):
        back_up(produce=produce)
    assert list(backups.iterdir()) == []


def test_a_failed_backup_leaves_the_one_before_as_it_was(back_up: Make, backups: Path) -> None:
    first = back_up()
    before = digests(backups)
    with pytest.raises(DeployError):
        back_up(EPOCH + 1, produce=failing_late)
    assert digests(backups) == before
    assert model.linked(backups, "latest") == first


def test_an_archive_is_never_overwritten(back_up: Make, backups: Path) -> None:
    back_up()
    before = digests(backups)
    with pytest.raises(DeployError, match="of this name is there"):
        back_up()
    assert digests(backups) == before


def test_cancelling_ends_who_makes_the_stream_and_leaves_nothing(
    back_up: Make, backups: Path
) -> None:
    ended = threading.Event()

    def endless(output: IO[bytes]) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            for _ in range(1_000_000):
                output.write(tarfile.TarInfo(f"{ROOT}/files/1").tobuf(tarfile.GNU_FORMAT))
        except BrokenPipeError:
            ended.set()
            raise

    with pytest.raises(KeyboardInterrupt):
        back_up(produce=endless)
    assert ended.is_set()
    assert list(backups.iterdir()) == []


def test_a_file_size_limit_is_a_full_disk_and_leaves_nothing(data: Path, backups: Path) -> None:
    import resource

    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
            try:
                write_archive(
                    Archive(EPOCH, backups),
                    tar_of(data, ROOT),
                    describe,
                    own=OWN,
                    level=2,
                    expected=0,
                )
            except DeployError as error:
                code = 0 if "cannot be written: File too large" in str(error) else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert list(backups.iterdir()) == []

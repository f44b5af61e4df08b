"""The configuration is written whole, with its secrets, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from installations import lay, run

from tasks.config import load_instances
from tasks.host.files import write_atomically
from tasks.imports.document import UNFINISHED, file_name

FILES = {
    "/etc/systemd/system/vikunja.service": "[Service]\nExecStart=/opt/vikunja/vikunja\n",
    "/etc/vikunja/config.yml": "service: {publicurl: 'https://a.example.com', secret: abc}\n",
    "/opt/vikunja/vikunja.db": "data",
}


@pytest.fixture
def said(here: Path) -> str:
    lay(here.parent / "root", FILES)
    return f"folder:{here.parent / 'root'}"


def test_one_that_was_killed_between_its_secrets_and_it_is_written_anew(
    here: Path, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = write_atomically

    def killed(path: Path, data: bytes, mode: int = 0o644) -> None:
        if path.name == "config.yaml":
            raise KeyboardInterrupt
        real(path, data, mode)

    monkeypatch.setattr("tasks.imports.document.write_atomically", killed)
    run("--from", said)
    assert sorted(path.name for path in here.iterdir()) == ["config.secrets"]
    assert (here / "config.secrets" / UNFINISHED).exists()
    monkeypatch.setattr("tasks.imports.document.write_atomically", real)

    assert run("--from", said) == 0
    assert [path.name for path in (here / "config.secrets").iterdir()] == ["service-secret"]
    assert load_instances([here / "config.yaml"])[0].network.domain == "a.example.com"


def test_force_writes_over_both(here: Path, said: str) -> None:
    assert run("--from", said) == 0
    lay(here.parent / "root", {"/etc/vikunja/config.yml": "service: {secret: other}\n"})
    assert run("--from", said) == 3
    assert run("--from", said, "--force", "--domain", "b.example.com") == 0
    assert (here / "config.secrets/service-secret").read_text() == "other\n"
    assert load_instances([here / "config.yaml"])[0].network.domain == "b.example.com"


def test_another_file_has_secrets_of_its_own(here: Path, said: str) -> None:
    assert run("--from", said, "--to", "sites/todo.yaml") == 0
    assert (here / "sites/todo.secrets/service-secret").read_text() == "abc\n"
    assert load_instances([here / "sites/todo.yaml"])[0].vikunja.secret_file == (
        here / "sites/todo.secrets/service-secret"
    )


def test_an_answer_that_is_wrong_is_said_and_nothing_is_written(
    here: Path, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--from", said, "--domain", "a b") == 3
    assert "--domain" in capsys.readouterr().err
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("vikunja.secret_file", "service-secret"),
        ("vikunja.mailer.password_file", "mailer-password"),
        ("vikunja.secret_files.VIKUNJA_METRICS_PASSWORD", "metrics-password"),
        ("vikunja.auth.openid[1].client_secret_file", "auth-openid-1-client-secret"),
        ("services.frontend.ssl_key", "ssl-key"),
    ],
)
def test_a_file_is_named_after_its_key(key: str, name: str) -> None:
    assert file_name(key) == name

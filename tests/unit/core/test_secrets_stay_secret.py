"""No secret in any output, record or log: canaries in all places where secrets live."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from model_machine import SECRETS
from model_site import Site

from tasks.commands.apply import Apply
from tasks.commands.plan import Plan

CANARY = "canary-1f9b"
CERTIFICATES = Path(__file__).parents[1] / "config" / "files"


def settings_with_secrets(site: Site) -> dict[str, Any]:
    """Mail, logins and a bucket, each with a file that holds a canary."""
    files = {}
    for name in ("mail", "openid", "ldap", "s3"):
        path = site.folder / name
        path.write_text(f"{CANARY}-{name}\n")
        path.chmod(0o600)
        files[name] = str(path)
    provider = {"name": "a", "url": "https://login.example.com/", "client_id": "a"}
    ldap = {"host": "ldap.example.com", "base_dn": "dc=a", "user_filter": "(uid=%s)"}
    s3 = {"endpoint": "https://s3.example.com", "bucket": "tasks", "access_key": "a"}
    return {
        "mailer": {
            "host": "mail.example.com",
            "from": "a@example.com",
            "user": "a",
            "password_file": files["mail"],
        },
        "auth": {
            "openid": [{**provider, "client_secret_file": files["openid"]}],
            "ldap": {**ldap, "bind_dn": "cn=a", "bind_password_file": files["ldap"]},
        },
        "files": {"type": "s3", "s3": {**s3, "secret_file": files["s3"]}},
    }


@pytest.fixture
def guarded(site: Site) -> Site:
    """Deployed with a password, an administrator's and a key of the user's own."""
    for name in ("password", "admin"):
        path = site.folder / name
        path.write_text(f"{CANARY}-{name}\n")
        path.chmod(0o600)
    site.document["database"] = {
        "type": "postgresql",
        "host": "db.example.com",
        "password_file": str(site.folder / "password"),
        "admin_user": "postgres",
        "admin_password_file": str(site.folder / "admin"),
    }
    site.document["redis"] = {"enabled": True}
    key = (CERTIFICATES / "good.key").read_bytes()
    (site.folder / "both.pem").write_bytes(key + (CERTIFICATES / "good.pem").read_bytes())
    (site.folder / "both.pem").chmod(0o600)
    both = str(site.folder / "both.pem")
    site.document["services"] = {"frontend": {"ssl_cert": both, "ssl_key": both}}
    site.document["vikunja"] = {
        "environment": {
            "VIKUNJA_MIGRATION_TRELLO_KEY": f"{CANARY}-trello",
            "VIKUNJA_SENTRY_DSN": f"https://{CANARY}@sentry.example.com/1",
            "OWN": f"smtp://me:{CANARY}@mail.example.com",
            "VIKUNJA_SERVICE_MOTD": f"in me:{CANARY}@tcp(db.example.com:3306)/x",
            "VIKUNJA_LEGAL_IMPRINTURL": f"-----BEGIN PRIVATE KEY-----\\n{CANARY}\\n",
        },
        **settings_with_secrets(site),
    }
    site.document["files"] = [
        {"path": "/etc/mail", "content": f"user\n{CANARY}\n", "secret": True, "mode": "0640"},
        {"path": "/etc/relay", "content": f"to smtp://me:{CANARY}@mail.example.com\n"},
        {"path": "/etc/key", "content": f"-----BEGIN EC PRIVATE KEY-----\n{CANARY}\n"},
    ]
    site.document["backup"] = {"after": ["push", f"https://me:{CANARY}@nas.example.com/"]}
    site.document["build"] = {"environment": {"GOPROXY": f"https://me:{CANARY}@go.example.com"}}
    site.write()
    site.apply()
    return site


def test_neither_plan_nor_apply_nor_records_hold_a_secret(
    guarded: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("password", "admin"):
        (guarded.folder / name).write_text(f"{CANARY}-new-{name}\n")
    guarded.document["vikunja"]["environment"]["VIKUNJA_MIGRATION_TRELLO_KEY"] = f"{CANARY}-new"
    for name in ("mail", "openid", "ldap", "s3"):
        (guarded.folder / name).write_text(f"{CANARY}-new-{name}\n")
    own = guarded.document["vikunja"]["environment"]
    for name in set(own) - {"VIKUNJA_MIGRATION_TRELLO_KEY"}:
        own[name] = own[name].replace(CANARY, f"{CANARY}-new")
    for one in guarded.document["files"]:
        one["content"] = one["content"].replace(CANARY, f"{CANARY}-new")
    guarded.document["vikunja"]["max_upload_mb"] = 30
    guarded.write()
    made = (guarded.machine.files.content(f"{SECRETS}/service-secret") or b"").decode().strip()
    saved = tmp_path / "plan.json"
    config = ["--config", str(guarded.config)]
    for arguments in (["--diff"], ["--json"], ["--out", str(saved)]):
        assert Plan().parse_execute([*arguments, *config]) == 0
    shown = capsys.readouterr()
    assert "(sensitive) → (sensitive, changed)" in shown.out
    assert Apply().parse_execute(["--yes", "--diff", *config]) == 0
    said = capsys.readouterr()
    texts = [shown.out, shown.err, said.out, said.err, saved.read_text()]
    for text in texts:
        assert CANARY not in text
        assert made not in text
    for path in guarded.paths.prefix.rglob("*"):
        if path.is_file() and b"canary" in path.read_bytes():
            # What is rendered for the container, and what the configuration file was read as, is
            # for root only, as are their folders.
            rendered = guarded.paths.rendered(guarded.instance.id)
            assert path.parent in (rendered, guarded.paths.readings)
            assert (path.stat().st_mode & 0o077, path.parent.stat().st_mode & 0o077) == (0, 0)


def test_a_secret_that_was_edited_shows_as_changed_only(
    guarded: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    guarded.machine.files.write(
        f"{SECRETS}/db-password", b"somebody's\n", "0600", owner="vikunja", group="vikunja"
    )
    assert Plan().parse_execute(["--json", "--config", str(guarded.config)]) == 0
    (instance,) = json.loads(capsys.readouterr().out)["instances"]
    entry = next(e for e in instance["entries"] if e["address"].endswith("/db-password"))
    assert (entry["sensitive"], entry["diff"]) == (True, "")
    assert entry["changes"] == [
        {"name": "content", "before": "(sensitive)", "after": "(sensitive, changed)"}
    ]


def test_a_private_key_beside_the_certificate_is_neither_shown_nor_laid_down(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, key = (CERTIFICATES / f"good.{kind}" for kind in ("pem", "key"))
    both = site.folder / "both.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    site.document["services"] = {"frontend": {"ssl_cert": str(both), "ssl_key": str(both)}}
    site.write()
    site.apply()

    laid = site.machine.files.content("/etc/vikunja/tls/certificate.pem") or b""
    assert laid.strip() == certificate.read_bytes().strip()
    assert key.read_bytes() in (site.machine.files.content("/etc/vikunja/tls/key.pem") or b"")

    # As an older version laid it down.
    site.machine.files.write("/etc/vikunja/tls/certificate.pem", both.read_bytes())
    assert Plan().parse_execute(["--diff", "--config", str(site.config)]) == 0
    shown = capsys.readouterr().out
    assert "-(sensitive)" in shown
    assert key.read_text().splitlines()[1] not in shown


def test_after_an_apply_a_secret_that_was_rotated_is_nowhere_any_more(guarded: Site) -> None:
    own = guarded.document["vikunja"]["environment"]
    for name, value in own.items():
        own[name] = value.replace(CANARY, "rotated")
    for one in guarded.document["files"]:
        one["content"] = "rotated\n"
    for section, key in (("build", "environment"), ("backup", "after")):
        del guarded.document[section][key]
    for name in ("password", "admin", "mail", "openid", "ldap", "s3"):
        (guarded.folder / name).write_text("rotated\n")
    guarded.write()
    guarded.publish()
    guarded.apply()

    left = [
        *(str(path) for path in guarded.paths.prefix.rglob("*") if path.is_file()
          and CANARY.encode() in path.read_bytes()),
        *(path for path in guarded.machine.files.nodes
          if CANARY.encode() in (guarded.machine.files.content(path) or b"")),
    ]  # fmt: skip
    assert left == []

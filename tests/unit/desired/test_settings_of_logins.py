"""Mail, log and ways to log in: what of them reaches the application, and in which form."""

from __future__ import annotations

from pathlib import Path
from subprocess import run
from typing import Any

import pytest
from instance_samples import sample_instance

from tasks.desired import color
from tasks.desired.rendering import render
from tasks.desired.system import declare, templated
from tasks.model.host_files import HostFiles
from tasks.model.instance import Instance
from tasks.model.layout import SECRETS, backend_launcher, environment
from tasks.planning.settings_versions import known_from, older
from tasks.resources.files import File
from tasks.secret import Secret

KEYCLOAK = {
    "name": "Key-Cloak 2",
    "url": "https://login.example.com/realms/main",
    "client_id": "vikunja",
    "client_secret_file": "/secret/keycloak",
}
LDAP = {
    "host": "ldap.example.com",
    "base_dn": "ou=people,dc=example,dc=com",
    "user_filter": "(&(objectClass=person)(uid=%[1]s))",
    "bind_dn": "cn=vikunja,dc=example,dc=com",
    "bind_password_file": "/secret/ldap",
}
MAILER = {
    "host": "mail.example.com",
    "user": "vik$unja",
    "password_file": "/secret/mail",
    "from": "vikunja@example.com",
}
WITH_ALL: dict[str, Any] = {
    "log": {"level": "warning", "format": "structured", "http": True, "mail": True},
    "mailer": MAILER,
    "auth": {"local": False, "openid": [KEYCLOAK], "ldap": LDAP},
    "secret_files": {"VIKUNJA_SENTRY_DSN": "/secret/dsn"},
}
PASSWORDS = (
    "VIKUNJA_AUTH_LDAP_BINDPASSWORD",
    "VIKUNJA_AUTH_OPENID_PROVIDERS_KEYCLOAK2_CLIENTSECRET",
    "VIKUNJA_MAILER_PASSWORD",
    "VIKUNJA_SENTRY_DSN",
)


def variables(**settings: Any) -> dict[str, str]:
    """What sh reads from the settings of a color, of these names of Vikunja's."""
    desired = sample_instance(vikunja=settings)
    text = render(desired, templated(desired))[environment("blue")].content.decode()
    script = f"set -a\n{text}\nexec env"
    said = run(["sh", "-c", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=True)
    found = dict(line.split("=", 1) for line in said.stdout.decode().splitlines())
    return {
        name.removeprefix("VIKUNJA_"): value
        for name, value in found.items()
        if name.startswith(("VIKUNJA_LOG_", "VIKUNJA_MAILER_", "VIKUNJA_AUTH_"))
    }


def test_without_these_keys_nothing_is_said_of_them() -> None:
    assert variables() == {"LOG_HTTP": "off"}


def test_each_key_becomes_the_variables_that_vikunja_reads() -> None:
    providers = "AUTH_OPENID_PROVIDERS_KEYCLOAK2_"

    assert variables(**WITH_ALL) == {
        "LOG_LEVEL": "WARNING",
        "LOG_FORMAT": "structured",
        "LOG_HTTP": "stdout",
        "LOG_MAIL": "stdout",
        "LOG_MAILLEVEL": "DEBUG",
        "MAILER_ENABLED": "true",
        "MAILER_HOST": "mail.example.com",
        "MAILER_PORT": "587",
        "MAILER_FORCESSL": "false",
        "MAILER_USERNAME": "vik$unja",
        "MAILER_FROMEMAIL": "vikunja@example.com",
        "AUTH_LOCAL_ENABLED": "false",
        "AUTH_OPENID_ENABLED": "true",
        f"{providers}NAME": "Key-Cloak 2",
        f"{providers}AUTHURL": "https://login.example.com/realms/main",
        f"{providers}CLIENTID": "vikunja",
        "AUTH_LDAP_ENABLED": "true",
        "AUTH_LDAP_HOST": "ldap.example.com",
        "AUTH_LDAP_PORT": "636",
        "AUTH_LDAP_USETLS": "true",
        "AUTH_LDAP_VERIFYTLS": "true",
        "AUTH_LDAP_BASEDN": "ou=people,dc=example,dc=com",
        "AUTH_LDAP_USERFILTER": "(&(objectClass=person)(uid=%[1]s))",
        "AUTH_LDAP_BINDDN": "cn=vikunja,dc=example,dc=com",
    }


def test_how_much_of_mail_is_logged_may_be_said_otherwise() -> None:
    given = {"VIKUNJA_log_maillevel": "error"}
    found = variables(log={"mail": True}, environment=given)

    assert found["LOG_MAIL"] == "stdout"
    assert "LOG_MAILLEVEL" not in found


def test_what_is_otherwise_than_usual_becomes_a_variable_too() -> None:
    provider = {
        **KEYCLOAK,
        "key": "login",
        "scope": "openid vikunja_scope",
        "logout_url": "https://login.example.com/out",
        "username_fallback": True,
        "email_fallback": True,
        "force_user_info": True,
    }
    attributes = {"username_attribute": "a", "email_attribute": "b", "name_attribute": "c"}
    plain = {"tls": False, "verify_certificate": False, "port": 389}
    found = variables(
        log={"http": False, "mail": False},
        mailer={**MAILER, "encryption": "tls", "port": 465},
        auth={"openid": [provider], "ldap": {**LDAP, **attributes, **plain}},
    )

    expected = {
        "LOG_HTTP": "off",
        "LOG_MAIL": "off",
        "MAILER_FORCESSL": "true",
        "MAILER_PORT": "465",
        "AUTH_OPENID_PROVIDERS_LOGIN_SCOPE": "openid vikunja_scope",
        "AUTH_OPENID_PROVIDERS_LOGIN_LOGOUTURL": "https://login.example.com/out",
        "AUTH_OPENID_PROVIDERS_LOGIN_USERNAMEFALLBACK": "true",
        "AUTH_OPENID_PROVIDERS_LOGIN_EMAILFALLBACK": "true",
        "AUTH_OPENID_PROVIDERS_LOGIN_FORCEUSERINFO": "true",
        "AUTH_LDAP_USETLS": "false",
        "AUTH_LDAP_VERIFYTLS": "false",
        "AUTH_LDAP_PORT": "389",
        "AUTH_LDAP_ATTRIBUTE_USERNAME": "a",
        "AUTH_LDAP_ATTRIBUTE_EMAIL": "b",
        "AUTH_LDAP_ATTRIBUTE_DISPLAYNAME": "c",
    }
    assert found.items() >= expected.items()


def instance() -> Instance:
    return sample_instance(vikunja=WITH_ALL)


def test_their_passwords_are_files_that_each_color_copies() -> None:
    desired = instance()
    given = HostFiles(settings=dict.fromkeys(PASSWORDS, Secret(b"canary-4711")))
    rendered = render(desired, templated(desired))
    found = {one.address: one for one in declare(desired, rendered, given)}

    for name in PASSWORDS:
        file = found[f"file:{SECRETS}/{name}"]
        assert isinstance(file, File)
        assert (file.mode, file.owner, file.content) == ("0600", "vikunja", given.settings[name])
        assert any(key in desired.vikunja.secret_settings[name][0] for key in file.origin.inputs)
    assert color.secrets(desired, "green").arguments[-4:] == PASSWORDS
    launcher = rendered[backend_launcher("green")]
    lines = [line for line in launcher.content.decode().splitlines() if "secret VIKUNJA" in line]
    assert lines == [f"secret {name} {name.removeprefix('VIKUNJA_')}" for name in PASSWORDS]
    assert {"vikunja.auth.openid", "vikunja.mailer.password_file"} <= set(launcher.origin.inputs)
    every = b"".join(one.content for one in rendered.values())
    assert b"canary" not in every and b"/secret/" not in every


def test_the_values_are_read_from_the_files_that_the_keys_name(tmp_path: Path) -> None:
    from tasks.model.host_files import read_host_files

    for name in ("keycloak", "mail", "ldap"):
        (tmp_path / name).write_text(f"{name} secret\n")
    desired = sample_instance(
        vikunja={
            "mailer": {**MAILER, "password_file": str(tmp_path / "mail")},
            "auth": {
                "openid": [{**KEYCLOAK, "client_secret_file": str(tmp_path / "keycloak")}],
                "ldap": {**LDAP, "bind_password_file": str(tmp_path / "ldap")},
            },
        }
    )

    found = read_host_files(desired).settings

    assert {name: found[name].reveal() for name in found} == {
        "VIKUNJA_MAILER_PASSWORD": b"mail secret",
        "VIKUNJA_AUTH_OPENID_PROVIDERS_KEYCLOAK2_CLIENTSECRET": b"keycloak secret",
        "VIKUNJA_AUTH_LDAP_BINDPASSWORD": b"ldap secret",
    }


def test_what_not_every_version_knows_is_named_with_the_first_that_does() -> None:
    provider = {**KEYCLOAK, "email_fallback": True}
    desired = sample_instance(vikunja={"auth": {"openid": [KEYCLOAK, provider], "ldap": LDAP}})

    assert known_from(desired.vikunja, desired.database) == {
        "vikunja.auth.openid": "1.0.0",
        "vikunja.auth.openid[1].email_fallback": "2.4.0",
        "vikunja.auth.ldap": "1.0.0",
    }
    assert known_from(sample_instance().vikunja, sample_instance().database) == {}


@pytest.mark.parametrize(
    ("version", "oldest", "is_older"),
    [
        ("v0.24.6", "1.0.0", True),
        ("0.24.6", "1.0.0", True),
        ("v2.3.0", "2.4.0", True),
        ("v2.4.0-rc1", "2.4.0", False),
        ("v2.10.0", "2.4.0", False),
        ("v2.4.0", "2.4.0", False),
        # Some commits further it may have come.
        ("v2.3.0-45-g83bac15840", "2.4.0", False),
        ("83bac15840", "2.4.0", False),
    ],
)
def test_only_a_version_that_is_known_to_be_older_is(
    version: str, oldest: str, is_older: bool
) -> None:
    assert older(version, oldest) is is_older

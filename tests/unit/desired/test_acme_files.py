"""What a certificate by ACME takes in the container, by the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from instance_samples import sample_instance

from tasks.desired import acme, proxy, system
from tasks.desired.rendering import render
from tasks.model.certificate_names import certificate_names, is_public
from tasks.model.host_files import NO_HOST_FILES, HostFiles, read_host_files
from tasks.model.instance import Instance
from tasks.model.layout import tls_folder
from tasks.resources.base import Resource
from tasks.resources.system import Package, Unit
from tasks.secret import Secret
from tasks.workflows.drill_site import DrillNetwork, drill_instance

SERVER = "https://acme-v02.api.letsencrypt.org/directory"
PROVIDER: dict[str, Any] = {"provider": "cloudflare", "credentials_file": "/dns"}
DNS: dict[str, Any] = {"challenge": "dns", "dns": PROVIDER}


def site(aliases: list[str] | None = None, **settings: Any) -> Instance:
    network = {
        "bridge": "vikunja0",
        "ip_address": "10.98.0.10/24",
        "gateway": "10.98.0.1",
        "domain": "vikunja.example.com",
        "aliases": aliases or [],
    }
    frontend = {"tls": "acme", "acme": settings}
    return sample_instance(network=network, services={"frontend": frontend})


def rendered(instance: Instance) -> dict[str, str]:
    made = render(instance, system.templated(instance))
    return {path: one.content.decode() for path, one in made.items()}


def declared(instance: Instance, host_files: HostFiles = NO_HOST_FILES) -> dict[str, Resource]:
    made = render(instance, system.templated(instance))
    resources = (
        *system.declare(instance, made, host_files),
        *proxy.declare(instance, made, host_files, (), ()),
        *acme.certificate(instance),
    )
    return {one.address: one for one in resources}


def test_nothing_of_it_is_there_without_the_key() -> None:
    instance = sample_instance()
    files = rendered(instance)
    assert not [one for one in declared(instance) if "acme" in one]
    assert not [path for path in files if "acme" in path]
    assert "acme" not in files["/etc/nginx/conf.d/vikunja.conf"]


def test_the_site_serves_its_own_certificate_until_one_comes() -> None:
    instance = site()
    found = declared(instance)
    text = rendered(instance)["/etc/nginx/conf.d/vikunja.conf"]
    nginx = found["unit:nginx.service"]
    assert tls_folder(instance) == "/etc/vikunja/tls/acme/current"
    assert "ssl_certificate /etc/vikunja/tls/acme/current/certificate.pem;" in text
    assert "self-signed-certificate:/etc/vikunja/tls/self-signed" in found
    assert "acme-fallback:/etc/vikunja/tls/acme" in nginx.triggers
    assert list(found)[-1] == "acme-certificate:/etc/vikunja/tls/acme"


def test_which_certificate_it_is_is_no_part_of_what_nginx_runs_with() -> None:
    found = declared(site())
    nginx, timer = found["unit:nginx.service"], found["unit:vikunja-acme.timer"]
    assert isinstance(nginx, Unit) and isinstance(timer, Unit)
    assert "acme-certificate:/etc/vikunja/tls/acme" not in nginx.triggers
    assert timer.triggers == ("file:/etc/systemd/system/vikunja-acme.timer",)


@pytest.mark.parametrize("proxies", [[], ["192.0.2.7"]])
def test_the_challenge_is_answered_before_anything_else(proxies: list[str]) -> None:
    frontend = {"tls": "acme", "trusted_proxies": proxies}
    text = rendered(sample_instance(services={"frontend": frontend}))
    blocks = text["/etc/nginx/conf.d/vikunja.conf"].split("\nserver {")[2:-1]
    assert len(blocks) == (1 if proxies else 2)
    for block in blocks:
        challenge = block.index("well-known/acme-challenge")
        others = [block.find(word) for word in ("return 301", "$closed", "keeping")]
        assert all(challenge < other for other in others if other >= 0)


def test_with_records_of_a_name_server_port_80_proves_nothing() -> None:
    files = rendered(site(**DNS))
    settings = files["/etc/vikunja/acme/certbot.ini"]
    assert "acme-challenge" not in files["/etc/nginx/conf.d/vikunja.conf"]
    assert "authenticator = dns-cloudflare\n" in settings
    assert "dns-cloudflare-credentials = /etc/vikunja/acme/dns-credentials\n" in settings
    assert "propagation" not in settings
    found = declared(site(**DNS))
    plug_in = found["package:python3-certbot-dns-cloudflare"]
    assert isinstance(plug_in, Package)


def test_how_long_records_take_is_said_where_it_is_given() -> None:
    dns = {**PROVIDER, "propagation_seconds": 90}
    instance = site(challenge="dns", dns=dns)
    settings = rendered(instance)["/etc/vikunja/acme/certbot.ini"]
    (certificate,) = acme.certificate(instance)
    assert "dns-cloudflare-propagation-seconds = 90\n" in settings
    assert certificate.timeout == acme.SECONDS + 90


def test_route53_reads_its_credentials_as_aws_does() -> None:
    files = rendered(site(challenge="dns", dns={"provider": "route53", "credentials_file": "/a"}))
    assert "credentials" not in files["/etc/vikunja/acme/certbot.ini"]
    assert (
        "AWS_CONFIG_FILE=/etc/vikunja/acme/dns-credentials"
        in (files["/usr/local/lib/vikunja/acme-get"])
    )


def test_mail_goes_to_the_administrator_where_nobody_else_is_named() -> None:
    for email, expected in ((None, "admin@example.com"), ("tls@example.com", "tls@example.com")):
        settings = rendered(site(email=email))["/etc/vikunja/acme/certbot.ini"]
        assert f"\nemail = {expected}\n" in settings


def test_what_it_reads_is_for_its_own_user_and_secret(tmp_path: Path) -> None:
    for name in ("dns", "eab", "ca"):
        (tmp_path / name).write_text(f"{name} content\n")
    dns = {"provider": "rfc2136", "credentials_file": str(tmp_path / "dns")}
    instance = site(
        challenge="dns", dns=dns, eab_file=str(tmp_path / "eab"), ca_file=str(tmp_path / "ca")
    )
    found = declared(instance, read_host_files(instance))
    for name, mode in (("dns-credentials", "0600"), ("eab", "0600"), ("authority.pem", "0644")):
        file = found[f"file:/etc/vikunja/acme/{name}"]
        assert (file.mode, file.owner) == (mode, "vikunja-acme")  # type: ignore[attr-defined]
        assert isinstance(file.content, Secret) is (mode == "0600")  # type: ignore[attr-defined]


def test_files_that_are_not_asked_for_are_not_read() -> None:
    frontend = {"acme": {"eab_file": "/nothing", "ca_file": "/nothing", **DNS}}
    assert read_host_files(sample_instance(services={"frontend": frontend})) == HostFiles()
    assert read_host_files(site(dns={"credentials_file": "/nothing"})) == HostFiles()


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("tasks.example.com", True),
        ("tasks.lan", False),
        ("tasks.home.arpa", False),
        ("tasks.INTERNAL", False),
        ("tasks", False),
        ("192.0.2.60", False),
        ("2001:db8::1", False),
    ],
)
def test_what_a_public_authority_knows(name: str, public: bool) -> None:
    assert is_public(name) is public


def test_an_authority_is_asked_for_the_names_that_it_can_know() -> None:
    aliases = ["www.example.com", "tasks.lan", "tasks", "192.0.2.60", "fd00::60"]
    assert certificate_names(site(aliases)) == ("vikunja.example.com", "www.example.com")
    assert certificate_names(site(aliases, ca_file="/ca")) == (
        "vikunja.example.com",
        "www.example.com",
        "tasks.lan",
        "tasks",
    )


def test_another_server_or_name_is_another_certificate() -> None:
    (before,), (other,) = acme.certificate(site()), acme.certificate(site(["b.example.com"]))
    assert before.arguments == ("/etc/vikunja/tls/acme", SERVER, "vikunja.example.com")
    assert other.arguments[-1] == "vikunja.example.com,b.example.com"


def test_a_drill_asks_no_authority() -> None:
    network = DrillNetwork("vkdr0", "198.18.0.2/24", "198.18.0.1")
    assert not drill_instance(site(), network).services.frontend.asks_authority

"""Addresses that others give: what follows a start, at which another one may come."""

from __future__ import annotations

from model_site import Site

NAMES, CERTIFICATE = (
    "given-names:/etc/vikunja/nginx/given.conf",
    "self-signed-certificate:/etc/vikunja/tls/self-signed",
)


def addresses(site: Site) -> list[str]:
    return [entry.address for entry in site.plan()[1].entries]


def desired(site: Site, **network: str | None) -> None:
    site.document["network"] |= network
    site.write()


def test_names_and_certificate_follow_a_start_at_which_another_may_be_given(site: Site) -> None:
    desired(site, ip6_address="auto")
    site.apply()
    assert addresses(site) == []
    # The container answers by what it has until then: only the start brings the other.
    desired(site, ip6_address="dhcp")
    planned = addresses(site)
    assert planned[:2] == ["container:vikunja-main", "running:vikunja-main"]
    assert planned[2:5] == [NAMES, CERTIFICATE, "unit:nginx.service"]
    assert "record:registry" in planned
    site.apply()
    assert addresses(site) == []


def test_what_was_given_is_gone_with_the_last_that_is(site: Site) -> None:
    desired(site, ip6_address="auto")
    site.apply()
    desired(site, ip6_address=None)
    assert "absent:/etc/vikunja/nginx/given.conf" in addresses(site)
    site.apply()
    assert site.machine.files.get("/etc/vikunja/nginx/given.conf") is None
    assert addresses(site) == []

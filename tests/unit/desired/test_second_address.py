"""A second address, of IPv6: where the site listens, and by what it is asked."""

from __future__ import annotations

import re
from typing import Any

import pytest
from instance_samples import sample_instance

from tasks.desired import proxy, rendering
from tasks.errors import ResourceError
from tasks.model import layout, registry
from tasks.model.instance import Instance
from tasks.model.registry import Registered

PATH = "/etc/nginx/conf.d/vikunja.conf"
NETWORK = {
    "bridge": "vikunja0",
    "ip_address": "10.98.0.10/24",
    "gateway": "10.98.0.1",
    "domain": "vikunja.example.com",
}


def site(**more: Any) -> Instance:
    return sample_instance(network={**NETWORK, **more})


def nginx(instance: Instance) -> str:
    return rendering.render(instance, proxy.templated(instance))[PATH].content.decode()


def listens(text: str) -> list[str]:
    return re.findall(r"^\tlisten ([^ ;]+)", text, re.MULTILINE)


def test_the_site_listens_on_both_and_is_asked_by_either() -> None:
    both = site(ip6_address="2001:db8:0::50/64", gateway6="fe80::1")
    before, text = nginx(site()), nginx(both)
    # What is listened on already stays as it is: a reload takes up what comes to it.
    assert listens(before) == ["80", "443", "80", "443", "unix:/run/nginx/in-hand.sock"]
    assert [one for one in listens(text) if "[::]" not in one] == listens(before)
    assert listens(text).count("[::]:443") == listens(text).count("443") == 2
    assert listens(text).count("[::]:80") == listens(text).count("80") == 2
    assert "ipv6only" not in text
    assert layout.other_names(both) == ("10.98.0.10", "2001:db8::50")
    assert "server_name vikunja.example.com 10.98.0.10 [2001:db8::50];" in text


def test_without_one_nothing_is_different() -> None:
    assert nginx(site()) == nginx(site(ip6_address=None, gateway6=None, mac_address=None))
    assert "[::]" not in nginx(site())
    only = nginx(site(ip_address="2001:db8::50/64", gateway="fe80::1"))
    assert set(re.findall(r"listen \[::\]:443 .*", only)) >= {
        "listen [::]:443 ssl http2 default_server reuseport ipv6only=off;"
    }


def test_no_two_instances_have_one_second_address() -> None:
    def entry(name: str, second: str | None) -> Registered:
        return Registered(
            instance_id=name,
            driver="lxc",
            node=None,
            container_id=None,
            container_name=name,
            ip_address=f"10.98.0.{len(name)}/24",
            domain="a.lan",
            created_at="2026-01-01T00:00:00Z",
            config="/etc/a.yaml",
            ip6_address=second,
        )

    first, other = entry("one", "2001:db8:0::7/64"), entry("other", "2001:db8::7/128")
    registry.refuse_conflicts(first, (entry("other", None), entry("more", "2001:db8::8/64")))
    with pytest.raises(ResourceError, match="address 2001:db8::7 belongs to other"):
        registry.refuse_conflicts(first, (other,))

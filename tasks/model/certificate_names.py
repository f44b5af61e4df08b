"""The names that an authority is asked to make a certificate for."""

from __future__ import annotations

from tasks.model.instance import Instance

LETS_ENCRYPT = "api.letsencrypt.org/"
"""What the addresses of its servers hold."""

PRIVATE_NAMES = ("lan", "local", "localhost", "internal", "home", "corp", "arpa", "test", "invalid")
"""Last labels of names that no public authority knows."""


def is_address(name: str) -> bool:
    """Whether what is the name of a site is an address."""
    return ":" in name or name.rpartition(".")[2].isdigit()


def is_public(name: str) -> bool:
    """Whether a public authority may know a name."""
    first, _, last = name.rpartition(".")
    return bool(first) and not is_address(name) and last.lower() not in PRIVATE_NAMES


def certificate_names(instance: Instance) -> tuple[str, ...]:
    """The domain, and the aliases that are names. An authority of the user's own may know any; of
    others only such are asked for as they can know."""
    own = instance.services.frontend.acme.ca_file is not None
    names = (one for one in instance.network.aliases if not is_address(one))
    return (instance.network.domain, *(one for one in names if own or is_public(one)))

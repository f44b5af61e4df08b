"""The format of age, as far as archives need it: X25519 recipients, and passphrases."""

from tasks.age.header import NoKey, NotAge
from tasks.age.keys import (
    Identity,
    Key,
    Lock,
    Passphrase,
    Recipient,
    parse_identities,
    parse_recipient,
)
from tasks.age.stream import CHUNK, Opener, Sealer

__all__ = [
    "CHUNK",
    "Identity",
    "Key",
    "Lock",
    "NoKey",
    "NotAge",
    "Opener",
    "Passphrase",
    "Recipient",
    "Sealer",
    "parse_identities",
    "parse_recipient",
]

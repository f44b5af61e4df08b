"""A dead man's switch: an address that is asked for while all goes well, by the convention of
Healthchecks and services like it. Nothing of it ever fails what is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from tasks.errors import CancelledError, DeployError
from tasks.model.instance import Instance
from tasks.model.redaction import protect
from tasks.secret import Secret

WAIT_SECONDS = 10
TRIES = 3
"""Of one that nobody answers: what is missed once wakes somebody up."""


@contextmanager
def pinged(
    instances: Sequence[Instance], warn: Callable[[str], None], *, wanted: bool = True
) -> Iterator[dict[str, DeployError]]:
    """Ask for the address of each instance once the work is over: with `/fail` where that raised,
    or put a failure of the instance into the dictionary. What was cancelled tells nothing.

    wanted: whether anybody is waiting for this. warn: where goes what could not be told.
    """
    telling = [one for one in instances if wanted and one.notifications.ping.url_file]
    failures: dict[str, DeployError] = {}
    try:
        yield failures
    except CancelledError:
        raise
    except DeployError:
        for instance in telling:
            ping(instance, well=False, warn=warn)
        raise
    for instance in telling:
        ping(instance, well=instance.id not in failures, warn=warn)


def ping(instance: Instance, *, well: bool, warn: Callable[[str], None]) -> None:
    """Ask for the instance's address once; what goes wrong goes to `warn`, without the address."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    path = instance.notifications.ping.url_file
    assert path is not None
    try:
        url = Secret(path.read_text().strip())
    except (OSError, UnicodeDecodeError) as error:
        warn(f"{instance.id}: Ping: {path} cannot be read: {error}")
        return
    protect(url)
    asked = url.reveal() if well else failed(url.reveal())
    retry = Retry(TRIES - 1, backoff_factor=1, status_forcelist=(429, 500, 502, 503, 504))
    try:
        with requests.Session() as session:
            for scheme in ("https://", "http://"):
                session.mount(scheme, HTTPAdapter(max_retries=retry))
            answer = session.get(asked, timeout=WAIT_SECONDS)
            answer.raise_for_status()
    except requests.RequestException as error:
        code = f" ({error.response.status_code})" if error.response is not None else ""
        host = urlsplit(asked).hostname
        warn(f"{instance.id}: Ping: {host} did not take it: {type(error).__name__}{code}")


def failed(url: str) -> str:
    """The address that says that it did not go well."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail"))

"""The address that is asked for while all goes well, on a real server."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from model_site import NAME, Site, model_site

from tasks.commands.apply import Apply
from tasks.commands.backup import Backup
from tasks.commands.drill import Drill
from tasks.commands.plan import Plan
from tasks.errors import CancelledError, DatabaseError
from tasks.notify.ping import pinged


class Service:
    """Whoever waits. answers: codes to give, one a request; 200 when they are used up."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: list[int] = []
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked.append(self.path)
                code = service.answers.pop(0) if service.answers else 200
                self.send_response(code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, service: Service, tmp_path: Path) -> Iterator[Site]:
    """Not deployed yet; whose address is asked for."""
    monkeypatch.setattr("urllib3.Retry.DEFAULT_BACKOFF_MAX", 0)
    with model_site(monkeypatch) as made:
        made.publish()
        address = tmp_path / "ping-url"
        address.write_text(f"{service.url}/ping/uuid-7f3a\n")
        address.chmod(0o600)
        made.document["notifications"] = {"ping": {"url_file": str(address)}}
        made.write()
        yield made


WELL, ILL = "/ping/uuid-7f3a", "/ping/uuid-7f3a/fail"


def test_an_unattended_apply_asks_for_it_also_where_there_is_nothing_to_do(
    site: Site, service: Service
) -> None:
    config = ["--config", str(site.config)]
    assert Apply().parse_execute(["--yes", *config]) == 0
    assert service.asked == [WELL]
    assert Apply().parse_execute(["--yes", *config]) == 0
    assert service.asked == [WELL, WELL]
    # Neither of these says that all is as it should be.
    assert Plan().parse_execute(config) == 0
    assert Apply().parse_execute(["--yes", "--target", f"{NAME}/unit:nginx.service", *config]) == 0
    assert service.asked == [WELL, WELL]


def test_a_failed_one_is_told_by_its_own_address(site: Site, service: Service) -> None:
    site.document["git"]["branch"] = "nowhere"
    site.write()
    assert Apply().parse_execute(["--yes", "--config", str(site.config)]) == 8
    assert service.asked == [ILL]


def test_who_sits_before_it_is_not_told(
    site: Site, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert Apply().parse_execute(["--yes", "--config", str(site.config)]) == 0
    assert service.asked == []


def test_of_several_each_has_its_own(site: Site, service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "configurations"
    folder.mkdir()
    (folder / "a.yaml").write_text(site.config.read_text())
    other = yaml.safe_load(site.config.read_text())
    other["deployment"]["instance_id"] = "vikunja-other"
    other["network"]["ip_address"] = "10.99.0.11/24"
    other["git"]["branch"] = "nowhere"
    address = tmp_path / "other-url"
    address.write_text(f"{service.url}/other?rid=1")
    address.chmod(0o600)
    other["notifications"]["ping"]["url_file"] = str(address)
    (folder / "b.yaml").write_text(yaml.safe_dump(other))
    assert Apply().parse_execute(["--yes", "--config", str(folder)]) == 8
    assert sorted(service.asked) == ["/other/fail?rid=1", WELL]


def test_backups_and_drills_ask_for_it(site: Site, service: Service) -> None:
    config = ["--config", str(site.config)]
    # Nothing is deployed: nothing can be backed up, and nothing drilled.
    assert Backup().parse_execute(config) != 0
    assert service.asked == [ILL]
    assert Drill().parse_execute(config) != 0
    assert service.asked == [ILL, ILL]


def test_what_went_well_what_was_cancelled_and_what_was_refused(
    site: Site, service: Service
) -> None:
    instances, warned = site.instances(), list[str]()
    with pinged(instances, warned.append) as failures:
        failures["somebody-else"] = DatabaseError("gone")
    assert service.asked == [WELL]
    with pytest.raises(CancelledError), pinged(instances, warned.append):
        raise CancelledError("cancelled")
    assert service.asked == [WELL]
    with pytest.raises(DatabaseError), pinged(instances, warned.append):
        raise DatabaseError("the dump failed")
    assert service.asked == [WELL, ILL] and warned == []


@pytest.mark.parametrize(
    ("answers", "asked", "said"),
    [
        ([503, 200], 2, ""),
        ([503, 503, 503], 3, "Ping: 127.0.0.1 did not take it: RetryError"),
        ([404], 1, "Ping: 127.0.0.1 did not take it: HTTPError (404)"),
    ],
)
def test_a_service_in_trouble_is_a_warning_without_the_address(
    site: Site,
    service: Service,
    capsys: pytest.CaptureFixture[str],
    answers: list[int],
    asked: int,
    said: str,
) -> None:
    service.answers = answers
    assert Apply().parse_execute(["--yes", "--config", str(site.config)]) == 0
    assert len(service.asked) == asked
    error = capsys.readouterr().err
    assert (said in error) and ("warning: " + NAME + ": Ping" in error) == bool(said)
    assert "uuid-7f3a" not in error


def test_one_that_is_not_there_is_a_warning(
    site: Site, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    address = site.instance.notifications.ping.url_file
    assert address is not None
    instances = site.instances()
    address.write_text("http://127.0.0.1:9/ping/uuid-7f3a")
    warned: list[str] = []
    with pinged(instances, warned.append):
        pass
    address.unlink()
    with pinged(instances, warned.append):
        pass
    assert "did not take it: ConnectionError" in warned[0] and "uuid-7f3a" not in warned[0]
    assert "cannot be read" in warned[1]
    assert service.asked == []

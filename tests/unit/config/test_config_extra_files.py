"""Files of the user's own that get in each other's way."""

from __future__ import annotations

from tasks.config.extra_files import extra_files


def test_a_file_names_every_earlier_one_that_is_above_or_below_it_in_their_order() -> None:
    paths = ("/srv/a/b/c", "/srv/a/b-c", "/srv", "/srv/x", "/srv/a/b")
    found = [finding.what for finding in extra_files({"files": [{"path": p} for p in paths]})]
    assert found == [
        "/srv and /srv/a/b/c of files[0] cannot both be files",
        "/srv and /srv/a/b-c of files[1] cannot both be files",
        "/srv/x and /srv of files[2] cannot both be files",
        "/srv/a/b and /srv/a/b/c of files[0] cannot both be files",
        "/srv/a/b and /srv of files[2] cannot both be files",
    ]

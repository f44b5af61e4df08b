"""Work beside the main thread."""

from __future__ import annotations

import threading

import pytest

from tasks.errors import GitError
from tasks.host.background import in_background


def test_work_in_the_background_gives_its_result_where_that_is_waited_for() -> None:
    here = threading.get_ident()
    answer = in_background(threading.get_ident)
    assert answer() != here
    assert in_background(lambda: None)() is None


@pytest.mark.parametrize("failure", [GitError("no such branch"), KeyboardInterrupt()])
def test_what_fails_in_the_background_fails_where_it_is_waited_for(failure: BaseException) -> None:
    def work() -> None:
        raise failure

    wait = in_background(work)
    with pytest.raises(type(failure)) as caught:
        wait()
    assert caught.value is failure

"""What doit loads: the steps of every configured instance, as tasks.

    ./doit list                  the steps
    ./doit render                write the files of all instances, change nothing else
    ./doit system:vikunja-main   one step of one instance, and what it depends on

`./doit plan` and `./doit apply` show and do all of it.
"""

from __future__ import annotations

import atexit
import sys

from tasks.commands.backup import take_alone
from tasks.engine.dodo import configured_instances, database_path
from tasks.engine.reporter import Reporter
from tasks.engine.session import Session
from tasks.engine.steps import backup_creator, step_creators
from tasks.errors import DeployError
from tasks.host.caller import prepare
from tasks.output import console
from tasks.paths import host_paths

prepare()
try:
    _instances = configured_instances(console.warning)
except DeployError as failure:
    console.error(failure)
    sys.exit(failure.exit_code)

_session = Session(host_paths(), warn=console.warning)
# The command that runs the steps has ended it by then; what else of doit runs them has not.
atexit.register(_session.close)

DOIT_CONFIG = {
    "backend": "write-through",
    "dep_file": str(database_path()),
    "default_tasks": ["render"],
    "par_type": "thread",
    "verbosity": 2,
    "reporter": Reporter,
    # For the command that runs the steps, which ends with what became of them.
    "session": _session,
}

globals().update(step_creators(_instances, _session))
globals().update(backup_creator(_instances, _session, take_alone))

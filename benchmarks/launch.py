"""Runs a command and accounts for it: ``python -S launch.py ACCOUNT COMMAND...``.

Its own process, because Linux counts the memory of the process that starts a command as the command's own.
"""

import os
import sys
import time
from pathlib import Path

account, *command = sys.argv[1:]
started = time.perf_counter()
pid = os.posix_spawnp(command[0], command, os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - started
with Path(account).open("w") as file:
    file.write(f"{seconds} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss / 1024}")
sys.exit(os.waitstatus_to_exitcode(status))

"""How tests run `hbimg doctor` and look at what it found."""

from __future__ import annotations

import json
import subprocess
import sys
import time


def doctor(*arguments):
    """Run the command as a user does: its findings by name, those that are as they should be left out, and its exit."""
    command = [sys.executable, "-m", "hbimg", "doctor", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr, done.stderr
    found = [finding for findings in json.loads(done.stdout).values() for finding in findings]
    return {finding["name"]: finding for finding in found if finding["severity"] != "ok"}, done.returncode, found


def doctor_until(is_told, *arguments):
    """Run it until what it told is as wanted, or for some twenty times: daemons count every few seconds."""
    for _ in range(20):
        told, code, found = doctor(*arguments)
        if is_told(told):
            break
        time.sleep(1)
    return told, code, found

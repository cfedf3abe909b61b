"""Commands under their supervisor: exit codes, limits, what they leave behind, what they say, no network."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from hbimg.mapreduce.commands import KEPT_BYTES, Command, Log, run_command

#: Two daemons of the kind that a process group does not hold: sessions of their own, their parent gone.
DAEMONS = """
import os, sys, time
for _ in range(2):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open("pids", "a") as stream:
                stream.write(f"{os.getpid()}\\n")
            time.sleep(600)
        os._exit(0)
while not os.path.exists("pids") or len(open("pids").read().split()) < 2:
    time.sleep(0.01)
print("daemons run", flush=True)
"""
TALK_TO_ITSELF = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
socket.create_connection(listener.getsockname())
print("loopback works")
"""


def run(tmp_path, *words, **more):
    environment = {"PATH": os.environ["PATH"]}
    return run_command(Command(tuple(words), tmp_path, environment, **{"timeout_s": 60.0, **more}))


def python(tmp_path, program, *arguments, **more):
    return run(tmp_path, sys.executable, "-c", program, *arguments, **more)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("true", ""),
        ("echo all is lost >&2; exit 3", "sh ended with status 3: all is lost"),
        ("printf 'one\\r\\033[1mtwo\\n\\n'; exit 255", "sh ended with status 255:  [1mtwo"),
        ("exit 1", "sh ended with status 1: it said nothing"),
        ("kill -SEGV $$", "sh was killed by SIGSEGV: it said nothing"),
    ],
)
def test_how_a_command_ends(tmp_path, script, words):
    assert run(tmp_path, "sh", "-c", script).why_failed() == words


@pytest.mark.parametrize(
    ("program", "words"),
    [("no-such-tool", "No such file or directory"), ("./text", "Exec format error"), ("./closed", "Permission denied")],
)
def test_a_program_that_cannot_be_started(tmp_path, program, words):
    (tmp_path / "text").write_text("plain text")
    (tmp_path / "text").chmod(0o755)
    (tmp_path / "closed").write_text("plain text")
    why = run(tmp_path, program, "x").why_failed()
    assert "cannot be started" in why
    assert words in why


def test_arguments_arrive_as_they_are(tmp_path):
    odd = ["two words", "", "$HOME", "'", '"', "new\nline", "\\", "*", "é", "--", "; exit 1"]
    ended = python(tmp_path, "import sys, json; print(json.dumps(sys.argv[1:]))", *odd)
    assert ended.log.text().strip() == __import__("json").dumps(odd)


def assert_gone(tmp_path):
    pids = [int(word) for word in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(psutil.NoSuchProcess):  # not even a zombie: the supervisor took note of its end
            psutil.Process(pid)


def test_a_hanging_command_is_killed_with_its_daemons(tmp_path):
    ended = python(tmp_path, DAEMONS + "time.sleep(600)", timeout_s=3.0)
    assert (
        ended.why_failed() == f"{Path(sys.executable).name} did not end in 3 s and was killed: give a longer --timeout"
    )
    assert ended.log.text() == "daemons run\n"
    assert_gone(tmp_path)


def test_daemons_that_a_command_leaves_behind_are_killed(tmp_path):
    ended = python(tmp_path, DAEMONS)
    assert (ended.why_failed(), ended.details["left"]) == ("", 2)
    assert_gone(tmp_path)


def test_a_command_that_ignores_every_signal_is_killed(tmp_path):
    program = (
        "import signal, time\nfor n in range(1, 32):\n  try: signal.signal(n, signal.SIG_IGN)\n  except OSError: pass\n"
    )
    assert "did not end in 1 s" in python(tmp_path, program + "time.sleep(600)", timeout_s=1.0).why_failed()


def test_nothing_is_left_when_hbimg_is_killed(tmp_path):
    program = (
        "from pathlib import Path; import os, sys; from hbimg.mapreduce.commands import *\n"
        "run_command(Command((sys.executable, '-c', sys.argv[1]), Path(sys.argv[2]), dict(os.environ), 600.0))"
    )
    process = subprocess.Popen([sys.executable, "-c", program, DAEMONS + "time.sleep(600)", str(tmp_path)])
    end = time.monotonic() + 60
    while not (tmp_path / "pids").exists() or len((tmp_path / "pids").read_text().split()) < 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    pids = [int(word) for word in (tmp_path / "pids").read_text().split()]
    while any(_is_alive(pid) for pid in [*pids, *(member.pid for member in family)]):
        assert time.monotonic() < end
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_memory_is_limited_for_one_process(tmp_path):
    ended = python(tmp_path, "block = bytearray(500 << 20)", memory_bytes=200 << 20)
    assert "ended with status 1 (its limit is 209,715,200 bytes of memory): MemoryError" in ended.why_failed()
    assert python(tmp_path, "block = bytearray(50 << 20)", memory_bytes=200 << 20).why_failed() == ""


def test_memory_is_limited_for_all_processes_together(tmp_path):
    child = "import time; block = bytearray(b'1') * (60 << 20); time.sleep(600)"
    start = f"one = subprocess.Popen([sys.executable, '-c', {child!r}])"
    program = f"import subprocess, sys\nfor _ in range(5): {start}\none.wait()"
    ended = python(tmp_path, program, memory_bytes=150 << 20)
    assert "held over 157,286,400 bytes of memory and was killed: give a larger --memory-limit" in ended.why_failed()


def test_a_flood_of_output_is_read_and_its_ends_are_kept(tmp_path):
    script = "echo first; head -c 300000000 /dev/zero; echo; echo last"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ended = run(tmp_path, "sh", "-c", script)
    text = ended.log.text()
    assert ended.log.size_bytes == 300_000_012
    assert text.startswith("first\n")
    assert text.endswith("\nlast\n")
    assert f"\n... {300_000_012 - 2 * KEPT_BYTES:,} bytes left out ...\n" in text
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 30_000


@pytest.mark.slow
def test_ten_gigabytes_of_output(tmp_path):
    assert run(tmp_path, "head", "-c", "10000000000", "/dev/zero").log.size_bytes == 10_000_000_000


def test_output_goes_to_a_file_and_words_to_the_log(tmp_path):
    ended = run(tmp_path, "sh", "-c", "echo data; echo words >&2", stdout=tmp_path / "data.txt")
    assert (tmp_path / "data.txt").read_text() == "data\n"
    assert ended.log.text() == "words\n"


def test_a_log_keeps_short_streams_whole():
    log = Log()
    for piece in (b"a" * KEPT_BYTES, b"b" * 10, b"c" * (KEPT_BYTES - 10)):
        log.add(piece)
    assert log.text() == "a" * KEPT_BYTES + "b" * 10 + "c" * (KEPT_BYTES - 10)
    log.add(b"d")
    assert "... 1 bytes left out ..." in log.text()


def test_standard_input_is_empty(tmp_path):
    assert run(tmp_path, "cat").log.size_bytes == 0


def test_there_is_no_network_unless_it_is_asked_for(tmp_path):
    # A listener of this test: a command with the network reaches it, one without does not.
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        program = f"import socket; socket.create_connection(('127.0.0.1', {listener.getsockname()[1]}), 5)"
        assert python(tmp_path, program, network=True).why_failed() == ""
        refused = python(tmp_path, program).log.text()
    assert "ConnectionRefusedError" in refused or "PermissionError" in refused


def isolated(how: str, program: str, *prefix: str) -> str:
    """Run a program after `isolation.<how>` in a process of its own, and give what it said."""
    start = (
        f"import ctypes; from hbimg.mapreduce import isolation; isolation.{how}(ctypes.CDLL(None, use_errno=True))\n"
    )
    command = [*prefix, sys.executable, "-c", start + program]
    return subprocess.run(command, capture_output=True, text=True, cwd="/").stderr


def test_in_a_namespace_the_loopback_device_works():
    said = isolated("_leave_network", TALK_TO_ITSELF)
    if "Operation not permitted" in said:
        pytest.skip("this system lets this user make no namespaces")
    assert said == ""


def test_the_filter_refuses_sockets_but_unix_ones_in_children_too():
    child = "subprocess.run([sys.executable, '-c', 'import socket; {}'])"
    program = f"import socket, subprocess, sys; socket.socketpair(); {child}"
    assert isolated("_refuse_sockets", program.format("socket.socketpair()")) == ""
    for family in ("AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET"):
        said = isolated("_refuse_sockets", program.format(f"socket.socket(socket.{family}, socket.SOCK_DGRAM)"))
        assert "PermissionError: [Errno 13]" in said


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, to become another user")
def test_another_user_than_root_is_cut_off_too():
    prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
    readable = subprocess.run([*prefix, sys.executable, "-c", "import hbimg"], capture_output=True)
    if readable.returncode:
        pytest.skip("another user cannot read this Python")
    program = (
        "import os, socket; from hbimg.mapreduce.isolation import cut_off; cut_off(); assert os.getuid() == 65534\n"
        "socket.create_connection(('192.0.2.1', 9), 5)"
    )
    said = subprocess.run([*prefix, sys.executable, "-c", program], capture_output=True, text=True, cwd="/").stderr
    assert "Network is unreachable" in said or "PermissionError" in said

"""The samara command with its streams: pipes, terminals, signals, full disks. cli.py says how
to run it.
"""
import array
import fcntl
import os
import pty
import signal
import subprocess
import sys
import time

import cli
from cli import BPE, REFERENCE, call, environment, read_npy, Skip, test, text_of

LONG = ["run", BPE, *REFERENCE, "--tokens", "1", "-n", "20000", "-c", "20001", "--ignore-eos",
        "--temp", "0"]


def start_blocked():
    """A run that waits for its reader: the pipe is full. Returns the process."""
    process = subprocess.Popen([cli.samara, *LONG], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               stdin=subprocess.DEVNULL, env=environment())
    fcntl.fcntl(process.stdout, getattr(fcntl, "F_SETPIPE_SZ", 1031), 4096)
    deadline = time.monotonic() + 60
    before = 0
    while time.monotonic() < deadline:
        time.sleep(0.3)
        waiting = array.array("i", [0])
        fcntl.ioctl(process.stdout, 0x541B, waiting)  # FIONREAD
        if waiting[0] >= 4000 and waiting[0] == before:
            return process
        before = waiting[0]
        assert process.poll() is None, process.stderr.read()
    process.kill()
    raise AssertionError("the pipe never filled")


@test
def first_interrupt_stops():
    process = start_blocked()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, f"{process.returncode}: {err}"
    assert b"cancelled" in err and 4000 <= len(out) < 20000, (len(out), err)


@test
def second_interrupt_ends():
    process = start_blocked()
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130, process.returncode
    process.communicate()


@test
def reader_may_leave():
    process = start_blocked()
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0 and b"cannot" not in err, (process.returncode, err)


@test
def full_disk():
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    for args in [["run", BPE, *REFERENCE, "--tokens", "1", "-n", "3", "-q"], ["devices", "--json"],
                 ["info", BPE], ["--help"], ["tokenize", BPE, "-p", "x"]]:
        with open("/dev/full", "wb") as full:
            done = subprocess.run([cli.samara, *args], stdout=full, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, env=environment(), timeout=60)
        assert done.returncode == 1 and b"standard output" in done.stderr, (args, done)


@test
def closed_stdout_spoils_no_file():
    path = os.path.join(cli.scratch, "closed.npy")
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", cli.samara, "run", BPE, *REFERENCE,
                           "--tokens", "1", "-n", "4", "--logits", path], capture_output=True,
                          env=environment(), stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode in (0, 1), done
    assert len(read_npy(path)) == 283


def on_terminal(*args, **changes):
    """All output of samara when stdout and stderr are a terminal."""
    try:
        master, slave = pty.openpty()
    except OSError as error:
        raise Skip(f"no terminal to be had here: {error}") from error
    process = subprocess.Popen([cli.samara, *args], stdin=subprocess.DEVNULL, stdout=slave,
                               stderr=slave, env=environment(**changes))
    os.close(slave)
    out = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not part:
            break
        out += part
    os.close(master)
    process.wait(timeout=60)
    return out


@test
def colours_where_wanted():
    assert b"\033[1m" in on_terminal("--help")
    assert b"\033" not in on_terminal("--help", NO_COLOR="1")
    assert b"\033" not in on_terminal("--help", TERM="dumb")
    assert b"\033[" in on_terminal("--help", NO_COLOR="")
    assert b"\033" not in text_of("--help").encode()


@test
def progress_on_terminals_only():
    args = ["run", BPE, *REFERENCE, "--tokens", "1", "-n", "3", "--ignore-eos"]
    assert b"\r\033[K[" in on_terminal(*args)
    assert b"\r\033[K[" not in on_terminal(*args, "--quiet")
    assert b"\033" not in call(*args)[1]


if __name__ == "__main__":
    sys.exit(cli.main())

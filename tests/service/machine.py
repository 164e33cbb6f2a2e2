"""A machine that a real systemd runs: in namespaces of its own, with its own /run, /tmp, /etc and units.

Of the host it sees the file system, and writes to none of it. It has the targets that a service needs and nothing else
of systemd's: no journal, no device manager, and above all nothing that tidies /tmp.
"""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
from pathlib import Path

import stormcone

PYTHON = "/run/venv/bin/python"
"""This Python with what is installed for it, where a service may see it."""

PATIENCE = 120.0
"""Seconds for anything to happen."""

PROGRAM = "/usr/lib/systemd/systemd"

TARGETS = (
    "sysinit",
    "basic",
    "shutdown",
    "umount",
    "final",
    "poweroff",
    "reboot",
    "multi-user",
    "network-online",
    "nss-lookup",
    "time-sync",
    "remote-fs",
    "network",
    "local-fs",
    "sockets",
    "timers",
    "paths",
    "slices",
)
"""Those of systemd's that a service waits for, or that a shutdown needs, without what they pull in."""

_SHUTDOWN = """
[Unit]
DefaultDependencies=no
Requires=shutdown.target
After=shutdown.target umount.target
AllowIsolate=yes
[Service]
Type=oneshot
ExecStart=systemctl --force {verb}
"""

_BOOT = """
set -e
mount --make-rprivate /
mount -t proc proc /proc
umount --lazy /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --bind /proc/sys /proc/sys
mount -o remount,ro,bind /proc/sys
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/folder /run/etc/upper /run/etc/work
mount --bind "$1" /run/folder
mount --bind "$1/console" /dev/console
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work /etc
for place in /tmp /var/tmp; do mount -t tmpfs -o mode=1777 tmpfs $place; done
for place in /var/lib /etc/systemd/system /usr/lib/systemd/system /usr/lib/systemd/system-generators; do
    mount -t tmpfs -o mode=755 tmpfs $place
done
cp /run/folder/units/* /usr/lib/systemd/system
mkdir -p /etc/stormcone /run/python /run/venv/bin /run/venv/lib/{python}/site-packages
mount --bind {base} /run/python
mount --bind {packages} /run/venv/lib/{python}/site-packages
ln -s /run/python/bin/{python} /run/venv/bin/python
echo "home = /run/python/bin" > /run/venv/pyvenv.cfg
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    {program} --system --unit=multi-user.target --log-target=console --show-status=no
"""


def why_not() -> str:
    """Why there can be no such machine here; "" where there can."""
    if os.geteuid() != 0:
        return "it takes root"
    if not Path(PROGRAM).exists() or shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return "systemd is not installed"
    if _cgroups() is None:
        return "there are no control groups, version 2"
    source = Path(stormcone.__file__)
    if any(source.is_relative_to(place) for place in ("/tmp", "/var/tmp", "/home", "/root", "/run")):  # noqa: S108
        return f"a service cannot see {source}"
    return ""


def _cgroups() -> Path | None:
    for place in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        if (place / "cgroup.controllers").exists():
            return place
    return None


class Machine:
    """The machine, from its boot to its end.

    Args:
        folder: an empty folder that it sees as `/run/folder`.
        units: more units, by file name; those that `multi-user.target` wants are started at boot.
        wanted: which of them it wants.
    """

    def __init__(self, folder: Path, units: dict[str, str], wanted: tuple[str, ...] = ()) -> None:
        self.folder = folder
        place = folder / "units"
        place.mkdir()
        for name in TARGETS:
            (place / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\nAllowIsolate=yes\n")
        (place / "multi-user.target").write_text(f"[Unit]\nAllowIsolate=yes\nWants={' '.join(wanted)}\n")
        for verb in ("poweroff", "reboot"):
            (place / f"systemd-{verb}.service").write_text(_SHUTDOWN.format(verb=verb))
            (place / f"{verb}.target").write_text(
                f"[Unit]\nDefaultDependencies=no\nRequires=systemd-{verb}.service\nAfter=systemd-{verb}.service\n"
                "AllowIsolate=yes\n"
            )
        for name, text in units.items():
            (place / name).write_text(text)
        groups = _cgroups()
        assert groups is not None
        self._group = groups / f"stormcone-test-{os.getpid()}"
        self._group.mkdir()
        (folder / "boot.sh").write_text(
            _BOOT.replace("{program}", PROGRAM)
            .replace("{base}", sys.base_prefix)
            .replace("{packages}", sysconfig.get_path("purelib"))
            .replace("{python}", f"python3.{sys.version_info.minor}")
        )
        self._log = (folder / "console").open("w")
        namespaces = ("--pid", "--mount", "--fork", "--cgroup", "--uts", "--ipc", "--net", "--kill-child")
        self._outer = subprocess.Popen(
            [
                "sh",
                "-c",
                'echo $$ > "$0/cgroup.procs"; exec "$@"',
                str(self._group),
                "unshare",
                *namespaces,
                "sh",
                str(folder / "boot.sh"),
                str(folder),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._first = int(self.until(self._children, "its first process"))
        self.until(lambda: self.systemctl("is-system-running").stdout.strip() in {"running", "degraded"}, "its boot")

    def _children(self) -> str:
        return Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().strip()

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a program on it, to its end."""
        inside = ("nsenter", "--target", str(self._first), "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup")
        return subprocess.run(
            [*inside, "env", "LANG=C.UTF-8", "STORMCONE_LOG=text", *map(str, words)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def systemctl(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Ask its systemd."""
        return self.run("systemctl", "--no-pager", *words)

    def shows(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.systemctl("show", "--value", "--property", name, unit).stdout.strip()

    def until(self, condition: object, what: str) -> object:
        """Wait until the condition holds; answers its value."""
        assert callable(condition)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.05)
        raise AssertionError(f"{what} did not come within {PATIENCE:g} s:\n{self.log()}")

    def log(self) -> str:
        """What its systemd and its agent say."""
        return "".join(
            path.read_text() for path in (self.folder / "console", self.folder / "agent.log") if path.exists()
        )

    def power_off(self) -> None:
        """Shut it down, as `systemctl poweroff` does, and wait for its end."""
        self.systemctl("poweroff", "--no-block")
        self._outer.wait(PATIENCE)

    def close(self) -> None:
        """End it, whatever it does."""
        if self._outer.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self._outer.pid, signal.SIGKILL)  # and so its first process, and so all others
        self._outer.wait(PATIENCE)
        self._log.close()
        self.until(self._gone, "its end")

    def _gone(self) -> bool:
        for place in sorted(self._group.glob("**/"), reverse=True):
            with suppress(OSError):
                place.rmdir()
        return not self._group.exists()

"""The agent's unit for systemd, as data: each directive with its reason, and the text that these make.

At a reboot systemd stops units in the reverse of the order in which they are started. The agent is started after the
network, and after what its handlers work on where the drop-in names that, so it is stopped before these: its handlers
find them alive to the end, and find them again when they recover.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAME = "stormcone.service"
DROP_IN = "handlers.conf"

HEADER = (
    "# Written by `stormcone install --systemd`, which replaces it; what is yours belongs into the drop-in beside it."
)
"""The first line of a unit of ours."""

HIDDEN = {
    **dict.fromkeys(("/home", "/root", "/run/user"), "ProtectHome"),
    **dict.fromkeys(("/tmp", "/var/tmp"), "PrivateTmp"),  # noqa: S108 - not used, but known to be hidden
}
"""The folders that the service does not see, by the directive that hides each."""

STOP_SECONDS = 120
"""The agent ends by itself seconds after its handlers' grace; this is for the worst."""

WATCHDOG_SECONDS = 120
"""The loop turns every second; the longest of documents may hold it up for longer than a minute on a busy machine."""


@dataclass(frozen=True)
class Directive:
    """One line of the unit.

    Attributes:
        name: the directive.
        value: what it is set to.
        why: a comment; "" where the name says it.
    """

    name: str
    value: str
    why: str = ""


UNIT = (
    Directive("Description", "stormcone: carries this machine through its cloud's maintenance"),
    Directive("Documentation", "man:systemd.service(5)"),
    Directive("Wants", "network-online.target"),
    Directive(
        "After",
        "network-online.target nss-lookup.target time-sync.target remote-fs.target",
        "Stopped before the network goes away at a shutdown. The drop-in adds what the handlers work on.",
    ),
    Directive("StartLimitIntervalSec", "0", "However often it has failed, it is started again: the machine needs it."),
)

SERVICE = (
    Directive("Type", "notify", "Ready once its loop has turned; it says in STATUS= what it does."),
    Directive("NotifyAccess", "main"),
    Directive("ExecReload", "/bin/kill -HUP $MAINPID", "Takes changed handlers in; a broken file is refused."),
    Directive("TimeoutStartSec", "5min", "A cloud may take minutes to answer for the first time."),
    Directive("WatchdogSec", str(WATCHDOG_SECONDS), "Fed by the loop that does the work: one that hangs is ended."),
    Directive("Restart", "always"),
    Directive("RestartSec", "5"),
    Directive(
        "RestartPreventExitStatus",
        "2 64 66 78",
        "What a restart does not cure: a wrong option, handler file or plug-in, or a part that is not installed.",
    ),
    Directive(
        "KillMode", "mixed", "The agent alone is told to stop; it tells its handlers, and ends what does not heed that."
    ),
    Directive("TimeoutStopSec", str(STOP_SECONDS)),
    Directive("OOMPolicy", "continue", "A command that takes too much memory must not take the agent with it."),
    Directive("StateDirectory", "stormcone"),
    Directive("StateDirectoryMode", "0700"),
    Directive("RuntimeDirectory", "stormcone"),
    Directive("RuntimeDirectoryMode", "0750"),
    Directive("Environment", "STORMCONE_JOURNAL=%S/stormcone/journal.db"),
)

HARDENING = (
    Directive("NoNewPrivileges", "yes"),
    Directive("CapabilityBoundingSet", ""),
    Directive("AmbientCapabilities", ""),
    Directive("ProtectSystem", "strict"),
    Directive("ProtectHome", "yes"),
    Directive("PrivateMounts", "yes"),
    Directive("PrivateTmp", "yes"),
    Directive("PrivateDevices", "yes"),
    Directive("DevicePolicy", "closed"),
    Directive("ProtectProc", "invisible"),
    Directive("ProtectClock", "yes"),
    Directive("ProtectControlGroups", "yes"),
    Directive("ProtectHostname", "yes"),
    Directive("ProtectKernelLogs", "yes"),
    Directive("ProtectKernelModules", "yes"),
    Directive("ProtectKernelTunables", "yes"),
    Directive("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
    Directive("RestrictNamespaces", "yes"),
    Directive("RestrictRealtime", "yes"),
    Directive("RestrictSUIDSGID", "yes"),
    Directive("LockPersonality", "yes"),
    Directive("MemoryDenyWriteExecute", "yes"),
    Directive("RemoveIPC", "yes"),
    Directive("KeyringMode", "private"),
    Directive("SystemCallArchitectures", "native"),
    Directive("SystemCallFilter", "@system-service"),
    Directive("SystemCallFilter", "~@privileged @resources"),
    Directive("SystemCallErrorNumber", "EPERM"),
    Directive("UMask", "0077"),
)
"""What neither the agent nor most handlers need."""

_DROP_IN = """\
# What the handlers need beside the unit; this file is yours, and `stormcone install` never changes it.
# After a change: systemctl daemon-reload && systemctl restart stormcone

[Unit]
# What the handlers work on: started before the agent, and stopped after it, so that a drain finds it alive at a reboot.
#After=haproxy.service postgresql.service docker.service

[Service]
# Files that handlers write. All others are read-only, and the home folders are hidden.
#ReadWritePaths=/run/haproxy /var/lib/app
#ProtectHome=read-only

# Groups whose sockets and files they may use.
#SupplementaryGroups=haproxy

# Secrets of the cloud's credentials or of sinks, in a file for root alone.
#EnvironmentFile=/etc/stormcone/environment

# Commands such as `systemctl stop app` take root: install it with --user root.
# Programs that compile as they run (Java, Node.js) take
#MemoryDenyWriteExecute=no
# Commands that change their user (sudo, runuser) take
#NoNewPrivileges=no
#CapabilityBoundingSet=CAP_SETUID CAP_SETGID
#RestrictSUIDSGID=no
#SystemCallFilter=
"""


def unit_text(words: Sequence[str], user: str | None = None) -> str:
    """The unit.

    Args:
        words: the command that runs the agent, its program by its whole path.
        user: whose it is; None: a user of its own, made and removed by systemd.
    """
    whose = (Directive("DynamicUser", "yes"),) if user is None else (Directive("User", user),)
    service = (*SERVICE[:2], Directive("ExecStart", " ".join(map(quoted, words))), *whose, *SERVICE[2:])
    parts = [
        HEADER,
        "[Unit]",
        *map(_line, UNIT),
        "",
        "[Service]",
        *map(_line, service),
        "",
        "# What neither the agent nor most handlers need; the drop-in gives back what yours do.",
        *map(_line, HARDENING),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(parts) + "\n"


def hidden(path: Path) -> str:
    """Why the service does not see a path, as a clause; "" where it does."""
    for folder, directive in HIDDEN.items():
        if path.is_relative_to(folder):
            return f"the unit hides {folder} from it ({directive})"
    return ""


def drop_in_text() -> str:
    """The drop-in as it is first written: everything that handlers may need, as comments."""
    return _DROP_IN


def _line(directive: Directive) -> str:
    line = f"{directive.name}={directive.value}"
    return f"# {directive.why}\n{line}" if directive.why else line


def quoted(word: str) -> str:
    """A word of a command as a unit has it: nothing in it means anything to systemd."""
    plain = word.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[\w@%+=:,./$-]+", plain, re.ASCII):
        return plain
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'

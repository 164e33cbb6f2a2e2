"""Simulators at the clouds' own addresses, and clients that others wrote, in processes of their own."""

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from stormcone.clock import ManualClock, SystemClock
from stormcone_simulators.alibaba import AlibabaSimulator
from stormcone_simulators.aws import AwsSimulator
from stormcone_simulators.aws.imds.service import ImdsMode
from stormcone_simulators.azure import AzureSimulator
from stormcone_simulators.google import GoogleSimulator

HERE = Path(__file__).parent
INSTALLED = HERE.parent / ".venv-clients"
DEBIAN = INSTALLED / "debian"
PYTHON = INSTALLED / "python" / "bin" / "python"
AZURE, ALIBABA = "169.254.169.254", "100.100.100.200"


@pytest.fixture(scope="session", autouse=True)
def own_network() -> None:
    """Skips all tests where the clouds' addresses are not this machine's."""
    for address in (AZURE, ALIBABA):
        try:
            socket.create_server((address, 80)).close()
        except OSError:
            pytest.skip(f"{address} is not this machine's: run make clients, where network namespaces are allowed")


@pytest.fixture
def azure() -> Iterator[AzureSimulator]:
    """The machines web-0, which asks, and web-1."""
    with AzureSimulator(("web-0", "web-1"), clock=ManualClock(), bind=AZURE, port=80) as simulator:
        yield simulator


@pytest.fixture(params=[ImdsMode.BOTH, ImdsMode.V2])
def imds(request: pytest.FixtureRequest) -> Iterator[AwsSimulator]:
    """The instance i-0123456789abcdef0, whose metadata service speaks both versions, and then version 2 alone."""
    with AwsSimulator(clock=ManualClock(), bind=AZURE, port=80, imds=request.param) as simulator:
        yield simulator


@pytest.fixture
def google() -> Iterator[GoogleSimulator]:
    """The VMs web-0, which asks, and web-1; metadata and API are at the same address."""
    with GoogleSimulator(("web-0", "web-1"), clock=ManualClock(), bind=AZURE, port=80) as simulator:
        yield simulator


@pytest.fixture
def alibaba() -> Iterator[AlibabaSimulator]:
    """One instance, on a clock that runs, as clients wait for it to stop; metadata and API are at the same address."""
    with AlibabaSimulator(("i-web0",), clock=SystemClock(speed=60), bind=ALIBABA, port=80) as simulator:
        yield simulator


@pytest.fixture
def compute(azure: AzureSimulator) -> Mapping[str, Any]:
    """What Azure says of web-0, read without a client's help."""
    url = f"http://{AZURE}/metadata/instance/compute?api-version=2021-02-01"
    answer = requests.get(url, headers={"Metadata": "true"}, timeout=5)
    answer.raise_for_status()
    return dict(answer.json())


@dataclass(frozen=True)
class Said:
    """How a client ended, and what it printed."""

    status: int
    text: str
    errors: str

    @property
    def json(self) -> Any:
        """What it printed last, as JSON."""
        assert self.status == 0, self.errors
        return json.loads(self.text.splitlines()[-1])


@pytest.fixture(scope="session")
def need() -> Callable[..., None]:
    """Skips a test whose clients could not be installed, and says why."""
    missing = json.loads((INSTALLED / "missing.json").read_text())

    def check(*parts: str) -> None:
        for part in parts:
            if missing[part]:
                pytest.skip(missing[part])

    return check


@pytest.fixture
def run(need: Callable[..., None], tmp_path: Path) -> Callable[..., Said]:
    """Runs a program in an environment of its own, without a word of the user's own settings."""

    def running(*command: str | Path, path: Path | None = None, **environment: str) -> Said:
        modules = [DEBIAN / name / "usr/lib/python3/dist-packages" for name in ("cloud-init", "waagent")]
        modules.append(DEBIAN / "fence-agents/usr/share/fence")
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
            cwd=tmp_path,
            env={
                "PATH": os.pathsep.join([str(each) for each in (path,) if each] + [os.environ["PATH"]]),
                "HOME": str(tmp_path),
                "PYTHONPATH": os.pathsep.join(map(str, modules)),
                "PYTHONWARNINGS": "ignore",
                "NODE_PATH": str(INSTALLED / "node" / "node_modules"),
                **environment,
            },
        )
        return Said(done.returncode, done.stdout, done.stderr)

    return running


@pytest.fixture
def python(need: Callable[..., None], run: Callable[..., Said]) -> Callable[..., Any]:
    """Asks a client of `programs/ask.py`; `debian` says that a Debian package holds it."""

    def asking(name: str, *arguments: str, debian: bool = False) -> Any:
        need("python", *(("debian",) if debian else ()))
        return run(PYTHON, HERE / "programs" / "ask.py", name, *arguments).json

    return asking


@pytest.fixture
def node(need: Callable[..., None], run: Callable[..., Said]) -> Callable[[str], Any]:
    """Asks a client of `programs/ask.js`."""

    def asking(name: str) -> Any:
        need("node")
        return run("node", HERE / "programs" / "ask.js", name).json

    return asking


@pytest.fixture
def agent(need: Callable[..., None], run: Callable[..., Said]) -> Callable[..., Said]:
    """Runs a Python program of a Debian package."""

    def running(program: str | Path, *arguments: str, **more: Any) -> Said:
        need("python", "debian")
        return run(PYTHON, DEBIAN / program, *arguments, **more)

    return running


@dataclass(frozen=True)
class Cluster:
    """A Pacemaker cluster of this host, which is web-0, and of node-1, which is web-1; each attribute is a file."""

    attributes: Path
    agent: Callable[..., Said]
    nodes: Mapping[str, str]

    def monitor(self, name: str) -> None:
        """Have this host's agent look, as the cluster does every ten seconds."""
        ocf = DEBIAN / "resource-agents/usr/lib/ocf"
        said = self.agent(
            ocf / "resource.d/heartbeat" / name,
            "monitor",
            path=HERE / "programs" / "cluster",
            OCF_ROOT=str(ocf),
            OCF_FUNCTIONS_DIR=str(ocf / "lib/heartbeat"),
            OCF_RESKEY_eventTypes="Reboot,Redeploy",
            CLUSTER=str(self.attributes),
            NODE=self.nodes["web-0"],
        )
        assert said.status == 0, said.errors

    def attribute(self, machine: str, name: str) -> Path:
        """The file of an attribute of a machine's node, or of the whole cluster where `machine` is empty."""
        return self.attributes / f"{self.nodes[machine]}:{name}"


@pytest.fixture
def cluster(agent: Callable[..., Said], tmp_path: Path) -> Cluster:
    """A cluster of which nothing is known yet."""
    attributes = tmp_path / "cluster"
    attributes.mkdir()
    return Cluster(attributes, agent, {"": "", "web-0": socket.gethostname(), "web-1": "node-1"})

# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Two hosts on one machine: network namespaces joined by a link of known rate and delay."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
DATA_NET, CONTROL_NET = "10.77.0", "10.78.0"
MTU = 9000
HEADERS = 52  # bytes of IPv4 and TCP with timestamps, in every packet
RANKS_PER_HOST = 2


@dataclass(frozen=True)
class Link:
    megabytes_per_s: float  # 10^6 bytes, headers included
    delay_us: float  # one way

    @property
    def payload_bandwidth(self) -> float:
        """Bytes of messages a second, one way."""
        return 1e6 * self.megabytes_per_s * (MTU - HEADERS) / MTU


def why_not() -> str:
    """Why this machine cannot have two hosts; empty if it can."""
    if os.geteuid() != 0:
        return "it needs root to make network namespaces"
    for program in ("ip", "unshare", "mpirun"):
        if shutil.which(program) is None:
            return f"there is no program {program}"
    if not os.path.exists("/dev/net/tun"):
        return "there is no /dev/net/tun"
    name = f"moecal-{os.getpid()}-try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode != 0:
        return "network namespaces are refused here: " + made.stderr.strip()
    subprocess.run(["ip", "netns", "del", name], check=True)
    return ""


def command(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")


def remove_host(name: str) -> None:
    """A namespace and what runs in it; nothing if there is none of that name."""
    for pid in subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout.split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass
    subprocess.run(["ip", "netns", "del", name], capture_output=True)


def remove_leftovers() -> None:
    """Hosts whose maker was killed before it could remove them."""
    for line in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout.splitlines():
        made = re.fullmatch(r"moecal-(\d+)-(a|b|try)", line.split()[0])
        if made and not os.path.exists("/proc/" + made[1]):
            remove_host(made[0])


class TwoHosts:
    """Made by `with`; whatever ends the block, namespaces, link and processes in them are gone after it."""

    def __init__(self, emulator: pathlib.Path, link: Link):
        self.link, self.emulator = link, emulator
        self.names = [f"moecal-{os.getpid()}-{letter}" for letter in "ab"]
        self.relay = None
        self.lateness = ""

    def __enter__(self):
        remove_leftovers()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="moecal-two-hosts-"))
        try:
            self._make_hosts()
            self._start_link()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _make_hosts(self) -> None:
        for name in self.names:
            command("ip", "netns", "add", name)
            command("ip", "-n", name, "link", "set", "lo", "up")
            command("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv4.tcp_slow_start_after_idle=0",
                    "net.ipv4.tcp_no_metrics_save=1", "net.ipv4.tcp_congestion_control=reno")
        a, b = self.names
        # Launcher traffic goes beside the link.
        command("ip", "link", "add", "control", "netns", a, "type", "veth", "peer", "name", "control", "netns", b)
        for number, name in enumerate(self.names, start=1):
            command("ip", "-n", name, "addr", "add", f"{CONTROL_NET}.{number}/24", "dev", "control")
            command("ip", "-n", name, "link", "set", "control", "up")
        (self.folder / "hosts").write_text("".join(f"{name} slots={RANKS_PER_HOST}\n" for name in self.names))

    def _start_link(self) -> None:
        a, b = self.names
        self.relay = subprocess.Popen(
            [self.emulator, a, f"{DATA_NET}.1", b, f"{DATA_NET}.2", str(self.link.megabytes_per_s),
             str(self.link.delay_us), str(MTU)],
            stdout=subprocess.PIPE, text=True, start_new_session=True)
        if self.relay.stdout.readline().strip() != "ready":
            raise RuntimeError("the link did not come up; its reason is above")

    def __exit__(self, *_):
        if self.relay is not None:
            self.relay.terminate()
            self.lateness = self.relay.communicate()[0].strip()
        for name in self.names:
            remove_host(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _environment(self) -> dict:
        return os.environ | {
            "OMPI_MCA_plm": "rsh", "OMPI_MCA_plm_rsh_agent": str(HERE / "rsh_agent.sh"),
            "OMPI_MCA_orte_default_hostfile": str(self.folder / "hosts"),
            "OMPI_MCA_oob_tcp_if_include": f"{CONTROL_NET}.0/24", "OMPI_MCA_btl_tcp_if_include": f"{DATA_NET}.0/24",
            # Plain algorithms: a broadcast to one rank is one message.
            "OMPI_MCA_coll": "^tuned,adapt,han,sm", "OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "vader,tcp,self", "OMPI_MCA_hwloc_base_binding_policy": "none",
            "OMPI_MCA_mpi_yield_when_idle": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}

    def run(self, words: list, time_limit_s: float) -> None:
        """On the first host, where an mpirun puts RANKS_PER_HOST ranks on each. @raises RuntimeError unless it ends well."""
        first = self.names[0]
        process = subprocess.Popen(
            ["ip", "netns", "exec", first, "unshare", "--uts", "bash", "-c", f'hostname {first}; exec "$@"', "_",
             *map(str, words)],
            env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        try:
            output = process.communicate(timeout=time_limit_s)[0]
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, words))} ended with {process.returncode}:\n{output}")

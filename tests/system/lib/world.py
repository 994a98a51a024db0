"""Real parts on 127.0.0.1 in a folder of their own: Mosquitto, sealringd, sealring-collector, the `sealring` command.

A test is a function of a World; run() makes the World, shows what the daemons said when the test fails, and on all
paths ends, by pid, every process that was started. Where the programs are: $SEALRING_BUILD, a CMake build folder.
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from lib.ports import free_port

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ORIGIN = "example.com/site7/gw-0042"
WITNESS, MIRROR = "collector.example/witness", "collector.example/mirror"
TLS_URI = "sealring:gw-0042"
PATIENCE = 60.0  # seconds: a deadline that only a fault reaches
SHOWN_LINES = 60


class Failure(Exception):
    """What was expected did not happen; the words say what."""


def check(condition, words):
    if not condition:
        raise Failure(words)


def check_equal(got, wanted, what):
    check(got == wanted, f"{what}: {got!r}, expected {wanted!r}")


def wait_until(condition, what, patience=PATIENCE, alive=()):
    """Polls until `condition()` is true and returns what it gave. `alive`: processes whose end is the end of hope."""
    deadline = time.monotonic() + patience
    while True:
        got = condition()
        if got:
            return got
        for process in alive:
            if process.poll() is not None:
                raise Failure(f"{process.name} ended with {process.poll()} while waiting until {what}")
        if time.monotonic() > deadline:
            raise Failure(f"not within {patience:g} s: {what}")
        threading.Event().wait(0.02)


def program(name):
    folder = {"sealringd": "gateway", "sealring": "gateway", "sealring-collector": "collector"}[name]
    build = os.environ.get("SEALRING_BUILD", os.path.join(HERE, "..", "..", "build", "release"))
    path = os.path.join(os.path.abspath(build), folder, name)
    if not os.access(path, os.X_OK):
        sys.exit(f"{path} is not there; set SEALRING_BUILD to a build folder")
    return path


def toml_table(values):
    return "".join(f"{k} = {v if isinstance(v, (Raw, int)) else json.dumps(v)}\n" for k, v in values.items())


class Process:
    """One daemon. What it writes goes to a file; `mark` is where the present run of it begins."""

    def __init__(self, name, command, log_path):
        self.name, self.command, self.log_path = name, command, log_path
        self.child, self.mark = None, 0

    def start(self):
        check(self.child is None, f"{self.name} runs already")
        self.mark = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            # Should this test be killed, its children are, too. (Bound to the thread: start only from the main one.)
            # In a session of its own: a terminal's Ctrl-C is for us, and we end the daemons in order.
            self.child = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--"] + self.command, stdout=log,
                                          stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        return self

    @property
    def pid(self):
        return self.child.pid

    def poll(self):
        return self.child.poll() if self.child else -1

    def said(self, everything=False):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, "rb") as log:
            log.seek(0 if everything else self.mark)
            return log.read().decode("utf-8", "replace")

    def lines(self, everything=False):
        return self.said(everything).splitlines()

    def wait_said(self, *words, patience=PATIENCE):
        """Until one line has all the words; returns the line."""
        def seen():
            for line in self.lines():
                if all(w in line for w in words):
                    return line
            return None
        return wait_until(seen, f"{self.name} says {words}", patience, alive=[self])

    def wait_end(self, code, patience=PATIENCE):
        check(self.child is not None, f"{self.name} was not started")
        try:
            got = self.child.wait(patience)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} does not end within {patience:g} s") from None
        self.child = None
        check_equal(got, code, f"exit code of {self.name}")

    def stop(self, code=0, patience=PATIENCE):
        self.child.send_signal(signal.SIGTERM)
        self.wait_end(code, patience)

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self.wait_end(-signal.SIGKILL)

    def memory_kib(self, what="RssAnon"):
        """Resident memory of its own: without file pages, since LMDB's mapping of the ring is no memory in use."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith(what + ":"):
                    return int(line.split()[1])
        raise Failure(f"no {what} of {self.name}")


class Broker(Process):
    def __init__(self, world, inflight=None):
        self.port = free_port()
        folder = world.path("broker")
        os.makedirs(folder, exist_ok=True)
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "persistence true",
                 f"persistence_location {folder}/", "max_queued_messages 0", "log_dest stderr", "log_type error",
                 "log_type warning", "log_type notice", "log_type subscribe", f"user {world.user}"]
        if inflight is not None:
            lines.append(f"max_inflight_messages {inflight}")
        config = world.write("broker/mosquitto.conf", "\n".join(lines) + "\n")
        super().__init__("mosquitto", ["/usr/sbin/mosquitto", "-c", config], world.path("mosquitto.log"))

    def start(self):
        super().start()
        wait_until(self.reachable, "mosquitto accepts connections", alive=[self])
        return self

    def reachable(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False


class Collector(Process):
    def __init__(self, world, port=None):
        self.world, self.port = world, port or free_port()
        self.archive = world.path("archive")
        self.top, self.metrics = {}, {}
        super().__init__("sealring-collector", [program("sealring-collector"), "--config",
                                                world.path("collector.toml")], world.path("collector.log"))

    def configure(self, anchor=None, tls_uri=TLS_URI, policy="collector-policy", **tls):
        files = {"ca": "tls/ca.pem", "cert": "tls/collector.pem", "key": "tls/collector.key", **tls}
        gateway = f'[[gateway]]\nanchor = "{anchor or self.world.anchor}"\ntls_uri = "{tls_uri}"\n' if tls_uri else ""
        operators = f"\n[metrics]\n{toml_table(self.metrics)}" if self.metrics else ""
        self.world.write("collector.toml", toml_table(self.top) + f'listen = "127.0.0.1:{self.port}"\n'
                         f'archive = "archive"\npolicy = "{policy}"\nwitness_key = "witness.key"\n'
                         f'mirror_key = "mirror.key"\n{operators}\n[tls]\n'
                         + "".join(f'{k} = "{v}"\n' for k, v in files.items()) + "\n" + gateway)
        return self

    def start(self, ready=True):
        super().start()
        if ready:
            self.wait_said("ready: listening on")
        return self


class Raw(str):
    """Text that is TOML already."""


class Gateway(Process):
    def __init__(self, world, name="gateway"):
        self.world, self.folder = world, world.path(name)
        super().__init__("sealringd", [program("sealringd"), "--config", os.path.join(self.folder, "sealring.toml")],
                         world.path(name + ".log"))
        self.recorder, self.broker, self.upstream, self.top, self.metrics = {}, {}, {}, {}, {}

    def configure(self):
        """Writes sealring.toml from the five dicts."""
        table = toml_table
        text = table(self.top) + "\n[recorder]\n" + table(self.recorder) + "\n[[broker]]\n" + table(self.broker)
        if self.metrics:
            text += "\n[metrics]\n" + table(self.metrics)
        if self.upstream:
            text += "\n[upstream]\n" + table(self.upstream)
        self.world.write(os.path.join(self.folder, "sealring.toml"), text)
        return self

    def start(self, ready=True):
        super().start()
        if ready:
            self.wait_said("ready:")
        return self

    def wait_subscribed(self):
        """Until the broker has its session and subscription: from then on nothing that is published may be lost."""
        self.wait_status(lambda s: s["broker"]["connected"], "it is connected to the broker")
        # Not the one for the broker's count of drops, which comes first.
        wait_until(lambda: re.search(r": sealring-\w+ [012] (?!\$SYS)\S+$", self.source.said(True), re.M),
                   "the broker has its subscription", alive=[self, self.source])

    def status(self):
        """From the daemon's socket, or None when it does not answer (it is starting, or was just killed)."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(os.path.join(self.folder, "sealring.sock"))
                s.sendall(b'{"get": "status"}\n')
                answer = b"".join(iter(lambda: s.recv(65536), b""))
            return json.loads(answer)
        except (OSError, ValueError):
            return None

    def wait_status(self, condition, what, patience=PATIENCE):
        def holds():
            status = self.status()
            return status if status and condition(status) else None
        return wait_until(holds, what, patience, alive=[self])


class World:
    def __init__(self, name):
        self.folder = tempfile.mkdtemp(prefix=f"sealring-{name}-")
        self.user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        self.processes, self.closers = [], []
        self.anchor = self.vkey = None

    # --- files and commands ---

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, content):
        path = self.path(name)
        with open(path, "wb" if isinstance(content, bytes) else "w") as f:
            f.write(content)
        return path

    def run(self, *command, code=0, patience=PATIENCE):
        """Runs to its end and returns (stdout, stderr). code None: any, and it is returned too."""
        command = [program(command[0]) if command[0].startswith("sealring") else command[0], *command[1:]]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=patience,
                              stdin=subprocess.DEVNULL)
        if code is None:
            return done.stdout, done.stderr, done.returncode
        check(done.returncode == code, f"{' '.join(command)}: exit code {done.returncode}, expected {code}\n"
              f"{done.stdout}{done.stderr}")
        return done.stdout, done.stderr

    def verify(self, path, code=0, policy="policy", anchor="anchor", extra=()):
        """`sealring verify --json`; returns its report. code None: any."""
        command = ["sealring", "verify", path, "--json", *extra]
        if policy:
            command += ["--policy", self.path(policy)]
        if anchor:
            command += ["--anchor", self.path(anchor)]
        out, err, got = self.run(*command, code=None)
        if code is not None:
            codes = (code,) if isinstance(code, int) else code
            check(got in codes, f"verify {path}: exit code {got}, expected {code}\n{out}{err}")
        report = json.loads(out)
        check_equal(report["exit_code"], got, "exit_code in verify's JSON beside the real one")
        return report

    def verify_live(self, path):
        """Of an archive that is being written: a receipt may be on its way for a moment, nothing may ever be wrong."""
        fine, *under_way = 0, 10, 11
        wait_until(lambda: self.verify(path, code=(fine, *under_way))["exit_code"] == fine, f"{path} verifies as fine")

    # --- parts ---

    def add(self, process):
        self.processes.append(process)
        return process

    def closing(self, thing):
        self.closers.append(thing)
        return thing

    def enrol(self, ring_size="256MiB", inflight=None, upstream_port=None, identity=None, origin=ORIGIN):
        """Keys, certificates, policies, store and configs of one gateway with its collector and broker; none runs."""
        self.run("sh", os.path.join(HERE, "make_certs.sh"), self.path("tls"), TLS_URI)
        out, _ = self.run("sealring", "init", self.path("gateway"), "--origin", origin, "--ring-size", ring_size,
                          *(["--identity-key", identity] if identity else []))
        self.anchor = out.strip().splitlines()[-1]
        self.vkey = self.anchor.split(" ")[0]
        self.write("anchor", self.anchor + "\n")
        keys = {}
        for role, name in (("witness", WITNESS), ("mirror", MIRROR)):
            out, _ = self.run("sealring", "key", "generate", self.path(role + ".key"), name, "--cosigner")
            keys[role] = out.strip().splitlines()[-1]
        self.keys = keys
        named = f"log {self.vkey}\nwitness witness {keys['witness']}\nwitness mirror {keys['mirror']}\n"
        both = named + "group both all witness mirror\nquorum both\n"
        self.write("gateway-policy", both)
        self.write("policy", both)  # the auditor's: what the archive keeps has both cosignatures as well
        self.write("collector-policy", f"log {self.vkey}\nquorum none\n")
        broker = self.add(Broker(self, inflight))
        collector = self.add(Collector(self)).configure()
        gateway = self.add(Gateway(self))
        gateway.source = broker
        gateway.top = {"origin": origin, "store": "store", "identity_key": identity or "identity.key",
                       "socket": "sealring.sock"}
        gateway.recorder = {"segment_age": "1s"}
        gateway.broker = {"host": "127.0.0.1", "port": broker.port}
        gateway.upstream = {"url": f"https://127.0.0.1:{upstream_port or collector.port}", "ca": "../tls/ca.pem",
                            "cert": "../tls/gateway.pem", "key": "../tls/gateway.key", "policy": "../gateway-policy",
                            "mirror": "mirror", "retry_min": "100ms", "retry_max": "1s", "timeout": "5s"}
        gateway.configure()
        return broker, collector, gateway

    # --- end ---

    def show(self):
        for process in self.processes:
            lines = process.lines(everything=True)
            print(f"--- {process.name}: the last of {len(lines)} lines", file=sys.stderr)
            for line in lines[-SHOWN_LINES:]:
                print("    " + line, file=sys.stderr)
            if isinstance(process, Gateway) and process.child:
                print(f"    status: {json.dumps(process.status())}", file=sys.stderr)

    def close(self):
        for thing in reversed(self.closers):
            try:
                thing.close()
            except Exception:  # the others must be ended, too
                traceback.print_exc()
        for process in self.processes:
            if process.child and process.child.poll() is None:
                process.child.kill()
                process.child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def run(name, test):
    """One test in a World of its own. True when it passed."""
    world = World(name)
    began = time.monotonic()
    try:
        test(world)
        print(f"{name}: passed in {time.monotonic() - began:.1f} s", flush=True)
        return True
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, Failure):
            where = traceback.extract_tb(error.__traceback__)
            print(f"{name}: FAILED: {error}", file=sys.stderr)
            for frame in where:
                print(f"    {os.path.basename(frame.filename)}:{frame.lineno} {frame.line}", file=sys.stderr)
        else:
            print(f"{name}: FAILED:", file=sys.stderr)
            traceback.print_exc()
        world.show()
        if isinstance(error, KeyboardInterrupt):
            raise
        return False
    finally:
        world.close()


def main(*tests):
    """Runs (name, function) pairs; those named on the command line, or all. Exits."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that `finally` runs
    wanted = [a for a in sys.argv[1:] if not a.startswith("-")]
    unknown = set(wanted) - {name for name, _ in tests}
    if unknown:
        sys.exit(f"no such test: {', '.join(sorted(unknown))}; there are {', '.join(name for name, _ in tests)}")
    failed = [name for name, test in tests if (not wanted or name in wanted) and not run(name, test)]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)

"""What stands around the daemon in real life: a service manager that listens, a machine with default places."""
import ctypes
import os
import shutil
import socket
import subprocess
import threading

from lib.world import Gateway, Process, check, program, wait_until


class Manager:
    """The socket of a service manager. `said` has every datagram, as a dict of its lines, in order."""

    def __init__(self, world, abstract=False):
        self.name = f"@sealring-test-{os.getpid()}-{id(self):x}" if abstract else world.path("notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.name[1:] if abstract else self.name)
        self.said, self.lock = [], threading.Lock()
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()
        world.closing(self)

    def listen(self):
        while True:
            try:
                data = self.socket.recv(65536)
            except OSError:
                return
            if not data:
                return
            with self.lock:
                self.said.append(dict(line.split("=", 1) for line in data.decode().splitlines()))

    def count(self, key):
        with self.lock:
            return sum(key in one for one in self.said)

    def wait(self, key, count=1, alive=(), patience=60):
        wait_until(lambda: self.count(key) >= count, f"{key} is said {count} times", patience, alive)

    def forget(self):
        with self.lock:
            self.said.clear()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()


def with_environment(process, **variables):
    """From the next start on. None takes a variable away."""
    if not hasattr(process, "bare_command"):
        process.bare_command = process.command
    away = [a for name, value in variables.items() if value is None for a in ("-u", name)]
    given = [f"{name}={value}" for name, value in variables.items() if value is not None]
    process.command = ["env", *away, *given, *process.bare_command]


# --- one thread stopped, the rest running: what a hung disk looks like from inside ---

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000


class Frozen:
    """Threads of a process, all but the first and `spared`, held by ptrace until thaw(). Needs root: the daemon is not
    dumpable."""

    def __init__(self, pid, spared=()):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.tids = []
        for tid in sorted(int(t) for t in os.listdir(f"/proc/{pid}/task")):
            if tid == pid or tid in spared:
                continue
            self.ptrace(PTRACE_SEIZE, tid)
            self.ptrace(PTRACE_INTERRUPT, tid)
            os.waitpid(tid, WALL)
            self.tids.append(tid)
        check(self.tids, "it has threads")

    def ptrace(self, request, tid):
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        check(self.libc.ptrace(request, tid, None, None) == 0,
              f"ptrace({request:#x}, {tid}): {os.strerror(ctypes.get_errno())}")

    def thaw(self):
        for tid in self.tids:
            self.ptrace(PTRACE_DETACH, tid)
        self.tids = []


# --- a machine of its own, as far as files go ---

ETC = ["passwd", "group", "nsswitch.conf", "hosts", "ld.so.cache", "ld.so.conf", "localtime", "ssl"]
DAEMON_UID, MEMBER_UID, OTHER_UID = 64101, 64102, 64103


class Machine:
    """A mount namespace with an /etc, /var/lib and /run of its own, where a user and a group `sealring` exist, a user
    `member` in that group, and a user `other`. What runs in it is started by `inside()`."""

    @staticmethod
    def why_not():
        """Words when this machine cannot do it."""
        if os.geteuid() != 0:
            return "not root"
        done = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/run"], capture_output=True,
                              text=True, check=False)
        return "" if done.returncode == 0 else f"no private mounts here: {done.stderr.strip()}"

    def __init__(self, world, disk="400m", users=True):
        self.world = world
        self.etc = world.path("machine-etc")
        os.makedirs(self.etc)
        os.chmod(world.folder, 0o755)  # other users find the certificates and the programs' output in it
        for name in ETC:
            source = os.path.join("/etc", name)
            if os.path.isdir(source):
                shutil.copytree(source, os.path.join(self.etc, name), symlinks=True)
            elif os.path.exists(source):
                shutil.copy(source, os.path.join(self.etc, name))
        if users:
            with open(self.etc + "/passwd", "a", encoding="ascii") as f:
                for name, uid in (("sealring", DAEMON_UID), ("member", MEMBER_UID), ("other", OTHER_UID)):
                    f.write(f"{name}:x:{uid}:{uid}::/nonexistent:/bin/false\n")
            with open(self.etc + "/group", "a", encoding="ascii") as f:
                f.write(f"sealring:x:{DAEMON_UID}:member\nmember:x:{MEMBER_UID}:\nother:x:{OTHER_UID}:\n")
        script = (f"set -e; mount --bind {self.etc} /etc; mount -t tmpfs -o size={disk} none /var/lib; "
                  "mount -t tmpfs none /run; echo made; exec sleep 100000")
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        self.holder = world.add(Process("machine", command, world.path("machine.log"))).start()
        self.holder.wait_said("made")

    def inside(self, *command, user=None, also=None):
        """`also`: one more group of that user."""
        command = [program(command[0]) if command[0].startswith("sealring") else command[0], *command[1:]]
        if user:
            uid = {"sealring": DAEMON_UID, "member": MEMBER_UID, "other": OTHER_UID}[user]
            groups = f"{uid},{also or (DAEMON_UID if user == 'member' else uid)}"
            command = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--groups", groups, "--", *command]
        return ["nsenter", "--target", str(self.holder.pid), "--mount", "--", *command]

    def run(self, *command, user=None, code=0):
        """As World.run()."""
        return self.world.run(*self.inside(*command, user=user), code=code)

    def daemon(self, user="sealring"):
        """sealringd without arguments, with the folder that a service manager would make."""
        self.run("install", "-d", "-o", str(DAEMON_UID), "-g", str(DAEMON_UID), "-m", "0750", "/run/sealring")
        gateway = self.world.add(Gateway(self.world, "machine-gateway"))
        gateway.command = self.inside("sealringd", user=user)
        return gateway

"""Faults that last for a while, put into a running daemon from outside: strace for system calls that fail, a small file
system for a full disk."""
import os
import shutil
import subprocess

from .world import check, wait_until


def no_root():
    return None if os.geteuid() == 0 else "needs root"


def no_strace():
    return None if shutil.which("strace") else "strace is not installed"


class FailingCalls:
    """While it lasts, `calls` (comma-separated) of a running process fail with `error`; on `paths` if some are given.

    strace attaches and detaches; the process knows nothing of it.
    """

    def __init__(self, world, process, calls, error, paths=(), when=None):
        fault = f"inject={calls}:error={error}" + (f":when={when}" if when else "")
        options = ["-f", "-y", "-e", f"trace={calls}", "-e", fault]
        for path in paths:
            options += ["-P", path]
        self.log = world.path("strace.log")
        if os.path.exists(self.log):
            os.remove(self.log)
        self.child = subprocess.Popen(["strace", *options, "-o", self.log, "-p", str(process.pid)],
                                      stderr=subprocess.PIPE, text=True)
        wait_until(lambda: self.traced(process.pid) or self.child.poll() is not None, "strace has attached")
        check(self.child.poll() is None, "strace cannot attach")

    @staticmethod
    def traced(pid):
        """All threads."""
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as status:
                if "TracerPid:\t0\n" in status.read():
                    return False
        return True

    def hits(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read().count("(INJECTED)")

    def close(self):
        if self.child.poll() is None:
            self.child.terminate()
        self.child.communicate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class SmallDisk:
    """A tmpfs of `mib` at `path`; fill() leaves no byte, drain() gives it back."""

    def __init__(self, path, mib):
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0700", "none", path], check=True)
        self.path, self.filler = path, os.path.join(path, "filler")

    def fill(self):
        with open(self.filler, "ab", buffering=0) as file:
            for size in (1 << 20, 4096):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    pass

    def free(self):
        at = os.statvfs(self.path)
        return at.f_bavail * at.f_bsize

    def drain(self):
        os.remove(self.filler)

    def close(self):
        subprocess.run(["umount", "-l", self.path], check=False)

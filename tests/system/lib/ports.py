"""Ports on 127.0.0.1 that stay ours while nobody listens on them."""
import random
import socket

LOWEST = 10000


def free_port():
    """Of those below the range that outgoing connections take theirs from: a server that is stopped and started again,
    or not yet started, must not find its port taken by some client's end."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        ephemeral = int(f.read().split()[0])
    for _ in range(1000):
        port = random.SystemRandom().randrange(LOWEST, max(ephemeral, LOWEST + 1000))
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port between {LOWEST} and {ephemeral}")

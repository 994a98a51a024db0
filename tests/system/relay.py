#!/usr/bin/python3
"""A TCP relay that can be cut, for tests and for the demonstration: it stands where a network link would be.

As a library:

    relay = Relay("127.0.0.1", 8443)
    relay.port            # connect here
    relay.cut()           # every connection is reset, new ones are refused
    relay.cut_after(n)    # the same, once n more bytes have gone towards the target
    relay.swallow_after(n)  # no cut then, but nothing arrives at the target any more, until restore() after a cut()
    relay.restore()
    relay.restore(swallow_after=n)  # with no moment in between in which more could pass
    relay.close()

As a program, `relay.py HOST:PORT` prints its port and reads `cut`, `cut-after N`, `restore` from standard input, one a
line; at the end of the input it ends.
"""
import selectors
import socket
import struct
import sys
import threading

from lib.ports import free_port

CHUNK = 65536


class Relay:
    def __init__(self, target_host, target_port):
        self._target = (target_host, target_port)
        self._lock = threading.Lock()
        self._pairs = set()  # of (client socket, target socket)
        self._budget = None  # bytes towards the target until the cut, or from which they get lost; None: all pass
        self._swallows = False
        self._listener = None
        self.bytes_up = 0
        self.port = free_port()  # the same one after each restore()
        self.restore()

    def restore(self, swallow_after=None):
        with self._lock:
            if self._listener is not None:
                return
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))
            listener.listen(64)
            self._listener = listener
            self._budget, self._swallows = swallow_after, swallow_after is not None
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self):
        with self._lock:
            listener, self._listener = self._listener, None
            pairs, self._pairs = self._pairs, set()
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
            listener.close()
        for pair in pairs:
            for end in pair:
                abort(end)

    close = cut

    def cut_after(self, count):
        with self._lock:
            self._budget, self._swallows = count, False

    def swallow_after(self, count):
        with self._lock:
            self._budget, self._swallows = count, True

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                target = socket.create_connection(self._target, timeout=10)
                target.settimeout(None)
            except OSError:
                abort(client)
                client.close()
                continue
            pair = (client, target)
            with self._lock:
                alive = self._listener is listener
                if alive:
                    self._pairs.add(pair)
            threading.Thread(target=self._pump, args=pair, daemon=True).start()
            if not alive:
                abort(client)
                abort(target)
                return

    def passes(self, pair, up, data):
        """For those who want to read along: called with what is about to go on, towards the target when `up`."""

    def _pump(self, client, target):
        """Both directions of one connection. Ends with it; an end of stream is passed on."""
        with selectors.DefaultSelector() as selector:
            try:
                selector.register(client, selectors.EVENT_READ, target)
                selector.register(target, selectors.EVENT_READ, client)
                while selector.get_map():
                    for key, _ in selector.select():
                        if not self._pass_on(key.fileobj, key.data, (client, target)):
                            selector.unregister(key.fileobj)
            except (OSError, ValueError, KeyError):
                pass  # cut, or broken off by a peer
        with self._lock:
            self._pairs.discard((client, target))
        client.close()
        target.close()

    def _pass_on(self, source, sink, pair):
        data = source.recv(CHUNK)
        if not data:
            with self._lock:
                if pair not in self._pairs:
                    raise ConnectionAbortedError("cut")
            sink.shutdown(socket.SHUT_WR)
            return False
        due = False
        if source is pair[0]:
            with self._lock:
                self.bytes_up += len(data)
                if self._budget is not None:
                    due = len(data) >= self._budget and not self._swallows
                    data = data[: self._budget]
                    self._budget -= len(data)
        self.passes(pair, source is pair[0], data)
        sink.sendall(data)
        if due:
            self.cut()
        return True


def abort(sock):
    """Makes the thread that has `sock` close it, and that close a reset, as a broken link shows in the end."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.shutdown(socket.SHUT_RD)  # wakes who reads from it; sends nothing
    except OSError:
        pass  # it is over already


def main(argv):
    if len(argv) != 2 or ":" not in argv[1]:
        print(__doc__, file=sys.stderr)
        return 2
    host, port = argv[1].rsplit(":", 1)
    relay = Relay(host, int(port))
    print(relay.port, flush=True)
    for line in sys.stdin:
        words = line.split()
        if words == ["cut"]:
            relay.cut()
        elif words == ["restore"]:
            relay.restore()
        elif len(words) == 2 and words[0] == "cut-after":
            relay.cut_after(int(words[1]))
        elif words:
            print(f"unknown command {line!r}", file=sys.stderr)
    relay.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

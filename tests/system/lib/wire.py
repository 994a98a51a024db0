"""What passed between a broker and sealringd, read on the wire by code that is not the gateway's: which messages were
delivered, and which of them sealringd acknowledged. The acknowledgement counts from the moment at which it has left
the process, whether or not it arrives.
"""
import collections
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from relay import Relay  # noqa: E402  (beside the tests, also a program of its own)

CONNECT, PUBLISH, PUBACK, PUBREC = 1, 3, 4, 5
REFUSED = 0x80  # and above: reason codes of MQTT 5


class Wire(Relay):
    """A relay in front of the broker. Counters of (topic, payload), of QoS 1 and 2 only:

    `delivered`     PUBLISH without DUP
    `repeated`      PUBLISH with DUP
    `acknowledged`  PUBACK, or at QoS 2 PUBREC, by sealringd

    `order`: the same messages in the order in which each came first. `named`: what to keep of a payload, for those who
    send more than fits the memory.
    """

    def __init__(self, port, named=lambda payload: payload):
        self.delivered, self.repeated, self.acknowledged = (collections.Counter() for _ in range(3))
        self.order, self.named = {}, named
        self.trouble = None
        self._links, self._turn = {}, threading.Lock()
        super().__init__("127.0.0.1", port)

    def passes(self, pair, up, data):
        with self._turn:
            link = self._links.get(pair)
            if link is None:
                link = self._links[pair] = Link()
            try:
                for kind, flags, body in link.up.packets(data) if up else link.down.packets(data):
                    self._packet(link, up, kind, flags, body)
            except (ValueError, IndexError) as error:
                self.trouble = self.trouble or f"on the wire: {error}"
                raise OSError("not MQTT") from None

    def _packet(self, link, up, kind, flags, body):
        if up and kind == CONNECT:
            link.version = body[2 + int.from_bytes(body[:2], "big")]
        elif up and kind in (PUBACK, PUBREC):
            message = link.open.pop(body[:2], None)
            if message is None and kind == PUBACK:
                raise ValueError(f"an acknowledgement of {body[:2].hex()}, which was not delivered")
            if message is not None and not (len(body) > 2 and body[2] >= REFUSED):
                self.acknowledged[message] += 1
        elif not up and kind == PUBLISH and flags & 6:
            packet_id, (topic, payload) = publish(body, link.version)
            message = link.open[packet_id] = topic, self.named(payload)
            self.order.setdefault(message, len(self.order))
            (self.repeated if flags & 8 else self.delivered)[message] += 1


class Link:
    """One connection."""

    def __init__(self):
        self.up, self.down, self.version, self.open = Framer(), Framer(), None, {}


class Framer:
    """MQTT control packets out of a stream of bytes."""

    def __init__(self):
        self.rest = b""

    def packets(self, data):
        data, at = self.rest + data, 0
        while True:
            length, begin = variable_integer(data, at + 1)
            if length is None or begin + length > len(data):
                break
            yield data[at] >> 4, data[at] & 15, data[begin:begin + length]
            at = begin + length
        self.rest = data[at:]


def variable_integer(data, at):
    """(value, where it ends), or (None, at) when it is not there as a whole."""
    value = 0
    for i in range(4):
        if at + i >= len(data):
            return None, at
        value |= (data[at + i] & 127) << 7 * i
        if data[at + i] < 128:
            return value, at + i + 1
    raise ValueError("a length of more than four bytes")


def publish(body, version):
    """(packet id, (topic, payload)) of a PUBLISH above QoS 0."""
    end = 2 + int.from_bytes(body[:2], "big")
    topic, packet_id, at = body[2:end], body[end:end + 2], end + 2
    if not topic:
        raise ValueError("a topic alias, which nobody allowed")
    if version == 5:
        length, at = variable_integer(body, at)
        at += length
    return packet_id, (topic, body[at:])

"""What a gateway says to its collector, said by somebody else: the C2SP witness and mirror protocols over HTTPS."""
import http.client
import ssl

from .forge import bundle, vectors

BUNDLE = 256  # logs of one bundle: then the only subtree that is asked for is the whole tree, and its proof is empty


class Client:
    def __init__(self, world, port, cert="gateway"):
        context = ssl.create_default_context(cafile=world.path("tls/ca.pem"))
        context.load_cert_chain(world.path(f"tls/{cert}.pem"), world.path(f"tls/{cert}.key"))
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)

    def post(self, path, body, content_type="text/plain; charset=utf-8"):
        self.connection.request("POST", path, body, {"Content-Type": content_type})
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")

    def close(self):
        self.connection.close()

    def add_checkpoint(self, role, note, old=0, proof=()):
        lines = "".join(vectors.b64(h) + "\n" for h in proof)
        return self.post(f"/{role}/add-checkpoint", f"old {old}\n{lines}\n".encode() + note)

    def add_entries(self, origin, start, end, entries):
        """`entries`: those of [start, end)."""
        assert end <= BUNDLE
        name = origin.encode()
        head = len(name).to_bytes(2, "big") + name + start.to_bytes(8, "big") + end.to_bytes(8, "big") + b"\0\0"
        return self.post("/mirror/add-entries", head + bundle(entries) + b"\0", "application/octet-stream")


class Refused(Exception):
    def __init__(self, endpoint, status, words):
        super().__init__(f"{status} to {endpoint}: {words.strip()}")
        self.endpoint, self.status, self.words = endpoint, status, words


def agree(client, role, history, size, note):
    """As a forwarder does: what the other side says its size is, is gone along with, as far as a proof can be made.
    False: it is beyond `size` already, and whatever stands below that is not looked at."""
    status, words = client.add_checkpoint(role, note)
    if status == 409 and words.strip().isdigit() and int(words) <= size:
        status, words = client.add_checkpoint(role, note, int(words), history.proof(int(words), size))
    if status == 409:
        return False
    if status != 200:
        raise Refused(f"{role}/add-checkpoint", status, words)
    return True


def offer(client, history, identity, cuts=None):
    """The whole of it, segment by segment. Raises what is refused: also that the end is not news."""
    start, is_news = 0, False
    for end in cuts or history.cuts():
        note = history.note(end, identity)
        is_news = all([agree(client, role, history, end, note) for role in ("witness", "mirror")])
        if is_news:
            status, words = client.add_entries(history.origin, start, end, history.entries[start:end])
            if status != 200:
                raise Refused("mirror/add-entries", status, words)
        start = end
    if not is_news:
        raise Refused("add-checkpoint", 409, "has a larger size")

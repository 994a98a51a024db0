"""A collector that misbehaves: TLS by Python's ssl, one answer for each request, chosen by the test."""
import socket
import ssl
import threading


class FakeCollector:
    """`answer(path, body)` gives the raw bytes of an HTTP response (see http()); the connection is closed after it.

    `tls` False: plain TCP. Counts requests, or connections where no request can be read.
    """

    def __init__(self, port, answer, folder=None, cert="collector", tls=True):
        self.answer, self.requests, self.context = answer, 0, None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(f"{folder}/{cert}.pem", f"{folder}/{cert}.key")
            self.context.load_verify_locations(f"{folder}/ca.pem")
            self.context.verify_mode = ssl.CERT_REQUIRED
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(16)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            try:
                peer.settimeout(5)
                self.one(peer)
            except (OSError, ValueError):
                pass  # a peer that does not like us hangs up; that is what these tests are about
            finally:
                peer.close()

    def one(self, peer):
        if self.context is None:
            peer.recv(65536)
            self.requests += 1
            peer.sendall(self.answer(None, None))
            return
        with self.context.wrap_socket(peer, server_side=True) as stream:
            path, body = read_request(stream)
            self.requests += 1
            stream.sendall(self.answer(path, body))

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.thread.join(10)


def read_request(stream):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = stream.recv(65536)
        if not piece:
            raise ValueError("no request")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    lengths = [int(line.split(":")[1]) for line in lines[1:] if line.lower().startswith("content-length:")]
    while lengths and len(body) < lengths[0]:
        piece = stream.recv(65536)
        if not piece:
            raise ValueError("half a request")
        body += piece
    return lines[0].split(" ")[1], body


def http(status, body=b"", content_type="text/plain; charset=utf-8", length=None):
    if isinstance(body, str):
        body = body.encode()
    return (f"HTTP/1.1 {status} Whatever\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body) if length is None else length}\r\nConnection: close\r\n\r\n").encode() + body

"""A peer of the scalability protocols over plain sockets: what PROTOCOL.md says, and nothing more."""

import socket
import struct

REQ, REP, PUSH, PULL = 0x30, 0x31, 0x50, 0x51


class Closed(Exception):
    """The server closed the connection."""


class Peer:
    def __init__(self, url, protocol=REQ, timeout_s=10):
        scheme, _, address = url.partition("://")
        self.ipc = scheme == "ipc"
        if self.ipc:
            self.socket = socket.socket(socket.AF_UNIX)
            target = address
        else:
            host, _, port = address.rpartition(":")
            self.socket = socket.socket(socket.AF_INET)
            target = (host, int(port))
        self.socket.settimeout(timeout_s)
        self.socket.connect(target)
        self.protocol = protocol
        self.next_id = 1
        self.input = b""
        self.replies = []
        self.socket.sendall(struct.pack(">4sHH", b"\0SP\0", protocol, 0))
        answer = struct.unpack(">4sHH", self.read(8))
        if answer != (b"\0SP\0", REP if protocol == REQ else PULL, 0):
            raise ValueError(f"hello answered by {answer}")

    def read(self, count):
        while len(self.input) < count:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise Closed()
            self.input += chunk
        taken, self.input = self.input[:count], self.input[count:]
        return taken

    def send(self, body, hops=()):
        """Sends a request; answers its id (0 for PUSH)."""
        request_id = 0
        if self.protocol == REQ:
            request_id = self.next_id
            self.next_id += 1
            words = [*hops, 0x80000000 | request_id]
            body = struct.pack(f">{len(words)}I", *words) + body
        prefix = (b"\1" if self.ipc else b"") + struct.pack(">Q", len(body))
        self.socket.sendall(prefix + body)
        return request_id

    def receive(self):
        """The next reply: its words before the payload, and the payload."""
        if self.ipc and self.read(1) != b"\1":
            raise ValueError("an ipc message that does not begin with 01")
        (length,) = struct.unpack(">Q", self.read(8))
        body = self.read(length)
        words = []
        while not words or not words[-1] & 0x80000000:
            words.append(struct.unpack_from(">I", body, 4 * len(words))[0])
        return words, body[4 * len(words):]

    def is_silent(self, wait_s):
        """Whether nothing comes for that long."""
        if self.input:
            return False
        before = self.socket.gettimeout()
        self.socket.settimeout(wait_s)
        try:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise Closed()
            self.input += chunk
            return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(before)

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes with a RST (an ipc socket just closes)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

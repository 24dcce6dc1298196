#!/usr/bin/env python3
"""TLS by clients that are not libholdfast: openssl's s_client, Python's ssl, nngcat.

Keys and certificates are made here, the former from what PROTOCOL.md says of them.

usage: tls.py HOLDFASTD PROTO_DIR [TEST..]
"""

import base64
import contextlib
import hashlib
import hmac
import os
import re
import select
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import daemon

HELLO, ANSWER = b"\0SP\0\0\x30\0\0", b"\0SP\0\0\x31\0\0"
ALERT = b"\x15\3\3\0\2\2\x46"  # to a hello in clear
WAIT_S = 10


def until(holds, what):
    deadline = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {WAIT_S} s: {what}")
        time.sleep(0.01)


# ---------------------------------------------------------------- keys and certificates


def derive(secret, label, count):
    extracted = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(extracted, label + b"\1", hashlib.sha256).digest()[:count]


class Key:
    def __init__(self, user):
        self.user, self.secret = user, os.urandom(32)
        text = base64.urlsafe_b64encode(self.secret + hashlib.sha256(self.secret).digest()[:4])
        self.line = f"{user}:hfk1_{text.decode()}\n"
        self.psk = derive(self.secret, b"holdfast tls psk 1", 32).hex()
        self.identity = f"hf1:{user}:{derive(self.secret, b'holdfast key id 1', 4).hex()}"


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


class Files:
    """A directory with key files, an authority and its certificates."""

    def __init__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="holdfast-tls-")
        self.directory = self.holder.name
        self.alice, self.bob = Key("alice"), Key("bob")
        self.write("keys", "# users\n" + self.alice.line + self.bob.line)
        self.authority("ca")
        self.authority("foreign")
        self.certificate("server", "ca", "localhost", "DNS:localhost,IP:127.0.0.1")
        self.certificate("expired", "ca", "localhost", "DNS:localhost", days="-1")
        self.certificate("worker", "ca", "worker", "DNS:worker.example")
        self.certificate("revoked", "ca", "revoked", "DNS:revoked.example")
        self.certificate("stranger", "foreign", "worker", "DNS:worker.example")
        self.revoke()

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def authority(self, name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", self.path(f"{name}.key"), "-out", self.path(f"{name}.crt"))

    def certificate(self, name, authority, common_name, alternatives, days="2"):
        request, extensions = self.path(f"{name}.csr"), self.path(f"{name}.ext")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                f"/CN={common_name}", "-keyout", self.path(f"{name}.key"), "-out", request)
        self.write(f"{name}.ext", f"subjectAltName={alternatives}\n")
        openssl("x509", "-req", "-in", request, "-CA", self.path(f"{authority}.crt"), "-CAkey",
                self.path(f"{authority}.key"), "-CAcreateserial", "-days", days, "-extfile", extensions,
                "-out", self.path(f"{name}.crt"))
        with open(self.path(f"{name}.crt"), encoding="utf-8") as certificate:
            with open(self.path(f"{name}.key"), encoding="utf-8") as key:
                self.write(f"{name}.pem", certificate.read() + key.read())

    def revoke(self):
        self.write("index", "")
        self.write("ca.conf", f"[ca]\ndefault_ca=it\n[it]\ndatabase={self.path('index')}\n"
                   "default_md=sha256\ndefault_crl_days=2\n")
        common = ["ca", "-config", self.path("ca.conf"), "-cert", self.path("ca.crt"), "-keyfile", self.path("ca.key")]
        openssl(*common, "-revoke", self.path("revoked.crt"))
        openssl(*common, "-gencrl", "-out", self.path("ca.crl"))


FILES = None


def keys():
    return ["--key-file", FILES.path("keys")]


def certificate(name="server"):
    return ["--tls-certificate", FILES.path(f"{name}.crt"), "--tls-private-key", FILES.path(f"{name}.key")]


def client_ca():
    return ["--tls-client-ca", FILES.path("ca.crt")]


# ---------------------------------------------------------------- clients


def port_of(server):
    return int(server.url("tls+tcp://").rsplit(":", 1)[1])


def s_client(server, *arguments):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port_of(server)}", "-quiet", "-nocommands", *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def with_psk(identity, psk):
    return ["-tls1_3", "-psk", psk, "-psk_identity", identity]


def read_exactly(pipe, count):
    data = b""
    while len(data) < count and select.select([pipe], [], [], WAIT_S)[0]:
        chunk = os.read(pipe.fileno(), count - len(data))
        if not chunk:
            break
        data += chunk
    return data


def frame(body, number=1):
    return struct.pack(">QI", 4 + len(body), 0x80000000 | number) + body


def ssl_context(name=None, ca="ca", alpn=None, version=None):
    context = ssl.create_default_context(cafile=FILES.path(f"{ca}.crt"))
    if name:
        context.load_cert_chain(FILES.path(f"{name}.crt"), FILES.path(f"{name}.key"))
    if alpn:
        context.set_alpn_protocols(alpn)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


@contextlib.contextmanager
def ssl_socket(server, context, host="localhost"):
    with socket.create_connection(("127.0.0.1", port_of(server)), WAIT_S) as plain:
        with context.wrap_socket(plain, server_hostname=host) as wrapped:
            yield wrapped


def ssl_hello(server, context, host="localhost"):
    """What the server answers to the hello."""
    with ssl_socket(server, context, host) as peer:
        peer.sendall(HELLO)
        return peer.recv(64)


class TlsTest(unittest.TestCase):
    def serve(self, *arguments):
        users = FILES.path("users.conf")
        with open(users, "w", encoding="utf-8") as file:
            if "--key-file" not in arguments:  # else these would be the only users
                file.write("[user anonymous]\nrights = :rwc\n")
                if "--tls-client-ca" in arguments:
                    file.write("[user worker]\ncertificate = cn:worker\nrights = :rwc\n")
        server = daemon.Daemon(PROGRAM, "--listen", "tls+tcp://127.0.0.1:0", "--config", users, *arguments)
        server.__enter__()
        self.addCleanup(server.__exit__, None, None, None)
        return server

    def start_s_client(self, server, key):
        peer = s_client(server, *with_psk(key.identity, key.psk))
        self.addCleanup(lambda: (peer.kill(), peer.communicate()))
        return peer

    def refuses_key(self, server, identity, psk):
        """The alert that a client with the key reads."""
        done = s_client(server, *with_psk(identity, psk))
        _, errors = done.communicate(timeout=WAIT_S)
        self.assertNotEqual(done.returncode, 0)
        return re.search(rb"alert number (\d+)", errors).group(1)

    # -------------------------------------------------- keys

    def test_s_client_with_a_key_is_served(self):
        server = self.serve(*keys())
        peer = self.start_s_client(server, FILES.alice)
        peer.stdin.write(HELLO + frame(b""))  # an empty request, in the same record
        peer.stdin.flush()
        reply = read_exactly(peer.stdout, 8 + 12)
        self.assertEqual(reply[:8], ANSWER)
        (length, number) = struct.unpack(">QI", reply[8:])
        self.assertEqual(number, 0x80000001)
        self.assertIn(b"UNKNOWN_OPERATION", read_exactly(peer.stdout, length - 4))

    def test_wrong_key_and_unknown_user_read_the_same_alert(self):
        server = self.serve(*keys())
        wrong = self.refuses_key(server, FILES.alice.identity, FILES.bob.psk)
        mallory = Key("mallory")
        unknown = self.refuses_key(server, mallory.identity, mallory.psk)
        self.assertEqual((wrong, unknown), (b"47", b"47"))
        until(lambda: "user=mallory" in server.log(), "the refusal in the log")
        self.assertIn('refused from=loopback why="wrong key" user=alice', server.log())
        self.assertNotIn(FILES.alice.psk, server.log())

    def test_identity_that_is_no_name_does_not_get_into_the_log(self):
        server = self.serve(*keys())
        self.refuses_key(server, 'hf1:x" user=root why="fine:00000000', FILES.alice.psk)
        until(lambda: "refused" in server.log(), "the refusal in the log")
        self.assertNotIn("root", server.log())

    def test_keys_and_certificates_at_one_address(self):
        server = self.serve(*keys(), *certificate(), *client_ca())
        peer = self.start_s_client(server, FILES.bob)
        peer.stdin.write(HELLO)
        peer.stdin.flush()
        self.assertEqual(read_exactly(peer.stdout, 8), ANSWER)
        self.assertEqual(ssl_hello(server, ssl_context("worker")), ANSWER)

    # -------------------------------------------------- certificates

    def test_nngcat_with_an_authority(self):
        server = self.serve(*certificate())
        self.assertIn("UNKNOWN_OPERATION", self.nngcat(server, "--cacert", FILES.path("ca.crt")))
        self.assertEqual(self.nngcat(server, "--cacert", FILES.path("foreign.crt")), "")

    def nngcat(self, server, *arguments):
        """The reply's bytes; "" when it was refused."""
        url = f"tls+tcp://localhost:{port_of(server)}"
        with tempfile.NamedTemporaryFile() as empty:
            done = subprocess.run(["nngcat", "--req", "--dial", url, "--file", empty.name, "--raw",
                                   "--recv-timeout", "5", *arguments], capture_output=True, timeout=30, check=False)
        return done.stdout.decode("latin-1") if done.returncode == 0 else ""

    def test_nngcat_with_a_certificate(self):
        server = self.serve(*certificate(), *client_ca())
        ca = ["--cacert", FILES.path("ca.crt")]
        self.assertIn("UNKNOWN_OPERATION", self.nngcat(server, *ca, "--cert", FILES.path("worker.pem")))
        self.assertEqual(self.nngcat(server, *ca), "")
        self.assertEqual(self.nngcat(server, *ca, "--cert", FILES.path("stranger.pem")), "")
        until(lambda: "neither a key nor a certificate" in server.log(), "the refusal in the log")

    def test_revoked_certificate_is_refused(self):
        server = self.serve(*certificate(), *client_ca(), "--tls-crl", FILES.path("ca.crl"))
        self.assertEqual(ssl_hello(server, ssl_context("worker")), ANSWER)
        with self.assertRaises(ssl.SSLError) as raised:
            ssl_hello(server, ssl_context("revoked"))
        self.assertIn("REVOKED", str(raised.exception))

    def test_versions(self):
        server = self.serve(*certificate())
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertEqual(ssl_hello(server, ssl_context(version=version)), ANSWER)
        server = self.serve(*certificate(), "--tls-min-version", "1.3")
        self.assertEqual(ssl_hello(server, ssl_context(version=ssl.TLSVersion.TLSv1_3)), ANSWER)
        with self.assertRaises(ssl.SSLError):
            ssl_hello(server, ssl_context(version=ssl.TLSVersion.TLSv1_2))

    def test_protocol_names(self):
        server = self.serve(*certificate())
        with ssl_socket(server, ssl_context(alpn=["h2", "holdfast/1"])) as peer:
            self.assertEqual(peer.selected_alpn_protocol(), "holdfast/1")
        with self.assertRaises(ssl.SSLError):
            ssl_hello(server, ssl_context(alpn=["h2", "http/1.1"]))

    def test_there_are_no_tickets(self):
        server = self.serve(*certificate())
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with ssl_socket(server, ssl_context(version=version)) as peer:
                peer.sendall(HELLO)
                peer.recv(64)
                self.assertFalse(peer.session is not None and peer.session.has_ticket)

    # -------------------------------------------------- bytes

    def test_large_messages_and_a_goodbye(self):
        server = self.serve(*certificate())
        with ssl_socket(server, ssl_context()) as peer:
            peer.sendall(HELLO)
            self.assertEqual(peer.recv(64), ANSWER)
            body = bytes([0x0a, 0x80, 0x80, 0x80, 0x01]) + bytes(1 << 21)  # a session of 2 MiB: refused
            peer.sendall(frame(body))
            reply = b""
            while len(reply) < 8 or len(reply) < 8 + struct.unpack(">Q", reply[:8])[0]:
                reply += peer.recv(65536)
            self.assertIn(b"BAD_SESSION", reply)
            peer.unwrap()  # waits for the server's goodbye

    def test_plain_clients_are_named(self):
        server = self.serve(*keys())
        for _ in range(5):  # beyond, they wait for longer and longer
            with socket.create_connection(("127.0.0.1", port_of(server)), WAIT_S) as peer:
                peer.sendall(HELLO)
                peer.settimeout(WAIT_S)
                answer = b""
                while part := peer.recv(64):
                    answer += part
                self.assertEqual(answer, ALERT)
        line = 'refused from=loopback why="plain client at a tls address"'
        until(lambda: line in server.log(), "the refusal in the log")

    def test_tls_client_at_a_plain_address(self):
        server = self.serve(*certificate())
        port = int(server.tcp_url.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), WAIT_S) as plain:
            with self.assertRaises((ssl.SSLError, OSError)):
                ssl_context().wrap_socket(plain, server_hostname="localhost")
        until(lambda: "tls client at an address in clear" in server.log(), "the refusal in the log")

    # -------------------------------------------------- starting

    def refuses_to_start(self, *arguments):
        done = subprocess.run([PROGRAM, "--listen", "tls+tcp://127.0.0.1:0", *arguments],
                              capture_output=True, timeout=WAIT_S, check=False)
        self.assertEqual(done.returncode, 2)
        return done.stderr.decode()

    def test_expired_certificate_is_named_and_refused(self):
        server = self.serve(*certificate("expired"))
        self.assertRegex(server.log(), r"warn certificate expired on=\d{4}-\d\d-\d\d file=" +
                         re.escape(FILES.path("expired.crt")) + ": clients will refuse it\n")
        with self.assertRaisesRegex(ssl.SSLCertVerificationError, "certificate has expired"):
            ssl_hello(server, ssl_context())

    def test_bad_settings_are_named(self):
        self.assertIn("needs --key-file FILE (holdfast key new USER > FILE) or tls.certificate",
                      self.refuses_to_start())
        self.assertIn(f'reason="private key {FILES.path("worker.key")}: key values mismatch"',
                      self.refuses_to_start("--insecure-no-auth", "--tls-certificate", FILES.path("server.crt"),
                                            "--tls-private-key", FILES.path("worker.key")))
        FILES.write("open", FILES.alice.line, 0o644)
        self.assertIn("mode 0644 lets others read it; chmod 600",
                      self.refuses_to_start("--key-file", FILES.path("open")))
        self.assertIn("--tls-min-version 1.1", self.refuses_to_start(*keys(), "--tls-min-version", "1.1"))


PROGRAM = sys.argv[1]
FILES = Files()
unittest.main(argv=sys.argv[:1] + sys.argv[3:])

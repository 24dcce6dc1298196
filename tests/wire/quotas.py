#!/usr/bin/env python3
"""Connections beyond their user's quota, from peers that would keep them.

usage: quotas.py HOLDFASTD
"""

import os
import sys
import tempfile
import time
import unittest

import daemon
import sp

PROGRAM = sys.argv.pop(1)
PING = b"\x9a\x01\x00"
SENTENCE = b'user "web" uses 2 of 2 connections'
REFUSED_S = 5  # HF_REFUSED_TIMEOUT_MS


class Quotas(unittest.TestCase):
    def setUp(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
            config.write(f"[user web]\nuid = {os.getuid()}\nrights = :rwc\nconnections_max = 2\n")
            config.flush()
            self.server = daemon.Daemon(PROGRAM, "--config", config.name)
            self.server.__enter__()
        self.addCleanup(self.server.__exit__, None, None, None)
        self.peers = [self.peer(self.server.tcp_url), self.peer(self.server.ipc_url)]
        for peer in self.peers:
            self.assertTrue(self.is_served(peer))

    def peer(self, url, protocol=sp.REQ):
        peer = sp.Peer(url, protocol)
        self.addCleanup(peer.close)
        return peer

    def is_served(self, peer):
        peer.send(PING)
        _, reply = peer.receive()
        return b"QUOTA" not in reply

    def expect_closed(self, peer, within_s):
        began = time.monotonic()
        with self.assertRaises(sp.Closed):
            peer.socket.settimeout(within_s)
            peer.read(1)
        return time.monotonic() - began

    def test_the_first_answer_is_the_last(self):
        for url in (self.server.tcp_url, self.server.ipc_url):
            for _ in range(20):
                peer = self.peer(url)
                peer.send(PING)
                _, reply = peer.receive()
                self.assertIn(b"QUOTA_CONNECTIONS", reply)
                self.assertIn(SENTENCE, reply)
                self.expect_closed(peer, 1)
        for peer in self.peers:
            self.assertTrue(self.is_served(peer))

    def test_what_asks_for_nothing_is_closed_in_time(self):
        peers = [self.peer(url) for url in (self.server.tcp_url, self.server.ipc_url)]
        took_s = max(self.expect_closed(peer, 2 * REFUSED_S) for peer in peers)
        self.assertGreater(took_s, REFUSED_S - 1)
        for peer in self.peers:
            self.assertTrue(self.is_served(peer))

    def test_one_way_connections_are_closed_too(self):
        peer = self.peer(self.server.tcp_url, sp.PUSH)
        peer.send(PING)
        self.expect_closed(peer, 1)

    def test_there_is_room_again(self):
        peer = self.peer(self.server.tcp_url)
        self.peers[1].close()
        time.sleep(0.2)
        self.assertTrue(self.is_served(peer))
        self.assertTrue(peer.is_silent(REFUSED_S + 1))
        self.assertTrue(self.is_served(peer))


if __name__ == "__main__":
    unittest.main()

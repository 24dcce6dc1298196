"""Everything that passes an interface, searched for texts until SIGTERM; then prints how many frames there
were, how many the kernel dropped, and how many of the texts were seen.

    capture.py INTERFACE FILE     a text a line
"""
import signal
import socket
import struct
import sys

SO_RCVBUFFORCE, SOL_PACKET, PACKET_STATISTICS = 33, 263, 6
ALL_PROTOCOLS = 3


def main():
    interface, path = sys.argv[1:]
    with open(path, "rb") as file:
        texts = set(file.read().splitlines()) - {b""}
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS)) as link:
        link.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 256 << 20)
        link.bind((interface, 0))
        ended = []
        signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
        signal.siginterrupt(signal.SIGTERM, True)
        link.settimeout(0.2)
        print("ready", flush=True)
        seen, frames = set(), 0
        while True:
            try:
                frame = link.recv(1 << 17)
            except socket.timeout:
                if ended:
                    break
                continue
            frames += 1
            seen.update(text for text in texts if text in frame)
        _, dropped = struct.unpack("II", link.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    print(f"{frames} frames, {dropped} dropped, {len(seen)} of {len(texts)} texts seen: "
          f"{b', '.join(sorted(seen))[:300]!r}")


main()

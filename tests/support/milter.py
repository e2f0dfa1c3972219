"""A milter that does what it is told, in a thread: it remembers every packet, and answers by the packet's letter."""

import socketserver
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType


def framed(letter: bytes, data: bytes = b"") -> bytes:
    """A packet as a milter writes it."""
    return len(letter + data).to_bytes(4, "big") + letter + data


def options(version: int = 6, actions: int = 0x3D, without: int = 0) -> bytes:
    """What a milter says first."""
    return framed(b"O", b"".join(each.to_bytes(4, "big") for each in (version, actions, without)))


GO_ON = framed(b"c")
# Steps that wait for an answer, where nothing else was negotiated.
ANSWERED = b"CHMRTLNBE"


class ScriptedMilter:
    """`answers` by letter, for each time it comes; the last one stands for all that follow. None: the connection ends."""

    def __init__(
        self, answers: Mapping[bytes, Sequence[bytes | None]] | None = None, hello: bytes = options()
    ) -> None:
        self.heard: list[tuple[bytes, bytes]] = []
        self.sessions = 0
        script = {letter: list(each) for letter, each in (answers or {}).items()}
        # A milter that said it gives no answers to header fields gives none (SMFIP_NR_HDR).
        unanswered = b"L" if int.from_bytes(hello[-4:], "big") & 0x80 else b""
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                outer.sessions += 1
                while length := self.rfile.read(4):
                    packet = self.rfile.read(int.from_bytes(length, "big"))
                    letter, data = packet[:1], packet[1:]
                    outer.heard.append((letter, data))
                    if letter == b"O":
                        self.wfile.write(hello)
                    elif letter in ANSWERED and letter not in unanswered:
                        planned = script.get(letter, [GO_ON])
                        answer = planned.pop(0) if len(planned) > 1 else planned[0]
                        if answer is None:
                            return
                        self.wfile.write(answer)
                    elif letter == b"Q":
                        return

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        # Not daemons: who leaves the block has all that was sent to it, in `heard`.
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def letters(self) -> bytes:
        """What came, macros left out."""
        return b"".join(letter for letter, _ in self.heard if letter != b"D")

    def __enter__(self) -> "ScriptedMilter":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

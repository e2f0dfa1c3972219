"""Proxies for tests, on loopback: SOCKS5 (RFC 1928) and a reader of PROXY headers that connects as they say."""

import socket
import socketserver
import struct
import threading
from ipaddress import ip_address
from types import TracebackType

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


class Relaying:
    """What both are: they take a connection, learn where it is to go, and pass octets on."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []
        self._targets: list[socket.socket] = []
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.settimeout(20)
                try:
                    target = proxy.begin(self.request)
                except OSError:
                    return
                if target is not None:
                    _pump_both(self.request, target)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    def begin(self, client: socket.socket) -> socket.socket | None:
        """The other side, once it is known; None where there is to be none."""
        raise OSError("to be said by those who derive from it")

    def __enter__(self) -> "Relaying":
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class Socks5(Relaying):
    """`login` is who is let in, None: everybody. `status` is what it says to CONNECT, 0 for yes."""

    def __init__(self, login: tuple[bytes, bytes] | None = None, status: int = 0) -> None:
        super().__init__()
        self._login, self._status = login, status

    def begin(self, client: socket.socket) -> socket.socket | None:
        _, count = _exactly(client, 2)
        methods = _exactly(client, count)
        wanted = 0 if self._login is None else 2
        if wanted not in methods:
            client.sendall(b"\x05\xff")
            return None
        client.sendall(bytes((5, wanted)))
        if self._login is not None:
            username = _exactly(client, _exactly(client, 2)[1])
            password = _exactly(client, _exactly(client, 1)[0])
            is_right = (username, password) == self._login
            client.sendall(bytes((1, 0 if is_right else 1)))
            if not is_right:
                return None
        kind = _exactly(client, 4)[3]
        address = str(ip_address(_exactly(client, 4 if kind == 1 else 16)))
        [port] = struct.unpack(">H", _exactly(client, 2))
        self.asked.append(("", address, port))
        client.sendall(bytes((5, self._status, 0, 1)) + bytes(6))
        return socket.create_connection((address, port)) if self._status == 0 else None


class HaProxy(Relaying):
    """Connects from where, and to where, the header says."""

    def begin(self, client: socket.socket) -> socket.socket | None:
        head = _exactly(client, 16)
        if head[:12] != SIGNATURE or head[12] != 0x21 or head[13] != 0x11:
            return None
        body = _exactly(client, struct.unpack(">H", head[14:])[0])
        source, destination = str(ip_address(body[:4])), str(ip_address(body[4:8]))
        [port] = struct.unpack(">H", body[10:12])
        self.asked.append((source, destination, port))
        return socket.create_connection((destination, port), source_address=(source, 0))


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise OSError("closed")
        data += piece
    return data


def _pump_both(one: socket.socket, other: socket.socket) -> None:
    def pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    back = threading.Thread(target=pump, args=(other, one), daemon=True)
    back.start()
    pump(one, other)
    back.join(20)
    other.close()

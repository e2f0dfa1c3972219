"""A maildrop in memory, and the driver that plays a session against the machine without a network."""

from mailproto.pop3.events import Close, Flush, Login, LoginFailure, Retrieve, StartTls, Update
from mailproto.pop3.maildrop import DropMessage, Maildrop
from mailproto.pop3.server import Pop3Server
from mailproto.pop3.states import PasswordRule, TlsState, Welcome

FIRST = b"Subject: message 1\r\n\r\nfirst line of the first message, with a dot below it\r\n.\r\nthe last line of the very first message\r\n"
SECOND = b"Subject: message 2\r\n\r\n" + b"z" * 176 + b"\r\n"


class Memory:
    """Give it what the client sends; it gives what the server answers."""

    def __init__(
        self,
        messages: list[bytes] | None = None,
        *,
        tls: TlsState = TlsState.OFFERED,
        rule: PasswordRule = PasswordRule.PLAINTEXT_ALLOWED,
        failure: LoginFailure | None = None,
        chunk_octets: int = 1 << 20,
    ) -> None:
        self.messages = dict(enumerate([FIRST, SECOND] if messages is None else messages, 1))
        self.machine = Pop3Server(Welcome("mail.example.test", "Posthouse"), tls, rule)
        self.failure = failure
        self.logins: list[tuple[str, str]] = []
        self.removed: tuple[int, ...] | None = None
        self.update_fails = False
        self.read_fails = False
        self.closed = False
        self.chunk_octets = chunk_octets
        self.chunks_read = 0
        # Messages are given as a whole, not in chunks.
        self.gives_whole = False

    def exchange(self, data: bytes) -> bytes:
        self.machine.receive(data)
        out = [self.machine.data_to_send()]
        while (event := self.machine.next_event()) is not None:
            match event:
                case Login(login, password):
                    self.logins.append((login, password))
                    self._login(password)
                case StartTls():
                    out.append(self.machine.data_to_send())
                    self.machine.receive(b"RSET\r\n")  # still in clear: must be forgotten
                    self.machine.tls_started()
                case Retrieve(number, _):
                    self._retrieve(number)
                case Update(deleted):
                    if self.update_fails:
                        self.machine.update_failed()
                    else:
                        self.removed = deleted
                        self.machine.updated()
                case Close():
                    self.closed = True
                case Flush():
                    pass
            out.append(self.machine.data_to_send())
        out.append(self.machine.data_to_send())
        return b"".join(out)

    def _login(self, password: str) -> None:
        if self.failure is not None:
            self.machine.login_failed(self.failure)
        elif password != "tanstaaf":
            self.machine.login_failed(LoginFailure.REFUSED)
        else:
            drop = [
                DropMessage(len(content), b"7.%d" % (100 + number))
                for number, content in self.messages.items()
            ]
            self.machine.login_succeeded(Maildrop.of(drop))

    def _retrieve(self, number: int) -> None:
        if self.read_fails:
            self.machine.retrieve_failed()
            return
        content = self.messages[number]
        if self.gives_whole:
            self.machine.message_given(content)
            return
        self.machine.message_started()
        for start in range(0, len(content), self.chunk_octets):
            self.chunks_read += 1
            if not self.machine.message_data(content[start : start + self.chunk_octets]):
                break
        self.machine.message_ended()


def logged_in(messages: list[bytes] | None = None, *, chunk_octets: int = 1 << 20) -> Memory:
    """A session in the TRANSACTION state."""
    memory = Memory(messages, chunk_octets=chunk_octets)
    memory.exchange(b"USER mrose\r\nPASS tanstaaf\r\n")
    return memory

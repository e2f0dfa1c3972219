"""The server machine with a driver that says yes to everything."""

from mailproto.smtp import server_events as events
from mailproto.smtp.reply import Reply
from mailproto.smtp.server import ServerMachine
from mailproto.smtp.server_config import ServerConfig

OK = Reply.of(250, "2.0.0", "Ok")
GO = Reply.of(354, "", "Go on")


class Driver:
    """Feed octets with `say`; what came of it is in `messages`, `asked` and `said`."""

    def __init__(self, *, offers_auth: bool = False, **config: object) -> None:
        values: dict[str, object] = {"hostname": "s.test", "size_limit_octets": 100_000, **config}
        self.machine = ServerMachine(
            ServerConfig(**values),  # type: ignore[arg-type]
            offers_tls=True,
            offers_auth=offers_auth,
        )
        self.messages: list[bytes] = []
        self.asked: list[events.Event] = []
        self.said = b""
        self.closed = False

    def say(self, *chunks: bytes) -> list[int]:
        """The codes of the replies to these octets, one for each reply."""
        said = b""
        for chunk in chunks:
            self.machine.feed(chunk)
            while not self.closed and (event := self.machine.next_event()) is not None:
                self._handle(event)
            said += self.machine.output()
        self.said += said
        return [int(line[:3]) for line in said.split(b"\r\n")[:-1] if line[3:4] == b" "]

    def _handle(self, event: events.Event) -> None:
        self.asked.append(event)
        if isinstance(event, events.RcptAsked):
            self.machine.answer_rcpt([OK] * len(event.forward_paths))
        elif isinstance(event, events.DataAsked):
            self.machine.answer(GO)
        elif isinstance(event, events.TlsAsked):
            self.machine.tls_started()
        elif isinstance(event, events.Closing):
            self.closed = True
        elif isinstance(event, events.MessageCame):
            self.messages.append(event.content)
            self.machine.answer(OK)
        elif not isinstance(event, events.MessageFlawed | events.ChunksBegun):
            self.machine.answer(OK)

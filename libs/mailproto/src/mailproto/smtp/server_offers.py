"""What EHLO offers and HELP explains: never more than the session would do."""

from dataclasses import dataclass

from mailproto.smtp import xclient
from mailproto.smtp.reply import Reply
from mailproto.smtp.server_config import Binary, DeliverBy, Dsn, Priorities, ServerConfig
from mailproto.smtp.wishes import date_time

# One line for each command, as HELP gives it (RFC 5321 §4.1.1.8).
SYNTAX = {
    "EHLO": "EHLO hostname",
    "HELO": "HELO hostname",
    "MAIL": "MAIL FROM:<reverse-path> [parameters]",
    "RCPT": "RCPT TO:<forward-path> [parameters]",
    "DATA": "DATA, then the message, then a line with a period",
    "BDAT": "BDAT octets [LAST], then so many octets",
    "RSET": "RSET",
    "NOOP": "NOOP",
    "QUIT": "QUIT",
    "HELP": "HELP [command]",
    "VRFY": "VRFY address [SMTPUTF8]",
    "EXPN": "EXPN address [SMTPUTF8]",
    "STARTTLS": "STARTTLS",
    "AUTH": "AUTH mechanism [initial-response]",
    "XCLIENT": "XCLIENT attribute=value ...",
}


@dataclass(frozen=True, slots=True)
class Offers:
    """What is offered now, beyond what always is. `mechanisms` is empty where AUTH is not offered."""

    starttls: bool
    mechanisms: tuple[bytes, ...]
    expn: bool
    xclient: bool
    # RFC 8689 §2: only in TLS.
    require_tls: bool

    def extensions(self, config: ServerConfig) -> list[str]:
        """The lines of EHLO after the first (RFC 5321 §4.1.1.1)."""
        lines = [
            "PIPELINING",
            f"SIZE {config.size_limit_octets}",
            "8BITMIME",
            "SMTPUTF8",
            "CHUNKING",
            "ENHANCEDSTATUSCODES",
            # RFC 9422 §3.2: more recipients than this are told 452.
            f"LIMITS RCPTMAX={config.recipients_allowed}",
        ]
        if config.dsn is Dsn.OFFERED:
            lines.append("DSN")
        if config.binary is Binary.OFFERED:
            lines.append("BINARYMIME")
        if config.deliver_by is DeliverBy.OFFERED:
            lines.append("DELIVERBY")
        if config.priorities is Priorities.OFFERED:
            lines.append("MT-PRIORITY")
        if config.future_release is not None:
            limit = config.future_release
            lines.append(f"FUTURERELEASE {limit.seconds_most} {date_time(limit.until)}")
        if self.require_tls:
            lines.append("REQUIRETLS")
        if self.starttls:
            lines.append("STARTTLS")
        if self.mechanisms:
            lines.append("AUTH " + b" ".join(self.mechanisms).decode("ascii"))
        if self.expn:
            lines.append("EXPN")
        if self.xclient:
            lines.append(xclient.OFFERED)
        lines.append("HELP")
        return lines

    def commands(self) -> list[str]:
        """The commands that are taken now."""
        hidden = set()
        if not self.starttls:
            hidden.add("STARTTLS")
        if not self.mechanisms:
            hidden.add("AUTH")
        if not self.expn:
            hidden.add("EXPN")
        if not self.xclient:
            hidden.add("XCLIENT")
        return [verb for verb in SYNTAX if verb not in hidden]

    def help(self, topic: str) -> Reply:
        """HELP, for one command or for all."""
        known = self.commands()
        if not topic:
            return Reply(
                214,
                "2.0.0",
                ("Commands: " + " ".join(known), "HELP command tells its syntax; RFC 5321 tells the rest"),
            )
        if topic.upper() not in known:
            return Reply.of(504, "5.5.4", "There is no such command here")
        return Reply.of(214, "2.0.0", SYNTAX[topic.upper()])

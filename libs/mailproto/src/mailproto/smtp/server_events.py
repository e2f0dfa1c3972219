"""What the server machine asks its driver."""

from dataclasses import dataclass

from mailproto.sasl import Bearer, Credentials, External
from mailproto.smtp.reply import Charset, Reply
from mailproto.smtp.server_commands import Mail, Rcpt
from mailproto.smtp.server_data import Flaw
from mailproto.smtp.xclient import ClientTold


@dataclass(frozen=True, slots=True)
class MailAsked:
    """MAIL. Answer with `answer`."""

    mail: Mail


@dataclass(frozen=True, slots=True)
class RcptAsked:
    """One or more RCPT that came together. Answer with `answer_rcpt`, a reply for each."""

    rcpts: tuple[Rcpt, ...]

    @property
    def forward_paths(self) -> tuple[str, ...]:
        """Only the addresses."""
        return tuple(rcpt.forward_path for rcpt in self.rcpts)


@dataclass(frozen=True, slots=True)
class DataAsked:
    """DATA, with at least one recipient accepted. Answer with `answer`: 354 or a refusal."""


@dataclass(frozen=True, slots=True)
class ChunksBegun:
    """The first BDAT of a message, or one whose chunk will be thrown away. No answer."""


@dataclass(frozen=True, slots=True)
class MessageCame:
    """The whole message, by DATA (dot-unstuffed) or by BDAT. Answer with `answer`."""

    content: bytes


@dataclass(frozen=True, slots=True)
class MessageFlawed:
    """A message that was refused already, for the driver to count."""

    flaw: Flaw


@dataclass(frozen=True, slots=True)
class TlsAsked:
    """STARTTLS: the 220 is in `output`. Start TLS, then call `tls_started`."""


@dataclass(frozen=True, slots=True)
class AuthAsked:
    """Credentials. Answer with `answer`."""

    mechanism: str
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class TokenAsked:
    """An access token. Answer with `answer`, or with `token_refused`."""

    bearer: Bearer


@dataclass(frozen=True, slots=True)
class CertificateAsked:
    """The client's TLS certificate is to say who it is. Answer with `answer`."""

    external: External


@dataclass(frozen=True, slots=True)
class ScramAsked:
    """A SCRAM exchange begins. Answer with `scram_offered`, or with a refusal by `answer`."""

    login: str


@dataclass(frozen=True, slots=True)
class ScramProven:
    """The client's proof was that of this credential ("": it was wrong). Answer with `answer`, like AuthAsked."""

    login: str
    credential_id: str


@dataclass(frozen=True, slots=True)
class VrfyAsked:
    """VRFY. Answer with `answer`; only with SMTPUTF8 may the answer go beyond ASCII."""

    text: str
    charset: Charset


@dataclass(frozen=True, slots=True)
class ExpnAsked:
    """EXPN. Answer with `answer`; only with SMTPUTF8 may the answer go beyond ASCII."""

    text: str
    charset: Charset


@dataclass(frozen=True, slots=True)
class XclientAsked:
    """XCLIENT of a peer that may say it. Answer with `answer`; a positive one is the greeting of a session anew."""

    told: ClientTold


@dataclass(frozen=True, slots=True)
class Closing:
    """Send what is in `output` and close."""

    reply: Reply


Event = (
    MailAsked
    | RcptAsked
    | DataAsked
    | ChunksBegun
    | MessageCame
    | MessageFlawed
    | TlsAsked
    | AuthAsked
    | TokenAsked
    | CertificateAsked
    | ScramAsked
    | ScramProven
    | VrfyAsked
    | ExpnAsked
    | XclientAsked
    | Closing
)

"""How a message is to travel, to the generated types and back."""

from mailproto.smtp.wishes import NO_WISHES, ByMode, DeliverBy, Relayed, TlsWish, Wishes
from mailwire.spool.v1 import spool_pb2 as wire

from spool.timestamps import instant, timestamp

TLS = {
    TlsWish.USUAL: wire.TLS_WISH_UNSPECIFIED,
    TlsWish.REQUIRED: wire.TLS_WISH_REQUIRED,
    TlsWish.OPTIONAL: wire.TLS_WISH_OPTIONAL,
}
TLS_BACK = {value: key for key, value in TLS.items()}
MODE = {ByMode.NOTIFY: wire.BY_MODE_NOTIFY, ByMode.RETURN: wire.BY_MODE_RETURN}
MODE_BACK = {value: key for key, value in MODE.items()}


def put_wishes(message: wire.Envelope, wishes: Wishes) -> None:
    """Nothing where there are none."""
    if wishes is NO_WISHES:
        return
    message.tls_wish = TLS[wishes.tls]
    message.priority = wishes.priority
    if wishes.deliver_by is not None:
        by = wishes.deliver_by
        message.deliver_by.at.CopyFrom(timestamp(by.at))
        message.deliver_by.mode = MODE[by.mode]
        message.deliver_by.relayed_told = by.relayed is Relayed.TOLD
    if wishes.release_at is not None:
        message.release_at.CopyFrom(timestamp(wishes.release_at))


def wishes_of(message: wire.Envelope) -> Wishes:
    """What a newer writer may mean by a value that is not known here: TLS is required, and a time limit notifies."""
    if not (
        message.tls_wish
        or message.priority
        or message.HasField("deliver_by")
        or message.HasField("release_at")
    ):
        return NO_WISHES
    deliver_by = None
    if message.HasField("deliver_by"):
        by = message.deliver_by
        deliver_by = DeliverBy(
            instant(by.at),
            MODE_BACK.get(by.mode, ByMode.NOTIFY),
            Relayed.TOLD if by.relayed_told else Relayed.UNTOLD,
        )
    return Wishes(
        TLS_BACK.get(message.tls_wish, TlsWish.REQUIRED),
        deliver_by,
        max(-9, min(message.priority, 9)),
        instant(message.release_at) if message.HasField("release_at") else None,
    )

"""Who is speaking? All checks of a message side by side, under one deadline.

What needs the whole message (hashes for DKIM and ARC) is computed in a thread where the message is large. The rest waits
for DNS, and DNS has a deadline of its own for each message (adapters/questions.py): so this always comes to an end.
"""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime

from mailmsg.header import header_end
from senderauth import Result, arc, dkim, dmarc
from senderauth.dkim import Candidate, MessageView
from senderauth.dmarc import AuthorFault, DmarcResult
from senderauth.dns import RecordType, Resolve
from senderauth.iprev import check_iprev
from senderauth.names import client_address, is_name
from senderauth.spf import check_helo, check_mail_from

from smtp_gateway import metrics
from smtp_gateway.core.networks import Networks
from smtp_gateway.core.verdicts import Caller, Findings
from smtp_gateway.ports import Questions

# From this size on the message is hashed in a thread.
THREAD_OCTETS = 256 * 1024
# Of the time, for whom the message claims to be from. The rest is for what From's domain asks for: a stranger's own zone
# that says nothing must not keep us from hearing that.
IDENTITIES_SHARE = 0.75


class Checker:
    """Shared by a process. `hostname` is ours; mail of clients in `exempt` is not checked."""

    def __init__(self, questions: Questions, hostname: str, exempt: Networks, seconds: float) -> None:
        self._questions = questions
        self._hostname = hostname
        self._exempt = exempt
        self._seconds = seconds

    async def check(self, host: str, helo: str, reverse_path: str, content: bytes) -> Findings | None:
        """None for a client whose mail is not checked, or whose address is not known."""
        if host in self._exempt:
            return None
        try:
            caller = Caller(client_address(host), helo, reverse_path)
        except ValueError:
            return None
        with metrics.SENDER_CHECK_SECONDS.time():
            return await self._check(caller, content)

    async def client_name(self, host: str) -> Result:
        """Whether a client's address has a name that leads back to it (iprev); NONE where it is not known."""
        try:
            address = client_address(host)
        except ValueError:
            return Result.NONE
        return (await check_iprev(self._questions.within(self._seconds * IDENTITIES_SHARE), address)).result

    async def spf_passes(self, host: str, helo: str, reverse_path: str) -> bool:
        """Whether the sender's domain says that this client speaks for it."""
        try:
            address = client_address(host)
        except ValueError:
            return False
        resolve = self._questions.within(self._seconds * IDENTITIES_SHARE)
        verdict = await check_mail_from(
            resolve, address, reverse_path, helo, receiver=self._hostname, now=datetime.now(UTC)
        )
        return verdict.result is Result.PASS

    async def _check(self, caller: Caller, content: bytes) -> Findings:
        now = datetime.now(UTC)
        resolve = self._questions.within(self._seconds * IDENTITIES_SHARE)
        resolve_policy = self._questions.within(self._seconds)
        if len(content) >= THREAD_OCTETS:
            signatures, chain = await asyncio.to_thread(_examine, content, now)
        else:
            signatures, chain = _examine(content, now)
        author = dmarc.author_domain(content[: header_end(content) or len(content)])
        async with asyncio.TaskGroup() as group:
            spf = group.create_task(
                check_mail_from(
                    resolve,
                    caller.address,
                    caller.reverse_path,
                    caller.helo,
                    receiver=self._hostname,
                    now=now,
                )
            )
            helo = None
            if caller.reverse_path:
                helo = group.create_task(
                    check_helo(resolve, caller.address, caller.helo, receiver=self._hostname, now=now)
                )
            iprev = group.create_task(check_iprev(resolve, caller.address))
            for name in _asked_anyway(signatures, author):
                group.create_task(_ask_early(resolve, name))
            signed = group.create_task(dkim.settle(resolve, signatures))
            sealed = group.create_task(arc.settle(resolve, chain))
        verdict: DmarcResult | None = None
        if not isinstance(author, AuthorFault):
            lot = random.SystemRandom().randrange(100)
            verdict = await dmarc.evaluate(resolve_policy, author, spf.result(), signed.result(), lot=lot)
        return Findings(
            caller=caller,
            spf=spf.result(),
            helo=None if helo is None else helo.result(),
            iprev=iprev.result(),
            dkim=signed.result(),
            arc=sealed.result(),
            author=author,
            dmarc=verdict,
        )


def _examine(content: bytes, now: datetime) -> tuple[Sequence[Candidate], arc.Examined]:
    view = MessageView(content)
    return dkim.examine(view, now=now), arc.examine(view, now=now)


def _asked_anyway(signatures: Sequence[Candidate], author: str | AuthorFault) -> list[str]:
    """TXT records that are asked for one after the other later: asked now, they are there then."""
    names = dkim.key_names(signatures)
    if len(names) < 2:
        names = []
    if isinstance(author, str) and is_name(f"_dmarc.{author}"):
        names.append(f"_dmarc.{author}")
    return names


async def _ask_early(resolve: Resolve, name: str) -> None:
    await resolve(name, RecordType.TXT)

"""When is everything in the mailboxes? Asked over IMAP, by STATUS, of every account."""

import imaplib
import time


class Watcher:
    """One IMAP session for each account."""

    def __init__(self, port: int, accounts: list[tuple[str, str]]) -> None:
        self._sessions = []
        for login, password in accounts:
            session = imaplib.IMAP4("127.0.0.1", port)
            session.login(login, password)
            self._sessions.append(session)

    def counts(self) -> list[int]:
        """Messages in each INBOX."""
        return [self._count(session) for session in self._sessions]

    @staticmethod
    def _count(session: imaplib.IMAP4) -> int:
        _, answer = session.status("INBOX", "(MESSAGES)")
        assert isinstance(answer[0], bytes)
        return int(answer[0].rsplit(b"MESSAGES", 1)[1].strip(b" )"))

    def wait(self, before: list[int], more: int, limit_seconds: float) -> float:
        """The moment (time.perf_counter) at which `more` messages had come; raises TimeoutError."""
        deadline = time.perf_counter() + limit_seconds
        known = list(before)
        while True:
            known = [
                max(old, self._count(session)) for old, session in zip(known, self._sessions, strict=True)
            ]
            now = time.perf_counter()
            if sum(known) - sum(before) >= more:
                return now
            if now > deadline:
                raise TimeoutError(f"{sum(known) - sum(before)} of {more} messages arrived")
            time.sleep(0.02)

    def close(self) -> None:
        """Log out."""
        for session in self._sessions:
            session.logout()

"""Requests to webhooks over HTTPS with strangers (adapters.https)."""

from mta_queue.adapters.https import Https, HttpsFailed
from mta_queue.edge.webhooks import NotHeard


class HttpsPost:
    """Satisfies edge.webhooks.Post."""

    def __init__(self, https: Https) -> None:
        self._https = https

    async def __call__(self, host: str, target: str, body: bytes, headers: list[tuple[str, str]]) -> int:
        try:
            answer = await self._https.post(host, target, body, headers)
        except HttpsFailed as error:
            raise NotHeard(str(error)) from error
        return answer.status

"""A receiver of webhooks: keeps what came, checks Standard Webhooks signatures, fails on request.

For the tests and the demo; it must say exactly what was on the wire.
"""

import time
from dataclasses import dataclass

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tickstock_simulator.served import Served, Trouble


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request: header names in lower case, `status` as answered, `verified` None when there is no secret.

    `received` is in seconds since 1970.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int
    verified: bool | None
    received: float


class WebhookStandIn(Served):
    """Receives on every path; answers 200, or 401 when there is a secret and the signature is wrong.

    Args:
        host: its address.
        port: 0 takes a free one.
        secret: of the Standard Webhooks scheme (`whsec_…`); None: signatures are not looked at.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, secret: str | None = None) -> None:
        super().__init__(host=host, port=port)
        self.deliveries: list[Delivery] = []
        self.trouble = Trouble()
        self._verifier = None if secret is None else Webhook(secret)

    @property
    def accepted(self) -> list[Delivery]:
        """Those answered with success."""
        return [each for each in self.deliveries if each.status < 300]  # 2xx

    def app(self) -> ASGIApp:
        """One endpoint for everything."""

        async def receive_all(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive)
            answer = await self._receive(request)
            await answer(scope, receive, send)

        return receive_all

    async def _receive(self, request: Request) -> Response:
        body = await request.body()
        headers = {name.lower(): value for name, value in request.headers.items()}
        verified = self._verify(body, headers)
        answer = await self.trouble.answer(self)
        if answer is None:
            answer = PlainTextResponse("wrong signature", 401) if verified is False else PlainTextResponse("ok")
        delivery = Delivery(
            request.method, request.url.path, headers, body, answer.status_code, verified, received=time.time()
        )
        self.deliveries.append(delivery)
        return answer

    def _verify(self, body: bytes, headers: dict[str, str]) -> bool | None:
        if self._verifier is None:
            return None
        try:
            self._verifier.verify(body, headers)
        except (WebhookVerificationError, ValueError):
            return False
        return True

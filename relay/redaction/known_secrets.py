"""Hiding the secrets that a part of the relay holds itself, wherever somebody echoes them, and what looks like others.

The one way for texts of our own: errors, details, log lines. Events have `relay.redaction.redactor`.
"""

from collections.abc import Iterable

from relay.redaction.patterns import REDACTED
from relay.redaction.redactor import Redactor

_by_their_looks = Redactor()


class KnownSecrets:
    """Texts that must not be shown. It has no `repr` of its own that would show them."""

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Iterable[str | None]) -> None:
        """Empty ones count as none."""
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """`text` in one line with `[redacted]` for each of them, and for whatever looks like a secret."""
        for secret in self._secrets:  # the longest first: one may be a part of another
            text = text.replace(secret, REDACTED)
        return " ".join(_by_their_looks.redact_text(text).split())

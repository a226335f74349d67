"""Secrets taken out of events before they leave the machine: in payloads, messages, tracebacks and original bytes.

Text is searched for what secrets look like, payloads also for what their keys are called. It rather hides a harmless
word than lets a password through. Nothing here decides which events are redacted.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from relay.events import Event, Kind, kind_of
from relay.events.lenient_json import decode_object
from relay.events.patterns import Pattern
from relay.redaction.long_texts import substituted
from relay.redaction.patterns import REDACTED, RULES, Rule, assigned

MAX_DEPTH = 150
"""Deeper than what the normaliser lets in; what is deeper is not sent at all."""


_WORDS_ANYWHERE = frozenset(
    {"password", "passwd", "pwd", "passphrase", "secret", "secrets", "credential", "credentials"}
)
_WORDS_ANYWHERE |= {"authorization", "cookie", "cookies"}
_LAST_WORDS = frozenset({"token", "apikey", "auth", "pass"})
_KEY_PAIRS = frozenset({("api", "key"), ("access", "key"), ("private", "key")})
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[a-z]+")
_LONG_KEY = re.compile(r"(?![\da-fA-F]{8}-[\da-fA-F]{4}-)[\w+/=-]{20,}")


class Redactor:
    """Hides secrets; made once from the config, it keeps nothing of what it sees."""

    def __init__(self, patterns: Sequence[str] = (), keys: Sequence[str] = ()) -> None:
        """Further regular expressions and key names, as in `config.settings.RedactionOptions`."""
        self._keys = frozenset(map(plain_key, keys))
        rules = list(RULES)
        if keys:
            rules.append(Rule((), assigned("|".join(map(re.escape, keys))), rf"\g<1>{REDACTED}"))
        self._own = tuple(map(Pattern, patterns))
        self._rules = tuple(rules)
        self._needles = () if keys or patterns else tuple({n for rule in rules for n in rule.needles})
        self._known_keys: dict[str, _Key] = {}

    def redact(self, event: Event) -> Event:
        """The event without secrets: the same object when there was nothing to hide."""
        changes: dict[str, Any] = {}
        raw = self._redact_bytes(event.raw)
        if raw is not event.raw:
            changes["raw"] = raw
        original = raw if event.original is event.raw else self._redact_bytes(event.original)
        if original is not event.original:
            changes["original"] = original
        run_id = event.run_id and self.redact_text(event.run_id)
        if run_id != event.run_id:
            changes["run_id"] = run_id
        kind = self._redact_kind(event.kind)
        if kind is not event.kind:
            changes["kind"] = kind
        return msgspec.structs.replace(event, _payload=None, **changes) if changes else event

    def _redact_kind(self, kind: Kind) -> Kind:
        texts = (kind.channel, kind.event, kind.source, kind.version, kind.wire_event)
        redacted = [text and self.redact_text(text) for text in texts]
        if tuple(redacted) == texts:
            return kind
        channel, event, source, version, wire_event = redacted
        return kind_of(channel or "", event or "", kind.phase, kind.severity, source, version, wire_event)

    def redact_text(self, text: str) -> str:
        """`text` without secrets."""
        lowered = text.lower()
        for rule in self._rules:
            if not rule.needles or any(needle in lowered for needle in rule.needles):
                text = substituted(rule.pattern, rule.replacement, text)
        for pattern in self._own:
            text = pattern.replaced_in(text, REDACTED, "secret")
        return text

    def _redact_bytes(self, data: bytes) -> bytes:
        """The JSON object in `data` without secrets; `data` itself when it has none."""
        lowered = data.lower()
        # An escape may spell any letter or hide a slash, so such text must be decoded to be judged.
        escaped = b"\\u" in lowered or b"\\/" in lowered
        if self._needles and not escaped and not any(n.encode() in lowered for n in self._needles):
            return data
        try:
            value = decode_object(data)
        except ValueError:
            text = data.decode(errors="replace")
            redacted = self.redact_text(text)
            return data if redacted == text else redacted.encode()
        redacted = self._redact_value(value, 0)
        return data if redacted is value else _encode(redacted)

    def _redact_value(self, value: Any, depth: int) -> Any:
        """`value` without secrets: the same object when nothing in it changed."""
        if isinstance(value, str):
            redacted = self.redact_text(value)
            return value if redacted == value else redacted
        if depth > MAX_DEPTH:
            return REDACTED if isinstance(value, dict | list) else value
        if isinstance(value, list):
            items = [self._redact_value(item, depth + 1) for item in value]
            return value if all(map(_is, items, value)) else items
        if isinstance(value, dict):
            fields = {self._key(name).redacted: self._redact_field(name, item, depth) for name, item in value.items()}
            same = len(fields) == len(value) and all(value.get(key, _MISSING) is item for key, item in fields.items())
            return value if same else fields
        return value

    def _redact_field(self, key: str, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool) or value in ("", REDACTED, [], {}):
            return value
        if self._key(key).is_secret:
            return REDACTED
        if isinstance(value, str) and key[-3:].lower() == "key" and _LONG_KEY.fullmatch(value):
            return REDACTED
        return self._redact_value(value, depth + 1)

    def _key(self, key: str) -> "_Key":
        known = self._known_keys.get(key)
        if known is None:
            words = _WORD.findall(_HUMP.sub("_", key[:MAX_KEY]).lower())
            known = _Key(self.redact_text(key), plain_key(key) in self._keys or _names_a_secret(words))
            if len(self._known_keys) < MAX_KNOWN_KEYS and len(key) <= MAX_KEY:
                self._known_keys[key] = known
        return known


class _Key(NamedTuple):
    """What was found out about the name of a payload's field."""

    redacted: str
    is_secret: bool


MAX_KNOWN_KEYS = 4096
MAX_KEY = 200
_MISSING = object()
_encode = msgspec.json.Encoder().encode


def _is(one: object, other: object) -> bool:
    return one is other


def plain_key(key: str) -> str:
    """A key as keys are compared: letters and digits only, lower case."""
    return re.sub(r"[\W_]", "", key).lower()


def _names_a_secret(words: list[str]) -> bool:
    """`db_password`, `client-secret`, `accessToken`, `X-Api-Key`; but not `token_count` or `cache_key`."""
    if not words:
        return False
    return not _WORDS_ANYWHERE.isdisjoint(words) or words[-1] in _LAST_WORDS or tuple(words[-2:]) in _KEY_PAIRS

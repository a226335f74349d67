"""Secrets taken out of events before they leave the machine: in payloads, messages, tracebacks and original bytes.

Text is searched for what secrets look like, payloads also for what their keys are called. It rather hides a harmless
word than lets a password through. Nothing here decides which events are redacted.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import re2

from relay.events import Event, Kind, PerKind, kind_of
from relay.events.lenient_json import decode_any, decode_object
from relay.events.patterns import Pattern
from relay.redaction.long_texts import substituted
from relay.redaction.patterns import REDACTED, RULES, Rule, assigned

MAX_DEPTH = 150
"""Deeper than what the normaliser lets in; what is deeper is not sent at all."""


_STEMS = re.compile(
    "password|passwd|passphrase|passcode|secret|credential|authorization|cookie|privatekey|apikey|accesskey"
)
"""Wherever one stands in a key, `PGPASSWORD` too, the value is secret."""
_WORDS_ANYWHERE = frozenset({"pwd"})
_LAST_WORDS = frozenset({"token", "auth", "pass", "pw", "pin"})
_KEY_PAIRS = frozenset({("api", "key"), ("access", "key"), ("private", "key")})
_QUALIFIERS = frozenset({"pem", "value", "base", "b", "hex", "raw", "text", "plain", "old", "new", "v"})
"""What may follow such words, as in `private_key_pem`, `token_v2`, `api_key_base64`."""
_NAME_FIELDS = frozenset({"name", "key", "field", "header", "param", "parameter", "variable", "option", "setting"})
_VALUE_FIELDS = frozenset({"value", "values", "val", "content", "contents", "data", "default", "current"})
"""`{"name": "password", "value": "hidden"}`; a value may be an `old_value` too."""
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
        has_needles = all(rule.needles for rule in rules)
        self._needles = _one_of({needle for rule in rules for needle in rule.needles}) if has_needles else None
        """Without one of them, in lower case, no rule changes anything; None: a rule has none."""
        self._known_keys: dict[str, _Key] = {}
        self._kinds = PerKind(self._redact_kind)

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
        kind = self._kinds[event.kind]
        if kind is not event.kind:
            changes["kind"] = kind
        return msgspec.structs.replace(event, _payload=None, **changes) if changes else event

    def _redact_kind(self, kind: Kind) -> Kind:
        texts = kind.facts.texts
        redacted = {name: self.redact_text(text) for name, text in texts.items()}
        if redacted == texts:
            return kind
        replaced: dict[str, Any] = {**redacted, "severity": kind.severity}  # a new channel must not decide it anew
        return kind_of(kind.facts._replace(**replaced))

    def redact_text(self, text: str) -> str:
        """`text` without secrets."""
        lowered = text.lower()
        if self._needles is None or self._needles.search(lowered.encode(errors="replace")):
            for rule in self._rules:
                if rule.may_match(lowered):
                    text = substituted(rule.pattern, rule.replacement, text)
        for pattern in self._own:
            text = pattern.replaced_in(text, REDACTED, "secret")
        return text

    def redact_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Fields with names, of a log line say, without secrets. What JSON has no form for becomes text."""
        return {name: self._redact_field(name, _as_json(value), 0) for name, value in fields.items()}

    def _redact_bytes(self, data: bytes) -> bytes:
        """The JSON object in `data` without secrets; `data` itself when it has none."""
        lowered = data.lower()
        # An escape may spell any letter or hide a slash, so such text must be decoded to be judged.
        escaped = b"\\u" in lowered or b"\\/" in lowered
        if not (escaped or self._own or self._needles is None or self._needles.search(lowered)):
            return data
        try:
            value = decode_any(data)
        except ValueError:
            text = data.decode(errors="replace")
            redacted = self.redact_text(text)
            return data if redacted == text else redacted.encode()
        redacted = self._redact_value(value, 0)
        return data if redacted is value else _encode(redacted)

    def _redact_json(self, text: str) -> str:
        """A text that holds a JSON object, from who encodes twice, stays one; any other is redacted as a text."""
        try:
            value = decode_object(text.encode())
        except ValueError:
            return self.redact_text(text)
        redacted = self._redact_value(value, 0)
        return text if redacted is value else _encode(redacted).decode()

    def _redact_value(self, value: Any, depth: int) -> Any:
        """`value` without secrets: the same object when nothing in it changed."""
        if isinstance(value, str):
            is_json = value[:1] == "{" and len(value) <= MAX_JSON_TEXT
            redacted = self._redact_json(value) if is_json else self.redact_text(value)
            return value if redacted == value else redacted
        if depth > MAX_DEPTH:
            return REDACTED if isinstance(value, dict | list) else value
        if isinstance(value, list):
            items = [self._redact_value(item, depth + 1) for item in _without_arguments(value)]
            return value if all(map(_is, items, value)) else items
        if isinstance(value, dict):
            named = self._without_named_value(value)
            fields = {self._key(name).redacted: self._redact_field(name, item, depth) for name, item in named.items()}
            same = len(fields) == len(value) and all(value.get(key, _MISSING) is item for key, item in fields.items())
            return value if same else fields
        return value

    def _without_named_value(self, value: dict[str, Any]) -> dict[str, Any]:
        """`{"name": "password", "value": "hidden"}` without that value; the same object when it is not so."""
        if value.get("action") == "auth" and "params" in value:  # how one logs in at the vendor's websocket
            value = value | {"params": REDACTED}
        values = [name for name in value if self._key(name).is_for_value]
        if not values or not any(
            isinstance(item, str) and self._key(name).is_for_name and _is_secret_name(item)
            for name, item in value.items()
        ):
            return value
        return value | {name: REDACTED for name in values if not _is_empty(value[name])}

    def _redact_field(self, key: str, value: Any, depth: int) -> Any:
        if _is_empty(value):
            return value
        if self._key(key).is_secret:
            return REDACTED
        if isinstance(value, str) and key[-3:].lower() == "key" and _LONG_KEY.fullmatch(value):
            return REDACTED
        return self._redact_value(value, depth + 1)

    def _key(self, key: str) -> "_Key":
        known = self._known_keys.get(key)
        if known is None:
            words = _words(key)
            known = _Key(
                self.redact_text(key),
                is_secret=plain_key(key) in self._keys or _names_a_secret(words),
                is_for_name=bool(words) and words[-1] in _NAME_FIELDS,
                is_for_value=bool(words) and words[-1] in _VALUE_FIELDS,
            )
            if len(self._known_keys) < MAX_KNOWN_KEYS and len(key) <= MAX_KEY:
                self._known_keys[key] = known
        return known


class _Key(NamedTuple):
    """What was found out about the name of a payload's field."""

    redacted: str
    is_secret: bool
    is_for_name: bool
    """Whether its value may be what another field's value is called."""
    is_for_value: bool
    """Whether it may be that other field."""


MAX_KNOWN_KEYS = 4096
MAX_KEY = 200
MAX_JSON_TEXT = 1 << 16
"""Characters of a text that is decoded if it can be: longer ones are looked through as texts."""
_MISSING = object()
_encode = msgspec.json.Encoder().encode


def _one_of(texts: Iterable[str]) -> Any:
    """What finds whether one of them is in some bytes: in one pass, where a search for each takes ten times as long."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(b"|".join(re2.escape(text.encode()) for text in sorted(texts)), options)


def _is(one: object, other: object) -> bool:
    return one is other


def plain_key(key: str) -> str:
    """A key as keys are compared: letters and digits only, lower case."""
    return re.sub(r"[\W_]", "", key).lower()


def _words(key: str) -> list[str]:
    return _WORD.findall(_HUMP.sub("_", key[:MAX_KEY]).lower())


def _names_a_secret(words: Sequence[str]) -> bool:
    """`db_password`, `client-secret`, `accessToken`, `X-Api-Key`; but not `token_count` or `cache_key`."""
    if not words:
        return False
    if any(map(_STEMS.search, words)) or not _WORDS_ANYWHERE.isdisjoint(words):
        return True
    while len(words) > 1 and words[-1] in _QUALIFIERS:
        words = words[:-1]
    return words[-1] in _LAST_WORDS or tuple(words[-2:]) in _KEY_PAIRS


def _is_secret_name(text: str) -> bool:
    return len(text) <= MAX_KEY and _names_a_secret(_words(text))


def _is_empty(value: Any) -> bool:
    """Nothing that could be secret."""
    return value is None or isinstance(value, bool) or value in ("", REDACTED, [], {})


def _without_arguments(items: list[Any]) -> list[Any]:
    """A list without the values of its secret arguments, `["--password", "hidden"]`, or of a pair with its name."""
    is_pair = len(items) == 2
    hidden = [
        REDACTED if isinstance(name, str) and _says_secret(name, item, is_pair=is_pair) else item
        for name, item in pairwise(items)
    ]
    return [*items[:1], *hidden]


def _says_secret(name: str, value: Any, *, is_pair: bool) -> bool:
    """Whether the argument before it, or the name in a pair, says that the value is secret."""
    if not (name.startswith("-") or is_pair) or "=" in name:
        return False
    is_next_option = isinstance(value, str) and value.startswith("-")
    return not _is_empty(value) and not is_next_option and _is_secret_name(name)


def _as_json(value: Any) -> Any:
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    return value if value is None or isinstance(value, str | int | float | list | dict) else repr(value)

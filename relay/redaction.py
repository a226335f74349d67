"""Secrets taken out of events before they leave the machine: in payloads, messages, tracebacks and original bytes.

Text is searched for what secrets look like, payloads also for what their keys are called. It rather hides a harmless
word than lets a password through. Nothing here decides which events are redacted.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from pydantic import Field, field_validator

from relay.events import Event, Kind, kind_of
from relay.tolerant import decode_object
from sinks.options import Options

REDACTED = "[redacted]"
MAX_DEPTH = 150
"""Deeper than what the normaliser lets in; what is deeper is not sent at all."""


class RedactionOptions(Options):
    """The part `redaction` of config.yaml."""

    enabled: bool = Field(default=True, description="Whether anything is hidden at all.")
    patterns: tuple[str, ...] = Field(
        default=(), description="Further regular expressions; what one matches is hidden, or only its group `secret`."
    )
    keys: tuple[str, ...] = Field(
        default=(), description="Further names of fields (and of `name=value` in text) whose values are hidden."
    )

    @field_validator("patterns")
    @classmethod
    def _compiles(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for number, pattern in enumerate(patterns, start=1):
            try:
                compiled = re.compile(pattern)
            except re.error as error:
                raise ValueError(f"pattern {number} is no regular expression: {error}") from None
            if compiled.search("") is not None:
                raise ValueError(f"pattern {number} matches the empty text, so it would match everywhere")
        return patterns

    @field_validator("keys")
    @classmethod
    def _named(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        if any(not _plain(key) for key in keys):
            raise ValueError("a key needs at least one letter or digit")
        return keys


@dataclass(frozen=True, slots=True)
class _Rule:
    """`pattern` runs only over text that, in lower case, has one of `needles`; none means over every text."""

    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]


# Every repetition is bounded and, where another could follow it, possessive: no text makes these slow.
_NAMES = "password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?"
_UNSAID = (
    r"(?!(?:none|null|true|false|missing|required|invalid|expired|failed|denied|empty|unset|not|is|was)"
    r"(?:[\s,;.)\"'\]}]|$)|\[redacted\])"
)
_VALUE = (
    rf"""{_UNSAID}(?:(?<=\\")[^"\\\r\n]{{1,2048}}+|(?<=")(?:[^"\\\r\n]|\\.){{1,2048}}+|(?<=')[^'\\\r\n]{{1,2048}}+"""
    r"""|(?:[^\s,;&"'\\]|,(?!\s)|\\(?!["'nrt])){1,2048}+)"""
)
_SET = r"""\\?["']?\s{0,3}+(?:=>|:=|[:=])\s{0,3}+\\?+["']?+"""
_SCHEME = r"(?:(?:bearer|basic|token|digest|apikey)\s{1,3}+)?+"


def _assigned(names: str) -> re.Pattern[str]:
    return re.compile(rf"((?:{names}){_SET}{_SCHEME}){_VALUE}", re.IGNORECASE)


# Up to the last @ of a run without blanks, but a port is no password. A run without any @ is matched too, and left as
# it is, so that it is looked at only once.
_PASSWORD_IN_URL = re.compile(
    r"""(://[^\s:/@"'<>]{0,128}+:)(?!\d{1,5}[/?#]|\[redacted\]@)(?:((?:[^\s@"'<>]*+@)++)|[^\s@"'<>]*+)"""
)

_RULES = (
    _Rule(
        ("-----begin",),
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?:(?!-----END)[\s\S]){0,16384}+(?:-----END[A-Z ]{0,40}+-----)?"
        ),
        REDACTED,
    ),
    _Rule(("://",), _PASSWORD_IN_URL, lambda match: f"{match[1]}{REDACTED}@" if match[2] else match[0]),
    _Rule(("://",), re.compile(r"(://)[\w.~%+-]{16,256}+(?=@)"), rf"\g<1>{REDACTED}"),
    _Rule(
        ("hooks.slack",),
        re.compile(r"(hooks\.slack(?:-gov)?\.com/[a-z]{1,16}/)[\w/+-]{1,256}+", re.IGNORECASE),
        rf"\g<1>{REDACTED}",
    ),
    _Rule(
        ("cookie",),
        re.compile(r"(cookie\s{0,3}+:\s{0,3}+)(?!\[redacted\])[^\r\n\"']{1,8192}+", re.IGNORECASE),
        rf"\g<1>{REDACTED}",
    ),
    _Rule(("auth",), _assigned("authorization|x-auth-token|auth"), rf"\g<1>{REDACTED}"),
    _Rule(
        ("bearer", "basic"),
        re.compile(r"((?<!\w)(?:bearer|basic)\s{1,3}+)[\w.~+/=-]{12,8192}+", re.IGNORECASE),
        rf"\g<1>{REDACTED}",
    ),
    _Rule(("pass", "pwd", "secret", "token", "key", "credential"), _assigned(_NAMES), rf"\g<1>{REDACTED}"),
    _Rule(  # long keys behind anything called …key
        ("key",),
        re.compile(rf"(key{_SET})(?![\da-f]{{8}}-[\da-f]{{4}}-)[\w+/=-]{{20,2048}}+", re.IGNORECASE),
        rf"\g<1>{REDACTED}",
    ),
    _Rule(
        ("akia", "asia", "abia", "acca"),
        re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])"),
        REDACTED,
    ),
    _Rule(("xox", "xapp-"), re.compile(r"(?:xox[a-z]|xapp)(?:\.xox[a-z])?-[\w-]{8,512}+", re.IGNORECASE), REDACTED),
    _Rule(("eyj",), re.compile(r"(?<![\w-])eyJ[\w-]{8,4096}+\.[\w-]{8,8192}+(?:\.[\w-]{0,2048}+)?"), REDACTED),
    _Rule(
        ("gh", "glpat-", "aiza", "sk_", "rk_", "sk-"),
        re.compile(
            r"(?<!\w)(?:gh[pousr]_\w{20,255}+|github_pat_\w{20,255}+|glpat-[\w-]{16,255}+|AIza[\w-]{35}"
            r"|[sr]k_(?:live|test)_\w{16,255}+|sk-[\w-]{20,255}+)"
        ),
        REDACTED,
    ),
)

_WORDS_ANYWHERE = frozenset(
    {"password", "passwd", "pwd", "passphrase", "secret", "secrets", "credential", "credentials"}
)
_WORDS_ANYWHERE |= {"authorization", "cookie", "cookies"}
_LAST_WORDS = frozenset({"token", "apikey", "auth"})
_KEY_PAIRS = frozenset({("api", "key"), ("access", "key"), ("private", "key")})
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[a-z]+")
_LONG_KEY = re.compile(r"(?![\da-fA-F]{8}-[\da-fA-F]{4}-)[\w+/=-]{20,}")


class Redactor:
    """Hides secrets; made once from the config, it keeps nothing of what it sees."""

    def __init__(self, patterns: Sequence[str] = (), keys: Sequence[str] = ()) -> None:
        """Further regular expressions and key names, as in `RedactionOptions`."""
        self._keys = frozenset(map(_plain, keys))
        rules = list(_RULES)
        if keys:
            rules.append(_Rule((), _assigned("|".join(map(re.escape, keys))), rf"\g<1>{REDACTED}"))
        rules += [_own_rule(re.compile(pattern)) for pattern in patterns]
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
        told = [text and self.redact_text(text) for text in texts]
        if tuple(told) == texts:
            return kind
        channel, event, source, version, wire_event = told
        return kind_of(channel or "", event or "", kind.phase, kind.severity, source, version, wire_event)

    def redact_text(self, text: str) -> str:
        """`text` without secrets."""
        lowered = text.lower()
        for rule in self._rules:
            if not rule.needles or any(needle in lowered for needle in rule.needles):
                text = rule.pattern.sub(rule.replacement, text)
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
            told = self.redact_text(text)
            return data if told == text else told.encode()
        told_value = self._redact_value(value, 0)
        return data if told_value is value else _encode(told_value)

    def _redact_value(self, value: Any, depth: int) -> Any:
        """`value` without secrets: the same object when nothing in it changed."""
        if isinstance(value, str):
            told = self.redact_text(value)
            return value if told == value else told
        if depth > MAX_DEPTH:
            return REDACTED if isinstance(value, dict | list) else value
        if isinstance(value, list):
            items = [self._redact_value(item, depth + 1) for item in value]
            return value if all(map(_is, items, value)) else items
        if isinstance(value, dict):
            fields = {self._key(name).told: self._redact_field(name, item, depth) for name, item in value.items()}
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
            known = _Key(self.redact_text(key), _plain(key) in self._keys or _names_a_secret(words))
            if len(self._known_keys) < MAX_KNOWN_KEYS and len(key) <= MAX_KEY:
                self._known_keys[key] = known
        return known


class _Key(NamedTuple):
    """What was found out about the name of a payload's field."""

    told: str
    is_secret: bool


MAX_KNOWN_KEYS = 4096
MAX_KEY = 200
_MISSING = object()
_encode = msgspec.json.Encoder().encode


def _is(one: object, other: object) -> bool:
    return one is other


def _plain(key: str) -> str:
    return re.sub(r"[\W_]", "", key).lower()


def _names_a_secret(words: list[str]) -> bool:
    """`db_password`, `client-secret`, `accessToken`, `X-Api-Key`; but not `token_count` or `cache_key`."""
    if not words:
        return False
    return not _WORDS_ANYWHERE.isdisjoint(words) or words[-1] in _LAST_WORDS or tuple(words[-2:]) in _KEY_PAIRS


def _own_rule(pattern: re.Pattern[str]) -> _Rule:
    if "secret" not in pattern.groupindex:
        return _Rule((), pattern, REDACTED)

    def hide(match: re.Match[str]) -> str:
        start, end = (place - match.start() for place in match.span("secret"))
        whole: str = match.group()
        return whole if start < 0 else whole[:start] + REDACTED + whole[end:]

    return _Rule((), pattern, hide)

"""What secrets look like in a text: passwords in addresses, `name=value`, headers, and tokens of a known make.

Only shapes; where they are looked for, and what fields of a payload are called, is in `relay.redaction`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

REDACTED = "[redacted]"


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` runs only over text that, in lower case, has one of `needles`, and one of `also`; none means any."""

    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]
    also: tuple[str, ...] = ()

    def may_match(self, lowered: str) -> bool:
        """Whether it is worth a look at a text, given in lower case."""
        return _has_one(self.needles, lowered) and _has_one(self.also, lowered)


def _has_one(needles: tuple[str, ...], text: str) -> bool:
    return not needles or any(needle in text for needle in needles)


# Every repetition is bounded and, where another could follow it, possessive: no text makes these slow. That of a group
# is not, as Python before 3.11.5 takes a piece too much there (cpython issue 106052); so nothing that could fail may
# follow one.
_WORDS = "password|passwd|passphrase|pass[_-]?code|pwd|secret|token|(?:api|access|private)[_-]?key|credentials?"
_WORDS += "|(?<![a-z])(?:pass|pw|pin)(?![a-z])"  # `DB_PASS`, but not `bypass`
_NAMES = rf"(?:{_WORDS})(?:[_-](?:pem|value|base64|b64|hex|raw|text|plain|old|new)|[_-]?v?\d{{1,2}})?"
_UNSAID = (
    r"(?!(?:none|null|true|false|missing|required|invalid|expired|failed|denied|empty|unset|not|is|was)"
    r"(?:[\s,;.)\"'\]}]|$)|\[redacted\])"
)
_VALUE = (
    rf"""{_UNSAID}(?:(?<=\\")[^"\\\r\n]{{1,2048}}+|(?<=")(?:[^"\\\r\n]|\\.){{1,2048}}|(?<=')(?:[^'\\\r\n]|\\.){{1,2048}}"""
    r"""|(?:[^\s,;&"'\\]|,(?!\s)|\\(?!["'nrt])){1,2048})"""
)
_SET = r"""\\?["']?\s{0,3}+(?:=>|:=|[:=]|%3[ad])\s{0,40}+\\?+["']?+"""
_SCHEMES = "(?:bearer|basic|token|digest|apikey)"
_SCHEME = rf"(?:{_SCHEMES}\s{{1,3}}+|(?!{_SCHEMES}\s))"


_QUOTE = r"""\\?["']"""
_OPENED = rf"""\s{{0,3}}+[:=]\s{{0,3}}+{_QUOTE}"""
_NAMED = (
    rf"""{_QUOTE}?(?:name|key|field|header|param|parameter|variable|option|setting){_QUOTE}?"""
    rf"""{_OPENED}[\w .-]{{0,40}}?(?:{_NAMES})[\w-]{{0,20}}{_QUOTE}"""
)
"""`"name": "password"`."""
_BETWEEN = r"\s{0,3}+,\s{0,40}+"
_ORDINARY = (
    "a|about|absent|accepted|already|also|an|as|at|available|bad|being|blank|by|changed|checked|correct|created|default"
    "|denied|different|disabled|due|empty|enabled|encrypted|expired|false|for|from|given|gone|good|ignored|in|incorrect"
    "|invalid|issued|it|kept|known|limited|loaded|locked|long|lost|malformed|masked|missing|needed|never|new|no|none|not|nothing"
    "|now|null|of|ok|old|on|only|optional|out|present|provided|read|redacted|refused|rejected|required|reset|revoked|rotated"
    "|same|sent|set|short|stale|still|stored|supplied|that|the|there|this|to|too|true|undefined|unknown|unset|unused|used|valid"
    "|verified|weak|wrong"
)
"""What follows `the password is` in messages that do not tell it."""


def assigned(names: str) -> re.Pattern[str]:
    """`name=value`, `"name": "value"` and the like, for names in a regular expression."""
    return re.compile(rf"((?:{names}){_SET}{_SCHEME}){_VALUE}", re.IGNORECASE)


# Up to the last @ of a run without blanks, but a port is no password. A run without any @ is matched too, and left as
# it is, so that it is looked at only once.
_PASSWORD_IN_URL = re.compile(
    r"""(://[^\s:/@"'<>]{0,128}+:)(?!\d{1,5}[/?#]|\[redacted\]@)(?:((?:[^\s@"'<>]*+@)+)|[^\s@"'<>]*+)"""
)
_PORT = re.compile(r"\d{1,5}(?!\w)|\[redacted\]")


def _without_password(match: re.Match[str]) -> str:
    """An address without its password, also when the text, or the quoted one in it, ends in the middle of that."""
    if match[2]:
        return f"{match[1]}{REDACTED}@"
    rest = match[0][len(match[1]) :]
    is_cut_off = match[1] == "://:" or match.string[match.end() : match.end() + 1] in ("", "…", '"', "'")
    is_no_password = not rest.strip("…\\") or _PORT.match(rest)
    if not is_cut_off or is_no_password or "[" in match[1]:
        return match[0]
    return match[1] + REDACTED + "\\" * rest.endswith("\\")


_PASSWORD_IN_ENCODED_URL = re.compile(
    r"""(%3A%2F%2F[\w.~+-]{0,128}+%3A)(?!\d{1,5}%2F|\[redacted\])(?:(?!%40)[^\s@"'<>&]){1,1024}(%40|@)?""",
    re.IGNORECASE,
)

_NEEDLES = ("pass", "pwd", "secret", "token", "key", "credential", "pin", "pw")
RULES = (
    Rule(
        ("-----begin",),
        re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?:(?!-----END)[\s\S]){0,16384}(?:-----END[A-Z ]{0,40}+-----)?"),
        REDACTED,
    ),
    Rule(("://",), _PASSWORD_IN_URL, _without_password),
    Rule(
        ("%3a%2f%2f",),
        _PASSWORD_IN_ENCODED_URL,
        lambda match: f"{match[1]}{REDACTED}{match[2]}" if match[2] else match[0],
    ),
    Rule(("://",), re.compile(r"(://)[\w.~%+-]{16,256}+(?=@)"), rf"\g<1>{REDACTED}"),
    Rule(
        ("hooks.slack",),
        re.compile(r"(hooks\.slack(?:-gov)?\.com/[a-z]{1,16}/)[\w/+-]{1,256}+", re.IGNORECASE),
        rf"\g<1>{REDACTED}",
    ),
    Rule(
        ("cookie",),
        re.compile(r"(cookie\s{0,3}+:\s{0,3}+)(?!\[redacted\])[^\r\n\"']{1,8192}+", re.IGNORECASE),
        rf"\g<1>{REDACTED}",
    ),
    Rule(("auth",), assigned("authorization|x-auth-token|auth"), rf"\g<1>{REDACTED}"),
    Rule(
        ("bearer", "basic"),
        re.compile(r"((?<!\w)(?:bearer|basic)\s{1,3}+)[\w.~+/=-]{12,8192}+", re.IGNORECASE),
        rf"\g<1>{REDACTED}",
    ),
    Rule(_NEEDLES, assigned(_NAMES), rf"\g<1>{REDACTED}"),
    Rule(  # --password hidden, also as a list of arguments
        _NEEDLES,
        re.compile(
            rf"""((?<![\w-])--[\w-]{{0,40}}?(?:{_NAMES})(?:{_QUOTE}{_BETWEEN}{_QUOTE}|["']?,?\s{{1,3}}+["']?))(?!-){_VALUE}""",
            re.IGNORECASE,
        ),
        rf"\g<1>{REDACTED}",
    ),
    Rule(  # "name": "password", "value": "hidden"
        _NEEDLES,
        re.compile(
            rf"""({_NAMED}{_BETWEEN}{_QUOTE}?\w{{0,20}}(?:value|values|content|data){_QUOTE}?\s{{0,3}}+[:=]\s{{0,3}}+\[?"""
            rf"""(?:{_QUOTE})?){_VALUE}""",
            re.IGNORECASE,
        ),
        rf"\g<1>{REDACTED}",
        also=("value", "content", "data"),
    ),
    Rule(  # "value": "hidden", "name": "password"
        _NEEDLES,
        re.compile(
            rf"""(value{_QUOTE}?{_OPENED})(?!\[redacted\])[^"'\\]{{1,2048}}+(?={_QUOTE}{_BETWEEN}{_NAMED})""",
            re.IGNORECASE,
        ),
        rf"\g<1>{REDACTED}",
        also=("value",),
    ),
    Rule(  # ["Authorization", "hidden"], ("password", "hidden")
        (*_NEEDLES, "auth", "cookie"),
        re.compile(
            rf"""([\[(]\s{{0,3}}+{_QUOTE}[\w .-]{{0,40}}?(?:{_NAMES}|authorization|cookie){_QUOTE}{_BETWEEN}{_QUOTE})"""
            rf"""(?!\[redacted\])[^"'\\]{{1,2048}}+(?={_QUOTE}\s{{0,3}}+[\])])""",
            re.IGNORECASE,
        ),
        rf"\g<1>{REDACTED}",
        also=("[", "("),
    ),
    Rule(  # <name>password</name><value>hidden</value>
        _NEEDLES,
        re.compile(
            rf"""(<(?:name|key)>[^<]{{0,60}}?(?:{_NAMES})[^<]{{0,20}}</(?:name|key)>\s{{0,40}}+<(?:value|string)>)"""
            r"""(?!\[redacted\])[^<]{1,2048}+""",
            re.IGNORECASE,
        ),
        rf"\g<1>{REDACTED}",
        also=("</",),
    ),
    Rule(  # the password is hidden
        _NEEDLES,
        re.compile(
            rf"""((?<![a-z])(?:{_WORDS}|(?:api|access|private)\skey)(?:\s(?:for|of|to)\s[^\s"']{{1,80}}+)?"""
            rf"""\s{{1,3}}+(?:is|was|are|were)(?:\s(?:now|set\sto|changed\sto))?\s{{1,3}}+"""
            rf"""(?:{_QUOTE}|(?!(?:{_ORDINARY})(?![\w-])))){_VALUE}""",
            re.IGNORECASE,
        ),
        rf"\g<1>{REDACTED}",
        also=("is", "was", "are", "were"),
    ),
    Rule(  # password "hidden"
        ("password", "passphrase", "passcode"),
        re.compile(rf"""(pass(?:word|phrase|code)\s{{1,3}}+{_QUOTE}){_VALUE}""", re.IGNORECASE),
        rf"\g<1>{REDACTED}",
        also=('"', "'"),
    ),
    Rule(  # <db-password>hidden</db-password>
        _NEEDLES,
        re.compile(rf"(<[\w:.-]{{0,40}}?(?:{_NAMES})[\w:.-]{{0,40}}>)(?!\[redacted\])[^<]{{1,2048}}+", re.IGNORECASE),
        rf"\g<1>{REDACTED}",
    ),
    Rule(
        ("-u", "--user"),
        re.compile(
            r"""((?<![\w-])(?:-u|--user)["']?[=,]?\s{0,3}+["']?[^\s:/"'=,-]{1,128}+:)(?!\[redacted\])[^\s"'/][^\s"']{0,1024}+"""
        ),
        rf"\g<1>{REDACTED}",
    ),
    Rule(  # what makes a signed link open
        ("sig",),
        re.compile(r"([?&][\w-]{0,40}?sig(?:nature)?=)(?!\[redacted\])[^\s&\"'<>\\]{1,2048}+", re.IGNORECASE),
        rf"\g<1>{REDACTED}",
    ),
    Rule(  # how one logs in at the vendor's websocket
        ("params",),
        re.compile(
            r"""(action\\?["']\s{0,3}:\s{0,3}\\?["']auth\\?["']\s{0,3},\s{0,3}\\?["']params\\?["']\s{0,3}:\s{0,3}\\?["'])"""
            r"""(?!\[redacted\])[^"'\\]{1,2048}+"""
        ),
        rf"\g<1>{REDACTED}",
    ),
    Rule(  # long keys behind anything called …key
        ("key",),
        re.compile(rf"(key{_SET})(?![\da-f]{{8}}-[\da-f]{{4}}-)[\w+/=-]{{20,2048}}+", re.IGNORECASE),
        rf"\g<1>{REDACTED}",
    ),
    Rule(
        ("akia", "asia", "abia", "acca"),
        re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])"),
        REDACTED,
    ),
    Rule(("xox", "xapp-"), re.compile(r"(?:xox[a-z]|xapp)(?:\.xox[a-z])?-[\w-]{8,512}+", re.IGNORECASE), REDACTED),
    Rule(("eyj",), re.compile(r"(?<![\w-])eyJ[\w-]{8,4096}+\.[\w-]{8,8192}+(?:\.[\w-]{0,2048}+)?"), REDACTED),
    Rule(
        ("gh", "glpat-", "aiza", "sk_", "rk_", "sk-", "whsec_", "npm_", "pypi-", "sg.", "ya29."),
        re.compile(
            r"(?<!\w)(?:gh[pousr]_\w{20,255}+|github_pat_\w{20,255}+|glpat-[\w-]{16,255}+|AIza[\w-]{35}"
            r"|[sr]k_(?:live|test)_\w{16,255}+|sk-[\w-]{20,255}+|whsec_[\w+/=-]{16,255}+|npm_\w{20,255}+"
            r"|pypi-[\w-]{20,255}+|SG\.[\w-]{16,64}+\.[\w-]{16,128}+|ya29\.[\w-]{20,1024}+)"
        ),
        REDACTED,
    ),
)

"""The messages of an incident's life: what stands in the channel, and what in its thread. Pure.

All words about the trouble are the incident's own; here they are put in order, cut and escaped.
"""

import re
from collections.abc import Iterator

from relay.events.wording import plural
from sinks.slack.blocks import (
    BLUE,
    GREEN,
    MAX_PART,
    MAX_QUOTE,
    MAX_TEXT,
    MAX_TITLE,
    RED,
    YELLOW,
    circle_of,
    context,
    section,
)
from sinks.slack.incident import COMPLETED, EASED, OVER, RUNNING, Cleared, ErrorGroup, Incident, Note, Phase
from sinks.slack.message import Message
from sinks.slack.text import code_block, inline_code, link, lock_screen, one_line

MAX_CLAUSE = 300
"""Characters of the cause in a reply that the channel sees too: the message above has all of it."""
MAX_STEP = 200
MAX_LABEL = 60
MAX_NOTE = 120
MAX_ACTIONS, MAX_PHASES, MAX_CONTEXT = 3, 8, 6
USABLE = {
    "Yes": "usable",
    "No": "not usable",
    "Not yet": "not yet usable",
    "Partly": "partly usable",
    "Unknown": "not known whether usable",
    "Not affected": "not affected",
}
"""How the answer to "is the data usable?" reads within a sentence."""
_DECIDED = frozenset({"Yes", "No"})
_MENTIONED = re.compile(r"<!(\w+)(?:\^\w+)?>|<@\w+>")


def message(incident: Incident, mention: str = "", *, is_struck: bool = True, mentions: int = 0) -> Message:
    """The one message of an incident, as it stands now.

    Args:
        incident: its state.
        mention: whom to call, ready mrkdwn; only for a new message, as an edit notifies nobody.
        is_struck: whether the headline of what is over is struck out; not where nothing is above it.
        mentions: how often somebody was called, which its end tells.
    """
    blocks = [section(_head(incident, mention, is_struck=is_struck))]
    if facts := list(_facts(incident)):
        blocks.extend(map(section, facts))
    if links := _links(incident):
        blocks.append(section(links))
    blocks.append(context(list(_small_print(incident, mentions))))
    return Message(_text(incident, incident.text or incident.title, mention), blocks, _page(incident))


def worse(incident: Incident, mention: str) -> Message:
    """The reply that the channel sees too, when the severity has risen."""
    lines = [f"*{_titled(incident)}*", one_line(incident.cause, MAX_CLAUSE) if incident.cause else ""]
    usable = one_line(incident.data.short, MAX_CLAUSE) if incident.data and incident.data.short else ""
    lines.append(" ".join(filter(None, (usable, _to_do(incident)))))
    shown = "\n".join(filter(None, lines))
    text = _text(incident, incident.text or incident.title, mention)
    return Message(text, [section(f"{mention} {shown}".strip())], _page(incident))


def cleared(incident: Incident) -> Message:
    """The reply that the channel sees too, when it is over."""
    circle = _circle(incident)
    words = _with_link(incident, one_line(incident.text or incident.title, MAX_PART))
    shown = re.sub(r"^Cleared:", "*Cleared:*", words)
    return Message(_text(incident, incident.text or incident.title), [section(f"{circle} {shown}")], _page(incident))


def note(incident: Incident, line: Note) -> Message:
    """One line of the story."""
    again = incident.again
    shown = one_line(line.text, MAX_PART)
    if again and again.url and line.change == "again":
        shown = f"{shown} {link(again.url, 'New run', MAX_LABEL)}"
    return Message(_text(incident, line.text), [section(shown)], _page(incident))


def errors_of(incident: Incident, group: ErrorGroup) -> Message:
    """The reply of one kind of errors."""
    url = f"{incident.url}#errors" if incident.url else ""
    shown = f"*{link(url, group.title, MAX_TITLE)}*"
    if group.message:
        shown += f"\n{code_block(group.message, MAX_QUOTE)}"
    blocks = [section(shown)]
    if group.context:
        blocks.append(context([one_line(group.context, MAX_PART)]))
    return Message(_text(incident, group.text or group.title), blocks, _page(incident))


def other_errors(incident: Incident) -> Message:
    """The last reply: what came beyond the kinds that have one of their own."""
    kinds, count = incident.errors.more_groups, incident.errors.more_errors
    words = f"and {plural(kinds, 'other kind')} of errors ({count:,} in all)"
    page = _page(incident)
    return Message(_text(incident, words), [section(f"{words}: {page}" if page else words)], page)


def _head(incident: Incident, mention: str, *, is_struck: bool) -> str:
    title = _titled(incident)
    if incident.state == OVER:
        line, below = _ended(incident, title, is_struck=is_struck)
    else:
        line = f"*{title}*"
        below = one_line(incident.cause, MAX_PART) if incident.cause else ""
    text = "\n".join(filter(None, (f"{_circle(incident)} {line}", f"{below} {mention}".strip())))
    return f"{text}\n{code_block(incident.quote, MAX_QUOTE)}" if incident.quote else text


def _ended(incident: Incident, title: str, *, is_struck: bool) -> tuple[str, str]:
    """Headline, and what is below it, of what is over."""
    by = incident.cleared or Cleared()
    if incident.lasting:  # nothing was mended
        return f"*{title}*", one_line(by.reason, MAX_PART) if by.reason else ""
    below = _with_link(incident, one_line(by.text or "Cleared.", MAX_PART))
    return f"~{title}~" if is_struck else f"*Cleared: {title}*", re.sub(r"^Cleared\b", "*Cleared*", below)


def _circle(incident: Incident) -> str:
    if incident.state == OVER:
        return RED if incident.lasting else GREEN
    if incident.state in {RUNNING, COMPLETED}:  # that it completed says nothing of its result yet
        return BLUE
    circle = circle_of(incident.level)
    is_lesser = incident.state == EASED or circle == BLUE
    return YELLOW if is_lesser or (incident.kind == "error" and incident.severity == "error") else circle


def _titled(incident: Incident) -> str:
    title = f"[{incident.source}] {incident.title}" if incident.source else incident.title
    return link(incident.url, title, MAX_TITLE)


def _facts(incident: Incident) -> Iterator[str]:
    """Is the data usable, the phases, what to do: each a paragraph."""
    phases = "  \N{MIDDLE DOT}  ".join(_phase(one, incident) for one in incident.phases[:MAX_PHASES])
    if incident.state == OVER:
        if incident.data:
            yield _usable(incident)
        was = one_line(incident.cause, MAX_PART) if incident.cause else ""
        if was and not was.startswith("It "):
            was = f"It was: {_in_a_sentence(was)}"
        if was or phases:
            yield "\n".join(filter(None, (was, phases)))
        return
    if incident.data or phases:
        yield "\n".join(filter(None, (_usable(incident), phases)))
    if incident.again:
        shown = re.sub(r"^Run again\b", "*Run again*", one_line(incident.again.text, MAX_PART))
        yield f"{shown} {link(incident.again.url, 'New run', MAX_LABEL)}" if incident.again.url else shown
    elif todo := _to_do(incident):
        yield todo


def _usable(incident: Incident) -> str:
    data = incident.data
    if data is None:
        return ""
    label, answer = one_line(data.label or "Data", MAX_LABEL), USABLE.get(data.word, one_line(data.word, MAX_LABEL))
    answer = f"*{label}: {answer}.*" if data.word in _DECIDED else f"*{label}:* {answer}."
    return f"{answer} {one_line(data.sentence, MAX_PART)}" if data.sentence else answer


def _phase(phase: Phase, incident: Incident) -> str:
    text = one_line(phase.text, MAX_LABEL)
    is_bold = phase.strong and not incident.is_over
    return f"{one_line(phase.mark, 2)} {f'*{text}*' if is_bold else text}"


def _to_do(incident: Incident) -> str:
    steps = []
    for action in incident.actions[:MAX_ACTIONS]:
        text = one_line(action.text, MAX_STEP) if action.text else ""
        command = inline_code(action.command, MAX_STEP) if action.command else ""
        steps.append(f"{text.rstrip('.')}: {command}" if text and command else text or command)
    steps = list(filter(None, steps))
    if not steps:
        return ""
    return "\n".join((f"*Do:* {_in_a_sentence(steps[0])}", *steps[1:]))


def _in_a_sentence(text: str) -> str:
    """`Look at …` as `look at …`; a name or `API` stays as it is."""
    first = text.split(" ", 1)[0]
    return text[:1].lower() + text[1:] if first[1:].islower() or len(first) == 1 else text


def _links(incident: Incident) -> str:
    label = "Run page" if incident.is_of_run else "Status page"
    places = ((incident.url, label), (incident.runbook, "Runbook"), (incident.dashboard, "Dashboard"))
    return " \N{MIDDLE DOT} ".join(link(url, name, MAX_LABEL) for url, name in places if url)


def _page(incident: Incident) -> str:
    label = "Run page" if incident.is_of_run else "Status page"
    return link(incident.url, label, MAX_LABEL) if incident.url else ""


def _small_print(incident: Incident, mentions: int) -> Iterator[str]:
    parts = [one_line(text, MAX_NOTE) for text in incident.context[:MAX_CONTEXT] if text]
    if incident.is_over and mentions:
        parts.append(plural(mentions, "mention"))
    yield " \N{MIDDLE DOT} ".join(parts) or one_line(incident.incident, MAX_NOTE)
    if incident.silence and not incident.is_over:
        yield f"Silence for 2 h: {inline_code(incident.silence, MAX_CLAUSE)}"


def _with_link(incident: Incident, words: str) -> str:
    """`words` with the run that ended it, where they name it, linked to its page."""
    by = incident.cleared
    if by is None or not (by.by_name and by.by_url):
        return words
    return words.replace(one_line(by.by_name, MAX_LABEL), link(by.by_url, by.by_name, MAX_LABEL), 1)


def _text(incident: Incident, words: str, mention: str = "") -> str:
    """What a lock screen shows: at most `MAX_TEXT` characters as they are read."""
    before = f"[{incident.source}] " if incident.source else ""
    room = MAX_TEXT - (len(_as_read(mention)) + 1 if mention else 0)
    shown = lock_screen(before + words, max(room, MAX_TEXT // 2))
    return f"{mention} {shown}" if mention else shown


def _as_read(mention: str) -> str:
    """`<!channel>` is read as `@channel`; how long a person's or a group's name is, only Slack knows."""
    return _MENTIONED.sub(lambda found: f"@{found[1]}" if found[1] else "@" + "n" * 12, mention)

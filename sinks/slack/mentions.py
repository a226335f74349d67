"""Whom to call: an entry of `mentions` holds for its severity and those above. Pure."""

from collections.abc import Collection, Mapping

from relay.events import SEVERITIES, Severity


def due(mentions: Mapping[str, str], severity: Severity, called: Collection[str] = ()) -> list[str]:
    """The entries (by their severity's label) that `severity` reaches and that have not been called yet."""
    return [label for label in mentions if SEVERITIES[label] <= severity and label not in called]


def in_words(mentions: Mapping[str, str], labels: Collection[str]) -> str:
    """What these entries say, ready mrkdwn, each mention once."""
    return " ".join(dict.fromkeys(" ".join(mentions[label] for label in labels).split()))

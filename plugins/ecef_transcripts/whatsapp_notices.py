"""Texts that WhatsApp writes in the place of a message, as its exports show them in several languages."""

from __future__ import annotations

import re

_FILE = re.compile(
    r"<[^<>]+>|\S[^\n]*\.\w{2,5} \((?:file attached|datei angeh\u00e4ngt|archivo adjunto|fichier joint|"
    r"arquivo anexado|ficheiro anexado|file allegato)\)",
    re.IGNORECASE,
)
_EDITED = re.compile(
    r"\s*<(?:This message was edited|Diese Nachricht wurde bearbeitet|Se edit\u00f3 este mensaje|"
    r"Ce message a \u00e9t\u00e9 modifi\u00e9|(?:Esta )?mensagem (?:foi )?editada|"
    r"Questo messaggio \u00e8 stato modificato)"
    r"\.?>\s*$",
    re.IGNORECASE,
)
_NOTICES = frozenset(
    (
        "null",
        "this message was deleted",
        "you deleted this message",
        "diese nachricht wurde gel\u00f6scht",
        "du hast diese nachricht gel\u00f6scht",
        "se elimin\u00f3 este mensaje",
        "eliminaste este mensaje",
        "ce message a \u00e9t\u00e9 supprim\u00e9",
        "vous avez supprim\u00e9 ce message",
        "mensagem apagada",
        "esta mensagem foi apagada",
        "voc\u00ea apagou esta mensagem",
        "questo messaggio \u00e8 stato eliminato",
        "hai eliminato questo messaggio",
        "missed voice call",
        "missed video call",
        "missed group voice call",
        "missed group video call",
        "verpasster sprachanruf",
        "verpasster videoanruf",
        "llamada perdida",
        "videollamada perdida",
        "appel vocal manqu\u00e9",
        "appel vid\u00e9o manqu\u00e9",
        "chamada de voz perdida",
        "chamada de v\u00eddeo perdida",
        "chiamata vocale persa",
        "videochiamata persa",
    )
)
_WAITING = re.compile(r"waiting for this message(?:\. this may take a while)?", re.IGNORECASE)
_UNMARKED = re.compile(r"(?:image|video|audio|sticker|gif|document|contact card|media) omitted", re.IGNORECASE)


def is_file(text: str) -> bool:
    """Return whether the first line of a message stands for a file, such as `<Media omitted>`."""
    return not _EDITED.fullmatch(text) and _FILE.fullmatch(text) is not None


def is_notice(text: str) -> bool:
    """Return whether a message is a notice of a deleted message, a call or an attachment."""
    bare = text.rstrip(". \u2026")
    found = bare.casefold() in _NOTICES or _WAITING.fullmatch(bare) or _UNMARKED.fullmatch(bare)
    return bool(found) or bool(_EDITED.fullmatch(text))


def without_edit(text: str) -> str:
    """Return the words of a message without the note that it was edited."""
    return _EDITED.sub("", text)

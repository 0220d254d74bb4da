"""Words of consent as databases and forms keep them: English, French, German, Spanish, Italian."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from target_batch.common.limits import CACHED_VALUES

YES: Final = frozenset({
    "1", "1 0", "accept", "accepted", "agree", "agreed", "allow", "allowed", "consented", "granted", "ok",
    "on", "opt in", "opted in", "optedin", "optin", "subscribe", "subscribed", "t", "true", "y", "yes",
    "abonne", "abonnee", "accepte", "acceptee", "autorise", "inscrit", "inscrite", "o", "oui", "v", "vrai",
    "abonniert", "akzeptiert", "angemeldet", "erlaubt", "erteilt", "j", "ja", "w", "wahr", "zugestimmt",
    "aceptado", "autorizado", "consentido", "s", "si", "suscrito", "verdadero",
    "accettato", "autorizzato", "concesso", "iscritto", "vero",
})  # fmt: skip
"""Words of someone who agreed, in lower case, without accents, hyphens and underscores as blanks."""

NO: Final = frozenset({
    "0", "0 0", "blocked", "declined", "denied", "deny", "disagree", "disagreed", "f",
    "false", "n", "no", "off",
    "opt out", "opted out", "optedout", "optout", "refused", "rejected", "revoked", "unsubscribe",
    "unsubscribed", "withdrawn",
    "desabonne", "desabonnee", "desinscrit", "desinscrite", "faux", "non", "refuse", "refusee", "retire",
    "abgelehnt", "abgemeldet", "falsch", "nein", "verweigert", "widerrufen",
    "denegado", "falso", "rechazado", "retirado", "revocado",
    "disiscritto", "negato", "revocato", "rifiutato",
})  # fmt: skip
"""Words of someone who refused or withdrew."""

_BETWEEN_WORDS: Final = re.compile(r"[\s_.-]+")


@lru_cache(maxsize=CACHED_VALUES)
def consent_word(text: str) -> bool | None:
    """Return whether a word means yes (true) or no (false) to marketing; None for any other word."""
    decomposed = unicodedata.normalize("NFKD", text.strip().lower())
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    word = _BETWEEN_WORDS.sub(" ", letters).strip()
    if word in YES:
        return True
    return False if word in NO else None

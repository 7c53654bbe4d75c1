"""English function words: closed classes, fillers and backchannels.

Words are lower-case, with straight apostrophes. Contractions of listed words (`they're`, `who'd've`) need no entry:
`content.py` splits them.
"""

from __future__ import annotations

PRONOUNS = """
    i me my mine myself you your yours yourself yourselves he him his himself she her hers herself
    it its itself we us our ours ourselves they them their theirs themselves themself thou thee thy
    ya ye yer em y'all one oneself anybody anyone anything everybody everyone everything nobody none
    nothing somebody someone something whoever whomever whatever whichever
"""

DETERMINERS = """
    a an the this that these those all another any both each either enough every few fewer half
    least less many more most much neither no other others own same several some such
"""

CARDINALS = """
    zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety
    hundred hundreds thousand thousands million millions billion billions
"""

PREPOSITIONS = """
    aboard about above across after against along alongside amid amidst among amongst around as at
    atop before behind below beneath beside besides between beyond by despite during except for from
    in inside into near of off on onto out outside outta over per regarding since than through
    throughout til till to toward towards under underneath unlike until up upon versus via vs with
    within without
"""

CONJUNCTIONS = """
    albeit although and because but cos coz cuz however if lest nor or otherwise plus provided so
    therefore though thus unless whenever whereas wherever whether while whilst yet
"""

AUXILIARIES = """
    be am is are was were been being ain't have has had having haven do does did doing done don't
    can cannot could may might must ought shall should will would gonna gotta hafta wanna gimme
    lemme dunno let's lets
"""

INTERROGATIVES = """
    how what when where which who whom whose why
"""

ADVERBS = """
    again ago almost already also always away back down else even ever forward here hence just never
    not now nowhere anywhere everywhere somewhere once only perhaps maybe quite rather somehow
    somewhat sometimes still then there together too twice very anymore anyhow anyway anyways kinda
    sorta apart aside instead
"""
"""Closed-class adverbs: deictic and counting adverbs of place, time and degree, negation, verb particles."""

FILLERS = """
    ah aha ahem ahh alright aw aww c'mon eh er erm hah ha haha heh hey hi hm hmm huh mhm mm mmm
    mmhmm nah naw nope o'clock oh ohh ok okay ooh um uh uhh uhhuh umm well y'know y'see yah yea yeah
    yep yes yup
"""
"""Fillers, backchannels and calls. Interjections that name a feeling (wow, ugh, ouch) are content."""

_CLASSES = (
    PRONOUNS,
    DETERMINERS,
    CARDINALS,
    PREPOSITIONS,
    CONJUNCTIONS,
    AUXILIARIES,
    INTERROGATIVES,
    ADVERBS,
    FILLERS,
)

FUNCTION_WORDS = frozenset(word for words in _CLASSES for word in words.split())
"""All function words."""

CLITICS = ("'s", "'re", "'ve", "'ll", "'d", "'m")
"""Clitics after an apostrophe: the possessive and contracted auxiliaries, except `n't`."""

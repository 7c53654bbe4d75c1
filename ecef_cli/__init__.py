"""ecef reads emotion in conversation: what each speaker feels, and what the next utterance will feel like.

This package is the host. Everything that touches a corpus, a lexicon or a pretrained model is a plugin;
`hookimpl` marks a plugin's hooks.
"""

import pluggy

hookimpl = pluggy.HookimplMarker("ecef")
"""Marks a function of a plugin as the implementation of one of the hooks in `ecef_cli.hookspecs`."""

__all__ = ["hookimpl"]

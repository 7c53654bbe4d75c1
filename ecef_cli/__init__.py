"""ecef reads emotion in conversation: what each speaker feels, and what the next utterance will feel like.

This package is the host. Everything that touches a corpus, a lexicon or a pretrained model is a plugin, and plugins
import `ecef_cli.api` alone.
"""

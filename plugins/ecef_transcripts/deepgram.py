"""Read the JSON of recognition services: Deepgram, AssemblyAI, and lists of words with speakers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecef_cli.api.components import TranscriptOptions, TranscriptReader
from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptRow
from ecef_transcripts.json_files import first_of, objects, opening, parsed
from ecef_transcripts.turns import SpokenWord, turns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecef_cli.api.transcripts import TranscriptSource

_MILLISECONDS = 1000
_PAUSE = 1.0  # seconds of silence that end a turn
_SPEAKER = ("speaker", "speaker_id")


class Deepgram(TranscriptReader):
    """Reader of services' replies: their utterances, else their words, joined by speaker."""

    options: TranscriptOptions
    extensions = (".json",)

    @classmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether the file is a reply with channels, or with words or utterances and no segments."""
        del name
        first, keys = opening(head)
        if first != "{" or "segments" in keys:
            return False
        deepgram = keys >= {"results", "channels"} or keys >= {"results", "alternatives"}
        assembly = "audio_url" in keys or "audio_duration" in keys
        return deepgram or assembly or (keys >= {"words", "start", "end"} and "utterances" not in keys)

    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield a row per utterance, in the order of time.

        Raises:
            DataError: the file is not JSON, or holds neither utterances nor words.
        """
        content = parsed(source, self.options.encoding)
        if not isinstance(content, dict):
            raise DataError("the file is not a reply of a recognition service", where=source.name)
        scale = _MILLISECONDS if "audio_url" in content or "audio_duration" in content else 1
        results = content.get("results")
        reply = results if isinstance(results, dict) else content
        if isinstance(reply.get("utterances"), list):
            several = len({item.get("channel") for item in reply["utterances"] if isinstance(item, dict)}) > 1
            for where, item in objects(reply["utterances"], "utterances", source):
                yield item if isinstance(item, DataError) else TranscriptRow(_utterance(item, scale, several), where)
            return
        source.remark(f"words are joined to turns, which end at another speaker or after {_PAUSE:g} s of silence")
        rows = [row for channel, words in _words(reply, source) for row in _of_channel(channel, words, scale, source)]
        yield from sorted(rows, key=lambda row: row.values.get("start") or 0)


def _utterance(item: dict[str, Any], scale: int, several: bool) -> dict[str, Any]:
    row = {
        "text": first_of(item, ("transcript", "text")),
        "speaker": first_of(item, _SPEAKER),
        "start": _scaled(item.get("start"), scale),
        "end": _scaled(item.get("end"), scale),
    }
    if several and isinstance(item.get("channel"), int):
        row["channel"] = item["channel"] + 1
        row["speaker"] = f"channel {row['channel']}" if row["speaker"] is None else row["speaker"]
    return row


def _words(reply: dict[str, Any], source: TranscriptSource) -> list[tuple[int | None, list[Any]]]:
    """Return the words of each channel; its number is None if there is only one."""
    channels = reply.get("channels")
    if not isinstance(channels, list):
        words = reply.get("words")
        if not isinstance(words, list):
            raise DataError("the reply holds neither 'utterances' nor 'words'", where=source.name)
        return [(None, words)]
    found: list[tuple[int | None, list[Any]]] = []
    for number, channel in enumerate(channels, start=1):
        best = next(iter(channel.get("alternatives") or ()), None) if isinstance(channel, dict) else None
        found.append((number if len(channels) > 1 else None, best.get("words") or [] if best else []))
    return found


def _of_channel(
    channel: int | None, words: Sequence[Any], scale: int, source: TranscriptSource
) -> Iterator[TranscriptRow]:
    said = [
        SpokenWord(
            str(first_of(word, ("punctuated_word", "word", "text")) or ""),
            _scaled(word.get("start"), scale),
            _scaled(word.get("end"), scale),
            first_of(word, _SPEAKER),
        )
        for word in words
        if isinstance(word, dict)
    ]
    glued = any(isinstance(word, dict) and word.get("type") == "spacing" for word in words)
    for number, row in enumerate(turns(said, glued=glued, pause=_PAUSE)):
        place = f"{source.name}: turn {number + 1}"
        if channel is not None:
            named = row["speaker"] if row["speaker"] is not None else f"channel {channel}"
            yield TranscriptRow({**row, "channel": channel, "speaker": named}, place + f" of channel {channel}")
        else:
            yield TranscriptRow(row, place)


def _scaled(value: Any, scale: int) -> Any:
    return value / scale if isinstance(value, int | float) and scale != 1 else value

"""`ecef prepare` with a reader that does not keep its contract: what no other command could read is not written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from prepared import READER, Prepare, facts, write_dialogue

from ecef_cli.api.components import Corpus
from ecef_cli.api.dialogue import Dialogue, Utterance, parse_row, to_json, to_row
from ecef_cli.corpus.checks.contract import contract_violation

CALLS = """
from dataclasses import replace
from pathlib import Path
from ecef_cli.api.components import Dropped
from ecef_datasets.jsonl import JsonLines

class Calls(JsonLines):
    def read(self, sources):
        corpus = super().read(sources)
        [dialogue] = corpus.splits["dev"]
        first, *more = dialogue.utterances
        return {changed}
"""
UTTERANCE = """replace(corpus, splits={{
            **corpus.splits, "dev": (replace(dialogue, utterances=(replace(first, {change}), *more)),)}})"""


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    for split in ("train", "dev", "test"):
        write_dialogue(folder, split, [{"text": text, "emotion": "calm"} for text in ("one", "two")])
    return folder


@pytest.fixture
def prepare_changed(prepare: Prepare, calls: Path, install: Callable[..., None]) -> Callable[[str], tuple[int, str]]:
    def run(changed: str) -> tuple[int, str]:
        install("calls-dist", READER, calls_at_test=CALLS.format(changed=changed))
        done = prepare("calls", "--source", calls)
        return done.code, done.err

    return run


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("speaker=3", "'speaker' is 3, but '3' after writing and reading a manifest"),
        ("speaker=' '", "'speaker' is empty"),
        ("text=None", "the key 'text' is missing"),
        ("text=' '", "'text' is empty and 'audio' is missing"),
        (r"text='\ud83d'", '"text" contains half a surrogate pair'),
        ("utterance=1.5", "'utterance' must be a string or a whole number, not 1.5"),
        ("utterance=True", "'utterance' must be a string or a whole number, not true"),
        ("audio=Path('a.wav'), start='0'", "'start' must be a number of seconds, not \"0\""),
        ("audio=Path('a.wav'), end=-1.0", "'start' and 'end' must be finite and not negative"),
        (
            "audio='a.wav'",
            "'audio' is 'a.wav', but PosixPath('a.wav') after writing and reading a manifest",
        ),
        ("row=[1]", "row must be a mapping, not list"),
        ("row={'length': float('nan')}", "'length' contains a number that is not finite"),
        ("row={'file': Path('x')}", "cannot be written as JSON: Object of type PosixPath is not JSON serializable"),
        ("dialogue='other'", "its dialogue is 'other'"),
        ("emotion='clam'", "the emotion 'clam' is not among the labels (did you mean 'calm'?)"),
        ("emotion=0", "the emotion 0 is not among the labels (known: calm)"),
    ],
)
def test_an_utterance_that_no_command_could_read_again_is_the_plugins_fault(
    prepare_changed: Callable[[str], tuple[int, str]], work: Path, change: str, said: str
) -> None:
    code, err = prepare_changed(UTTERANCE.format(change=change))
    number = {"utterance=1.5": "1.5", "utterance=True": "True"}.get(change, "1")
    where = f"dialogue dev, utterance {number}"
    assert (code, err) == (4, f"ecef: dataset 'calls' of calls-dist breaks its contract: {where}: {said}\n")
    assert not (work / "calls").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("None", "it must return a Corpus, not NoneType"),
        ("replace(corpus, labels=(*corpus.labels, 3))", "labels contains 3, which is not a str"),
        ("replace(corpus, labels=None)", "labels must be a tuple, not NoneType"),
        ("replace(corpus, splits=None)", "splits must be a mapping, not NoneType"),
        ("replace(corpus, splits={'dev': None})", "the dialogues of dev must be a tuple, not NoneType"),
        ("replace(corpus, splits={'dev': dialogue})", "the dialogues of dev must be a tuple, not Dialogue"),
        ("replace(corpus, sources=None)", "sources must be a tuple, not NoneType"),
        ("replace(corpus, sources=('train.jsonl',))", "sources contains 'train.jsonl', which is not a Path"),
        ("replace(corpus, sources=(Path(),))", "sources must list files, not the folder ."),
        ("replace(corpus, dropped=None)", "dropped must be a tuple, not NoneType"),
        ("replace(corpus, dropped=('row 3',))", "dropped contains 'row 3', which is not a Dropped"),
        ("replace(corpus, repaired=['x'])", "repaired must be a mapping, not list"),
        (
            "replace(corpus, muted=(Dropped('dev', 'd/1', 'odd', 'x:1', KeyError('a')),))",
            "the error of a dropped row must be a DataError, not KeyError",
        ),
        (
            "replace(corpus, splits={'dev': (replace(dialogue, utterances=iter(dialogue.utterances)),)})",
            "the utterances of dialogue dev must be a tuple, not tuple_iterator",
        ),
        ("replace(corpus, labels=corpus.labels * 2)", "duplicate labels: calm"),
        ("replace(corpus, splits={'tset': (dialogue,)})", "not tset (did you mean 'test'?)"),
        (
            "replace(corpus, splits={'dev': (dialogue,), 'test': (dialogue,)})",
            "duplicate dialogue id 'dev', in dev and in test",
        ),
        ("replace(corpus, splits={'dev': (replace(dialogue, utterances=()),)})", "dialogue dev is empty"),
        ("replace(corpus, splits={'dev': (dialogue.utterances,)})", "dev must contain dialogues, not tuple"),
        (
            "replace(corpus, splits={'dev': (replace(dialogue, utterances=(first, first)),)})",
            "dialogue dev, utterance 1: duplicate utterance id",
        ),
    ],
)
def test_a_corpus_that_is_none_is_the_plugins_fault(
    prepare_changed: Callable[[str], tuple[int, str]], changed: str, said: str
) -> None:
    code, err = prepare_changed(changed)
    assert (code, len(err.splitlines())) == (4, 1)
    assert err.startswith("ecef: dataset 'calls' of calls-dist breaks its contract: ")
    assert err.endswith(f"{said}\n")


def test_what_is_odd_and_comes_back_from_a_manifest_is_kept(
    prepare_changed: Callable[[str], tuple[int, str]], work: Path
) -> None:
    change = "utterance='eins', text='na\u00efve \U0001f600', row={'list': [1, {'a': None}], 'deep': {'b': 1.5}}"
    code, _ = prepare_changed(UTTERANCE.format(change=change))
    assert (code, facts(work, "calls")["counts"]["dev"]["utterances"]) == (0, 2)


ODD = ("", " ", "a", "\ud83d", "na\u00efve", None, 3, 1.5, True, float("nan"), float("inf"), [1], [float("nan")])


@pytest.mark.parametrize("key", ["text", "speaker", "utterance", "audio", "start", "end", "emotion", "row"])
@pytest.mark.parametrize("value", ODD, ids=repr)
def test_no_utterance_that_changes_on_its_way_through_a_manifest_is_let_through(key: str, value: object) -> None:
    values = {"text": "x", "speaker": "A", "dialogue": "d", "utterance": 1, key: value}
    if key == "row":
        values[key] = {"mine": value}
    utterance = Utterance(**values)  # type: ignore[arg-type]
    corpus = Corpus(("a", "na\u00efve"), {"train": (Dialogue("d", (utterance,)),)}, ())
    if contract_violation(corpus) is None:
        assert parse_row(to_json(to_row(utterance)), where="", dialogue="", number=-1) == utterance

"""`ecef prepare` where the command line asks for what makes no sense."""

from __future__ import annotations

import pytest
from prepared import Prepare

from ecef_cli.corpus.tolerance import Tolerance


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["meldd", "--source", "."], 2, "no reader is called 'meldd' (did you mean 'meld'?)"),
        ([], 2, "no READER given"),
        (["jsonl"], 2, "--source"),
        (["jsonl", "--source", "nowhere"], 3, "nowhere: no such file or folder"),
        (["jsonl", "--source", ".", "--option", "sed=1"], 2, "did you mean 'seed'?"),
        (["jsonl", "--source", ".", "--option", "seed"], 2, "write it as key=value"),
        (["jsonl", "--source", ".", "--option", "seed=1", "--option", "seed=2"], 2, "duplicate key 'seed'"),
        (["jsonl", "--source", ".", "--option", "seed=[1"], 2, "not YAML"),
        (["csv", "--source", ".", "--option", "text="], 2, "--option 'text=': text has no value (leave it out, or"),
        (["csv", "--source", ".", "--option", "seed= "], 2, "seed has no value"),
        (["jsonl", "--source", ".", "--name", ""], 2, "'' cannot be the name of a dataset"),
        (
            ["iemocap", "--source", ".", "--option", "dev=0.2"],
            2,
            "dataset 'iemocap'\n  dev: only for loso1 to loso5; standard",
        ),
        (
            ["csv", "--source", ".", "--option", "dev=0.5", "--option", "test=0.9"],
            2,
            "\n  test: must leave a share for train: below 0.5 if dev is 0.5, not 0.9\n",
        ),
        (
            ["csv", "--source", ".", "--option", "delimiter='\"'"],
            2,
            "\n  delimiter: must be a character that can separate values, not '\"'\n",
        ),
        (["jsonl", "--source", ".", "--tolerate", "some"], 2, "pass a share such as 1%"),
        (["jsonl", "--source", ".", "--name", "runs"], 2, "cannot be the name of a dataset"),
    ],
)
def test_a_slip_on_the_command_line_is_explained(prepare: Prepare, arguments: list[str], code: int, said: str) -> None:
    done = prepare(*arguments)
    assert done.code == code
    assert said in done.err
    assert done.out == ""


@pytest.mark.parametrize("text", ["-1", "1.5", "101%", "nan%", "%", "", "inf"])
def test_a_tolerance_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(Exception, match="--tolerate"):
        Tolerance.parse(text)

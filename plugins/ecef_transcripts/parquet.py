"""Read Parquet tables; needs pyarrow."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ecef_cli.api.components import TranscriptReader
from ecef_cli.api.errors import DataError, EcefError, described
from ecef_cli.api.transcripts import TranscriptRow
from ecef_transcripts.columns import ColumnOptions, chosen_columns, to_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecef_cli.api.transcripts import TranscriptSource

_MAGIC = b"PAR1"
_PLAIN = (str, int, float, bool, list, dict, type(None))


class Parquet(TranscriptReader):
    """Reader of Parquet; rows are in the order of speech."""

    Options = ColumnOptions
    options: ColumnOptions
    extensions = (".parquet",)

    @classmethod
    def recognises(cls, head: bytes, name: str) -> bool:
        """Return whether the file starts as Parquet does."""
        del name
        return head.startswith(_MAGIC)

    def read(self, source: TranscriptSource) -> Iterator[TranscriptRow | DataError]:
        """Yield the rows.

        Raises:
            DataError: the file is damaged, or a column is missing.
            EcefError: pyarrow is not installed.
        """
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError:
            hint = "run `pip install 'ecef-cli[parquet]'`"
            raise EcefError("reading Parquet needs pyarrow", where=source.name, hint=hint) from None
        try:
            file = parquet.ParquetFile(io.BytesIO(source.raw))
            columns = chosen_columns(self.options, file.schema_arrow.names, source.name)
            number = 0
            for batch in file.iter_batches():
                for values in batch.to_pylist():
                    number += 1
                    yield _row(values, columns, f"{source.name}: row {number}")
        except (pa.ArrowException, OSError, ValueError) as error:  # of damage: the bytes are in memory
            raise DataError(f"damaged Parquet file: {described(error)}", where=source.name) from None


def _row(values: dict[str, Any], columns: dict[str, str], where: str) -> TranscriptRow | DataError:
    plain = {name: value if isinstance(value, _PLAIN) else str(value) for name, value in values.items()}
    try:
        return TranscriptRow(to_row(plain, columns, where), where)
    except DataError as error:
        return error

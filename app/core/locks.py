"""The advisory locks of the database, in one place: two uses of one number would wait for each other for ever."""

from __future__ import annotations

from enum import IntEnum


class Lock(IntEnum):
    """What only one process at a time may do. The numbers mean nothing, but must not change between versions that run together."""

    MIGRATE = 7_310_252
    SCHEDULER = 7_310_253
    LEAVE_ACCOUNT = 7_310_254
    ACCOUNT_FILE = 7_310_255
    SYNC_SECURITY = 7_310_256
    SEAL_JOURNAL = 7_310_391
    IMPORT = 7_310_392
    SAVED_SEARCHES = 7_310_393
    IMPORT_SENT = 7_310_394
    SAVED_COLUMNS = 7_310_395
    FILE_CHECK = 7_310_410

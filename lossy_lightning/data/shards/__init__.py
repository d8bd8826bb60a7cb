"""Codes as shards: written once, streamed to any number of processes and machines."""

from lossy_lightning.data.shards.sharded_codes import ShardedCodes
from lossy_lightning.data.shards.writing import write_shards

__all__ = ["ShardedCodes", "write_shards"]

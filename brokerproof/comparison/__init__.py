"""Latency samples: kept as Parquet, compared in pairs, followed over time. Nothing here knows a path or a lab."""

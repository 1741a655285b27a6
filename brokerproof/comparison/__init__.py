"""What latency samples say: kept as Parquet, compared in pairs, told as a history. Knows no path and no lab."""

"""Candles and instruments, in and out: from exchanges and files into ClickHouse, and back as bars."""

"""Simulated days with every fault, against the real parts of ingestion in processes that may be killed."""

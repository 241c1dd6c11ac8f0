"""The machine that an instance runs on: its processes, ports and data folder."""

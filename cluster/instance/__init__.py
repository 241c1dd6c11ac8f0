"""One instance: its supervisor, Ray, embedded services, ports and data folder."""

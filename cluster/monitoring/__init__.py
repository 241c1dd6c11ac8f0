"""Monitoring of an instance from outside: Prometheus, blackbox and Alertmanager beside it, and their targets."""

"""Websockets of exchanges: opened, subscribed at the venue's pace, watched, and replaced before they end."""

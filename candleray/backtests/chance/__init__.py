"""Histories of chance, as a request asks for them and an answer tells of them."""

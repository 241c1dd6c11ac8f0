"""Duties: work that an instance does by itself again and again. A module here that has `duties` is found."""

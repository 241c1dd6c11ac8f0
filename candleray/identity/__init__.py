"""Who somebody is, what they may do, and what they keep with us."""

from candleray.identity.models import User

__all__ = ["User"]

"""Users, and what guards them: logins, tokens, the second factor, exchange keys, the audit trail."""

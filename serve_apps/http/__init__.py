"""HTTP itself: access, bodies, errors, timeouts, the OpenAPI document."""

"""Records of live runs in Postgres, and the streams in Valkey that tell them."""

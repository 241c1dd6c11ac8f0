"""Live candles: every minute that an exchange has ends in the store within seconds, and none is lost.

The core (`minutes`, `row_buffer`, `fill_gate`, `socket_watch`, `market_feed`) is pure and synchronous: it is told
what happened and when, and says what is to be done. Sockets, REST, the store and the stream are thin edges around
it (`venue_ingestion`). What is ingested says `subscription_store`.
"""

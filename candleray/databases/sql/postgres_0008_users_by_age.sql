-- The first user of an instance is found at every request.
CREATE INDEX users_by_age ON users (created_at, user_id);

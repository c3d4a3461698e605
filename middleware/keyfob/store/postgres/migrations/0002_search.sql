-- Finds keys by any part of their name or id, with nothing but what every PostgreSQL has: no extension is needed.

CREATE FUNCTION keyfob.trigrams(whole text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT array_agg(substr(whole, at, 3)) FROM generate_series(1, length(whole) - 2) AS at $$;

CREATE INDEX keys_by_trigram ON keyfob.keys USING gin ((keyfob.trigrams(name_folded) || keyfob.trigrams(id)))
WHERE deleted_at IS NULL;

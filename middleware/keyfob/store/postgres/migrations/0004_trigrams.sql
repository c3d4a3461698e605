-- The same answers as before, so that the index stays as it is, but for a third of the time: a loop costs less than a
-- query of its own for every name and id.

CREATE OR REPLACE FUNCTION keyfob.trigrams(whole text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    found text[];
BEGIN
    FOR at IN 1 .. length(whole) - 2 LOOP
        found := array_append(found, substr(whole, at, 3));
    END LOOP;
    RETURN found;
END
$$;

-- What was added last is kept in a list that every search goes through: a short one.
ALTER INDEX keyfob.keys_by_trigram SET (gin_pending_list_limit = 256);

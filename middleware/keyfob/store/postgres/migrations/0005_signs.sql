-- Finds keys by one or two signs of their name, where no id has them, without looking at all keys.

CREATE FUNCTION keyfob.signs(whole text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    found text[] := '{}';
    sign text;
BEGIN
    FOR at IN 1 .. length(whole) LOOP
        sign := substr(whole, at, 1);
        IF strpos('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', sign) = 0 THEN
            found := found || ARRAY[sign, substr(whole, at - 1, 2), substr(whole, at, 2)];
        END IF;
    END LOOP;
    RETURN found;
END
$$;

CREATE INDEX keys_by_sign ON keyfob.keys USING gin (keyfob.signs(name_folded))
WITH (gin_pending_list_limit = 256) WHERE deleted_at IS NULL;

-- At most as many as are asked for. Of a sign that nearly all names have, the index is not read to its end.
CREATE FUNCTION keyfob.with_sign(sign text, most bigint) RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL SAFE
SET enable_seqscan = off
SET gin_fuzzy_search_limit = 20000
AS $$ SELECT id FROM keyfob.keys WHERE deleted_at IS NULL AND keyfob.signs(name_folded) @> ARRAY[sign] LIMIT most $$;

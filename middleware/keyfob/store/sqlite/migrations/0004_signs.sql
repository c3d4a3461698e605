-- Finds keys by one or two signs of their name, where no id has them, without looking at all keys. The index of three
-- letters knows which of its entries begin so; what a name ends in has indexes of its own.

-- only with fts5
CREATE VIRTUAL TABLE key_terms USING fts5vocab (key_search, row);

-- only without fts5
CREATE VIEW key_terms AS SELECT NULL AS term WHERE false;

CREATE INDEX keys_by_last_sign ON keys (substr(name_folded, -1)) WHERE deleted_at IS NULL;
CREATE INDEX keys_by_last_signs ON keys (substr(name_folded, -2)) WHERE deleted_at IS NULL;

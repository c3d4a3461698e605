-- Every key that is not deleted once more, to be found by any part of its name or id without looking at all keys.
-- Statements that search it are the same for both kinds; only how long they take differs.

-- only with fts5
CREATE VIRTUAL TABLE key_search USING fts5 (id, name_folded, tokenize = 'trigram case_sensitive 1', columnsize = 0);

-- only without fts5
CREATE TABLE key_search (id TEXT PRIMARY KEY, name_folded TEXT NOT NULL) WITHOUT ROWID;

INSERT INTO key_search (id, name_folded) SELECT id, name_folded FROM keys WHERE deleted_at IS NULL;

-- Times are whole microseconds since 1970-01-01 UTC. Lists are JSON text.

CREATE TABLE meta (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision    INTEGER NOT NULL,   -- goes up by one with every change, in the order of the commits
    epoch       TEXT NOT NULL,      -- random; renewed when another database takes this one's place
    audit_count INTEGER NOT NULL,
    audit_head  BLOB NOT NULL,      -- the MAC of the newest event
    min_reader  INTEGER NOT NULL    -- the oldest schema number whose code still understands this database
);
INSERT INTO meta VALUES (1, 0, lower(hex(randomblob(16))), 0, zeroblob(32), 1);

CREATE TABLE signing_keys (
    key_char     TEXT PRIMARY KEY,
    fingerprint  TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('active', 'retired', 'lost')),
    activated_at INTEGER NOT NULL,
    sealed_by    TEXT NOT NULL DEFAULT '',  -- the key character of the entry that sealed the whole table
    seal         TEXT NOT NULL DEFAULT ''   -- hexadecimal; the same in every row
) WITHOUT ROWID;

CREATE TABLE teams (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    plan       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    metadata    TEXT NOT NULL DEFAULT '{}',
    external_id TEXT,
    deleted_at  INTEGER             -- the id is not given again: the log speaks of it
) WITHOUT ROWID;

CREATE TABLE keys (
    id              TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    name_folded     TEXT NOT NULL,  -- for search and order in any case of letters
    key_type        TEXT NOT NULL,
    team            TEXT NOT NULL REFERENCES teams (id),
    permissions     TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    creator_kind    TEXT NOT NULL,
    creator_id      TEXT,
    creator_name    TEXT NOT NULL,
    creator_email   TEXT,          -- of a person, as of then
    description     TEXT,
    ip_allow        TEXT NOT NULL,
    duplicated_from TEXT,
    expires_at      INTEGER,
    disabled_at     INTEGER,
    deleted_at      INTEGER,
    revision        INTEGER NOT NULL,
    key_char        TEXT NOT NULL DEFAULT '',  -- which entry of the keyring tagged it
    replaces        TEXT,
    replaced_by     TEXT,
    replaced_at     INTEGER,
    metadata        TEXT NOT NULL DEFAULT '{}',
    external_id     TEXT,
    pending_until   INTEGER,   -- NULL unless it has no secret yet; the link with which one is made ends then
    owner_id        TEXT,          -- a person; NULL: the team
    limits          TEXT NOT NULL DEFAULT '[]',  -- its own, by name; none: its plan's
    limits_until    INTEGER,       -- how long they are raised, and by which factor
    limits_factor   REAL,
    limits_id       TEXT,          -- the id under which it is counted, where it took another key's place
    quota_amount    INTEGER,       -- its own quota; NULL: its plan's
    quota_every     TEXT CHECK (quota_every IN ('day', 'month')),
    quota_extra     INTEGER,       -- what was added to its quota, and until when
    quota_until     INTEGER,
    -- A key that never expires comes after all that do.
    expiry          INTEGER GENERATED ALWAYS AS (coalesce(expires_at, 9223372036854775807)) VIRTUAL
) WITHOUT ROWID;
CREATE INDEX keys_by_revision ON keys (revision);
CREATE INDEX keys_by_team_and_age ON keys (team, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_by_team_and_name ON keys (team, name_folded, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_by_team_and_type ON keys (team, key_type, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_by_team_and_expiry ON keys (team, expiry, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_by_expiry ON keys (expiry, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_by_external_id ON keys (external_id, created_at, id) WHERE deleted_at IS NULL AND external_id IS NOT NULL;
CREATE INDEX keys_by_creator ON keys (creator_id, created_at, id) WHERE deleted_at IS NULL AND creator_id IS NOT NULL;
CREATE INDEX keys_by_owner ON keys (owner_id, created_at, id) WHERE deleted_at IS NULL AND owner_id IS NOT NULL;
-- Counting reads this index alone.
CREATE INDEX keys_by_team_and_owner ON keys (team, owner_id, id, key_type, expires_at, disabled_at, pending_until, deleted_at)
WHERE deleted_at IS NULL;
CREATE INDEX keys_by_age ON keys (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_by_name ON keys (name_folded, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_disabled ON keys (team, created_at, id, disabled_at, deleted_at)
WHERE disabled_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX keys_disabled_by_name ON keys (team, name_folded, id) WHERE disabled_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX keys_disabled_by_expiry ON keys (team, expiry, id)
WHERE disabled_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX keys_pending ON keys (team, created_at, id) WHERE pending_until IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX keys_of_admins ON keys (id) WHERE key_type = 'admin' AND deleted_at IS NULL;

-- Each permission of each key, to find the few keys that hold one which few hold; nothing is decided by it.
CREATE TABLE key_permissions (
    permission TEXT NOT NULL,
    team       TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    PRIMARY KEY (permission, team, key_id)
) WITHOUT ROWID;
CREATE TRIGGER note_permissions AFTER INSERT ON keys WHEN new.permissions <> '[]' BEGIN
    INSERT OR IGNORE INTO key_permissions SELECT value, new.team, new.id FROM json_each(new.permissions);
END;
CREATE TRIGGER change_permissions AFTER UPDATE OF permissions ON keys WHEN new.permissions <> old.permissions BEGIN
    DELETE FROM key_permissions
    WHERE permission IN (SELECT value FROM json_each(old.permissions)) AND team = old.team AND key_id = old.id;
    INSERT OR IGNORE INTO key_permissions SELECT value, new.team, new.id FROM json_each(new.permissions);
END;

-- People sign in and act; a membership is a role in a team. The seal covers a person's row, but for the last sign-in,
-- and all its memberships: without the keyring nobody can make a person, or give one a role or a passphrase.
CREATE TABLE people (
    id              TEXT PRIMARY KEY,
    source          TEXT NOT NULL CHECK (source IN ('local', 'oidc', 'header', 'app')),
    subject         TEXT NOT NULL,  -- what the source knows the person by: an e-mail address, or an id
    email           TEXT,
    email_folded    TEXT NOT NULL,  -- '' without one
    name            TEXT NOT NULL,
    name_folded     TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('invited', 'active', 'left')),
    passphrase      TEXT,           -- its Argon2id hash
    created_at      INTEGER NOT NULL,
    last_sign_in_at INTEGER,
    sealed_by       TEXT NOT NULL,  -- the key character of the entry that sealed the row
    seal            TEXT NOT NULL   -- hexadecimal
) WITHOUT ROWID;
CREATE UNIQUE INDEX people_by_subject ON people (source, subject);
CREATE INDEX people_by_email ON people (email_folded);
CREATE INDEX people_by_name ON people (name_folded, id);

CREATE TABLE memberships (
    person   TEXT NOT NULL REFERENCES people (id),
    team     TEXT NOT NULL REFERENCES teams (id),
    role     TEXT NOT NULL,
    given_by TEXT NOT NULL CHECK (given_by IN ('person', 'group', 'app')),
    PRIMARY KEY (person, team)
) WITHOUT ROWID;
CREATE INDEX memberships_by_team ON memberships (team, person);
CREATE INDEX memberships_by_role ON memberships (role, person);

CREATE TABLE key_secrets (
    key_id TEXT PRIMARY KEY REFERENCES keys (id),
    hash   TEXT NOT NULL,
    digest  BLOB
) WITHOUT ROWID;

-- One row for every key that is not deleted, made with the key, so that "never used" can be ordered by an index.
CREATE TABLE key_usage (
    key_id       TEXT PRIMARY KEY REFERENCES keys (id),
    team         TEXT NOT NULL,
    created_at   INTEGER NOT NULL,              -- the key's, so that an index alone tells what was unused since when
    last_used_at INTEGER NOT NULL DEFAULT 0,    -- 0: never
    last_used_ip TEXT
) WITHOUT ROWID;
CREATE INDEX usage_by_team ON key_usage (team, last_used_at, key_id, created_at);
CREATE INDEX usage_by_time ON key_usage (last_used_at, key_id, created_at);

CREATE TABLE key_use_days (
    key_id   TEXT NOT NULL REFERENCES key_usage (key_id),
    day      INTEGER NOT NULL,  -- proleptic Gregorian ordinal
    admitted INTEGER NOT NULL,
    denied   INTEGER NOT NULL,
    limited  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (key_id, day)
) WITHOUT ROWID;

-- The last 24 hours of each key: an hour takes the row of the same hour of the day before.
CREATE TABLE key_use_hours (
    key_id   TEXT NOT NULL REFERENCES key_usage (key_id),
    slot     INTEGER NOT NULL,  -- the hour of the day, 0 to 23
    hour     INTEGER NOT NULL,  -- since 1970-01-01 UTC
    admitted INTEGER NOT NULL,
    denied   INTEGER NOT NULL,
    limited  INTEGER NOT NULL,
    PRIMARY KEY (key_id, slot)
) WITHOUT ROWID;

-- By which rules, from which addresses and with which outcome keys were used, for as many days as is configured.
CREATE TABLE key_use_details (
    key_id   TEXT NOT NULL REFERENCES key_usage (key_id),
    day      INTEGER NOT NULL,  -- proleptic Gregorian ordinal
    address  TEXT NOT NULL,     -- '': unknown; '*': all that are not told apart
    rule     TEXT NOT NULL,     -- as written; '': none
    reason   TEXT NOT NULL,     -- why it was refused; '': it was admitted
    admitted INTEGER NOT NULL,
    denied   INTEGER NOT NULL,
    limited  INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (key_id, day, address, rule, reason)
) WITHOUT ROWID;
CREATE INDEX key_use_details_by_day ON key_use_details (day);

CREATE TABLE audit_events (
    seq        INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id   TEXT,
    actor_name TEXT NOT NULL,
    ip         TEXT,
    action     TEXT NOT NULL,
    team       TEXT,
    key_id     TEXT,
    person_id  TEXT,
    detail     TEXT NOT NULL,
    key_char   TEXT NOT NULL,
    mac        BLOB NOT NULL
);
CREATE INDEX audit_events_by_team ON audit_events (team, seq);
CREATE INDEX audit_events_by_key ON audit_events (key_id, seq);
CREATE INDEX audit_events_by_person ON audit_events (person_id, seq) WHERE person_id IS NOT NULL;
CREATE INDEX audit_events_by_action ON audit_events (action, seq);
CREATE INDEX audit_events_of_teams ON audit_events (team, seq) WHERE key_id IS NULL;

-- When the rows were last compared with the log, so that one process a day does it.
CREATE TABLE audit_check (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    started_at INTEGER NOT NULL
);
INSERT INTO audit_check VALUES (1, 0);

CREATE TABLE idempotency (
    scope       TEXT PRIMARY KEY,
    body_digest BLOB NOT NULL,
    key_id      TEXT NOT NULL,
    at          INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX idempotency_by_time ON idempotency (at);

-- The console. What a browser or a link holds is kept only as an HMAC under the keyring.
CREATE TABLE sessions (
    id_hash    BLOB PRIMARY KEY,
    key_id     TEXT REFERENCES keys (id),     -- an admin key, or else
    person_id  TEXT REFERENCES people (id),
    mac        BLOB NOT NULL,  -- over the rest of the row, but for last_used_at
    ip         TEXT,
    browser    TEXT,           -- such as "Firefox on Linux"
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    last_used_at INTEGER,      -- to the minute; NULL: on the page after signing in alone
    return_url TEXT,   -- NULL unless it is for the Keys page of an application, which leads back there
    CHECK ((key_id IS NULL) <> (person_id IS NULL))
) WITHOUT ROWID;
CREATE INDEX sessions_by_key ON sessions (key_id);
CREATE INDEX sessions_by_person ON sessions (person_id) WHERE person_id IS NOT NULL;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE sign_in_links (
    hash       BLOB PRIMARY KEY,
    key_id     TEXT REFERENCES keys (id),     -- an admin key, or else
    person_id  TEXT REFERENCES people (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    mac        BLOB NOT NULL,  -- over the rest of the row, but for used_at
    return_url TEXT,   -- as in sessions
    CHECK ((key_id IS NULL) <> (person_id IS NULL))
) WITHOUT ROWID;
CREATE INDEX sign_in_links_by_person ON sign_in_links (person_id) WHERE person_id IS NOT NULL;
CREATE INDEX sign_in_links_by_expiry ON sign_in_links (expires_at);

-- What a key that another product issued is found by: a digest of the whole, or its beginning.
CREATE TABLE foreign_keys (
    lookup TEXT PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES keys (id)
) WITHOUT ROWID;
CREATE INDEX foreign_keys_by_key ON foreign_keys (key_id);

-- Links with which the secret of a pending key is made, once. The older links of a key are voided by a new one.
CREATE TABLE handovers (
    token_digest BLOB PRIMARY KEY,
    key_id       TEXT NOT NULL REFERENCES keys (id),
    made_by_kind TEXT NOT NULL,
    made_by_id   TEXT,
    made_by_name TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    collected_at INTEGER,
    collected_ip TEXT,
    mac          BLOB NOT NULL   -- over the rest of the row, but for what says that it was collected
) WITHOUT ROWID;
CREATE INDEX handovers_by_key ON handovers (key_id);

-- A form on its way to a new key: used once, so that going back and sending it again makes no second key.
CREATE TABLE drafts (
    token_hash BLOB PRIMARY KEY,
    session    BLOB REFERENCES sessions (id_hash) ON DELETE CASCADE, -- NULL: an application signed the person in
    created_at INTEGER NOT NULL,
    used_at    INTEGER,
    key_id     TEXT
) WITHOUT ROWID;
CREATE INDEX drafts_by_session ON drafts (session);
CREATE INDEX drafts_by_key ON drafts (key_id);

CREATE TABLE sign_in_throttle (
    bucket        TEXT PRIMARY KEY,
    failures      INTEGER NOT NULL,
    blocked_until INTEGER NOT NULL
) WITHOUT ROWID;

-- Every key that is not deleted once more, to be found by any part of its name or id without looking at all keys.
-- Statements that search it are the same for both kinds; only how long they take differs.

-- only with fts5
CREATE VIRTUAL TABLE key_search USING fts5 (id, name_folded, tokenize = 'trigram case_sensitive 1', columnsize = 0);

-- only without fts5
CREATE TABLE key_search (id TEXT PRIMARY KEY, name_folded TEXT NOT NULL) WITHOUT ROWID;

-- The processes that judge requests, each with the revision that it has applied. Nothing here is a change to a key.

CREATE TABLE workers (
    id       TEXT PRIMARY KEY,  -- random, of one process
    host     TEXT NOT NULL,
    lease    INTEGER NOT NULL,  -- milliseconds that it may judge by what it read last
    epoch    TEXT NOT NULL,     -- with the revision: what it has applied, as it said last
    revision INTEGER NOT NULL,
    seen_at  INTEGER NOT NULL,  -- by its own clock, when it said so; another value shows that it is alive
    signal   TEXT NOT NULL,     -- which change signal it reads; '' if none
    keyring  TEXT NOT NULL DEFAULT ''   -- the fingerprints of the signing keys that it has, with spaces between
) WITHOUT ROWID;

-- The highest revision that somebody waits for. Workers acknowledge a revision only when they are asked.
CREATE TABLE acknowledgement_request (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision INTEGER NOT NULL
);
INSERT INTO acknowledgement_request VALUES (1, 0);

-- One- and two-character searches use a prefix index: the terms of the trigram index that begin so. The end of a name,
-- which begins no trigram, has indexes of its own.

-- only with fts5
CREATE VIRTUAL TABLE key_terms USING fts5vocab (key_search, row);

-- only without fts5
CREATE VIEW key_terms AS SELECT NULL AS term WHERE false;

CREATE INDEX keys_by_last_character ON keys (substr(name_folded, -1)) WHERE deleted_at IS NULL;
CREATE INDEX keys_by_last_two_characters ON keys (substr(name_folded, -2)) WHERE deleted_at IS NULL;

-- Requests that were refused although their key was accepted, to be explained for an hour.
CREATE TABLE refused_requests (
    seq        INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL,
    at         INTEGER NOT NULL,
    key_id     TEXT NOT NULL,
    method     TEXT NOT NULL,
    path       TEXT NOT NULL,
    ip         TEXT,
    reason     TEXT NOT NULL,
    demands    TEXT             -- what the rule demands, as JSON; NULL: there was no rule
);
CREATE INDEX refused_requests_by_id ON refused_requests (request_id);
CREATE INDEX refused_requests_by_time ON refused_requests (at);

-- What is to be told to webhooks and people: written with the change, and delivered by keyfob serve.
CREATE TABLE notices (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    id    TEXT NOT NULL UNIQUE,
    event TEXT NOT NULL,
    at    INTEGER NOT NULL,
    data  TEXT NOT NULL          -- JSON
);
CREATE INDEX notices_by_time ON notices (at);

CREATE TABLE notice_deliveries (
    notice   TEXT NOT NULL REFERENCES notices (id) ON DELETE CASCADE,
    target   TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due_at   INTEGER,            -- NULL: it has arrived, or was given up
    error    TEXT,               -- of the last attempt
    PRIMARY KEY (notice, target)
) WITHOUT ROWID;
CREATE INDEX notice_deliveries_by_time ON notice_deliveries (due_at) WHERE due_at IS NOT NULL;

-- What is told once: a key, and what it has reached.
CREATE TABLE notice_marks (
    mark TEXT PRIMARY KEY,
    at   INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX key_use_details_of_disabled ON key_use_details (last_at) WHERE reason = 'disabled';
CREATE INDEX keys_replaced ON keys (team, created_at, id) WHERE replaced_by IS NOT NULL AND deleted_at IS NULL;

-- What keys and teams have used of their quotas in a period, and what workers hold to use: both together never exceed
-- the amount. A killed worker gives nothing back, so what it held stays leased until the period ends.
CREATE TABLE quota_use (
    subject   TEXT NOT NULL,     -- "key/ID" or "team/ID"
    begins_at INTEGER NOT NULL,
    ends_at   INTEGER NOT NULL,
    used      INTEGER NOT NULL CHECK (used >= 0),
    leased    INTEGER NOT NULL CHECK (leased >= 0),
    granted   INTEGER NOT NULL,  -- in the last lease
    PRIMARY KEY (subject, begins_at, ends_at)
) WITHOUT ROWID;
CREATE INDEX quota_use_by_end ON quota_use (ends_at);

-- The last batch of each worker that was applied, so that none is applied twice.
CREATE TABLE quota_settlers (
    worker TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    at     INTEGER NOT NULL
) WITHOUT ROWID;

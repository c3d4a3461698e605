-- Times are whole microseconds since 1970-01-01 UTC. Lists are JSON. Texts are compared by code point.

CREATE TABLE keyfob.meta (
    only_row    integer PRIMARY KEY CHECK (only_row = 1),
    revision    bigint NOT NULL,    -- goes up by one with every change, in the order of the commits
    epoch       text NOT NULL,      -- random; renewed when another database takes this one's place
    audit_count bigint NOT NULL,
    audit_head  bytea NOT NULL,     -- the MAC of the newest event
    min_reader  integer NOT NULL    -- the oldest schema number whose code still understands this database
);
INSERT INTO keyfob.meta
VALUES (1, 0, replace(gen_random_uuid()::text, '-', ''), 0, decode(repeat('00', 32), 'hex'), 1);

CREATE TABLE keyfob.signing_keys (
    key_char     text COLLATE "C" PRIMARY KEY,
    fingerprint  text NOT NULL,
    state        text NOT NULL CHECK (state IN ('active', 'retired', 'lost')),
    activated_at bigint NOT NULL,
    sealed_by    text NOT NULL DEFAULT '',  -- the key character of the entry that sealed the whole table
    seal         text NOT NULL DEFAULT ''   -- hexadecimal; the same in every row
);

CREATE TABLE keyfob.teams (
    id         text COLLATE "C" PRIMARY KEY,
    name       text NOT NULL,
    plan       text NOT NULL,
    created_at bigint NOT NULL,
    metadata    text NOT NULL DEFAULT '{}',
    external_id text COLLATE "C",
    deleted_at  bigint             -- the id is not given again: the log speaks of it
);

CREATE TABLE keyfob.keys (
    id              text COLLATE "C" PRIMARY KEY,
    name            text NOT NULL,
    name_folded     text COLLATE "C" NOT NULL,  -- for search and order in any case of letters
    key_type        text NOT NULL,
    team            text COLLATE "C" NOT NULL REFERENCES keyfob.teams (id),
    permissions     jsonb NOT NULL,
    created_at      bigint NOT NULL,
    creator_kind    text NOT NULL,
    creator_id      text,
    creator_name    text NOT NULL,
    creator_email   text,          -- of a person, as of then
    description     text,
    ip_allow        jsonb NOT NULL,
    duplicated_from text,
    expires_at      bigint,
    disabled_at     bigint,
    deleted_at      bigint,
    revision        bigint NOT NULL,
    key_char        text NOT NULL DEFAULT '',  -- which entry of the keyring tagged it
    replaces        text,
    replaced_by     text,
    replaced_at     bigint,
    metadata        text NOT NULL DEFAULT '{}',  -- JSON, but as text: jsonb would write its numbers anew
    external_id     text COLLATE "C",
    pending_until   bigint,   -- NULL unless it has no secret yet; the link with which one is made ends then
    owner_id        text COLLATE "C",          -- a person; NULL: the team
    limits          text NOT NULL DEFAULT '[]',  -- its own, by name; none: its plan's
    limits_until    bigint,        -- how long they are raised, and by which factor
    limits_factor   double precision,
    limits_id       text COLLATE "C",          -- the id under which it is counted, where it took another key's place
    quota_amount    bigint,        -- its own quota; NULL: its plan's
    quota_every     text CHECK (quota_every IN ('day', 'month')),
    quota_extra     bigint,        -- what was added to its quota, and until when
    quota_until     bigint,
    -- A key that never expires comes after all that do.
    expiry          bigint GENERATED ALWAYS AS (coalesce(expires_at, 9223372036854775807)) STORED
);
CREATE INDEX keys_by_revision ON keyfob.keys (revision);
CREATE INDEX keys_by_team_and_age ON keyfob.keys (team, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_by_team_and_name ON keyfob.keys (team, name_folded, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_by_team_and_type ON keyfob.keys (team, key_type, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_by_team_and_expiry ON keyfob.keys (team, expiry, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_by_expiry ON keyfob.keys (expiry, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_by_external_id ON keyfob.keys (external_id, created_at, id) WHERE deleted_at IS NULL AND external_id IS NOT NULL;
CREATE INDEX keys_by_creator ON keyfob.keys (creator_id, created_at, id) WHERE deleted_at IS NULL AND creator_id IS NOT NULL;
CREATE INDEX keys_by_owner ON keyfob.keys (owner_id, created_at, id) WHERE deleted_at IS NULL AND owner_id IS NOT NULL;
-- Counting reads this index alone.
CREATE INDEX keys_by_team_and_owner ON keyfob.keys (team, owner_id, id, key_type, expiry, disabled_at, pending_until, deleted_at)
WHERE deleted_at IS NULL;
CREATE INDEX keys_by_age ON keyfob.keys (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_by_name ON keyfob.keys (name_folded, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_disabled ON keyfob.keys (team, created_at, id, disabled_at, deleted_at)
WHERE disabled_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX keys_disabled_by_name ON keyfob.keys (team, name_folded, id) WHERE disabled_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX keys_disabled_by_expiry ON keyfob.keys (team, expiry, id)
WHERE disabled_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX keys_pending ON keyfob.keys (team, created_at, id) WHERE pending_until IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX keys_of_admins ON keyfob.keys (id) WHERE key_type = 'admin' AND deleted_at IS NULL;

-- Each permission of each key, to find the few keys that hold one which few hold; nothing is decided by it.
CREATE TABLE keyfob.key_permissions (
    permission text COLLATE "C" NOT NULL,
    team       text COLLATE "C" NOT NULL,
    key_id     text COLLATE "C" NOT NULL,
    PRIMARY KEY (permission, team, key_id)
);
CREATE FUNCTION keyfob.note_permissions() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM keyfob.key_permissions
        WHERE permission IN (SELECT jsonb_array_elements_text(old.permissions)) AND team = old.team AND key_id = old.id;
    END IF;
    INSERT INTO keyfob.key_permissions
    SELECT permission, new.team, new.id FROM jsonb_array_elements_text(new.permissions) AS held (permission)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER note_permissions AFTER INSERT ON keyfob.keys
FOR EACH ROW WHEN (new.permissions <> '[]') EXECUTE FUNCTION keyfob.note_permissions();
CREATE TRIGGER change_permissions AFTER UPDATE OF permissions ON keyfob.keys
FOR EACH ROW WHEN (new.permissions <> old.permissions) EXECUTE FUNCTION keyfob.note_permissions();

-- People sign in and act; a membership is a role in a team. The seal covers a person's row, but for the last sign-in,
-- and all its memberships: without the keyring nobody can make a person, or give one a role or a passphrase.
CREATE TABLE keyfob.people (
    id              text COLLATE "C" PRIMARY KEY,
    source          text NOT NULL CHECK (source IN ('local', 'oidc', 'header', 'app')),
    subject         text COLLATE "C" NOT NULL,  -- what the source knows the person by: an e-mail address, or an id
    email           text,
    email_folded    text COLLATE "C" NOT NULL,  -- '' without one
    name            text NOT NULL,
    name_folded     text COLLATE "C" NOT NULL,
    state           text NOT NULL CHECK (state IN ('invited', 'active', 'left')),
    passphrase      text,           -- its Argon2id hash
    created_at      bigint NOT NULL,
    last_sign_in_at bigint,
    sealed_by       text NOT NULL,  -- the key character of the entry that sealed the row
    seal            text NOT NULL   -- hexadecimal
);
CREATE UNIQUE INDEX people_by_subject ON keyfob.people (source, subject);
CREATE INDEX people_by_email ON keyfob.people (email_folded);
CREATE INDEX people_by_name ON keyfob.people (name_folded, id);

CREATE TABLE keyfob.memberships (
    person   text COLLATE "C" NOT NULL REFERENCES keyfob.people (id),
    team     text COLLATE "C" NOT NULL REFERENCES keyfob.teams (id),
    role     text COLLATE "C" NOT NULL,
    given_by text NOT NULL CHECK (given_by IN ('person', 'group', 'app')),
    PRIMARY KEY (person, team)
);
CREATE INDEX memberships_by_team ON keyfob.memberships (team, person);
CREATE INDEX memberships_by_role ON keyfob.memberships (role, person);

CREATE TABLE keyfob.key_secrets (
    key_id text COLLATE "C" PRIMARY KEY REFERENCES keyfob.keys (id),
    hash   text NOT NULL,
    digest bytea
);

-- One row for every key that is not deleted, made with the key, so that "never used" can be ordered by an index.
CREATE TABLE keyfob.key_usage (
    key_id       text COLLATE "C" PRIMARY KEY REFERENCES keyfob.keys (id),
    team         text COLLATE "C" NOT NULL,
    created_at   bigint NOT NULL,               -- the key's, so that an index alone tells what was unused since when
    last_used_at bigint NOT NULL DEFAULT 0,     -- 0: never
    last_used_ip text COLLATE "C"
);
CREATE INDEX usage_by_team ON keyfob.key_usage (team, last_used_at, key_id, created_at);
CREATE INDEX usage_by_time ON keyfob.key_usage (last_used_at, key_id, created_at);

CREATE TABLE keyfob.key_use_days (
    key_id   text COLLATE "C" NOT NULL REFERENCES keyfob.key_usage (key_id),
    day      integer NOT NULL,  -- proleptic Gregorian ordinal
    admitted bigint NOT NULL,
    denied   bigint NOT NULL,
    limited  bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (key_id, day)
);

-- The last 24 hours of each key: an hour takes the row of the same hour of the day before.
CREATE TABLE keyfob.key_use_hours (
    key_id   text COLLATE "C" NOT NULL REFERENCES keyfob.key_usage (key_id),
    slot     smallint NOT NULL,  -- the hour of the day, 0 to 23
    hour     integer NOT NULL,   -- since 1970-01-01 UTC
    admitted bigint NOT NULL,
    denied   bigint NOT NULL,
    limited  bigint NOT NULL,
    PRIMARY KEY (key_id, slot)
);

-- By which rules, from which addresses and with which outcome keys were used, for as many days as is configured.
CREATE TABLE keyfob.key_use_details (
    key_id   text COLLATE "C" NOT NULL REFERENCES keyfob.key_usage (key_id),
    day      integer NOT NULL,  -- proleptic Gregorian ordinal
    address  text COLLATE "C" NOT NULL,     -- '': unknown; '*': all that are not told apart
    rule     text COLLATE "C" NOT NULL,     -- as written; '': none
    reason   text COLLATE "C" NOT NULL,     -- why it was refused; '': it was admitted
    admitted bigint NOT NULL,
    denied   bigint NOT NULL,
    limited  bigint NOT NULL,
    first_at bigint NOT NULL,
    last_at  bigint NOT NULL,
    PRIMARY KEY (key_id, day, address, rule, reason)
);
CREATE INDEX key_use_details_by_day ON keyfob.key_use_details (day);

CREATE TABLE keyfob.audit_events (
    seq        bigint PRIMARY KEY,
    at         bigint NOT NULL,
    actor_kind text NOT NULL,
    actor_id   text,
    actor_name text NOT NULL,
    ip         text,
    action     text NOT NULL,
    team       text,
    key_id     text,
    person_id  text COLLATE "C",
    detail     text NOT NULL,
    key_char   text NOT NULL,
    mac        bytea NOT NULL
);
CREATE INDEX audit_events_by_team ON keyfob.audit_events (team, seq);
CREATE INDEX audit_events_by_key ON keyfob.audit_events (key_id, seq);
CREATE INDEX audit_events_by_person ON keyfob.audit_events (person_id, seq) WHERE person_id IS NOT NULL;
CREATE INDEX audit_events_by_action ON keyfob.audit_events (action, seq);
CREATE INDEX audit_events_of_teams ON keyfob.audit_events (team, seq) WHERE key_id IS NULL;

-- When the rows were last compared with the log, so that one process a day does it.
CREATE TABLE keyfob.audit_check (
    only_row   integer PRIMARY KEY CHECK (only_row = 1),
    started_at bigint NOT NULL
);
INSERT INTO keyfob.audit_check VALUES (1, 0);

CREATE TABLE keyfob.idempotency (
    scope       text COLLATE "C" PRIMARY KEY,
    body_digest bytea NOT NULL,
    key_id      text NOT NULL,
    at          bigint NOT NULL
);
CREATE INDEX idempotency_by_time ON keyfob.idempotency (at);

-- The console. What a browser or a link holds is kept only as an HMAC under the keyring.
CREATE TABLE keyfob.sessions (
    id_hash    bytea PRIMARY KEY,
    key_id     text COLLATE "C" REFERENCES keyfob.keys (id),     -- an admin key, or else
    person_id  text COLLATE "C" REFERENCES keyfob.people (id),
    mac        bytea NOT NULL,  -- over the rest of the row, but for last_used_at
    ip         text,
    browser    text,            -- such as "Firefox on Linux"
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    last_used_at bigint,        -- to the minute; NULL: on the page after signing in alone
    return_url text,   -- NULL unless it is for the Keys page of an application, which leads back there
    CHECK ((key_id IS NULL) <> (person_id IS NULL))
);
CREATE INDEX sessions_by_key ON keyfob.sessions (key_id);
CREATE INDEX sessions_by_person ON keyfob.sessions (person_id) WHERE person_id IS NOT NULL;
CREATE INDEX sessions_by_expiry ON keyfob.sessions (expires_at);

CREATE TABLE keyfob.sign_in_links (
    hash       bytea PRIMARY KEY,
    key_id     text COLLATE "C" REFERENCES keyfob.keys (id),     -- an admin key, or else
    person_id  text COLLATE "C" REFERENCES keyfob.people (id),
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    used_at    bigint,
    mac        bytea NOT NULL,  -- over the rest of the row, but for used_at
    return_url text,   -- as in sessions
    CHECK ((key_id IS NULL) <> (person_id IS NULL))
);
CREATE INDEX sign_in_links_by_key ON keyfob.sign_in_links (key_id);
CREATE INDEX sign_in_links_by_person ON keyfob.sign_in_links (person_id) WHERE person_id IS NOT NULL;
CREATE INDEX sign_in_links_by_expiry ON keyfob.sign_in_links (expires_at);

-- What a key that another product issued is found by: a digest of the whole, or its beginning.
CREATE TABLE keyfob.foreign_keys (
    lookup text COLLATE "C" PRIMARY KEY,
    key_id text COLLATE "C" NOT NULL REFERENCES keyfob.keys (id)
);
CREATE INDEX foreign_keys_by_key ON keyfob.foreign_keys (key_id);

-- Links with which the secret of a pending key is made, once. The older links of a key are voided by a new one.
CREATE TABLE keyfob.handovers (
    token_digest bytea PRIMARY KEY,
    key_id       text COLLATE "C" NOT NULL REFERENCES keyfob.keys (id),
    made_by_kind text NOT NULL,
    made_by_id   text,
    made_by_name text NOT NULL,
    created_at   bigint NOT NULL,
    expires_at   bigint NOT NULL,
    collected_at bigint,
    collected_ip text,
    mac          bytea NOT NULL   -- over the rest of the row, but for what says that it was collected
);
CREATE INDEX handovers_by_key ON keyfob.handovers (key_id);

-- A form on its way to a new key: used once, so that going back and sending it again makes no second key.
CREATE TABLE keyfob.drafts (
    token_hash bytea PRIMARY KEY,
    session    bytea REFERENCES keyfob.sessions (id_hash) ON DELETE CASCADE, -- NULL: an application signed the person in
    created_at bigint NOT NULL,
    used_at    bigint,
    key_id     text COLLATE "C"
);
CREATE INDEX drafts_by_session ON keyfob.drafts (session);
CREATE INDEX drafts_by_key ON keyfob.drafts (key_id);

CREATE TABLE keyfob.sign_in_throttle (
    bucket        text COLLATE "C" PRIMARY KEY,
    failures      integer NOT NULL,
    blocked_until bigint NOT NULL
);

-- Finds keys by any part of their name or id, with nothing but what every PostgreSQL has: no extension is needed.
-- A loop in PL/pgSQL takes a third of the time of a query for every name and id. The pending list is kept short,
-- because every search reads all of it.

CREATE FUNCTION keyfob.trigrams(whole text) RETURNS text[]
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

CREATE INDEX keys_by_trigram ON keyfob.keys USING gin ((keyfob.trigrams(name_folded) || keyfob.trigrams(id)))
WITH (gin_pending_list_limit = 256) WHERE deleted_at IS NULL;

-- One- and two-character searches, where no id has these characters, use an index of the characters of names.

CREATE FUNCTION keyfob.characters(whole text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    found text[] := '{}';
    character text;
BEGIN
    FOR at IN 1 .. length(whole) LOOP
        character := substr(whole, at, 1);
        IF strpos('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', character) = 0 THEN
            found := found || ARRAY[character, substr(whole, at - 1, 2), substr(whole, at, 2)];
        END IF;
    END LOOP;
    RETURN found;
END
$$;

CREATE INDEX keys_by_characters ON keyfob.keys USING gin (keyfob.characters(name_folded))
WITH (gin_pending_list_limit = 256) WHERE deleted_at IS NULL;

-- At most as many as are asked for. Where nearly all names have the characters, the index is not read to its end.
CREATE FUNCTION keyfob.with_characters(wanted text, most bigint) RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL SAFE
SET enable_seqscan = off
SET gin_fuzzy_search_limit = 20000
AS $$ SELECT id FROM keyfob.keys WHERE deleted_at IS NULL AND keyfob.characters(name_folded) @> ARRAY[wanted] LIMIT most $$;

-- The processes that judge requests, each with the revision that it has applied. Nothing here is a change to a key.

CREATE TABLE keyfob.workers (
    id       text COLLATE "C" PRIMARY KEY,  -- random, of one process
    host     text NOT NULL,
    lease    bigint NOT NULL,   -- milliseconds that it may judge by what it read last
    epoch    text NOT NULL,     -- with the revision: what it has applied, as it said last
    revision bigint NOT NULL,
    seen_at  bigint NOT NULL,   -- by its own clock, when it said so; another value shows that it is alive
    signal   text NOT NULL,     -- which change signal it reads; '' if none
    keyring  text NOT NULL DEFAULT ''   -- the fingerprints of the signing keys that it has, with spaces between
);

-- The highest revision that somebody waits for. Workers acknowledge a revision only when they are asked.
CREATE TABLE keyfob.acknowledgement_request (
    only_row integer PRIMARY KEY CHECK (only_row = 1),
    revision bigint NOT NULL
);
INSERT INTO keyfob.acknowledgement_request VALUES (1, 0);

-- Requests that were refused although their key was accepted, to be explained for an hour.
CREATE TABLE keyfob.refused_requests (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id text COLLATE "C" NOT NULL,
    at         bigint NOT NULL,
    key_id     text COLLATE "C" NOT NULL,
    method     text NOT NULL,
    path       text NOT NULL,
    ip         text,
    reason     text NOT NULL,
    demands    text             -- what the rule demands, as JSON; NULL: there was no rule
);
CREATE INDEX refused_requests_by_id ON keyfob.refused_requests (request_id);
CREATE INDEX refused_requests_by_time ON keyfob.refused_requests (at);

-- What is to be told to webhooks and people: written with the change, and delivered by keyfob serve.
CREATE TABLE keyfob.notices (
    seq   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id    text COLLATE "C" NOT NULL UNIQUE,
    event text COLLATE "C" NOT NULL,
    at    bigint NOT NULL,
    data  text COLLATE "C" NOT NULL          -- JSON
);
CREATE INDEX notices_by_time ON keyfob.notices (at);

CREATE TABLE keyfob.notice_deliveries (
    notice   text COLLATE "C" NOT NULL REFERENCES keyfob.notices (id) ON DELETE CASCADE,
    target   text COLLATE "C" NOT NULL,
    attempts integer NOT NULL,
    due_at   bigint,            -- NULL: it has arrived, or was given up
    error    text COLLATE "C",               -- of the last attempt
    PRIMARY KEY (notice, target)
);
CREATE INDEX notice_deliveries_by_time ON keyfob.notice_deliveries (due_at) WHERE due_at IS NOT NULL;

-- What is told once: a key, and what it has reached.
CREATE TABLE keyfob.notice_marks (
    mark text COLLATE "C" PRIMARY KEY,
    at   bigint NOT NULL
);

CREATE INDEX key_use_details_of_disabled ON keyfob.key_use_details (last_at) WHERE reason = 'disabled';
CREATE INDEX keys_replaced ON keyfob.keys (team, created_at, id) WHERE replaced_by IS NOT NULL AND deleted_at IS NULL;

-- What keys and teams have used of their quotas in a period, and what workers hold to use: both together never exceed
-- the amount. A killed worker gives nothing back, so what it held stays leased until the period ends.
CREATE TABLE keyfob.quota_use (
    subject   text COLLATE "C" NOT NULL,     -- "key/ID" or "team/ID"
    begins_at bigint NOT NULL,
    ends_at   bigint NOT NULL,
    used      bigint NOT NULL CHECK (used >= 0),
    leased    bigint NOT NULL CHECK (leased >= 0),
    granted   bigint NOT NULL,               -- in the last lease
    PRIMARY KEY (subject, begins_at, ends_at)
);
CREATE INDEX quota_use_by_end ON keyfob.quota_use (ends_at);

-- The last batch of each worker that was applied, so that none is applied twice.
CREATE TABLE keyfob.quota_settlers (
    worker text COLLATE "C" PRIMARY KEY,
    number bigint NOT NULL,
    at     bigint NOT NULL
);

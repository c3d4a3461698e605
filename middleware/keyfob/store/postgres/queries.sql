-- Every statement of the PostgreSQL store by name, but for the listing of keys and events, whose conditions vary.
-- All names are qualified: nothing depends on the search path, which would be state of a session.

-- name: key_columns
k.id, k.name, k.key_type, k.team, t.plan, k.permissions, k.created_at, k.creator_kind, k.creator_id, k.creator_name,
k.description, k.ip_allow, k.duplicated_from, k.expires_at, k.disabled_at, k.deleted_at, k.revision, k.key_char,
k.replaces, k.replaced_by, k.replaced_at, k.metadata, k.external_id, t.metadata, t.external_id,
k.pending_until,
k.creator_email, k.owner_id, (SELECT p.name FROM keyfob.people p WHERE p.id = k.owner_id),
k.limits, k.limits_until, k.limits_factor, k.limits_id, k.quota_amount, k.quota_every, k.quota_extra, k.quota_until

-- name: history
-- Where the database stands, and in which history: a restarted or promoted server and a restored table begin another.
SELECT pg_is_in_recovery() AS in_recovery, revision, min_reader,
       concat_ws('-', epoch, extract(epoch FROM pg_postmaster_start_time()), pg_relation_filenode(tableoid)) AS epoch
FROM keyfob.meta OFFSET 0

-- name: find
-- One statement is one snapshot: the row cannot be older or newer than the revision beside it.
SELECT m.in_recovery, m.revision, m.epoch, s.hash, s.digest, {key_columns}
FROM ({history}) m LEFT JOIN keyfob.keys k ON k.id = $1
LEFT JOIN keyfob.teams t ON t.id = k.team LEFT JOIN keyfob.key_secrets s ON s.key_id = k.id

-- name: changes
SELECT m.in_recovery, m.revision, m.epoch, m.min_reader, (SELECT revision FROM keyfob.acknowledgement_request),
       (SELECT json_agg(json_build_array(key_char, fingerprint, state, activated_at, sealed_by, seal)) FROM keyfob.signing_keys),
       {key_columns}
FROM ({history}) m LEFT JOIN keyfob.keys k ON k.revision > $1 LEFT JOIN keyfob.teams t ON t.id = k.team
LIMIT $2

-- name: readiness
SELECT (SELECT max(number) FROM keyfob.migrations), min_reader FROM keyfob.meta

-- name: save_digest
UPDATE keyfob.key_secrets s SET hash = $1, digest = $2
WHERE s.key_id = $3 AND s.hash = $4
AND EXISTS (SELECT 1 FROM keyfob.keys k WHERE k.id = s.key_id AND k.deleted_at IS NULL)

-- name: hold_usage
-- Everyone who writes usage takes the rows in the order of their ids, so that two flushes never wait for each other.
SELECT key_id FROM keyfob.key_usage WHERE key_id = ANY($1::text[]) ORDER BY key_id FOR UPDATE

-- name: note_last_use
-- The second comparison settles uses of the same microsecond, so that the order of arrival never matters.
UPDATE keyfob.key_usage u SET last_used_at = n.at, last_used_ip = n.ip
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS n (key_id, at, ip)
WHERE u.key_id = n.key_id AND (
    u.last_used_at < n.at OR (u.last_used_at = n.at AND coalesce(u.last_used_ip, '') < coalesce(n.ip, ''))
)

-- name: count_days
INSERT INTO keyfob.key_use_days AS d (key_id, day, admitted, denied, limited)
SELECT n.key_id, n.day, n.admitted, n.denied, n.limited
FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[]) AS n (key_id, day, admitted, denied, limited)
JOIN keyfob.key_usage u ON u.key_id = n.key_id
ON CONFLICT (key_id, day) DO UPDATE SET admitted = d.admitted + excluded.admitted, denied = d.denied + excluded.denied,
    limited = d.limited + excluded.limited

-- name: count_hours
INSERT INTO keyfob.key_use_hours AS h (key_id, slot, hour, admitted, denied, limited)
SELECT n.key_id, n.hour % 24, n.hour, n.admitted, n.denied, n.limited
FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[]) AS n (key_id, hour, admitted, denied, limited)
JOIN keyfob.key_usage u ON u.key_id = n.key_id
ON CONFLICT (key_id, slot) DO UPDATE SET
    admitted = excluded.admitted + CASE WHEN h.hour = excluded.hour THEN h.admitted ELSE 0 END,
    denied = excluded.denied + CASE WHEN h.hour = excluded.hour THEN h.denied ELSE 0 END,
    limited = excluded.limited + CASE WHEN h.hour = excluded.hour THEN h.limited ELSE 0 END,
    hour = excluded.hour
WHERE excluded.hour >= h.hour

-- name: add_details
INSERT INTO keyfob.key_use_details AS d
    (key_id, day, address, rule, reason, admitted, denied, limited, first_at, last_at)
SELECT n.* FROM unnest(
    $1::text[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
    $10::bigint[]
) AS n (key_id, day, address, rule, reason, admitted, denied, limited, first_at, last_at)
JOIN keyfob.key_usage u ON u.key_id = n.key_id
ON CONFLICT (key_id, day, address, rule, reason) DO UPDATE SET {added_details}

-- name: added_details
admitted = d.admitted + excluded.admitted, denied = d.denied + excluded.denied,
    limited = d.limited + excluded.limited,
    first_at = least(d.first_at, excluded.first_at), last_at = greatest(d.last_at, excluded.last_at)

-- name: rare_addresses
-- Those of a key's day that are neither among the most used nor among the latest ones: so that one that comes late, and
-- seldom, has time to become one of the most used.
SELECT key_id, day, address FROM (
    SELECT key_id, day, address,
        row_number() OVER (PARTITION BY key_id, day ORDER BY sum(admitted + denied + limited) DESC, address) AS by_use,
        row_number() OVER (PARTITION BY key_id, day ORDER BY max(last_at) DESC, address) AS by_time
    FROM keyfob.key_use_details JOIN unnest($1::text[], $2::integer[]) AS n (key_id, day) USING (key_id, day)
    WHERE address <> '*' GROUP BY key_id, day, address
) AS ranked WHERE by_use > $3 AND by_time > $3

-- name: fold_details
INSERT INTO keyfob.key_use_details AS d
    (key_id, day, address, rule, reason, admitted, denied, limited, first_at, last_at)
SELECT key_id, day, '*', rule, reason, sum(admitted), sum(denied), sum(limited), min(first_at), max(last_at)
FROM keyfob.key_use_details WHERE (key_id, day, address) IN ({rare_addresses}) GROUP BY key_id, day, rule, reason
ON CONFLICT (key_id, day, address, rule, reason) DO UPDATE SET {added_details}

-- name: drop_folded
DELETE FROM keyfob.key_use_details WHERE (key_id, day, address) IN ({rare_addresses})

-- name: details_by_address
SELECT day, address, {tally}
FROM keyfob.key_use_details WHERE key_id = $1 AND day >= $2 GROUP BY day, address ORDER BY day

-- name: details_by_rule
SELECT rule, {tally} FROM keyfob.key_use_details WHERE key_id = $1 AND day >= $2 GROUP BY rule

-- name: details_by_reason
SELECT reason, {tally} FROM keyfob.key_use_details WHERE key_id = $1 AND day >= $2 AND reason <> '' GROUP BY reason

-- name: admitted_details
SELECT rule, address, {tally} FROM keyfob.key_use_details
WHERE key_id = $1 AND day >= $2 AND reason = '' GROUP BY rule, address

-- name: tally
sum(admitted), sum(denied), sum(limited), min(first_at), max(last_at)

-- name: old_details
SELECT 1 FROM keyfob.key_use_details WHERE day < $1 LIMIT 1

-- name: forget_details
DELETE FROM keyfob.key_use_details WHERE (key_id, day, address, rule, reason) IN (
    SELECT key_id, day, address, rule, reason FROM keyfob.key_use_details
    WHERE day < $1 LIMIT $2::bigint FOR UPDATE SKIP LOCKED
)

-- name: add_refusals
INSERT INTO keyfob.refused_requests (request_id, at, key_id, method, path, ip, reason, demands)
SELECT value->>0, (value->>1)::bigint, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7
FROM jsonb_array_elements($1::text::jsonb) WITH ORDINALITY AS n (value, place) ORDER BY place

-- name: forget_refusals
DELETE FROM keyfob.refused_requests
WHERE at < $1 OR seq <= (SELECT max(seq) FROM keyfob.refused_requests) - $2::bigint

-- name: refusal
SELECT request_id, at, key_id, method, path, ip, reason, demands
FROM keyfob.refused_requests WHERE request_id = $1 AND at >= $2

-- name: view
SELECT u.last_used_at, u.last_used_ip, {key_columns}
FROM keyfob.keys k JOIN keyfob.teams t ON t.id = k.team JOIN keyfob.key_usage u ON u.key_id = k.id
WHERE k.id = $1 AND k.deleted_at IS NULL

-- name: usage
SELECT day, admitted, denied, limited FROM keyfob.key_use_days WHERE key_id = $1 AND day >= $2 ORDER BY day

-- name: usage_by_hour
SELECT hour, admitted, denied, limited FROM keyfob.key_use_hours WHERE key_id = $1 AND hour >= $2 ORDER BY hour

-- name: team
SELECT id, name, plan, created_at, metadata, external_id, deleted_at FROM keyfob.teams WHERE id = $1 AND deleted_at IS NULL

-- name: teams
SELECT id, name, plan, created_at, metadata, external_id, deleted_at FROM keyfob.teams WHERE deleted_at IS NULL ORDER BY id

-- name: idempotency_record
SELECT body_digest, key_id, at FROM keyfob.idempotency WHERE scope = $1

-- name: audit_head
SELECT audit_count, audit_head FROM keyfob.meta

-- name: raise_revision
UPDATE keyfob.meta SET revision = revision + 1 RETURNING revision

-- name: put_team
INSERT INTO keyfob.teams (id, name, plan, created_at, metadata, external_id) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, plan = excluded.plan, metadata = excluded.metadata,
    external_id = excluded.external_id

-- name: team_is_taken
SELECT count(*) FROM keyfob.teams WHERE id = $1

-- name: team_holds
SELECT (SELECT count(*) FROM keyfob.keys WHERE team = :team AND deleted_at IS NULL),
       (SELECT count(*) FROM keyfob.memberships WHERE team = :team)

-- name: delete_team
UPDATE keyfob.teams SET deleted_at = $1 WHERE id = $2

-- name: stamp_team_keys
UPDATE keyfob.keys SET revision = $1 WHERE team = $2 AND deleted_at IS NULL

-- name: key
SELECT {key_columns} FROM keyfob.keys k JOIN keyfob.teams t ON t.id = k.team WHERE k.id = $1

-- name: live_keys
SELECT {key_columns} FROM keyfob.keys k JOIN keyfob.teams t ON t.id = k.team
WHERE k.team = $1 AND k.key_type = $2 AND k.deleted_at IS NULL ORDER BY k.created_at, k.id

-- name: count_live_keys
SELECT count(*) FROM keyfob.keys WHERE team = $1 AND key_type = $2 AND deleted_at IS NULL AND replaced_by IS NULL

-- name: root_keys
SELECT {key_columns} FROM keyfob.keys k JOIN keyfob.teams t ON t.id = k.team
WHERE k.key_type = 'admin' AND k.deleted_at IS NULL AND k.permissions ? '*' ORDER BY k.id

-- name: add_key
INSERT INTO keyfob.keys (id, name, name_folded, key_type, team, permissions, created_at, creator_kind, creator_id,
                         creator_name, description, ip_allow, duplicated_from, expires_at, disabled_at, revision,
                         key_char, replaces, replaced_by, replaced_at, metadata, external_id, pending_until, creator_email, owner_id,
    limits, limits_until, limits_factor, limits_id, quota_amount, quota_every, quota_extra, quota_until)
VALUES (:id, :name, :name_folded, :key_type, :team, :permissions, :created_at, :creator_kind, :creator_id,
        :creator_name, :description, :ip_allow, :duplicated_from, :expires_at, :disabled_at, :revision, :key_char,
        :replaces, :replaced_by, :replaced_at, :metadata, :external_id, :pending_until, :creator_email, :owner_id,
        :limits, :limits_until, :limits_factor, :limits_id, :quota_amount, :quota_every, :quota_extra, :quota_until)

-- name: add_keys
INSERT INTO keyfob.keys (id, name, name_folded, key_type, team, permissions, created_at, creator_kind, creator_id,
                         creator_name, description, ip_allow, duplicated_from, expires_at, disabled_at, revision,
                         key_char, replaces, replaced_by, replaced_at, metadata, external_id, pending_until, creator_email, owner_id,
    limits, limits_until, limits_factor, limits_id, quota_amount, quota_every, quota_extra, quota_until)
SELECT id, name, name_folded, key_type, team, permissions::jsonb, created_at, creator_kind, creator_id,
       creator_name, description, ip_allow::jsonb, duplicated_from, expires_at, disabled_at, revision, key_char,
       replaces, replaced_by, replaced_at, metadata, external_id, pending_until, creator_email, owner_id,
       limits, limits_until, limits_factor, limits_id, quota_amount, quota_every, quota_extra, quota_until
FROM unnest(:id::text[], :name::text[], :name_folded::text[], :key_type::text[], :team::text[], :permissions::text[],
            :created_at::bigint[], :creator_kind::text[], :creator_id::text[], :creator_name::text[],
            :description::text[], :ip_allow::text[], :duplicated_from::text[], :expires_at::bigint[],
            :disabled_at::bigint[], :revision::bigint[], :key_char::text[],
            :replaces::text[], :replaced_by::text[], :replaced_at::bigint[], :metadata::text[], :external_id::text[],
            :pending_until::bigint[], :creator_email::text[], :owner_id::text[],
            :limits::text[], :limits_until::bigint[], :limits_factor::double precision[], :limits_id::text[],
            :quota_amount::bigint[], :quota_every::text[], :quota_extra::bigint[], :quota_until::bigint[])
     AS n (id, name, name_folded, key_type, team, permissions, created_at, creator_kind, creator_id, creator_name,
           description, ip_allow, duplicated_from, expires_at, disabled_at, revision, key_char,
           replaces, replaced_by, replaced_at, metadata, external_id, pending_until, creator_email, owner_id,
    limits, limits_until, limits_factor, limits_id, quota_amount, quota_every, quota_extra, quota_until)

-- name: add_secrets
INSERT INTO keyfob.key_secrets (key_id, hash, digest)
SELECT * FROM unnest(:ids::text[], :hashes::text[], :digests::bytea[])

-- name: add_usage_rows
INSERT INTO keyfob.key_usage (key_id, team, created_at)
SELECT * FROM unnest(:ids::text[], :teams::text[], :made::bigint[])

-- name: add_secret
INSERT INTO keyfob.key_secrets (key_id, hash, digest) VALUES ($1, $2, $3)

-- name: add_usage_row
INSERT INTO keyfob.key_usage (key_id, team, created_at) VALUES ($1, $2, $3)

-- name: search
-- The conditions on trigrams are what the index answers; those on positions say that the letters stand in a row.
SELECT k.id FROM keyfob.keys k
WHERE k.deleted_at IS NULL AND (
    (keyfob.trigrams(k.name_folded) || keyfob.trigrams(k.id) @> keyfob.trigrams(:q_folded)
     AND strpos(k.name_folded, :q_folded) > 0)
    OR (keyfob.trigrams(k.name_folded) || keyfob.trigrams(k.id) @> keyfob.trigrams(:q) AND strpos(k.id, :q) > 0)
)
LIMIT :most

-- name: search_signs
-- For one or two characters that no id has.
SELECT * FROM keyfob.with_characters(:q_folded, :most)

-- name: search_all
-- For fewer letters than the index knows.
SELECT k.id FROM keyfob.keys k
WHERE k.deleted_at IS NULL AND (strpos(k.name_folded, :q_folded) > 0 OR strpos(k.id, :q) > 0)
LIMIT :most

-- name: put_key
UPDATE keyfob.keys
SET name = :name, name_folded = :name_folded, permissions = :permissions, description = :description,
    ip_allow = :ip_allow, expires_at = :expires_at, disabled_at = :disabled_at, revision = :revision,
    replaced_by = :replaced_by, replaced_at = :replaced_at, metadata = :metadata, external_id = :external_id,
    key_char = :key_char, pending_until = :pending_until,
    owner_id = :owner_id, limits = :limits, limits_until = :limits_until, limits_factor = :limits_factor,
    limits_id = :limits_id, quota_amount = :quota_amount, quota_every = :quota_every, quota_extra = :quota_extra,
    quota_until = :quota_until
WHERE id = :id AND deleted_at IS NULL

-- name: erase_secret
DELETE FROM keyfob.key_secrets WHERE key_id = $1

-- name: hold_one_usage
-- In the order in which a flush of usage takes its locks: first this row, then its days.
SELECT key_id FROM keyfob.key_usage WHERE key_id = $1 FOR UPDATE

-- name: erase_days
DELETE FROM keyfob.key_use_days WHERE key_id = $1

-- name: erase_hours
DELETE FROM keyfob.key_use_hours WHERE key_id = $1

-- name: erase_details
DELETE FROM keyfob.key_use_details WHERE key_id = $1

-- name: erase_usage
DELETE FROM keyfob.key_usage WHERE key_id = $1

-- name: erase_drafts
-- The token stays, so that going back and sending the form again makes no second key.
UPDATE keyfob.drafts SET key_id = NULL WHERE key_id = $1

-- name: erase_sessions
DELETE FROM keyfob.sessions WHERE key_id = $1

-- name: erase_links
DELETE FROM keyfob.sign_in_links WHERE key_id = $1

-- name: leave_tombstone
UPDATE keyfob.keys SET deleted_at = $1, revision = $2, permissions = '[]', ip_allow = '[]', description = NULL,
    metadata = '{}', external_id = NULL
WHERE id = $3 AND deleted_at IS NULL

-- name: signing_keys
SELECT key_char, fingerprint, state, activated_at, sealed_by, seal FROM keyfob.signing_keys ORDER BY activated_at, key_char

-- name: put_signing_key
INSERT INTO keyfob.signing_keys (key_char, fingerprint, state, activated_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (key_char)
DO UPDATE SET fingerprint = excluded.fingerprint, state = excluded.state, activated_at = excluded.activated_at

-- name: seal_signing_keys
UPDATE keyfob.signing_keys SET sealed_by = $1, seal = $2

-- name: save_idempotency_record
INSERT INTO keyfob.idempotency (scope, body_digest, key_id, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (scope) DO UPDATE SET body_digest = excluded.body_digest, key_id = excluded.key_id, at = excluded.at

-- name: forget_old
DELETE FROM keyfob.idempotency WHERE at < $1

-- name: append_event
INSERT INTO keyfob.audit_events
    (seq, at, actor_kind, actor_id, actor_name, ip, action, team, key_id, detail, key_char, mac, person_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)

-- name: move_audit_head
UPDATE keyfob.meta SET audit_count = $1, audit_head = $2

-- name: status
SELECT (SELECT max(number) FROM keyfob.migrations), revision, epoch, current_setting('server_version'),
       (SELECT count(*) FROM keyfob.teams WHERE deleted_at IS NULL), (SELECT count(*) FROM keyfob.keys WHERE deleted_at IS NULL),
       (SELECT count(*) FROM keyfob.keys WHERE deleted_at IS NOT NULL), audit_count
FROM keyfob.meta

-- The workers, whose statements take no revision.

-- name: put_worker
-- Two of a worker's words may overtake each other: the one that says less is dropped.
INSERT INTO keyfob.workers AS w (id, host, lease, epoch, revision, seen_at, signal, keyring)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, revision = excluded.revision, seen_at = excluded.seen_at,
    signal = excluded.signal, keyring = excluded.keyring
WHERE w.epoch <> excluded.epoch OR w.revision <= excluded.revision

-- name: remove_worker
DELETE FROM keyfob.workers WHERE id = $1

-- name: remove_silent_worker
DELETE FROM keyfob.workers WHERE id = $1 AND seen_at = $2

-- name: workers
SELECT m.epoch, w.id, w.host, w.lease, w.epoch, w.revision, w.seen_at, w.signal, w.keyring
FROM ({history}) m CROSS JOIN keyfob.workers w ORDER BY w.host, w.id

-- name: request_acknowledgement
-- Those who listen look at once.
WITH called AS (UPDATE keyfob.acknowledgement_request SET revision = $1 WHERE revision < $1 RETURNING revision)
SELECT pg_notify('keyfob', '') FROM called

-- The console, whose statements take no revision.

-- name: session_columns
id_hash, key_id, mac, ip, created_at, expires_at, person_id, browser, last_used_at, return_url

-- name: session
SELECT {session_columns} FROM keyfob.sessions WHERE id_hash = $1

-- name: forget_sessions
DELETE FROM keyfob.sessions WHERE expires_at <= $1

-- name: add_session
INSERT INTO keyfob.sessions (id_hash, key_id, mac, ip, created_at, expires_at, person_id, browser, return_url)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: end_session
DELETE FROM keyfob.sessions WHERE id_hash = $1 RETURNING id_hash

-- name: forget_links
DELETE FROM keyfob.sign_in_links WHERE expires_at <= $1

-- name: add_link
INSERT INTO keyfob.sign_in_links (hash, key_id, created_at, expires_at, mac, person_id, return_url)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: link
SELECT hash, key_id, created_at, expires_at, used_at, mac, person_id, return_url FROM keyfob.sign_in_links WHERE hash = $1

-- name: use_link
UPDATE keyfob.sign_in_links SET used_at = $1 WHERE hash = $2 AND used_at IS NULL AND expires_at > $3 RETURNING hash

-- name: find_foreign_key
SELECT key_id FROM keyfob.foreign_keys WHERE lookup IN (SELECT * FROM json_array_elements_text($1::json)) ORDER BY length(lookup) DESC LIMIT 1

-- name: find_foreign_keys
SELECT lookup, key_id FROM keyfob.foreign_keys WHERE lookup IN (SELECT * FROM json_array_elements_text($1::json))

-- name: known_foreign_keys
SELECT lookup FROM keyfob.foreign_keys WHERE lookup IN (SELECT * FROM json_array_elements_text($1::json))

-- name: add_foreign_key
INSERT INTO keyfob.foreign_keys (lookup, key_id) VALUES ($1, $2)

-- name: erase_foreign_key
DELETE FROM keyfob.foreign_keys WHERE key_id = $1

-- name: handover
SELECT token_digest, key_id, made_by_kind, made_by_id, made_by_name, created_at, expires_at, mac, collected_at, collected_ip FROM keyfob.handovers WHERE token_digest = $1

-- name: void_handovers
DELETE FROM keyfob.handovers WHERE key_id = $1 AND collected_at IS NULL

-- name: add_handover
INSERT INTO keyfob.handovers (token_digest, key_id, made_by_kind, made_by_id, made_by_name, created_at, expires_at, mac)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: collect_handover
UPDATE keyfob.handovers SET collected_at = $1, collected_ip = $2
WHERE token_digest = $3 AND collected_at IS NULL AND expires_at > $4 RETURNING key_id

-- name: erase_handovers
DELETE FROM keyfob.handovers WHERE key_id = $1

-- name: claim_draft
INSERT INTO keyfob.drafts (token_hash, session, created_at, used_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (token_hash) DO NOTHING RETURNING used_at

-- name: forget_drafts
DELETE FROM keyfob.drafts WHERE session IS NULL AND created_at < $1

-- name: draft
SELECT key_id FROM keyfob.drafts WHERE token_hash = $1

-- name: settle_draft
UPDATE keyfob.drafts SET key_id = $1 WHERE token_hash = $2

-- name: give_back_draft
DELETE FROM keyfob.drafts WHERE token_hash = $1 AND key_id IS NULL

-- name: blocked_until
SELECT blocked_until FROM keyfob.sign_in_throttle WHERE bucket = $1 AND failures >= $2 AND blocked_until > $3

-- name: forget_throttles
DELETE FROM keyfob.sign_in_throttle WHERE blocked_until <= $1

-- name: note_failure
-- The first failure opens the minute in which they are counted; the last one allowed opens the minute of waiting.
INSERT INTO keyfob.sign_in_throttle AS t (bucket, failures, blocked_until) VALUES ($1, 1, $2)
ON CONFLICT (bucket) DO UPDATE SET
    failures = t.failures + 1,
    blocked_until = CASE WHEN t.failures + 1 = $3 THEN excluded.blocked_until ELSE t.blocked_until END

-- name: forget_failures
DELETE FROM keyfob.sign_in_throttle WHERE bucket = $1

-- name: uses
SELECT key_id, day, admitted FROM keyfob.key_use_days WHERE key_id IN (SELECT json_array_elements_text($1::json)) AND day >= $2

-- name: holders
-- Few keys hold a set of permissions that no other key holds, so the sets are counted before they are taken apart.
SELECT value, sum(holders)::bigint FROM (
    SELECT permissions, count(*) AS holders FROM keyfob.keys
    WHERE team = :team AND deleted_at IS NULL AND (:owner::text IS NULL OR owner_id = :owner) GROUP BY permissions
) AS sets, jsonb_array_elements_text(permissions) AS value GROUP BY value

-- The rows that decide something, each beside the newest event that says what it should be. One statement is one
-- snapshot, so a change that is committed meanwhile is seen in both or in neither.

-- name: audited_keys
SELECT e.detail, {key_columns}
FROM keyfob.keys k JOIN keyfob.teams t ON t.id = k.team
LEFT JOIN keyfob.audit_events e ON e.seq = (
    SELECT max(seq) FROM keyfob.audit_events WHERE key_id = k.id AND action LIKE 'key.%'
)
WHERE k.id > $1 ORDER BY k.id LIMIT $2

-- name: audited_teams
SELECT e.detail, t.id, t.name, t.plan, t.created_at, t.metadata, t.external_id, t.deleted_at
FROM keyfob.teams t
LEFT JOIN keyfob.audit_events e ON e.seq = (
    SELECT max(seq) FROM keyfob.audit_events WHERE team = t.id AND key_id IS NULL AND action LIKE 'team.%'
)
WHERE t.id > $1 ORDER BY t.id LIMIT $2

-- name: known_keys
SELECT id FROM keyfob.keys WHERE id IN (SELECT jsonb_array_elements_text($1::jsonb))

-- name: claim_audit_check
UPDATE keyfob.audit_check SET started_at = $1 WHERE started_at <= $2 OR started_at > $1 RETURNING started_at

-- People, whose statements take no revision: every page reads them anew.

-- name: person_columns
p.id, p.source, p.subject, p.email, p.name, p.state, p.passphrase, p.created_at, p.last_sign_in_at, p.sealed_by, p.seal,
(SELECT json_agg(json_build_array(m.team, m.role, m.given_by)) FROM keyfob.memberships m WHERE m.person = p.id)

-- name: person
SELECT {person_columns} FROM keyfob.people p WHERE p.id = $1

-- name: person_of_subject
SELECT {person_columns} FROM keyfob.people p WHERE p.source = $1 AND p.subject = $2

-- name: people_of_email
SELECT {person_columns} FROM keyfob.people p WHERE p.email_folded = $1 ORDER BY p.created_at, p.id

-- name: owners
SELECT {person_columns} FROM keyfob.people p
WHERE p.state = 'active' AND p.source <> 'app' AND p.id IN (SELECT person FROM keyfob.memberships WHERE role = 'owner') ORDER BY p.id

-- name: people
SELECT {person_columns} FROM keyfob.people p
WHERE (:team::text IS NULL OR EXISTS (
  SELECT 1 FROM keyfob.memberships m
  WHERE m.team = :team AND m.person = p.id AND (:role::text IS NULL OR m.role = :role)))
AND (:state::text IS NULL OR p.state = :state)
AND (:q::text IS NULL OR strpos(p.name_folded, :q) > 0 OR strpos(p.email_folded, :q) > 0 OR p.id = :id)
AND (:after_id::text IS NULL OR (p.name_folded, p.id) > (:after_name, :after_id))
ORDER BY p.name_folded, p.id LIMIT :limit

-- name: people_sealed_by
SELECT {person_columns} FROM keyfob.people p WHERE p.sealed_by = $1 ORDER BY p.id

-- name: put_person
INSERT INTO keyfob.people AS p (id, source, subject, email, email_folded, name, name_folded, state, passphrase, created_at,
                    last_sign_in_at, sealed_by, seal)
VALUES (:id, :source, :subject, :email, :email_folded, :name, :name_folded, :state, :passphrase, :created_at,
        :last_sign_in_at, :sealed_by, :seal)
ON CONFLICT (id) DO UPDATE SET source = excluded.source, subject = excluded.subject, email = excluded.email,
    email_folded = excluded.email_folded, name = excluded.name, name_folded = excluded.name_folded,
    state = excluded.state, passphrase = excluded.passphrase, last_sign_in_at = excluded.last_sign_in_at,
    sealed_by = excluded.sealed_by, seal = excluded.seal

-- name: note_sign_in
UPDATE keyfob.people SET last_sign_in_at = $1 WHERE id = $2

-- name: drop_memberships
DELETE FROM keyfob.memberships WHERE person = $1

-- name: add_membership
INSERT INTO keyfob.memberships (person, team, role, given_by) VALUES ($1, $2, $3, $4)

-- name: reseal_people
UPDATE keyfob.people p SET sealed_by = value->>1, seal = value->>2
FROM jsonb_array_elements($1::text::jsonb) AS n (value) WHERE p.id = value->>0

-- name: keys_of_person
SELECT {key_columns} FROM keyfob.keys k JOIN keyfob.teams t ON t.id = k.team
WHERE k.owner_id = $1 AND k.deleted_at IS NULL ORDER BY k.created_at, k.id

-- name: counts_of_owners
SELECT owner_id, count(*), count(CASE WHEN key_type = 'admin' THEN 1 END) FROM keyfob.keys
WHERE team = $1 AND deleted_at IS NULL AND owner_id IN (SELECT jsonb_array_elements_text($2::text::jsonb)) GROUP BY owner_id

-- name: end_sessions_of_person
DELETE FROM keyfob.sessions WHERE person_id = $1 RETURNING id_hash

-- name: void_links_of_person
DELETE FROM keyfob.sign_in_links WHERE person_id = $1

-- name: sessions_of
SELECT {session_columns} FROM keyfob.sessions WHERE key_id = $1 OR person_id = $2 ORDER BY created_at, id_hash

-- name: end_sessions_of
DELETE FROM keyfob.sessions WHERE key_id = $1 OR person_id = $2 RETURNING id_hash

-- name: note_session_use
UPDATE keyfob.sessions SET last_used_at = $1 WHERE id_hash = $2

-- name: audited_people
SELECT e.detail, {person_columns}
FROM keyfob.people p
LEFT JOIN keyfob.audit_events e ON e.seq = (SELECT max(seq) FROM keyfob.audit_events WHERE person_id = p.id)
WHERE p.id > $1 ORDER BY p.id LIMIT $2

-- The outbox. A notice commits with its change; a delivery is claimed for a while, so that a killed process loses none.

-- name: add_notice
INSERT INTO keyfob.notices (id, event, at, data) VALUES ($1, $2, $3, $4)

-- name: forget_notices
DELETE FROM keyfob.notices WHERE at < $1

-- name: notice_mark
SELECT 1 FROM keyfob.notice_marks WHERE mark = $1

-- name: add_notice_mark
INSERT INTO keyfob.notice_marks (mark, at) VALUES ($1, $2) ON CONFLICT (mark) DO NOTHING RETURNING mark

-- name: forget_daily_marks
DELETE FROM keyfob.notice_marks WHERE (at < $1 AND (mark LIKE 'limit.near %' OR mark LIKE 'key.new_address %'))
    OR (at < $2 AND mark LIKE 'limit.near.month %')

-- name: notices_after
SELECT seq, id, event, at, data FROM keyfob.notices WHERE seq > $1 ORDER BY seq LIMIT $2::bigint

-- name: notices_by_id
SELECT seq, id, event, at, data FROM keyfob.notices WHERE id IN (SELECT jsonb_array_elements_text($1::text::jsonb))

-- name: add_deliveries
INSERT INTO keyfob.notice_deliveries (notice, target, attempts, due_at)
SELECT n.id, value->>1, 0, (value->>2)::bigint
FROM jsonb_array_elements($1::text::jsonb) AS given (value) JOIN keyfob.notices n ON n.id = value->>0
ON CONFLICT (notice, target) DO NOTHING

-- name: due_deliveries
SELECT 1 FROM keyfob.notice_deliveries
WHERE due_at <= $1 AND target IN (SELECT jsonb_array_elements_text($2::text::jsonb)) LIMIT 1

-- name: claim_deliveries
UPDATE keyfob.notice_deliveries SET due_at = $1, attempts = attempts + 1
WHERE (notice, target) IN (
    SELECT notice, target FROM keyfob.notice_deliveries
    WHERE target IN (SELECT jsonb_array_elements_text($2::text::jsonb)) AND due_at <= $3 ORDER BY due_at LIMIT $4::bigint FOR UPDATE SKIP LOCKED
) RETURNING notice, target, attempts

-- name: settle_delivery
UPDATE keyfob.notice_deliveries SET due_at = $1::bigint, error = $2::text WHERE notice = $3 AND target = $4 AND attempts = $5

-- name: unfinished_deliveries
SELECT n.seq, n.id, n.event, n.at, n.data, d.target, d.attempts, d.due_at, d.error
FROM keyfob.notice_deliveries d JOIN keyfob.notices n ON n.id = d.notice
WHERE d.due_at IS NOT NULL OR d.error IS NOT NULL ORDER BY n.seq DESC, d.target LIMIT $1::bigint

-- name: retry_deliveries
UPDATE keyfob.notice_deliveries SET due_at = $1 WHERE due_at IS NOT NULL OR error IS NOT NULL RETURNING notice

-- name: tried_after_disable
SELECT d.key_id, k.disabled_at, d.last_at, d.address
FROM keyfob.key_use_details d JOIN keyfob.keys k ON k.id = d.key_id
WHERE d.reason = 'disabled' AND d.last_at >= $1 AND k.disabled_at IS NOT NULL AND d.last_at >= k.disabled_at
AND k.deleted_at IS NULL ORDER BY d.last_at LIMIT 1000

-- name: new_addresses
-- The first address of a key is not new to it, and one that is not told apart may be known.
SELECT d.key_id, d.address, min(d.first_at) FROM keyfob.key_use_details d
WHERE d.day >= $1 AND d.first_at >= $2 AND d.reason = '' AND d.address NOT IN ('', '*')
AND NOT EXISTS (
    SELECT 1 FROM keyfob.key_use_details e
    WHERE e.key_id = d.key_id AND e.address = d.address AND e.reason = '' AND e.first_at < d.first_at AND e.day < d.day
) AND EXISTS (
    SELECT 1 FROM keyfob.key_use_details e
    WHERE e.key_id = d.key_id AND e.address <> d.address AND e.reason = '' AND e.first_at < d.first_at
) GROUP BY d.key_id, d.address ORDER BY 3 LIMIT 1000

-- name: replaced_in_use
SELECT k.id, k.replaced_by, u.last_used_at FROM keyfob.keys k JOIN keyfob.key_usage u ON u.key_id = k.id
WHERE k.replaced_by IS NOT NULL AND k.deleted_at IS NULL AND u.last_used_at > k.replaced_at LIMIT 1000

-- name: quota_portion
-- Nothing if less is left than is needed; else at most what was asked for, and less near the end, so that the last
-- units of a period are not held by workers that need them less than others.
CASE WHEN :amount::bigint - used - leased < :least::bigint THEN 0
     ELSE greatest(:least::bigint, least(:most::bigint, (:amount::bigint - used - leased) / 32)) END

-- name: lease_quota
-- A lease must last before anybody uses it, whatever the server does not wait for otherwise.
UPDATE keyfob.quota_use SET granted = {quota_portion}, leased = leased + {quota_portion}
WHERE subject = :subject AND begins_at = :begins_at AND ends_at = :ends_at
    AND set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                   WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) IS NOT NULL
RETURNING granted, used + leased

-- name: add_quota
INSERT INTO keyfob.quota_use (subject, begins_at, ends_at, used, leased, granted)
VALUES (:subject, :begins_at, :ends_at, 0, 0, 0) ON CONFLICT DO NOTHING

-- name: settle_quotas
-- The row of the worker is taken first, so that a batch which is sent again waits for the first, and is not applied
-- twice. The others are taken in order, so that no two batches wait for each other.
WITH fresh AS (
    INSERT INTO keyfob.quota_settlers AS s (worker, number, at) VALUES (:worker, :number, :at)
    ON CONFLICT (worker) DO UPDATE SET number = excluded.number, at = excluded.at WHERE s.number < excluded.number
    RETURNING s.number
), asked AS (
    SELECT value->>0 AS subject, (value->>1)::bigint AS begins_at, (value->>2)::bigint AS ends_at,
           (value->>3)::bigint AS used, (value->>4)::bigint AS returned
    FROM jsonb_array_elements(:settlements::text::jsonb) AS n (value)
), held AS MATERIALIZED (
    SELECT q.subject, q.begins_at, q.ends_at, a.used, a.returned
    FROM keyfob.quota_use q JOIN asked a USING (subject, begins_at, ends_at)
    WHERE EXISTS (SELECT 1 FROM fresh)
    ORDER BY q.subject, q.begins_at, q.ends_at FOR UPDATE OF q
)
UPDATE keyfob.quota_use q SET used = q.used + h.used, leased = q.leased - h.used - h.returned
FROM held h WHERE q.subject = h.subject AND q.begins_at = h.begins_at AND q.ends_at = h.ends_at

-- name: quota_used
SELECT used, leased FROM keyfob.quota_use WHERE subject = $1 AND begins_at = $2 AND ends_at = $3

-- name: quotas_at
SELECT subject, begins_at, ends_at, used, leased FROM keyfob.quota_use WHERE begins_at <= $1 AND ends_at > $2

-- name: last_settlement
SELECT max(at) FROM keyfob.quota_settlers

-- name: forget_quotas
DELETE FROM keyfob.quota_use WHERE ends_at < $1

-- name: forget_settlers
DELETE FROM keyfob.quota_settlers WHERE at < $1

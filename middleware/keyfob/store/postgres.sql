-- Every statement of the PostgreSQL store by name, but for the listing of keys and events, whose conditions vary.
-- All names are qualified: nothing depends on the search path, which would be state of a session.

-- name: key_columns
k.id, k.name, k.key_type, k.team, t.plan, k.permissions, k.created_at, k.creator_kind, k.creator_id, k.creator_name,
k.description, k.ip_allow, k.duplicated_from, k.expires_at, k.disabled_at, k.deleted_at, k.revision

-- name: history
-- Where the database stands, and in which history: a restarted or promoted server and a restored table begin another.
SELECT pg_is_in_recovery() AS in_recovery, revision, min_reader,
       concat_ws('-', epoch, extract(epoch FROM pg_postmaster_start_time()), pg_relation_filenode(tableoid)) AS epoch
FROM keyfob.meta OFFSET 0

-- name: find
-- One statement is one snapshot: the row cannot be older or newer than the revision beside it.
SELECT m.in_recovery, m.revision, m.epoch, s.hash, s.proof, {key_columns}
FROM ({history}) m LEFT JOIN keyfob.keys k ON k.id = $1
LEFT JOIN keyfob.teams t ON t.id = k.team LEFT JOIN keyfob.key_secrets s ON s.key_id = k.id

-- name: changes
SELECT m.in_recovery, m.revision, m.epoch, m.min_reader,
       (SELECT json_agg(json_build_array(ring_char, fingerprint, state, activated_at)) FROM keyfob.ring_marks),
       {key_columns}
FROM ({history}) m LEFT JOIN keyfob.keys k ON k.revision > $1 LEFT JOIN keyfob.teams t ON t.id = k.team
LIMIT $2

-- name: readiness
SELECT (SELECT max(number) FROM keyfob.migrations), min_reader FROM keyfob.meta

-- name: remember_proof
UPDATE keyfob.key_secrets s SET hash = $1, proof = $2
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
INSERT INTO keyfob.key_use_days AS d (key_id, day, admitted, denied)
SELECT n.key_id, n.day, n.admitted, n.denied
FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[]) AS n (key_id, day, admitted, denied)
JOIN keyfob.key_usage u ON u.key_id = n.key_id
ON CONFLICT (key_id, day) DO UPDATE SET admitted = d.admitted + excluded.admitted, denied = d.denied + excluded.denied

-- name: view
SELECT u.last_used_at, u.last_used_ip, {key_columns}
FROM keyfob.keys k JOIN keyfob.teams t ON t.id = k.team JOIN keyfob.key_usage u ON u.key_id = k.id
WHERE k.id = $1 AND k.deleted_at IS NULL

-- name: usage
SELECT day, admitted, denied FROM keyfob.key_use_days WHERE key_id = $1 AND day >= $2 ORDER BY day

-- name: team
SELECT id, name, plan, created_at FROM keyfob.teams WHERE id = $1

-- name: teams
SELECT id, name, plan, created_at FROM keyfob.teams ORDER BY id

-- name: recall
SELECT body_digest, key_id, at FROM keyfob.idempotency WHERE scope = $1

-- name: audit_head
SELECT audit_count, audit_head FROM keyfob.meta

-- name: raise_revision
UPDATE keyfob.meta SET revision = revision + 1 RETURNING revision

-- name: put_team
INSERT INTO keyfob.teams (id, name, plan, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, plan = excluded.plan

-- name: stamp_team_keys
UPDATE keyfob.keys SET revision = $1 WHERE team = $2 AND deleted_at IS NULL

-- name: key
SELECT {key_columns} FROM keyfob.keys k JOIN keyfob.teams t ON t.id = k.team WHERE k.id = $1

-- name: live_keys
SELECT {key_columns} FROM keyfob.keys k JOIN keyfob.teams t ON t.id = k.team
WHERE k.team = $1 AND k.key_type = $2 AND k.deleted_at IS NULL ORDER BY k.created_at, k.id

-- name: root_keys
SELECT {key_columns} FROM keyfob.keys k JOIN keyfob.teams t ON t.id = k.team
WHERE k.key_type = 'admin' AND k.deleted_at IS NULL AND k.permissions ? '*' ORDER BY k.id

-- name: add_key
INSERT INTO keyfob.keys (id, name, name_folded, key_type, team, permissions, created_at, creator_kind, creator_id,
                         creator_name, description, ip_allow, duplicated_from, expires_at, disabled_at, revision)
VALUES (:id, :name, :name_folded, :key_type, :team, :permissions, :created_at, :creator_kind, :creator_id,
        :creator_name, :description, :ip_allow, :duplicated_from, :expires_at, :disabled_at, :revision)

-- name: add_secret
INSERT INTO keyfob.key_secrets (key_id, hash, proof) VALUES ($1, $2, $3)

-- name: add_usage_row
INSERT INTO keyfob.key_usage (key_id, team) VALUES ($1, $2)

-- name: put_key
UPDATE keyfob.keys
SET name = :name, name_folded = :name_folded, permissions = :permissions, description = :description,
    ip_allow = :ip_allow, expires_at = :expires_at, disabled_at = :disabled_at, revision = :revision
WHERE id = :id AND deleted_at IS NULL

-- name: erase_secret
DELETE FROM keyfob.key_secrets WHERE key_id = $1

-- name: hold_one_usage
-- In the order in which a flush of usage takes its locks: first this row, then its days.
SELECT key_id FROM keyfob.key_usage WHERE key_id = $1 FOR UPDATE

-- name: erase_days
DELETE FROM keyfob.key_use_days WHERE key_id = $1

-- name: erase_usage
DELETE FROM keyfob.key_usage WHERE key_id = $1

-- name: erase_drafts
DELETE FROM keyfob.drafts WHERE key_id = $1

-- name: erase_sessions
DELETE FROM keyfob.sessions WHERE key_id = $1

-- name: erase_links
DELETE FROM keyfob.sign_in_links WHERE key_id = $1

-- name: leave_tombstone
UPDATE keyfob.keys SET deleted_at = $1, revision = $2, permissions = '[]', ip_allow = '[]', description = NULL
WHERE id = $3 AND deleted_at IS NULL

-- name: ring_marks
SELECT ring_char, fingerprint, state, activated_at FROM keyfob.ring_marks ORDER BY activated_at, ring_char

-- name: put_ring_mark
INSERT INTO keyfob.ring_marks (ring_char, fingerprint, state, activated_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (ring_char)
DO UPDATE SET fingerprint = excluded.fingerprint, state = excluded.state, activated_at = excluded.activated_at

-- name: remember
INSERT INTO keyfob.idempotency (scope, body_digest, key_id, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (scope) DO UPDATE SET body_digest = excluded.body_digest, key_id = excluded.key_id, at = excluded.at

-- name: forget_old
DELETE FROM keyfob.idempotency WHERE at < $1

-- name: append_event
INSERT INTO keyfob.audit_events
    (seq, at, actor_kind, actor_id, actor_name, ip, action, team, key_id, detail, ring_char, seal)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: move_audit_head
UPDATE keyfob.meta SET audit_count = $1, audit_head = $2

-- name: status
SELECT (SELECT max(number) FROM keyfob.migrations), revision, epoch, current_setting('server_version'),
       (SELECT count(*) FROM keyfob.teams), (SELECT count(*) FROM keyfob.keys WHERE deleted_at IS NULL),
       (SELECT count(*) FROM keyfob.keys WHERE deleted_at IS NOT NULL), audit_count
FROM keyfob.meta

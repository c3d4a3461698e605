-- Every statement of the SQLite store by name, but for the listing of keys and events, whose conditions vary.

-- name: key_columns
k.id, k.name, k.key_type, k.team, t.plan, k.permissions, k.created_at, k.creator_kind, k.creator_id, k.creator_name,
k.description, k.ip_allow, k.duplicated_from, k.expires_at, k.disabled_at, k.deleted_at, k.revision, k.key_char,
k.replaces, k.replaced_by, k.replaced_at, k.metadata, k.external_id, t.metadata, t.external_id,
k.pending_until,
k.creator_email, k.owner_id, (SELECT p.name FROM people p WHERE p.id = k.owner_id),
k.limits, k.limits_until, k.limits_factor, k.limits_id, k.quota_amount, k.quota_every, k.quota_extra, k.quota_until

-- name: find
-- Here and in `changes` the first column says whether this is a replica, which a file never is.
-- One statement is one snapshot: the row cannot be older or newer than the revision beside it.
SELECT 0, m.revision, m.epoch, s.hash, s.digest, {key_columns}
FROM meta m LEFT JOIN keys k ON k.id = ? LEFT JOIN teams t ON t.id = k.team LEFT JOIN key_secrets s ON s.key_id = k.id

-- name: changes
SELECT 0, m.revision, m.epoch, m.min_reader, (SELECT revision FROM acknowledgement_request),
       (SELECT json_group_array(json_array(key_char, fingerprint, state, activated_at, sealed_by, seal)) FROM signing_keys),
       {key_columns}
FROM meta m LEFT JOIN keys k ON k.revision > ? LEFT JOIN teams t ON t.id = k.team
LIMIT ?

-- name: save_digest
UPDATE key_secrets SET hash = ?, digest = ?
WHERE key_id = ? AND hash = ? AND EXISTS (SELECT 1 FROM keys k WHERE k.id = key_id AND k.deleted_at IS NULL)

-- The statements of usage take a whole batch as JSON: a statement for each key would hold the lock for longer, because
-- the thread would have to win the interpreter back from the event loop after each of them.

-- name: note_last_uses
-- The second comparison settles uses of the same microsecond, so that the order of arrival never matters.
UPDATE key_usage SET last_used_at = n.at, last_used_ip = n.ip
FROM (SELECT json_extract(value, '$[0]') AS key_id, json_extract(value, '$[1]') AS at, json_extract(value, '$[2]') AS ip
      FROM json_each(?)) n
WHERE key_usage.key_id = n.key_id
AND (last_used_at < n.at OR (last_used_at = n.at AND coalesce(last_used_ip, '') < coalesce(n.ip, '')))

-- name: count_days
INSERT INTO key_use_days (key_id, day, admitted, denied, limited)
SELECT u.key_id, json_extract(n.value, '$[1]'), json_extract(n.value, '$[2]'), json_extract(n.value, '$[3]'),
    json_extract(n.value, '$[4]')
FROM json_each(?) n CROSS JOIN key_usage u ON u.key_id = json_extract(n.value, '$[0]') WHERE true
ON CONFLICT (key_id, day) DO UPDATE SET admitted = admitted + excluded.admitted, denied = denied + excluded.denied,
    limited = limited + excluded.limited

-- name: count_hours
INSERT INTO key_use_hours (key_id, slot, hour, admitted, denied, limited)
SELECT u.key_id, json_extract(n.value, '$[1]') % 24, json_extract(n.value, '$[1]'), json_extract(n.value, '$[2]'),
    json_extract(n.value, '$[3]'), json_extract(n.value, '$[4]')
FROM json_each(?) n CROSS JOIN key_usage u ON u.key_id = json_extract(n.value, '$[0]') WHERE true
ON CONFLICT (key_id, slot) DO UPDATE SET
    admitted = excluded.admitted + iif(hour = excluded.hour, admitted, 0),
    denied = excluded.denied + iif(hour = excluded.hour, denied, 0),
    limited = excluded.limited + iif(hour = excluded.hour, limited, 0),
    hour = excluded.hour
WHERE excluded.hour >= hour

-- name: add_details
INSERT INTO key_use_details (key_id, day, address, rule, reason, admitted, denied, limited, first_at, last_at)
SELECT u.key_id, json_extract(n.value, '$[1]'), json_extract(n.value, '$[2]'), json_extract(n.value, '$[3]'),
    json_extract(n.value, '$[4]'), json_extract(n.value, '$[5]'), json_extract(n.value, '$[6]'),
    json_extract(n.value, '$[7]'), json_extract(n.value, '$[8]'), json_extract(n.value, '$[9]')
FROM json_each(?) n CROSS JOIN key_usage u ON u.key_id = json_extract(n.value, '$[0]') WHERE true
ON CONFLICT (key_id, day, address, rule, reason) DO UPDATE SET {added_details}

-- name: added_details
admitted = admitted + excluded.admitted, denied = denied + excluded.denied, limited = limited + excluded.limited,
    first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)

-- name: rare_addresses
-- Those of a key's day that are neither among the most used nor among the latest ones: so that one that comes late, and
-- seldom, has time to become one of the most used.
SELECT key_id, day, address FROM (
    SELECT d.key_id, d.day, d.address,
        row_number() OVER (PARTITION BY d.key_id, d.day ORDER BY sum(admitted + denied + limited) DESC, d.address) AS by_use,
        row_number() OVER (PARTITION BY d.key_id, d.day ORDER BY max(last_at) DESC, d.address) AS by_time
    FROM json_each(:days) n CROSS JOIN key_use_details d
        ON d.key_id = json_extract(n.value, '$[0]') AND d.day = json_extract(n.value, '$[1]')
    WHERE d.address <> '*' GROUP BY d.key_id, d.day, d.address
) WHERE by_use > :most AND by_time > :most

-- name: fold_details
INSERT INTO key_use_details (key_id, day, address, rule, reason, admitted, denied, limited, first_at, last_at)
SELECT key_id, day, '*', rule, reason, sum(admitted), sum(denied), sum(limited), min(first_at), max(last_at)
FROM key_use_details WHERE (key_id, day, address) IN ({rare_addresses}) GROUP BY key_id, day, rule, reason
ON CONFLICT (key_id, day, address, rule, reason) DO UPDATE SET {added_details}

-- name: drop_folded
DELETE FROM key_use_details WHERE (key_id, day, address) IN ({rare_addresses})

-- name: details_by_address
SELECT day, address, {tally} FROM key_use_details WHERE key_id = ? AND day >= ? GROUP BY day, address ORDER BY day

-- name: details_by_rule
SELECT rule, {tally} FROM key_use_details WHERE key_id = ? AND day >= ? GROUP BY rule

-- name: details_by_reason
SELECT reason, {tally} FROM key_use_details WHERE key_id = ? AND day >= ? AND reason <> '' GROUP BY reason

-- name: admitted_details
SELECT rule, address, {tally} FROM key_use_details
WHERE key_id = ? AND day >= ? AND reason = '' GROUP BY rule, address

-- name: tally
sum(admitted), sum(denied), sum(limited), min(first_at), max(last_at)

-- name: old_details
SELECT 1 FROM key_use_details WHERE day < ? LIMIT 1

-- name: forget_details
DELETE FROM key_use_details WHERE (key_id, day, address, rule, reason) IN (
    SELECT key_id, day, address, rule, reason FROM key_use_details WHERE day < ? LIMIT ?
)

-- name: add_refusals
INSERT INTO refused_requests (request_id, at, key_id, method, path, ip, reason, demands)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),
    json_extract(value, '$[4]'), json_extract(value, '$[5]'), json_extract(value, '$[6]'), json_extract(value, '$[7]')
FROM json_each(?) ORDER BY key

-- name: forget_refusals
DELETE FROM refused_requests WHERE at < ? OR seq <= (SELECT max(seq) FROM refused_requests) - ?

-- name: refusal
SELECT request_id, at, key_id, method, path, ip, reason, demands
FROM refused_requests WHERE request_id = ? AND at >= ?

-- name: view
SELECT u.last_used_at, u.last_used_ip, {key_columns}
FROM keys k JOIN teams t ON t.id = k.team JOIN key_usage u ON u.key_id = k.id WHERE k.id = ? AND k.deleted_at IS NULL

-- name: usage
SELECT day, admitted, denied, limited FROM key_use_days WHERE key_id = ? AND day >= ? ORDER BY day

-- name: usage_by_hour
SELECT hour, admitted, denied, limited FROM key_use_hours WHERE key_id = ? AND hour >= ? ORDER BY hour

-- name: team
SELECT id, name, plan, created_at, metadata, external_id, deleted_at FROM teams WHERE id = ? AND deleted_at IS NULL

-- name: teams
SELECT id, name, plan, created_at, metadata, external_id, deleted_at FROM teams WHERE deleted_at IS NULL ORDER BY id

-- name: idempotency_record
SELECT body_digest, key_id, at FROM idempotency WHERE scope = ?

-- name: audit_head
SELECT audit_count, audit_head FROM meta

-- name: raise_revision
UPDATE meta SET revision = revision + 1

-- name: revision
SELECT revision FROM meta

-- name: put_team
INSERT INTO teams (id, name, plan, created_at, metadata, external_id) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, plan = excluded.plan, metadata = excluded.metadata,
    external_id = excluded.external_id

-- name: team_is_taken
SELECT count(*) FROM teams WHERE id = ?

-- name: team_holds
SELECT (SELECT count(*) FROM keys WHERE team = :team AND deleted_at IS NULL),
       (SELECT count(*) FROM memberships WHERE team = :team)

-- name: delete_team
UPDATE teams SET deleted_at = ? WHERE id = ?

-- name: stamp_team_keys
UPDATE keys SET revision = ? WHERE team = ? AND deleted_at IS NULL

-- name: key
SELECT {key_columns} FROM keys k JOIN teams t ON t.id = k.team WHERE k.id = ?

-- name: live_keys
-- The pluses keep SQLite from walking the whole team in the order of an index.
SELECT {key_columns} FROM keys k JOIN teams t ON t.id = k.team
WHERE k.team = ? AND k.key_type = ? AND k.deleted_at IS NULL ORDER BY +k.created_at, +k.id

-- name: count_live_keys
SELECT count(*) FROM keys WHERE team = ? AND key_type = ? AND deleted_at IS NULL AND replaced_by IS NULL

-- name: root_keys
SELECT {key_columns} FROM keys k JOIN teams t ON t.id = k.team
WHERE k.key_type = 'admin' AND k.deleted_at IS NULL AND EXISTS (SELECT 1 FROM json_each(k.permissions) WHERE value = '*')
ORDER BY k.id

-- name: add_key
INSERT INTO keys (id, name, name_folded, key_type, team, permissions, created_at, creator_kind, creator_id, creator_name,
                  description, ip_allow, duplicated_from, expires_at, disabled_at, revision, key_char,
                  replaces, replaced_by, replaced_at, metadata, external_id, pending_until, creator_email, owner_id,
    limits, limits_until, limits_factor, limits_id, quota_amount, quota_every, quota_extra, quota_until)
VALUES (:id, :name, :name_folded, :key_type, :team, :permissions, :created_at, :creator_kind, :creator_id, :creator_name,
        :description, :ip_allow, :duplicated_from, :expires_at, :disabled_at, :revision, :key_char,
        :replaces, :replaced_by, :replaced_at, :metadata, :external_id, :pending_until, :creator_email, :owner_id,
        :limits, :limits_until, :limits_factor, :limits_id, :quota_amount, :quota_every, :quota_extra, :quota_until)

-- name: add_secret
INSERT INTO key_secrets (key_id, hash, digest) VALUES (?, ?, ?)

-- name: add_usage_row
INSERT INTO key_usage (key_id, team, created_at) VALUES (?, ?, ?)

-- name: add_to_search
INSERT INTO key_search (id, name_folded) VALUES (?, ?)

-- name: rename_in_search
-- An id has no character that GLOB takes for another, and with GLOB the index is used where there is one.
UPDATE key_search SET name_folded = :name_folded
WHERE id GLOB :id AND EXISTS (SELECT 1 FROM keys k WHERE k.id = :id AND k.name_folded <> :name_folded)

-- name: take_out_of_search
DELETE FROM key_search WHERE id GLOB ?

-- name: search
-- Each half is answered by the index of three letters; together, joined by OR, they would not be.
SELECT id FROM (SELECT id FROM key_search WHERE name_folded GLOB :name_part LIMIT :most)
UNION ALL
SELECT id FROM (SELECT id FROM key_search WHERE id GLOB :id_part LIMIT :most)

-- name: search_signs
-- For one or two characters that no id has: they begin an entry of the index, or a name ends in them. What GLOB takes for
-- another sign is looked up in no index.
SELECT id FROM (
    SELECT s.id FROM key_terms v CROSS JOIN key_search s ON s.name_folded GLOB '*' || v.term || '*'
    WHERE v.term BETWEEN :q_folded AND :q_folded || char(1114111, 1114111) AND v.term NOT GLOB '*[*?[]*' LIMIT :most
) UNION SELECT id FROM (
    SELECT id FROM keys WHERE deleted_at IS NULL
    AND substr(name_folded, -2) BETWEEN :q_folded AND :q_folded || char(1114111) LIMIT :most
) UNION SELECT id FROM (
    SELECT id FROM keys WHERE deleted_at IS NULL AND substr(name_folded, -1) = :q_folded LIMIT :most
) UNION SELECT id FROM (
    SELECT s.id FROM (
        SELECT 1 WHERE EXISTS (
            SELECT 1 FROM key_terms
            WHERE term BETWEEN :q_folded AND :q_folded || char(1114111, 1114111) AND term GLOB '*[*?[]*'
        ) OR EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'key_terms' AND type = 'view')
    ) CROSS JOIN key_search s WHERE instr(s.name_folded, :q_folded) > 0 LIMIT :most
)

-- name: search_all
-- For fewer letters than the index knows: one walk instead of two.
SELECT id FROM key_search WHERE instr(name_folded, :q_folded) OR instr(id, :q) LIMIT :most

-- name: put_key
UPDATE keys SET name = :name, name_folded = :name_folded, permissions = :permissions, description = :description,
                ip_allow = :ip_allow, expires_at = :expires_at, disabled_at = :disabled_at, revision = :revision,
                replaced_by = :replaced_by, replaced_at = :replaced_at, metadata = :metadata, external_id = :external_id,
                key_char = :key_char, pending_until = :pending_until,
                owner_id = :owner_id, limits = :limits, limits_until = :limits_until, limits_factor = :limits_factor,
    limits_id = :limits_id, quota_amount = :quota_amount, quota_every = :quota_every, quota_extra = :quota_extra,
    quota_until = :quota_until
WHERE id = :id AND deleted_at IS NULL

-- name: erase_secret
DELETE FROM key_secrets WHERE key_id = ?

-- name: erase_days
DELETE FROM key_use_days WHERE key_id = ?

-- name: erase_hours
DELETE FROM key_use_hours WHERE key_id = ?

-- name: erase_details
DELETE FROM key_use_details WHERE key_id = ?

-- name: erase_usage
DELETE FROM key_usage WHERE key_id = ?

-- name: erase_drafts
-- The token stays, so that going back and sending the form again makes no second key.
UPDATE drafts SET key_id = NULL WHERE key_id = ?

-- name: erase_sessions
DELETE FROM sessions WHERE key_id = ?

-- name: erase_links
DELETE FROM sign_in_links WHERE key_id = ?

-- name: leave_tombstone
UPDATE keys SET deleted_at = ?, revision = ?, permissions = '[]', ip_allow = '[]', description = NULL,
    metadata = '{}', external_id = NULL
WHERE id = ? AND deleted_at IS NULL

-- name: signing_keys
SELECT key_char, fingerprint, state, activated_at, sealed_by, seal FROM signing_keys ORDER BY activated_at, key_char

-- name: put_signing_key
INSERT INTO signing_keys (key_char, fingerprint, state, activated_at) VALUES (?, ?, ?, ?)
ON CONFLICT (key_char) DO UPDATE SET fingerprint = excluded.fingerprint, state = excluded.state, activated_at = excluded.activated_at

-- name: seal_signing_keys
UPDATE signing_keys SET sealed_by = ?, seal = ?

-- name: save_idempotency_record
INSERT INTO idempotency (scope, body_digest, key_id, at) VALUES (?, ?, ?, ?)
ON CONFLICT (scope) DO UPDATE SET body_digest = excluded.body_digest, key_id = excluded.key_id, at = excluded.at

-- name: forget_old
DELETE FROM idempotency WHERE at < ?

-- name: append_event
INSERT INTO audit_events (seq, at, actor_kind, actor_id, actor_name, ip, action, team, key_id, detail, key_char, mac, person_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: move_audit_head
UPDATE meta SET audit_count = ?, audit_head = ?

-- The workers, whose statements take no revision.

-- name: put_worker
-- Two of a worker's words may overtake each other: the one that says less is dropped.
INSERT INTO workers (id, host, lease, epoch, revision, seen_at, signal, keyring) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, revision = excluded.revision, seen_at = excluded.seen_at,
    signal = excluded.signal, keyring = excluded.keyring
WHERE workers.epoch <> excluded.epoch OR workers.revision <= excluded.revision

-- name: remove_worker
DELETE FROM workers WHERE id = ?

-- name: remove_silent_worker
DELETE FROM workers WHERE id = ? AND seen_at = ?

-- name: workers
SELECT m.epoch, w.id, w.host, w.lease, w.epoch, w.revision, w.seen_at, w.signal, w.keyring
FROM meta m CROSS JOIN workers w ORDER BY w.host, w.id

-- name: request_acknowledgement
UPDATE acknowledgement_request SET revision = asked.revision
FROM (SELECT ? AS revision) AS asked WHERE acknowledgement_request.revision < asked.revision

-- The console, whose statements take no revision.

-- name: session_columns
id_hash, key_id, mac, ip, created_at, expires_at, person_id, browser, last_used_at, return_url

-- name: session
SELECT {session_columns} FROM sessions WHERE id_hash = ?

-- name: forget_sessions
DELETE FROM sessions WHERE expires_at <= ?

-- name: add_session
INSERT INTO sessions (id_hash, key_id, mac, ip, created_at, expires_at, person_id, browser, return_url)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: end_session
DELETE FROM sessions WHERE id_hash = ? RETURNING id_hash

-- name: forget_links
DELETE FROM sign_in_links WHERE expires_at <= ?

-- name: add_link
INSERT INTO sign_in_links (hash, key_id, created_at, expires_at, mac, person_id, return_url)
VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: link
SELECT hash, key_id, created_at, expires_at, used_at, mac, person_id, return_url FROM sign_in_links WHERE hash = ?

-- name: use_link
UPDATE sign_in_links SET used_at = ? WHERE hash = ? AND used_at IS NULL AND expires_at > ? RETURNING hash

-- name: find_foreign_key
SELECT key_id FROM foreign_keys WHERE lookup IN (SELECT value FROM json_each(?)) ORDER BY length(lookup) DESC LIMIT 1

-- name: find_foreign_keys
SELECT lookup, key_id FROM foreign_keys WHERE lookup IN (SELECT value FROM json_each(?))

-- name: known_foreign_keys
SELECT lookup FROM foreign_keys WHERE lookup IN (SELECT value FROM json_each(?))

-- name: add_foreign_key
INSERT INTO foreign_keys (lookup, key_id) VALUES (?, ?)

-- name: erase_foreign_key
DELETE FROM foreign_keys WHERE key_id = ?

-- name: handover
SELECT token_digest, key_id, made_by_kind, made_by_id, made_by_name, created_at, expires_at, mac, collected_at, collected_ip FROM handovers WHERE token_digest = ?

-- name: void_handovers
DELETE FROM handovers WHERE key_id = ? AND collected_at IS NULL

-- name: add_handover
INSERT INTO handovers (token_digest, key_id, made_by_kind, made_by_id, made_by_name, created_at, expires_at, mac)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: collect_handover
UPDATE handovers SET collected_at = ?, collected_ip = ?
WHERE token_digest = ? AND collected_at IS NULL AND expires_at > ? RETURNING key_id

-- name: erase_handovers
DELETE FROM handovers WHERE key_id = ?

-- name: claim_draft
INSERT INTO drafts (token_hash, session, created_at, used_at) VALUES (?, ?, ?, ?)
ON CONFLICT (token_hash) DO NOTHING RETURNING used_at

-- name: forget_drafts
DELETE FROM drafts WHERE session IS NULL AND created_at < ?

-- name: draft
SELECT key_id FROM drafts WHERE token_hash = ?

-- name: settle_draft
UPDATE drafts SET key_id = ? WHERE token_hash = ?

-- name: give_back_draft
DELETE FROM drafts WHERE token_hash = ? AND key_id IS NULL

-- name: blocked_until
SELECT blocked_until FROM sign_in_throttle WHERE bucket = ? AND failures >= ? AND blocked_until > ?

-- name: forget_throttles
DELETE FROM sign_in_throttle WHERE blocked_until <= ?

-- name: note_failure
-- The first failure opens the minute in which they are counted; the last one allowed opens the minute of waiting.
INSERT INTO sign_in_throttle (bucket, failures, blocked_until) VALUES (?, 1, ?)
ON CONFLICT (bucket) DO UPDATE SET
    failures = failures + 1,
    blocked_until = CASE WHEN failures + 1 = ? THEN excluded.blocked_until ELSE blocked_until END

-- name: forget_failures
DELETE FROM sign_in_throttle WHERE bucket = ?

-- name: uses
SELECT key_id, day, admitted FROM key_use_days WHERE key_id IN (SELECT value FROM json_each(?)) AND day >= ?

-- name: holders
-- Few keys hold a set of permissions that no other key holds, so the sets are counted before they are taken apart.
SELECT value, sum(holders) FROM (
    SELECT permissions, count(*) AS holders FROM keys
    WHERE team = :team AND deleted_at IS NULL AND (:owner IS NULL OR owner_id = :owner) GROUP BY permissions
), json_each(permissions) GROUP BY value

-- The rows that decide something, each beside the newest event that says what it should be. One statement is one
-- snapshot, so a change that is committed meanwhile is seen in both or in neither.

-- name: audited_keys
SELECT e.detail, {key_columns}
FROM keys k JOIN teams t ON t.id = k.team
LEFT JOIN audit_events e ON e.seq = (
    SELECT max(seq) FROM audit_events WHERE key_id = k.id AND action LIKE 'key.%'
)
WHERE k.id > ? ORDER BY k.id LIMIT ?

-- name: audited_teams
SELECT e.detail, t.id, t.name, t.plan, t.created_at, t.metadata, t.external_id, t.deleted_at
FROM teams t
LEFT JOIN audit_events e ON e.seq = (
    SELECT max(seq) FROM audit_events WHERE team = t.id AND key_id IS NULL AND action LIKE 'team.%'
)
WHERE t.id > ? ORDER BY t.id LIMIT ?

-- name: known_keys
SELECT id FROM keys WHERE id IN (SELECT value FROM json_each(?))

-- name: claim_audit_check
UPDATE audit_check SET started_at = asked.at FROM (SELECT ? AS at, ? AS due) AS asked
WHERE audit_check.started_at <= asked.due OR audit_check.started_at > asked.at RETURNING started_at

-- People, whose statements take no revision: every page reads them anew.

-- name: person_columns
p.id, p.source, p.subject, p.email, p.name, p.state, p.passphrase, p.created_at, p.last_sign_in_at, p.sealed_by, p.seal,
(SELECT json_group_array(json_array(m.team, m.role, m.given_by)) FROM memberships m WHERE m.person = p.id)

-- name: person
SELECT {person_columns} FROM people p WHERE p.id = ?

-- name: person_of_subject
SELECT {person_columns} FROM people p WHERE p.source = ? AND p.subject = ?

-- name: people_of_email
SELECT {person_columns} FROM people p WHERE p.email_folded = ? ORDER BY p.created_at, p.id

-- name: owners
SELECT {person_columns} FROM people p
WHERE p.state = 'active' AND p.source <> 'app' AND p.id IN (SELECT person FROM memberships WHERE role = 'owner') ORDER BY p.id

-- name: people
SELECT {person_columns} FROM people p
WHERE (:team IS NULL OR EXISTS (
  SELECT 1 FROM memberships m WHERE m.team = :team AND m.person = p.id AND (:role IS NULL OR m.role = :role)))
AND (:state IS NULL OR p.state = :state)
AND (:q IS NULL OR instr(p.name_folded, :q) OR instr(p.email_folded, :q) OR p.id = :id)
AND (:after_id IS NULL OR (p.name_folded, p.id) > (:after_name, :after_id))
ORDER BY p.name_folded, p.id LIMIT :limit

-- name: people_sealed_by
SELECT {person_columns} FROM people p WHERE p.sealed_by = ? ORDER BY p.id

-- name: put_person
INSERT INTO people (id, source, subject, email, email_folded, name, name_folded, state, passphrase, created_at,
                    last_sign_in_at, sealed_by, seal)
VALUES (:id, :source, :subject, :email, :email_folded, :name, :name_folded, :state, :passphrase, :created_at,
        :last_sign_in_at, :sealed_by, :seal)
ON CONFLICT (id) DO UPDATE SET source = excluded.source, subject = excluded.subject, email = excluded.email,
    email_folded = excluded.email_folded, name = excluded.name, name_folded = excluded.name_folded,
    state = excluded.state, passphrase = excluded.passphrase, last_sign_in_at = excluded.last_sign_in_at,
    sealed_by = excluded.sealed_by, seal = excluded.seal

-- name: note_sign_in
UPDATE people SET last_sign_in_at = ? WHERE id = ?

-- name: drop_memberships
DELETE FROM memberships WHERE person = ?

-- name: add_membership
INSERT INTO memberships (person, team, role, given_by) VALUES (?, ?, ?, ?)

-- name: reseal_people
UPDATE people SET sealed_by = n.sealed_by, seal = n.seal
FROM (SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS sealed_by,
             json_extract(value, '$[2]') AS seal FROM json_each(?)) n
WHERE people.id = n.id

-- name: keys_of_person
SELECT {key_columns} FROM keys k JOIN teams t ON t.id = k.team
WHERE k.owner_id = ? AND k.deleted_at IS NULL ORDER BY k.created_at, k.id

-- name: counts_of_owners
SELECT owner_id, count(*), count(CASE WHEN key_type = 'admin' THEN 1 END) FROM keys
WHERE team = ? AND deleted_at IS NULL AND owner_id IN (SELECT value FROM json_each(?)) GROUP BY owner_id

-- name: end_sessions_of_person
DELETE FROM sessions WHERE person_id = ? RETURNING id_hash

-- name: void_links_of_person
DELETE FROM sign_in_links WHERE person_id = ?

-- name: sessions_of
SELECT {session_columns} FROM sessions WHERE key_id = ? OR person_id = ? ORDER BY created_at, id_hash

-- name: end_sessions_of
DELETE FROM sessions WHERE key_id = ? OR person_id = ? RETURNING id_hash

-- name: note_session_use
UPDATE sessions SET last_used_at = ? WHERE id_hash = ?

-- name: audited_people
SELECT e.detail, {person_columns}
FROM people p
LEFT JOIN audit_events e ON e.seq = (SELECT max(seq) FROM audit_events WHERE person_id = p.id)
WHERE p.id > ? ORDER BY p.id LIMIT ?

-- The outbox. A notice commits with its change; a delivery is claimed for a while, so that a killed process loses none.

-- name: add_notice
INSERT INTO notices (id, event, at, data) VALUES (?, ?, ?, ?)

-- name: forget_notices
DELETE FROM notices WHERE at < ?

-- name: notice_mark
SELECT 1 FROM notice_marks WHERE mark = ?

-- name: add_notice_mark
INSERT INTO notice_marks (mark, at) VALUES (?, ?) ON CONFLICT (mark) DO NOTHING RETURNING mark

-- name: forget_daily_marks
DELETE FROM notice_marks WHERE (at < ? AND (mark LIKE 'limit.near %' OR mark LIKE 'key.new_address %'))
    OR (at < ? AND mark LIKE 'limit.near.month %')

-- name: notices_after
SELECT seq, id, event, at, data FROM notices WHERE seq > ? ORDER BY seq LIMIT ?

-- name: notices_by_id
SELECT seq, id, event, at, data FROM notices WHERE id IN (SELECT value FROM json_each(?))

-- name: add_deliveries
INSERT INTO notice_deliveries (notice, target, attempts, due_at)
SELECT n.id, json_extract(value, '$[1]'), 0, json_extract(value, '$[2]')
FROM json_each(?) CROSS JOIN notices n ON n.id = json_extract(value, '$[0]') WHERE true
ON CONFLICT (notice, target) DO NOTHING

-- name: due_deliveries
SELECT 1 FROM notice_deliveries WHERE due_at <= ? AND target IN (SELECT value FROM json_each(?)) LIMIT 1

-- name: claim_deliveries
UPDATE notice_deliveries SET due_at = ?, attempts = attempts + 1
WHERE (notice, target) IN (
    SELECT notice, target FROM notice_deliveries
    WHERE target IN (SELECT value FROM json_each(?)) AND due_at <= ? ORDER BY due_at LIMIT ?
) RETURNING notice, target, attempts

-- name: settle_delivery
UPDATE notice_deliveries SET due_at = ?, error = ? WHERE notice = ? AND target = ? AND attempts = ?

-- name: unfinished_deliveries
SELECT n.seq, n.id, n.event, n.at, n.data, d.target, d.attempts, d.due_at, d.error
FROM notice_deliveries d JOIN notices n ON n.id = d.notice
WHERE d.due_at IS NOT NULL OR d.error IS NOT NULL ORDER BY n.seq DESC, d.target LIMIT ?

-- name: retry_deliveries
UPDATE notice_deliveries SET due_at = ? WHERE due_at IS NOT NULL OR error IS NOT NULL RETURNING notice

-- name: tried_after_disable
SELECT d.key_id, k.disabled_at, d.last_at, d.address
FROM key_use_details d JOIN keys k ON k.id = d.key_id
WHERE d.reason = 'disabled' AND d.last_at >= ? AND k.disabled_at IS NOT NULL AND d.last_at >= k.disabled_at
AND k.deleted_at IS NULL ORDER BY d.last_at LIMIT 1000

-- name: new_addresses
-- The first address of a key is not new to it, and one that is not told apart may be known.
SELECT d.key_id, d.address, min(d.first_at) FROM key_use_details d
WHERE d.day >= ? AND d.first_at >= ? AND d.reason = '' AND d.address NOT IN ('', '*')
AND NOT EXISTS (
    SELECT 1 FROM key_use_details e
    WHERE e.key_id = d.key_id AND e.address = d.address AND e.reason = '' AND e.first_at < d.first_at AND e.day < d.day
) AND EXISTS (
    SELECT 1 FROM key_use_details e
    WHERE e.key_id = d.key_id AND e.address <> d.address AND e.reason = '' AND e.first_at < d.first_at
) GROUP BY d.key_id, d.address ORDER BY 3 LIMIT 1000

-- name: replaced_in_use
SELECT k.id, k.replaced_by, u.last_used_at FROM keys k JOIN key_usage u ON u.key_id = k.id
WHERE k.replaced_by IS NOT NULL AND k.deleted_at IS NULL AND u.last_used_at > k.replaced_at LIMIT 1000

-- name: quota_portion
-- Nothing if less is left than is needed; else at most what was asked for, and less near the end, so that the last
-- units of a period are not held by workers that need them less than others.
CASE WHEN :amount - used - leased < :least THEN 0 ELSE max(:least, min(:most, (:amount - used - leased) / 32)) END

-- name: lease_quota
UPDATE quota_use SET granted = {quota_portion}, leased = leased + {quota_portion}
WHERE subject = :subject AND begins_at = :begins_at AND ends_at = :ends_at RETURNING granted, used + leased

-- name: add_quota
INSERT INTO quota_use (subject, begins_at, ends_at, used, leased, granted)
VALUES (:subject, :begins_at, :ends_at, 0, 0, 0) ON CONFLICT DO NOTHING

-- name: settle_quotas
-- In one transaction with the next one, which keeps it from being done again.
UPDATE quota_use SET used = quota_use.used + n.used, leased = leased - n.used - n.returned
FROM (SELECT json_extract(value, '$[0]') AS subject, json_extract(value, '$[1]') AS begins_at,
             json_extract(value, '$[2]') AS ends_at, json_extract(value, '$[3]') AS used,
             json_extract(value, '$[4]') AS returned
      FROM json_each(:settlements)) n
WHERE quota_use.subject = n.subject AND quota_use.begins_at = n.begins_at AND quota_use.ends_at = n.ends_at
AND NOT EXISTS (SELECT 1 FROM quota_settlers WHERE worker = :worker AND number >= :number)

-- name: note_settlement
INSERT INTO quota_settlers (worker, number, at) VALUES (:worker, :number, :at)
ON CONFLICT (worker) DO UPDATE SET number = max(number, excluded.number), at = excluded.at

-- name: quota_used
SELECT used, leased FROM quota_use WHERE subject = ? AND begins_at = ? AND ends_at = ?

-- name: quotas_at
SELECT subject, begins_at, ends_at, used, leased FROM quota_use WHERE begins_at <= ? AND ends_at > ?

-- name: last_settlement
SELECT max(at) FROM quota_settlers

-- name: forget_quotas
DELETE FROM quota_use WHERE ends_at < ?

-- name: forget_settlers
DELETE FROM quota_settlers WHERE at < ?

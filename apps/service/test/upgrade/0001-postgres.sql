SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE FUNCTION public.audit_checkpoints_frozen_delete() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
      BEGIN IF 1 = 1 THEN RAISE EXCEPTION 'audit_checkpoints: this row is never deleted' USING ERRCODE = '23001'; END IF; RETURN OLD; END $$;
CREATE FUNCTION public.audit_checkpoints_frozen_truncate() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
      BEGIN RAISE EXCEPTION 'audit_checkpoints: this row is never deleted' USING ERRCODE = '23001'; RETURN NULL; END $$;
CREATE FUNCTION public.audit_checkpoints_frozen_update() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
      BEGIN IF OLD.number IS DISTINCT FROM NEW.number OR OLD.at IS DISTINCT FROM NEW.at OR OLD.hash IS DISTINCT FROM NEW.hash OR OLD.signature IS DISTINCT FROM NEW.signature THEN RAISE EXCEPTION 'audit_checkpoints: number, at, hash, signature never change' USING ERRCODE = '23001'; END IF; RETURN NEW; END $$;
CREATE FUNCTION public.audit_rows_frozen_delete() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
      BEGIN IF 1 = 1 THEN RAISE EXCEPTION 'audit_rows: this row is never deleted' USING ERRCODE = '23001'; END IF; RETURN OLD; END $$;
CREATE FUNCTION public.audit_rows_frozen_truncate() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
      BEGIN RAISE EXCEPTION 'audit_rows: this row is never deleted' USING ERRCODE = '23001'; RETURN NULL; END $$;
CREATE FUNCTION public.audit_rows_frozen_update() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
      BEGIN IF OLD.number IS DISTINCT FROM NEW.number OR OLD.at IS DISTINCT FROM NEW.at OR OLD.actor_kind IS DISTINCT FROM NEW.actor_kind OR OLD.actor_id IS DISTINCT FROM NEW.actor_id OR OLD.action IS DISTINCT FROM NEW.action OR OLD.subject_kind IS DISTINCT FROM NEW.subject_kind OR OLD.subject_id IS DISTINCT FROM NEW.subject_id OR OLD.details IS DISTINCT FROM NEW.details OR OLD.hash IS DISTINCT FROM NEW.hash THEN RAISE EXCEPTION 'audit_rows: number, at, actor_kind, actor_id, action, subject_kind, subject_id, details, hash never change' USING ERRCODE = '23001'; END IF; RETURN NEW; END $$;
CREATE FUNCTION public.plans_frozen_update() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
      BEGIN IF OLD.id IS DISTINCT FROM NEW.id OR OLD.method IS DISTINCT FROM NEW.method OR OLD.level IS DISTINCT FROM NEW.level OR OLD.secret_id IS DISTINCT FROM NEW.secret_id THEN RAISE EXCEPTION 'plans: id, method, level, secret_id never change' USING ERRCODE = '23001'; END IF; RETURN NEW; END $$;
CREATE FUNCTION public.repositories_frozen_update() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
      BEGIN IF OLD.id IS DISTINCT FROM NEW.id OR OLD.storage_id IS DISTINCT FROM NEW.storage_id OR OLD.suite IS DISTINCT FROM NEW.suite OR OLD.secret_id IS DISTINCT FROM NEW.secret_id THEN RAISE EXCEPTION 'repositories: id, storage_id, suite, secret_id never change' USING ERRCODE = '23001'; END IF; RETURN NEW; END $$;
CREATE FUNCTION public.secret_exposures_frozen_delete() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
      BEGIN IF 1 = 1 THEN RAISE EXCEPTION 'secret_exposures: this row is never deleted' USING ERRCODE = '23001'; END IF; RETURN OLD; END $$;
CREATE FUNCTION public.secret_exposures_frozen_truncate() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
      BEGIN RAISE EXCEPTION 'secret_exposures: this row is never deleted' USING ERRCODE = '23001'; RETURN NULL; END $$;
CREATE FUNCTION public.secret_exposures_frozen_update() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
      BEGIN IF OLD.id IS DISTINCT FROM NEW.id OR OLD.device_id IS DISTINCT FROM NEW.device_id OR OLD.object_kind IS DISTINCT FROM NEW.object_kind OR OLD.object_id IS DISTINCT FROM NEW.object_id OR OLD.version IS DISTINCT FROM NEW.version OR OLD.run_id IS DISTINCT FROM NEW.run_id OR OLD.lease_id IS DISTINCT FROM NEW.lease_id OR OLD.at IS DISTINCT FROM NEW.at THEN RAISE EXCEPTION 'secret_exposures: id, device_id, object_kind, object_id, version, run_id, lease_id, at never change' USING ERRCODE = '23001'; END IF; RETURN NEW; END $$;
CREATE FUNCTION public.secrets_frozen_update() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
      BEGIN IF OLD.id IS DISTINCT FROM NEW.id OR OLD.kind IS DISTINCT FROM NEW.kind THEN RAISE EXCEPTION 'secrets: id, kind never change' USING ERRCODE = '23001'; END IF; RETURN NEW; END $$;
CREATE FUNCTION public.vault_values_frozen_delete() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
      BEGIN IF OLD.object_kind IN ('password', 'encryption-key')
      AND EXISTS (SELECT 1 FROM secrets WHERE secrets.id = OLD.object_id) THEN RAISE EXCEPTION 'vault_values: this row is never deleted' USING ERRCODE = '23001'; END IF; RETURN OLD; END $$;
CREATE FUNCTION public.vault_values_frozen_truncate() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
      BEGIN RAISE EXCEPTION 'vault_values: this row is never deleted' USING ERRCODE = '23001'; RETURN NULL; END $$;
CREATE FUNCTION public.vault_values_frozen_update() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
      BEGIN IF OLD.object_kind IS DISTINCT FROM NEW.object_kind OR OLD.object_id IS DISTINCT FROM NEW.object_id OR OLD.version IS DISTINCT FROM NEW.version OR OLD.field IS DISTINCT FROM NEW.field OR OLD.value_box IS DISTINCT FROM NEW.value_box OR OLD.created_at IS DISTINCT FROM NEW.created_at THEN RAISE EXCEPTION 'vault_values: object_kind, object_id, version, field, value_box, created_at never change' USING ERRCODE = '23001'; END IF; RETURN NEW; END $$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.api_tokens (
    id text NOT NULL COLLATE pg_catalog."C",
    hash text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    scopes text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    used_at bigint,
    expires_at bigint,
    CONSTRAINT api_tokens_hash_check CHECK ((length(hash) = 64))
);
CREATE TABLE public.audit_checkpoints (
    number bigint NOT NULL,
    at bigint NOT NULL,
    hash bytea NOT NULL,
    signature bytea NOT NULL,
    CONSTRAINT audit_checkpoints_hash_check CHECK ((length(hash) = 32))
);
CREATE TABLE public.audit_rows (
    number bigint NOT NULL,
    at bigint NOT NULL,
    actor_kind text NOT NULL COLLATE pg_catalog."C",
    actor_id text NOT NULL COLLATE pg_catalog."C",
    action text NOT NULL COLLATE pg_catalog."C",
    subject_kind text NOT NULL COLLATE pg_catalog."C",
    subject_id text NOT NULL COLLATE pg_catalog."C",
    details text NOT NULL COLLATE pg_catalog."C",
    hash bytea NOT NULL,
    CONSTRAINT audit_rows_actor_kind_check CHECK ((actor_kind = ANY (ARRAY['user'::text, 'device'::text, 'service'::text, 'command'::text]))),
    CONSTRAINT audit_rows_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT audit_rows_number_check CHECK ((number > 0))
);
CREATE TABLE public.copies (
    id text NOT NULL COLLATE pg_catalog."C",
    repository_id text NOT NULL COLLATE pg_catalog."C",
    plan_id text COLLATE pg_catalog."C",
    device_id text COLLATE pg_catalog."C",
    task_id text COLLATE pg_catalog."C",
    "time" bigint NOT NULL,
    host text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    paths text NOT NULL COLLATE pg_catalog."C",
    tags text NOT NULL COLLATE pg_catalog."C",
    size bigint NOT NULL,
    files bigint NOT NULL,
    stored bigint,
    forgotten_at bigint
);
CREATE TABLE public.devices (
    id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    platform text NOT NULL COLLATE pg_catalog."C",
    methods text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL COLLATE pg_catalog."C",
    worker bigint NOT NULL,
    disabled bigint NOT NULL,
    created_at bigint NOT NULL,
    created_by text NOT NULL COLLATE pg_catalog."C",
    certificate_serial text NOT NULL COLLATE pg_catalog."C",
    next_certificate_serial text COLLATE pg_catalog."C",
    certificate_expires_at bigint NOT NULL,
    process_id text COLLATE pg_catalog."C",
    connected_at bigint,
    seen_at bigint,
    revision bigint NOT NULL,
    CONSTRAINT devices_disabled_check CHECK ((disabled = ANY (ARRAY[(0)::bigint, (1)::bigint]))),
    CONSTRAINT devices_worker_check CHECK ((worker = ANY (ARRAY[(0)::bigint, (1)::bigint])))
);
CREATE TABLE public.idempotency_keys (
    user_id text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    request_hash text NOT NULL COLLATE pg_catalog."C",
    status bigint NOT NULL,
    body text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL
);
CREATE TABLE public.keyring_terms (
    number bigint NOT NULL,
    created_at bigint NOT NULL,
    box bytea NOT NULL,
    CONSTRAINT keyring_terms_number_check CHECK ((number > 0))
);
CREATE TABLE public.leases (
    id text NOT NULL COLLATE pg_catalog."C",
    run_id text NOT NULL COLLATE pg_catalog."C",
    device_id text NOT NULL COLLATE pg_catalog."C",
    public_key_hash text NOT NULL COLLATE pg_catalog."C",
    given_at bigint NOT NULL,
    until bigint NOT NULL,
    ended_at bigint,
    CONSTRAINT leases_public_key_hash_check CHECK ((length(public_key_hash) = 64))
);
CREATE TABLE public.maintenance (
    repository_id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    every_days bigint NOT NULL,
    next_at bigint NOT NULL,
    last_task_id text COLLATE pg_catalog."C",
    CONSTRAINT maintenance_every_days_check CHECK (((every_days >= 0) AND (every_days <= 3650))),
    CONSTRAINT maintenance_kind_check CHECK ((kind = ANY (ARRAY['verify'::text, 'verify-data'::text])))
);
CREATE TABLE public.one_time_tokens (
    hash text NOT NULL COLLATE pg_catalog."C",
    purpose text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    created_by text NOT NULL COLLATE pg_catalog."C",
    expires_at bigint NOT NULL,
    used_at bigint,
    details text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT one_time_tokens_hash_check CHECK ((length(hash) = 64)),
    CONSTRAINT one_time_tokens_purpose_check CHECK ((purpose = ANY (ARRAY['setup'::text, 'enrolment'::text, 'passkey'::text])))
);
CREATE TABLE public.passkeys (
    id text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    credential_id text NOT NULL COLLATE pg_catalog."C",
    public_key bytea NOT NULL,
    counter bigint NOT NULL,
    created_at bigint NOT NULL,
    used_at bigint,
    CONSTRAINT passkeys_counter_check CHECK ((counter >= 0))
);
CREATE TABLE public.plan_devices (
    plan_id text NOT NULL COLLATE pg_catalog."C",
    device_id text NOT NULL COLLATE pg_catalog."C",
    added_at bigint NOT NULL,
    last_fired_at bigint NOT NULL,
    next_start_at bigint
);
CREATE TABLE public.plans (
    id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL COLLATE pg_catalog."C",
    selection text NOT NULL COLLATE pg_catalog."C",
    storage_id text NOT NULL COLLATE pg_catalog."C",
    repository_id text NOT NULL COLLATE pg_catalog."C",
    method text COLLATE pg_catalog."C",
    level text COLLATE pg_catalog."C",
    secret_id text COLLATE pg_catalog."C",
    schedule text COLLATE pg_catalog."C",
    retention text COLLATE pg_catalog."C",
    retries text NOT NULL COLLATE pg_catalog."C",
    enabled bigint NOT NULL,
    created_at bigint NOT NULL,
    created_by text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    CONSTRAINT plans_check CHECK ((((method IS NULL) = (level IS NULL)) AND ((method IS NULL) = (secret_id IS NULL)))),
    CONSTRAINT plans_enabled_check CHECK ((enabled = ANY (ARRAY[(0)::bigint, (1)::bigint]))),
    CONSTRAINT plans_level_check CHECK ((level = ANY (ARRAY['low'::text, 'normal'::text, 'high'::text]))),
    CONSTRAINT plans_method_check CHECK ((method = ANY (ARRAY['gcm'::text, 'cbc'::text])))
);
CREATE TABLE public.policies (
    name text NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL COLLATE pg_catalog."C",
    changed_at bigint NOT NULL,
    changed_by text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL
);
CREATE TABLE public.processes (
    id text NOT NULL COLLATE pg_catalog."C",
    started_at bigint NOT NULL,
    beat_at bigint NOT NULL
);
CREATE TABLE public.repositories (
    id text NOT NULL COLLATE pg_catalog."C",
    storage_id text NOT NULL COLLATE pg_catalog."C",
    folder text NOT NULL COLLATE pg_catalog."C",
    suite bigint NOT NULL,
    secret_id text COLLATE pg_catalog."C",
    prepared text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    CONSTRAINT repositories_check CHECK (((suite = 0) = (secret_id IS NULL))),
    CONSTRAINT repositories_id_check CHECK ((length(id) = 32)),
    CONSTRAINT repositories_suite_check CHECK (((suite >= 0) AND (suite <= 6)))
);
CREATE TABLE public.run_events (
    run_id text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    at bigint NOT NULL,
    received_at bigint NOT NULL,
    event text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT run_events_number_check CHECK ((number > 0))
);
CREATE TABLE public.runs (
    id text NOT NULL COLLATE pg_catalog."C",
    task_id text NOT NULL COLLATE pg_catalog."C",
    device_id text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    given_at bigint NOT NULL,
    started_at bigint,
    ended_at bigint,
    last_event bigint NOT NULL,
    progress text COLLATE pg_catalog."C",
    CONSTRAINT runs_last_event_check CHECK ((last_event >= 0)),
    CONSTRAINT runs_state_check CHECK ((state = ANY (ARRAY['given'::text, 'running'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text])))
);
CREATE TABLE public.schema_migrations (
    name character varying(255) NOT NULL,
    "timestamp" character varying(255) NOT NULL
);
CREATE TABLE public.schema_migrations_lock (
    id character varying(255) NOT NULL,
    is_locked integer DEFAULT 0 NOT NULL
);
CREATE TABLE public.secret_exposures (
    id text NOT NULL COLLATE pg_catalog."C",
    device_id text NOT NULL COLLATE pg_catalog."C",
    object_kind text NOT NULL COLLATE pg_catalog."C",
    object_id text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL,
    run_id text NOT NULL COLLATE pg_catalog."C",
    lease_id text NOT NULL COLLATE pg_catalog."C",
    at bigint NOT NULL,
    CONSTRAINT secret_exposures_version_check CHECK ((version > 0))
);
CREATE TABLE public.secrets (
    id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL COLLATE pg_catalog."C",
    hint text NOT NULL COLLATE pg_catalog."C",
    current_version bigint NOT NULL,
    head_box bytea NOT NULL,
    generated bigint NOT NULL,
    disabled bigint NOT NULL,
    created_at bigint NOT NULL,
    created_by text NOT NULL COLLATE pg_catalog."C",
    updated_at bigint NOT NULL,
    revision bigint NOT NULL,
    CONSTRAINT secrets_check CHECK (((kind <> 'encryption-key'::text) OR (current_version = 1))),
    CONSTRAINT secrets_current_version_check CHECK ((current_version > 0)),
    CONSTRAINT secrets_disabled_check CHECK ((disabled = ANY (ARRAY[(0)::bigint, (1)::bigint]))),
    CONSTRAINT secrets_generated_check CHECK ((generated = ANY (ARRAY[(0)::bigint, (1)::bigint]))),
    CONSTRAINT secrets_kind_check CHECK ((kind = ANY (ARRAY['password'::text, 'encryption-key'::text])))
);
CREATE TABLE public.sessions (
    id text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    used_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    address text NOT NULL COLLATE pg_catalog."C",
    user_agent text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT sessions_id_check CHECK ((length(id) = 64))
);
CREATE TABLE public.sign_in_failures (
    subject text NOT NULL COLLATE pg_catalog."C",
    count bigint NOT NULL,
    last_at bigint NOT NULL,
    CONSTRAINT sign_in_failures_count_check CHECK ((count > 0))
);
CREATE TABLE public.storages (
    id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL COLLATE pg_catalog."C",
    location text NOT NULL COLLATE pg_catalog."C",
    identity text NOT NULL COLLATE pg_catalog."C",
    secrets text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    created_by text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL
);
CREATE TABLE public.tasks (
    id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    plan_id text COLLATE pg_catalog."C",
    device_id text NOT NULL COLLATE pg_catalog."C",
    storage_id text COLLATE pg_catalog."C",
    repository_id text COLLATE pg_catalog."C",
    input text NOT NULL COLLATE pg_catalog."C",
    result text COLLATE pg_catalog."C",
    error text COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    created_by text NOT NULL COLLATE pg_catalog."C",
    not_before bigint NOT NULL,
    started_at bigint,
    ended_at bigint,
    cancel_requested_at bigint,
    attempt bigint NOT NULL,
    attempt_max bigint NOT NULL,
    run_id text COLLATE pg_catalog."C",
    CONSTRAINT tasks_attempt_check CHECK ((attempt >= 0)),
    CONSTRAINT tasks_attempt_max_check CHECK ((attempt_max > 0)),
    CONSTRAINT tasks_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'succeeded'::text, 'warnings'::text, 'failed'::text, 'cancelled'::text])))
);
CREATE TABLE public.unlock_slots (
    id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    label text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    parameters text COLLATE pg_catalog."C",
    box bytea NOT NULL,
    CONSTRAINT unlock_slots_kind_check CHECK ((kind = ANY (ARRAY['file'::text, 'passphrase'::text, 'recovery'::text])))
);
CREATE TABLE public.user_rights (
    user_id text NOT NULL COLLATE pg_catalog."C",
    "right" text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.users (
    id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    role text NOT NULL COLLATE pg_catalog."C",
    password text NOT NULL COLLATE pg_catalog."C",
    password_changed_at bigint NOT NULL,
    totp_version bigint,
    totp_pending_version bigint,
    totp_last_step bigint DEFAULT 0 NOT NULL,
    disabled bigint NOT NULL,
    created_at bigint NOT NULL,
    revision bigint NOT NULL,
    CONSTRAINT users_disabled_check CHECK ((disabled = ANY (ARRAY[(0)::bigint, (1)::bigint]))),
    CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['administrator'::text, 'backup-operator'::text, 'restore-operator'::text, 'viewer'::text])))
);
CREATE TABLE public.vault (
    one bigint NOT NULL,
    vault_id bytea NOT NULL,
    created_at bigint NOT NULL,
    current_term bigint NOT NULL,
    recovery_public_key bytea,
    recovery_box bytea,
    CONSTRAINT vault_check CHECK (((recovery_public_key IS NULL) = (recovery_box IS NULL))),
    CONSTRAINT vault_current_term_check CHECK ((current_term > 0)),
    CONSTRAINT vault_one_check CHECK ((one = 1)),
    CONSTRAINT vault_vault_id_check CHECK ((length(vault_id) = 16))
);
CREATE TABLE public.vault_values (
    object_kind text NOT NULL COLLATE pg_catalog."C",
    object_id text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL,
    field text NOT NULL COLLATE pg_catalog."C",
    term bigint NOT NULL,
    key_box bytea NOT NULL,
    value_box bytea NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT vault_values_check CHECK (((object_kind <> 'encryption-key'::text) OR (version = 1))),
    CONSTRAINT vault_values_version_check CHECK ((version > 0))
);
INSERT INTO public.audit_checkpoints VALUES (10, 1795327919336, '\x0c40d8160d9382be5482d9428b506de31f70f1cfd2d97312febe4e0a8ea5eb13', '\x15d1c54c349268d31b18aab3491d492ecac356e796191a360c729a0f1c2b5037efefb149afe9b374f0c34044bc62d25a8d4ef74bb8a0b5d36ee2babed3c52e06');
INSERT INTO public.audit_rows VALUES (1, 1795327918106, 'user', 'user_01m80y3zyg8s0v553myk9se5kx', 'user.second-factor', 'user', 'user_01m80y3zyg8s0v553myk9se5kx', '{}', '\xa933fda925bc981480f738006bf966014d834c31807cd1002f63be05e576fd91');
INSERT INTO public.audit_rows VALUES (2, 1795327918205, 'user', 'user_01m80y3zyg8s0v553myk9se5kx', 'secret.create', 'password', 'sec_01m80y402gkwmpd6g1b6t4qdqq', '{"generated":false,"name":"nas"}', '\xa7f3166e2173323713126dda85661eb77aeed07fef6b1417773a433d525221cc');
INSERT INTO public.audit_rows VALUES (3, 1795327918233, 'user', 'user_01m80y3zyg8s0v553myk9se5kx', 'secret.value', 'password', 'sec_01m80y402gkwmpd6g1b6t4qdqq', '{"name":"nas","refusedBy":[],"version":2}', '\x83376e775f794912ec6aa2549aa05886584bc2bf53567b8364d1c4212e2d1978');
INSERT INTO public.audit_rows VALUES (4, 1795327918256, 'user', 'user_01m80y3zyg8s0v553myk9se5kx', 'secret.create', 'encryption-key', 'sec_01m80y4051nz97wt5gx70r1fzb', '{"generated":false,"name":"company"}', '\xaf786e430c6d0eb813005e28be732cd5dfc53ba7794ba1591761720990ea9443');
INSERT INTO public.audit_rows VALUES (5, 1795327918286, 'user', 'user_01m80y3zyg8s0v553myk9se5kx', 'recovery-kit.make', 'slot', 'slot_01m80y4061337nf4e99822eyzt', '{}', '\x070e471b774a6ac5945686e0f94b96cedf1750df0aaa3a5950d4fd35d160d654');
INSERT INTO public.audit_rows VALUES (6, 1795327918315, 'user', 'user_01m80y3zyg8s0v553myk9se5kx', 'recovery-kit.use', 'slot', 'slot_01m80y4061337nf4e99822eyzt', '{"typedBack":false}', '\x2799b24085886c106e6021850471ecb1e9503fabf44f9c8c82cdc55168052bb2');
INSERT INTO public.audit_rows VALUES (7, 1795327918338, 'user', 'user_01m80y3zyg8s0v553myk9se5kx', 'storage.create', 'storage', 'sto_01m80y407h4mbhc6scz2499j8a', '{"name":"shelf","secrets":["sec_01m80y402gkwmpd6g1b6t4qdqq"]}', '\xbffd692b67021581ccaf42219b308165375cd0654760285af0f6f3993d1f17b2');
INSERT INTO public.audit_rows VALUES (8, 1795327919186, 'user', 'user_01m80y3zyg8s0v553myk9se5kx', 'plan.create', 'plan', 'plan_01m80y40ymnn2qfgnj114kvzz4', '{"name":"nightly","repository":"26347708b1f72862ec3fb3398bb8de7d","secret":"sec_01m80y4051nz97wt5gx70r1fzb"}', '\x3937e6675d91f24d4b00927256b846b51456cd3022771c262111ed14b95fdc75');
INSERT INTO public.audit_rows VALUES (9, 1795327919270, 'user', 'user_01m80y3zyg8s0v553myk9se5kx', 'plan.run', 'plan', 'plan_01m80y40ymnn2qfgnj114kvzz4', '{"tasks":["task_01m80y414v2t4qtqctxx6zd9mq"]}', '\xd33d531f5ce02dd7d9516803d1d54c7c9c418131bd184ec8328fed2148875276');
INSERT INTO public.audit_rows VALUES (10, 1795327919319, 'user', 'user_01m80y3zyg8s0v553myk9se5kx', 'plan.run', 'plan', 'plan_01m80y40ymnn2qfgnj114kvzz4', '{"tasks":["task_01m80y41670zj6jrk68sq6gt71"]}', '\x0c40d8160d9382be5482d9428b506de31f70f1cfd2d97312febe4e0a8ea5eb13');
INSERT INTO public.copies VALUES ('abababababababababababababababababababababababababababababababab', '26347708b1f72862ec3fb3398bb8de7d', 'plan_01m80y40ymnn2qfgnj114kvzz4', 'dev_01m80y407djf8yqtszpfxfn55w', 'task_01m80y414v2t4qtqctxx6zd9mq', 1793491200000, 'web-1', 'files', '["/srv"]', '[]', 1000, 3, 800, NULL);
INSERT INTO public.devices VALUES ('dev_01m80y407djf8yqtszpfxfn55w', 'web-1', '{"system":"linux","release":"6.1","architecture":"x64","hostname":"web-1"}', '["gcm","cbc"]', '0.1.0', 0, 0, 1, 'user_01m80y3zyg8s0v553myk9se5kx', '01', NULL, 1, NULL, NULL, 1, 1);
INSERT INTO public.keyring_terms VALUES (1, 1795327918010, '\x3eeb6ce50540cedc010e58d2331ea1634152be55ec94ea3f001bfbd226ca61077e2f383bde57c38164da289b4e5e019d59b88b90d5834f13b87b5fa496d6662dd927a4e65f5e2bf9ff04967146512e05bb6078fa71cf4e0dedcd237cbc2e3ac80ea6413b7ec5ff7e9ffd697903807b9c');
INSERT INTO public.maintenance VALUES ('26347708b1f72862ec3fb3398bb8de7d', 'verify', 7, 1795978595531, NULL);
INSERT INTO public.maintenance VALUES ('26347708b1f72862ec3fb3398bb8de7d', 'verify-data', 30, 1797950588617, NULL);
INSERT INTO public.plan_devices VALUES ('plan_01m80y40ymnn2qfgnj114kvzz4', 'dev_01m80y407djf8yqtszpfxfn55w', 1795327919110, 1795327919110, 1795381200000);
INSERT INTO public.plans VALUES ('plan_01m80y40ymnn2qfgnj114kvzz4', 'nightly', '', '{"paths":["/srv"],"exclude":[],"oneFileSystem":false,"tags":[],"compression":3,"bytesPerSecond":null,"before":null,"after":null}', 'sto_01m80y407h4mbhc6scz2499j8a', '26347708b1f72862ec3fb3398bb8de7d', 'gcm', 'high', 'sec_01m80y4051nz97wt5gx70r1fzb', '{"timeZone":"Europe/Berlin","rules":[{"kind":"daily","times":["22:00"]}]}', '{"daily":7}', '{"count":2,"delaySeconds":60}', 1, 1795327919109, 'user_01m80y3zyg8s0v553myk9se5kx', 1);
INSERT INTO public.repositories VALUES ('26347708b1f72862ec3fb3398bb8de7d', 'sto_01m80y407h4mbhc6scz2499j8a', 'holdfast-26347708', 3, 'sec_01m80y4051nz97wt5gx70r1fzb', '[{"name":"slots/fb386c19afa893dc82693a76e519ac879ae9a9fc269bb5cb88f65b1672688280","bytes":"SEZTVAIBAAAmNHcIsfcoYuw/szmLuN59AQAAAB4B4gGiAQAAhX3+/+rc8YYqn55gF9EUigAAAQADAAAABAAAAHAAIenhbVpZfUkPGrxhfo0aoGbTIt6o4SuAZaFJoe/KgaVp/sgRssQ6Fe0KlY4yQdgvV8Bb8fvCuUfn+W7ydUFCvuVtqVTwxvsAkbqqivj2PHYVdHPfbfQPSJ8bn/z4DzCzliYAIegeTqgkB/vRJIM7slcAjhA2iC2V8ikkawcWuo5/gKUVyNtXPaq5jbe0W6YKKr9x1shqUau98+6VN3b1OYrpuGSR74+yjGkYY9b7aStqVI9+KY/EpWWlrJ49SO/rhjKHdL4o0qFt"},{"name":"slots/93493a8b675fd49472d925ad95497ab980ab146bae074ff4d05b9aac5204b47d","bytes":"SEZTVAIBAAAmNHcIsfcoYuw/szmLuN59AgAAAB4B4gGiAQAAwdB2PDZ4iQQgTTz+qGAGwqCxAoLuUT71hz/Os8r5RzTQBMO/rxrtgMCVvmLN7Oa9aJX1eNhbwwA0c2fgdyYkb5D7HyqYrs284v6TXhB2b/n4Wd6DBTVwu04qQ64nDZKSIChoEeTGxcglwadQADuUrQWYTMeQjPaLrfc/lAp0yFxYT0Y9miH6veQuoTT/9WQZ17JmmfwTpaUHOdppM8vTjAdRKXZbxdFlVfXW/RPiSa2J3NtKzbN8xQjJ+O4zMrtxL4rvbZptgJG7Who+opWZJkDaNPKP/Vo7gxf3MfZlgCF/+5woJWIn3qmNL/LC6sAUi5Qr8kvs6nJ7azYSvTiLPa3IqUs+OOtRj16tTdNsd9wYYB+mTKbrsCD6b3Vx5ZPvd4XAQdH9TQH5qqygwWs5FYc3vt6vI7QgY0sv5bjR9GCn6F16wOeMZc5jKJD+rDU6XHk451b77W1FHgatI1FSVFlEfLSWwK/lZaHFzMVKbXdQvqCaa6XVw5OXTMUdyHZ6R+9QnXY9bHLTrF0hCD03U35H5LRn15R643t3qaLP3LPpfoWceV2WHH1OQhzx1L0P6bAyxrIa5/ZBrssySLCqXOp8UmID8Pd8x3f4m3omRBFMg/x4bduDl8C6r4APkVyA7izFxdzNEoj9DAEF4X8AYheMTeSWtTLLlepyXRPczOZvW7Gtfoso//5dNIRxbPyvQJkqbwTIKTqu76Y6Fe0MYhFeIqWRnA7IsOlzUei+f+/0oKdUJsFy57cKr0cuYBjkWgy4FYYnPc/IYBqNJBeIBfdmfPMjPOfHrPetw9KuhTPQBbGcFJYsgITgMd0kyOLNLNOdBbd9bBLKIJ7daJ/nYiZHy9z0rnAjd0NoO9OwkFM5SP7un/ue0Mt+0yOsB1YiuAW7z01vhmW23S8qcLnUkS2o5VLOpB9/JoMp3rez+K9DJmNZcueUjwukWRH2IVvMeeEQIiCIA8qoswj71NWiGSh1PNZEvW0e60FiQJ2NFgkXPunOCCNDGbJYJZ3DZmFhmysVBx7Pjdi6mxJ0cgYz1shHvvOkdfrh02+cxjP3FtF14vagT9JTPpFcbzuxNqrRBxDg84RjUxNzBUiTg3gWWtovurSNFC4WwZ3MFLF+d/OGMyzEMKH9uMWBxumgIGeXj4obd4IcsaLuS7wVVNVXqB77OJ+i8uZf63GMMl4w9tb+tFFk8e9gax02xYDwotSGtFJAgU+hiNgmy1e/aP3UTCYTppADnEtQ05gvekepsCWMGrt4fUKr3l+bhC4DCQqkuSrl1Io7oiuda0+zAYb3q8jdXHJ74KPjDHCMi+l1Zyg5zrohlIGvnMphYzTo0+7ysSAb+mjePzMan9qOUdqnS1m4cQZ+uvbDfWhRb+xUZXtn0NYimQbq9uDxOW/8+xCFz8GarEg6TR6mxpEAuuvym/LQAu9GHIAVhGh3nvZb1VHFdcTsjM7pjP053zjs69mfpgLhQCBB4mNWSA52P98mOuYasC3EyAiFTUs35g1AABrb3xAI/XhS1YAwkuNnp2FHF3MCanbS1Wk4/v6hextQP/GdHE+JPoqgjAP910fqVsu6BRsdQPskf+xGxrMHRwFTilOpNS8izI7jd5Nn1NtJzyyxgfW5pVc8XR7ZiFPr4CkXhTtmyiFkEMRQOu/PcyJJ5rpukBz09EVqDGBQQdlMRkGnXADe3LYkCAGuIDiQY2viotpQ0jB0iE+Z2rmnfZHZX4a59FWuvyV3fDim9nQ5i9P0aop518Cn2BMqSSaDVZnxHilS4ojKZuuvExsosI3W4TodmwS+85CsT8NcXvvZew=="},{"name":"config","bytes":"SEZTVAEBAAAmNHcIsfcoYuw/szmLuN59AwEAAB4B4gGiAQAAAAAEAAAAEAAAAEAAv6B0SjcfgBKys1u1+JM5goNqvmTEuegjioNNM0ZFqaYt0Jombvcc5IHMPZxHtaUkgRC80qlCN9PNuPlKd6utIKu8Q5eFp7UUS5mLFrB8SChjBszFzuBRETgFE8NS5qwqcEXERkLLzyyn0GNPabx9pkIeG0cHvmwGg2tnS9woPkk+KVnC/kJ3rLddGvA5IPYjI2K9ZirIL/EcvaoCQiwAF+JG+bxO7TxN8EeSuYe5NTOwpKst2ud5Hxq0vdTM84F0vrLAhDe+R/e8aDFRZKHDtVpmbeQfiWdPpCdAByBacbwXq1t7RyQCTxYwWnN94DCALkOX67THgjZGNDB94GZrX5uhyNeKavKcfPYFkgOylvVr9HcmIlabCluGb+LO4MMHNhgW8pN5ptIC68M//GNeaaxbLoEpdyIVJ/Q6MRINn3uglKUefmGc3oaLqYpDp/UHu6aLHmlfMVRTLuiZf0JeRnm/M8Wlcva+DKoZK4BgO7ozWdsMbWchxXmAKHyonAG8Q1OhPiyyNmDMtyCWXoOJgdAv0fcZQynHvwc6hOiEJjSKWdsRWwQ29bW2rWxcX0PBi7xb9QBdAOM5GiCEu3pIGABsJ8RIKFYU5lI4QVd9gNbBttSzC+eirqlpDXV+tkmMkvC8F4umWLyHUUJdg5Mc5FU7bdweWoLGRHoqMchM3GxMl3FGUuYT6mrKDqZYowA6oSML8EqGvFecEgjMrjLPDlcwW8uDzfkrJYpo1FqV00NWnyUx0TJ5gRyhvYfPY5jOLIyaVCJewgSpBxZuyxm/72B+CvPBbTgay/G8+ZVaETkoPvpSJYd8M8y4v1Ziz2koQmi74SWq1+CKc8kGA1zN9tisGdddjuuxL6ph6lhCfxlC1gUs+nFJdBAkOcMShcNHcBjNEJkGaqUFzVSYz1gwO3pewtYY31wNpuqQz+q+BFKNOih83Dwl4ohWxNigdJDJwFqsKQctH+OqexNDKhkmC7WJfLxlo7F7nHl2rlksaThQflwSfEVtcDEcf6yt+rvCevSR8PB8QmlwNoNM7uK4m2azKPq9tkMewHrBZCk8YOJ6THtBeIS7U4yjW6QOvOOizJRsTri3oJgsfIO8tCq9hlMLrTOur5hc0+laCeMS7/DDe4UBJLFVAuEWNgOtVNSOnlSkSBRtDkCpIlnLO8yRFnCUUzVblmtQ9fu83jXAxHyKCJtndvN77hbPIrdHCOIuITeoOzV4/Ut5qBqC0OYr+xW/VVwFmnIvJkQ9LCUJfQa5R9gsbcCzkphYVKEzeJQElLoxU1mHv5OYnbcGA9N2aaFWHVVV8MBkaWLDrfkIIOZyeakQhhV4ezsWdbUSqPMXAvjOFHG0ZwQ93UTOEgYrLAJmuuOCdPwreDW1l8xQA/U0SHlUPJhQE1sEOrBvwtEcJWJUklsP4GZb7HMPgXoAeqeeyNE+G5pj3woyPdNASZIUlvUGm5c6bFKaDtJv8dcEQhyxV9QlBZem2YKhPVcPSNO7nwe7+vvIFAxWsVVYWyqrhBNmEqVsjIEzI9DPA1W+lYIRY0DP6/a4bHTu92BQ8Wkawd6LD17wqMoGB9qqoYFnFviVmAaqFTA2JLgxsXt3LILfooLTYaK5uewvsbiHRB4mQL4ABQ/1lD6dBmKKr1XOx2ZimMq0sP8U5GpQBF+DQwtALGtiIl5FObmZTnd96emaI2tv/vvD9nHwwoXuoE8="}]', 1795327919067);
INSERT INTO public.schema_migrations VALUES ('0001', '2026-11-22T06:11:57.983Z');
INSERT INTO public.schema_migrations_lock VALUES ('migration_lock', 0);
INSERT INTO public.secret_exposures VALUES ('exp_01m80y416vc5f05852ez9s3t3y', 'dev_01m80y407djf8yqtszpfxfn55w', 'password', 'sec_01m80y402gkwmpd6g1b6t4qdqq', 1, 'run_00000000000000000000000001', 'lease_00000000000000000000000001', 5);
INSERT INTO public.secrets VALUES ('sec_01m80y402gkwmpd6g1b6t4qdqq', 'password', 'nas', '', '', 2, '\x345e8744277659c2e803088a6af1474d9e5f0ece16f683601e2ccf32b697a782a624bbc01482266089e3a2a8ae47423fbadad995b9e320d1a226870b21dc8addfbb33e3cacdc70b3eb1406b509ac78cd', 0, 0, 1795327918160, 'user_01m80y3zyg8s0v553myk9se5kx', 1795327918230, 2);
INSERT INTO public.secrets VALUES ('sec_01m80y4051nz97wt5gx70r1fzb', 'encryption-key', 'company', '', 'the old one', 1, '\x3c07a6be119d83c5456ffc1cc6b528b2f7926e13f1a0bb91abf0a94363a5861a8cdca2539c104b341e51a2d5f1aa82014f9ee1aa2f9b7ef960d13e58621e1339e9f2ac4ce457fb5dd903b0c9cdae54e9', 0, 0, 1795327918241, 'user_01m80y3zyg8s0v553myk9se5kx', 1795327918241, 1);
INSERT INTO public.storages VALUES ('sto_01m80y407h4mbhc6scz2499j8a', 'shelf', '', 'sftp://backup@nas.example/srv', '{}', '{"password":"sec_01m80y402gkwmpd6g1b6t4qdqq"}', 1795327918333, 'user_01m80y3zyg8s0v553myk9se5kx', 1);
INSERT INTO public.tasks VALUES ('task_01m80y414v2t4qtqctxx6zd9mq', 'backup', 'succeeded', 'plan_01m80y40ymnn2qfgnj114kvzz4', 'dev_01m80y407djf8yqtszpfxfn55w', 'sto_01m80y407h4mbhc6scz2499j8a', '26347708b1f72862ec3fb3398bb8de7d', '{}', '{"copy":{"id":"abababababababababababababababababababababababababababababababab","time":1793491200000,"host":"web-1","kind":"files","paths":["/srv"],"tags":[],"size":1000,"files":3},"filesNew":3,"filesChanged":0,"filesUnchanged":0,"bytesRead":1000,"bytesAdded":900,"bytesStored":800,"seconds":1,"warnings":0}', NULL, 1795327919259, 'user_01m80y3zyg8s0v553myk9se5kx', 1795327919259, NULL, 1795327919281, NULL, 0, 3, NULL);
INSERT INTO public.tasks VALUES ('task_01m80y41670zj6jrk68sq6gt71', 'backup', 'queued', 'plan_01m80y40ymnn2qfgnj114kvzz4', 'dev_01m80y407djf8yqtszpfxfn55w', 'sto_01m80y407h4mbhc6scz2499j8a', '26347708b1f72862ec3fb3398bb8de7d', '{}', NULL, NULL, 1795327919303, 'user_01m80y3zyg8s0v553myk9se5kx', 1795327919303, NULL, NULL, NULL, 0, 3, NULL);
INSERT INTO public.unlock_slots VALUES ('slot_01m80y3zxskyp13xbxr3mpk3x7', 'file', 'unlock file', 1795327918009, NULL, '\x291502f42f6fa1a9a4909823cbaac69aeb2b1836c0d3c7c2acac14b6c6e0558800fc0be2b7d8f1a90fab793bb0ae8b4d4ac1f4a630760b2228c2453af670d606126de4bfefd42ac3e58217c9aa1f2c8f766beb718f7c42315868a0492ecedb13cac3ebf3aaf2c39ee2601b7787f86a6c');
INSERT INTO public.unlock_slots VALUES ('slot_01m80y4061337nf4e99822eyzt', 'recovery', 'recovery kit', 1795327918273, NULL, '\x5fc71d62b5a9fa1070eb9d16bd36c70a797a5f35946bfeb0665c80d3b2c567a60ee8c80c3d32ff5cebf31e35f3c86a121f8679792f9caa2c35bbcdf485e4f0255fe4487c59aac002257a613c08ffd85f05f3ed45115af0168527b7454e89986516f50d223e51410b99e890b030fe1fd8597d6ff93c2e5a337675cf0abf283a5b3051e552d98e23335b9c4eb9018cf73dca1996d21890bd46f3d56a6269aeb89d5a61ab99bf5d481ee52aa8c9b4e2da44f68ea2ef6c67199505ec24c138a3dabdba4ed56a56f24cca204e06d07e75f3e0d4e9362182a2bf6a071c4e5cb2cda6f4f24feeeb90b8a76f04b275eea0e2c7fb369cce544eaa782111be25003be3935fab99b2f1a323cade1e64fc4541e76ccd1a535d7ea1d2863a5c8e75290b1cc5eef8c2fa6f3025c5179a8943525a5eed8834332c7451b901ac9a2f844752f6b5dff79a5cb715b39b08ecf1bc753ba648d4a8424adfa06775e434462f9e508d4648bfb839ad750ff7ab4d4dba64bdf683af36d054b514001a1d1542670510823979f47b9a4398d5693594b276d12be15ea9eba1db86a82f06fe781ff05ef787e2d03c13473c8758e7fd96f882d6d0b7353fb527e7119d470484662ef65f4ed94b1e8d4cadd443e7fa75c39a799dcf469189728b1ead7d4dbd27000f862f7811bc3b12f7ae4000b3c51b1d692f3fd92dbd04d298ed158e1987aa3de076b498d9df1e2d96a6756bc3e31932985c78f64cde1bcc79d7c7ae3e9ea80c07eb4fb3de1b1f60f2eb3f53228a8e32c64e788491b9b815e92dbc1a4f53c6b917ea4826e3ae2f5edb58d2dfda9849371134a6c14ac5cb388035067c8cf71b3c79576df21797d0ffcab4995e7bd4668c0d33b680412203bd447cd5c9d4758390361dc28c6a8ac2034092a44406fe9aab2ac1a0f96f43001ec0e1870fcd97d6c4502b4856015a5a6c28002c9ea1aded71992f5c7bf8375a90d19834eb3d26ddf27eafd390d3071ff24ae327a77d1d18b2015eb775895b261b9f8e918a1ffc42e0cad3f293b5b7412e73c41cd3009aae18bc76a11ec1b9696d66a52fd1a56567c9075c2dd3601be7bf516ad839d9945ba789951bdddc2d443b56786ee4c1c95ad67089ef627baa9826647e8427e888c96ae59efe130cf80bdc11f974264326c5af3795e932c0f7ede04a5ec8c64599624ee603496d815674b46ec3ca6a49d2a967ab52553d79f26bd00dd1390de4b2dcc40426456b14c932e4e9cd3807253be5a2a86cc8d4f6f8224d6546b5832c65e495c3163a5f5727b79227a265792c6b0ffadfdc4349b09dd093249719a765531c2ff9b76ebff4cefa510f8860759c6343f52b1420e358519516f1b0481cc48c8318112154449989f0511395c6726cca981a870a8691af24e5d9d2e24c4f7e21c16193958195c32b99523ac6700579c6d2760d15ac2a077c9fd31eab6670b596bf3524dac02b2e89fd99fa7ecebf445c3d8658f7ab79018493b3148cccbee662b882becd666cf53917778821efae8a5df6c303a6d226540ba773807a03aa5f1265dbc4b5c2f803f93a8fa56936d5716874c971f74e8b30da7580d332184f289eef6c089a732fe4a9483c9686ac03615115fd02cc43a3c59521c145e712bfa97ae1bf2ddef41e33d7ca13a07472419984d270e5f6d77c3990d4c91c911aa8de402008b2b82a85b52ee81d4e0f54ade2d2b18becf7ff8a48ab00336b91a48329facfb32151b808b3abfc');
INSERT INTO public.users VALUES ('user_01m80y3zyg8s0v553myk9se5kx', 'ada', 'administrator', '$argon2id$v=19$m=8192,t=1,p=1$FQOmPO3yl2kHcuUSFjeRHQ$yy2ZnhxHUlRxwZlBbON6Rnlz4byTNsOG6rJgkMljN5c', 1795327918069, 1, NULL, 59844263, 0, 1795327918069, 2);
INSERT INTO public.vault VALUES (1, '\xfbce4a4ea2afa8053fb8c252638682e2', 1795327918010, 1, '\xd75147ae650af0656dc94c2b2e6a08488323b2f478b157963c76b8333317ec0733c503353c26a5a2183f68a6a7e5f63e8923b77e038d03a893e3c18a7112a47168bdbe5b15f6eb063e498ac3abc8831675762cbc7ad9406813c9a9c93a6cec48edfb13cffa605b779016127a21084ed9f8b4f1a05558c46160110affd9aa2fc15c14d271e4631c177339cfc29c5d260ff600c774d0b5c12a61ed51823d93a8c4aa3a0215b5b1c981ebd20ab7559bd4e4b35a2aabf480c69b3180d7c02c32cb756c55bf83098a3dfa17c63b7f168a1cddb5369124a77b7a937e1825598522413345423a5868038c3edc2b57068287773bbdd0126e9b6fe7295b777ba5399ca995f2612e78ca15223f9733c35a469bf91a64b2d70b690944403650c90c5ac82665b168b77f59372022296a19aeeaaa9ad21b668d57b7cd7862e18556f9f920c25ab2c41b5d6c279cf024164ac07c23254347a384f4cc019d6a507737b5bdd01a05b1240d67b027677e3115b3ca3182981b092c52a51de54a89d267fe5c579c62a2d6f074911c4145eca65f743fb870cb27c97e1403005db86d1793077db43d2e102737863506bb1ea05556e330a7e162451ea164b0c1cc5a9698232007a85cad4387244f3a6565d8249f694e01ea4c0bea398a807cef36394404000fa6c18ee931a0574b15c6946ec33d94ec8988c692ee205d3f9910fb2c340baac73f4377b69ba174b8a0ab205c9a216e9cc95da169be158b60d48365ddf648d8db2f4fb2aa914653178493bbcb5fb92503855281c5299e256b5d9509252259ae4854971bf25f6e94bba2363922521aa720b46c39b4037436351ac54f8aaecd6b6caa14af92110a2b2a2c680526c7caa97ee853f19355cd68c6b7214ef5d506ecd58fc85595bcf974287bb36d9a7dab627dd5b49cb0b603e7ba384a5b5344d8145f51916ab285fbb68a60e93a0f673783c10fc1e657b424339401b3461bbe61a1520474a2900924dffc3d30ebca93c0a907f336522a7f6eb1597e296ffcf52b86280fb807729ce007d13b5b633b45c395792ae13268b0c7ad3424909c866c9aa23f784bf8d5a0e1aa9f3b544174884dd7a6ac3e899100cc6ba38242658275e1684fdbc189ce5a6da0980fc7d46fe5cbb9a9599e97b611f359cfc463b430bb4eed1c38eb506df21cb031aa2a0622304c6427f505c31930a4bd56aecb92bf5cb2269ea45a7a13028e250e42d57e96fcb0986cad8fdc3867522060a46064c420ec4981712661003d6b2b680e81f27891f943bd980a705595cd8b4ba65547611cbb3c403e234b009550854af5ab7212ca6dc9a7b0836acc0799b8b677af4b1ad7b09332661decc3018e2c58d102cf6faa0eb2800422149fd4009963596619c6417e0c997df844a2503b6bc65b064874c10006d606628fbc97874482161127aa4459d89a2cf2a78f31c836ad5928124a3493c01d7b331cc9796e5cc4a178510cc9a688f8e2bc7d3ac2700007af94bf96e47213767d669b529c5833222774225b945d0c65534386f8543a0923c8abf6c070138d4ac42b248acfadbb2cfdcb502ca79a44512beafa53ca613d096cca4527bac8492b8de88ed75c46d986579c2647b605707efccb87e7546a37aa4871bf59ca2691e97af64aa83027bbdfb18874755a5f7358310d95a6d74504d971cc47464e3b687525953c1dde7ac52e5ae2da42cbede66699dfe87423', '\xdc10d9bc678e24aa75426403db7f2705d611734c35980a4472fdbdd579e06c7c58b67699c457d076015ca4a4b1313a5efdceba4e91c89e55badaf27b9207533e5d286663fe03f41a889c3fd0f821be30607668213903ff5b85c19847ff9078537da8c89f2037960f85b1f1c4b98bc10d');
INSERT INTO public.vault_values VALUES ('audit', 'audit', 1, 'value', 1, '\x02e7b0727dd4c0e4c1fc2d7da94da1383377df498da7700681ff08ea79afff2c24e986fcf39beea3219c973926c9746d7c2cf08ac12cf9c48afc83baaed16ab2e26d3b5826bdd02689a2e5b51e7851ff5ec6666dc1c85a926c4cf6a1b8546d7c22a5eb5f8acacecf0e807cdc9d45b2ba', '\xa184b1d6163fa2b2e431615800c889df16e7031af2ee905f9a9ecf1e01a44f9b045404679bf94b287937a720d1bc3bfbd5d8966e0d41f08a7abe2594439aca110979ad50c58644c89e630448422f6c845e3e32fbd5882e053cbe8268d9156b52b0874f8e31b9cac19ffb5917fed5afdf', 1795327918014);
INSERT INTO public.vault_values VALUES ('authority', 'agents', 1, 'key', 1, '\xd57c15baa17b5b82da6b14e156bc9d897c43d356789881532f652ed3401136d5b791075f64d5ac7b6e46aae251c704b2a660d546853eae061500ddcfbc442c048589a5c3db8cc331fd43fce3c5596039b250d4c222f5eca2d43ef032ba1bee067160e64308637bb86bdc985490fdab97', '\xaaf6f6734b5ad49de61358128395894dc9e74a6155a2a1c549a41e3f604da6e14de05787b2a912102ca0ffa093a29fdc80e58d06f26e8cc1539b7e6c8729fee3b5245d96692e89e779e6b9cc5a3bb53b8fa0b7bd505569bf08a5a3e830bc292a8700664667db213abe615d97e1ce2ccb6f13b4ded8f1dd17416c843860d2b0e6f3dae3fa910fffe2631f7f7486295410288906458444a060648676fac20e350288d057b6a28bb7fa8a74c08c2d2b04fc687164dee9f074258f31eda94a03b12c6f71cf2c374eaf948cbaa8e3c22a5223b90b985982067a40c375', 1795327918027);
INSERT INTO public.vault_values VALUES ('authority', 'agents', 1, 'certificate', 1, '\x20d9e0ed8edba415b7c2594cfebb21bdb160c58d09b8ddb9467859ef95456e5056f59e2dedd99d08cb26e8195f4b7a7d730475a80ab7c751800356a6186a84df96feda1dfecd25ca71c90f0e08744b91a39a992ef861b7f1739ee9417aa6a1e1dea42148b749a8e3d0e936bea24dd593', '\x37f094ead3362d24af6fa39152cc4cb423fc038338d5941e730402032f3f717357fa7a420e0e4a356043ed77da6c9f6bad48e4646894a0e5f1cf7967738cedf9cbf066c2a56000d99326fbce7353eadcb2b4d06085ecef5e646f9e5a343e11d89ed9501e1d55bdf7ee0d5e6e7fbe3ae104f8dcce7628bd0869345bd4605c82d191ca98719705030be7aa2914b63839719cf5cdc40f4882c28dc0b78937099a9b4ea58c2d15e9a8dc6e9b5cefc3250fa678ff5d3be1212c0e2bd66577d482e8a6de82ffea46d93a477eb191815ec3e8bfd053bbe820d6c980e031f83d7aea0c4dbe5c32c75422977f51a46ca5cd056cf3ed9a98269fd1a78dc427db882e75afddba4e592d12d15d17e9965ea2f91dc7b6088412dada04ab77edf7aaa6b5394f0d56404972b7543a5a7ac36cc1c4172c90b8985ae0fc99d67f94c5f98228c634b7ced317fcc41d7b34981d682e7455e1e55ae94ed83b8d7c5104928b7e7026461bb931080b399c11f07bbcb881dba13ab3791acb5981e8d69f79d49895a5dbd473abeb7279249f2222bc0794e523bf597c87deb8aaa3fe42e774cd417591b2d9225834be65fb269cb73579cd9706b4878fe366350142d696ebb1805410a8eb1110190c6b4433f549083feaf671bba7a8a1a72ee0', 1795327918028);
INSERT INTO public.vault_values VALUES ('totp', 'user_01m80y3zyg8s0v553myk9se5kx', 1, 'value', 1, '\x224068727a7fa71bdf1bdbc1ebd8a19a586e169fcfcc92df92a00ef5676a658da9790cc87d753c0c40ec0e61d3ef97ca72556d0a8e3222a582bfe7743ab2597d1805cda30fe856f6df87cb490716bfdfcf21303d63638b5904faa41da8e371c69961de0281289008fcf595fb1cde2795', '\x2aa4831d9555c055a69b735c214ec729a1417f15afbe929d7ad147f6d90bf0879fa37c246c177625a3e4cb84550c748adbbb4f40f64c26b6e5f1d01e8fe9706861ccfcc72c5adb3817ebb2ea4b662ce6f3b9d01288750e36e096be64cfa65fb9bff5cc9f', 1795327918082);
INSERT INTO public.vault_values VALUES ('password', 'sec_01m80y402gkwmpd6g1b6t4qdqq', 1, 'value', 1, '\x7a19db060aa70407d7d32c0d622b4ba525f6f032053bc521b3e1307317d6064904548fcc6653e61cde3c933873a2494680b30f0d852a13e219f75f9315528edc7bbb85dcc308b07909bc71e579ed39bd246b7e5b9dd8ca3572a698ee889092c4cfb9fab35650dd4464b8e660839216b7', '\xba47f5789704ec73c49a48d7cffd06ee81b3d3a4bb0c3d7f3dddc68bd572b9b0b765966241b41e4d3439a49e147694d10277651d111fdcd1daa467d047e0dee6a1dcedc0ac97ac13e0edd892b2879b264ffede2cc00e106302f41c07607970123c898c', 1795327918193);
INSERT INTO public.vault_values VALUES ('password', 'sec_01m80y402gkwmpd6g1b6t4qdqq', 2, 'value', 1, '\x1bfb2009a71112f8b91ed91a9e49d16e0b7f3bdb5af610c5348f32e1b662d2ab76e1403d3f624005fa41ea17fc37331469ef8123df40ffb8d9fbe8f775e8000969a4edae4b7066cb9b752905fe4c5174d4ac2289cc9f94e5a915a158335943e71de9fa50d3a3997bd0ccd042d9de2600', '\x08063b745a769d8c77b01dd6e51870b47f39963da007055bbc16bda33d329a3e3d6a13c13c11e36d7d29c59bc93974c3c92380b29559c24286ced029c4be84495dc6ea532c3e52149a7c0dfb715511229db39f25a739511c9be1164aaaf47bed20d44eb8', 1795327918225);
INSERT INTO public.vault_values VALUES ('encryption-key', 'sec_01m80y4051nz97wt5gx70r1fzb', 1, 'value', 1, '\x1f7fdebad7a7969a65c36778206e3ea4c922d29d74360685c5f7e70744ffba2f780f2b3f3faf1329f6f8af9683718b18883702892e14d3f4c0d9a3ed40f836d4b66bd39c8da44c0e7817706d6b8847fd70afd986386ffc67d67448192ce905c00a245e5f3c7b87d608a9c42bd639a3fb', '\x8c2fcbeba01607e78efba58206b7bd9355a50f28366956d5b5abca5179c87042f7e403770a15e2e4a75960863f7d7753d03145219b4887e7671fa7aa02e7375f619878fe5722ba6a6d96e696f1d5d57bc785b810cd803e805f5f69b65b05898a0b3a92445599', 1795327918247);
INSERT INTO public.vault_values VALUES ('repository', '26347708b1f72862ec3fb3398bb8de7d', 1, 'value', 1, '\x2d9a98750118988e0a9a3789fe75f52147690342a73631a76e6520b301e96bd2b8afc86a83b853279c7a1a94af73b4123d57b0639cc42a1e9ed64e0fa1bd4633d287e20d460b7bfdffd4afe52c6c5906e38da4a7f83815b6b9a586e10c715d18a7e0f5ec718d7d2ed0479be90aa51d10', '\x572fd0d14e41223fcedc4d20f7dec84a5f880d35e34001357b5e67a3bf25fc8e9e37f4f34f4dee5a112dd25395f3a4848405cb83f81ec72bb65a4232eafef863aef497b8ba9263eb19c579d03c3cd92aa258c1082ef2804ad69d76b5d4ac24d4d00e7951e4868314fee85824ba33ae0d', 1795327919104);
ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT api_tokens_hash_key UNIQUE (hash);
ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT api_tokens_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.audit_checkpoints
    ADD CONSTRAINT audit_checkpoints_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.audit_rows
    ADD CONSTRAINT audit_rows_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.copies
    ADD CONSTRAINT copies_pkey PRIMARY KEY (repository_id, id);
ALTER TABLE ONLY public.devices
    ADD CONSTRAINT devices_certificate_serial_key UNIQUE (certificate_serial);
ALTER TABLE ONLY public.devices
    ADD CONSTRAINT devices_next_certificate_serial_key UNIQUE (next_certificate_serial);
ALTER TABLE ONLY public.devices
    ADD CONSTRAINT devices_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key);
ALTER TABLE ONLY public.keyring_terms
    ADD CONSTRAINT keyring_terms_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_run_id_public_key_hash_key UNIQUE (run_id, public_key_hash);
ALTER TABLE ONLY public.maintenance
    ADD CONSTRAINT maintenance_pkey PRIMARY KEY (repository_id, kind);
ALTER TABLE ONLY public.one_time_tokens
    ADD CONSTRAINT one_time_tokens_pkey PRIMARY KEY (hash);
ALTER TABLE ONLY public.passkeys
    ADD CONSTRAINT passkeys_credential_id_key UNIQUE (credential_id);
ALTER TABLE ONLY public.passkeys
    ADD CONSTRAINT passkeys_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.plan_devices
    ADD CONSTRAINT plan_devices_pkey PRIMARY KEY (plan_id, device_id);
ALTER TABLE ONLY public.plans
    ADD CONSTRAINT plans_name_key UNIQUE (name);
ALTER TABLE ONLY public.plans
    ADD CONSTRAINT plans_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.policies
    ADD CONSTRAINT policies_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.processes
    ADD CONSTRAINT processes_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.repositories
    ADD CONSTRAINT repositories_id_secret_id_key UNIQUE (id, secret_id);
ALTER TABLE ONLY public.repositories
    ADD CONSTRAINT repositories_id_storage_id_key UNIQUE (id, storage_id);
ALTER TABLE ONLY public.repositories
    ADD CONSTRAINT repositories_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.repositories
    ADD CONSTRAINT repositories_storage_id_folder_key UNIQUE (storage_id, folder);
ALTER TABLE ONLY public.run_events
    ADD CONSTRAINT run_events_pkey PRIMARY KEY (run_id, number);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.schema_migrations_lock
    ADD CONSTRAINT schema_migrations_lock_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.secret_exposures
    ADD CONSTRAINT secret_exposures_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.secrets
    ADD CONSTRAINT secrets_name_key UNIQUE (name);
ALTER TABLE ONLY public.secrets
    ADD CONSTRAINT secrets_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.sign_in_failures
    ADD CONSTRAINT sign_in_failures_pkey PRIMARY KEY (subject);
ALTER TABLE ONLY public.storages
    ADD CONSTRAINT storages_name_key UNIQUE (name);
ALTER TABLE ONLY public.storages
    ADD CONSTRAINT storages_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.unlock_slots
    ADD CONSTRAINT unlock_slots_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.user_rights
    ADD CONSTRAINT user_rights_pkey PRIMARY KEY (user_id, "right");
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_name_key UNIQUE (name);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.vault
    ADD CONSTRAINT vault_pkey PRIMARY KEY (one);
ALTER TABLE ONLY public.vault_values
    ADD CONSTRAINT vault_values_pkey PRIMARY KEY (object_kind, object_id, version, field);
CREATE INDEX api_tokens_user ON public.api_tokens USING btree (user_id);
CREATE INDEX audit_rows_action ON public.audit_rows USING btree (action, number);
CREATE INDEX audit_rows_actor ON public.audit_rows USING btree (actor_kind, actor_id, number);
CREATE INDEX audit_rows_at ON public.audit_rows USING btree (at);
CREATE INDEX audit_rows_subject ON public.audit_rows USING btree (subject_kind, subject_id, number);
CREATE INDEX copies_device ON public.copies USING btree (device_id, "time");
CREATE INDEX copies_plan ON public.copies USING btree (plan_id, "time");
CREATE INDEX copies_repository ON public.copies USING btree (repository_id, "time");
CREATE INDEX copies_time ON public.copies USING btree ("time", id);
CREATE INDEX devices_name ON public.devices USING btree (name, id);
CREATE INDEX devices_process ON public.devices USING btree (process_id);
CREATE INDEX idempotency_keys_age ON public.idempotency_keys USING btree (created_at);
CREATE INDEX leases_device ON public.leases USING btree (device_id, ended_at);
CREATE INDEX maintenance_next ON public.maintenance USING btree (next_at);
CREATE INDEX one_time_tokens_expiry ON public.one_time_tokens USING btree (expires_at);
CREATE INDEX passkeys_user ON public.passkeys USING btree (user_id);
CREATE INDEX plan_devices_device ON public.plan_devices USING btree (device_id);
CREATE INDEX plan_devices_next ON public.plan_devices USING btree (next_start_at);
CREATE INDEX plans_repository ON public.plans USING btree (repository_id);
CREATE INDEX plans_secret ON public.plans USING btree (secret_id);
CREATE INDEX plans_storage ON public.plans USING btree (storage_id);
CREATE INDEX repositories_secret ON public.repositories USING btree (secret_id);
CREATE INDEX runs_device ON public.runs USING btree (device_id, state);
CREATE UNIQUE INDEX runs_one_at_a_time ON public.runs USING btree (task_id) WHERE (state = ANY (ARRAY['given'::text, 'running'::text]));
CREATE INDEX runs_task ON public.runs USING btree (task_id);
CREATE INDEX secret_exposures_device ON public.secret_exposures USING btree (device_id, at);
CREATE INDEX secret_exposures_object ON public.secret_exposures USING btree (object_kind, object_id, at);
CREATE INDEX sessions_expiry ON public.sessions USING btree (expires_at);
CREATE INDEX sessions_user ON public.sessions USING btree (user_id);
CREATE INDEX sign_in_failures_last ON public.sign_in_failures USING btree (last_at);
CREATE INDEX tasks_created ON public.tasks USING btree (created_at, id);
CREATE INDEX tasks_device ON public.tasks USING btree (device_id, created_at);
CREATE INDEX tasks_plan ON public.tasks USING btree (plan_id, created_at);
CREATE INDEX tasks_queue ON public.tasks USING btree (state, device_id, not_before);
CREATE INDEX tasks_repository ON public.tasks USING btree (repository_id, state);
CREATE INDEX vault_values_term ON public.vault_values USING btree (term);
CREATE TRIGGER audit_checkpoints_frozen_delete BEFORE DELETE ON public.audit_checkpoints FOR EACH ROW EXECUTE FUNCTION public.audit_checkpoints_frozen_delete();
CREATE TRIGGER audit_checkpoints_frozen_truncate BEFORE TRUNCATE ON public.audit_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION public.audit_checkpoints_frozen_truncate();
CREATE TRIGGER audit_checkpoints_frozen_update BEFORE UPDATE ON public.audit_checkpoints FOR EACH ROW EXECUTE FUNCTION public.audit_checkpoints_frozen_update();
CREATE TRIGGER audit_rows_frozen_delete BEFORE DELETE ON public.audit_rows FOR EACH ROW EXECUTE FUNCTION public.audit_rows_frozen_delete();
CREATE TRIGGER audit_rows_frozen_truncate BEFORE TRUNCATE ON public.audit_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_rows_frozen_truncate();
CREATE TRIGGER audit_rows_frozen_update BEFORE UPDATE ON public.audit_rows FOR EACH ROW EXECUTE FUNCTION public.audit_rows_frozen_update();
CREATE TRIGGER plans_frozen_update BEFORE UPDATE ON public.plans FOR EACH ROW EXECUTE FUNCTION public.plans_frozen_update();
CREATE TRIGGER repositories_frozen_update BEFORE UPDATE ON public.repositories FOR EACH ROW EXECUTE FUNCTION public.repositories_frozen_update();
CREATE TRIGGER secret_exposures_frozen_delete BEFORE DELETE ON public.secret_exposures FOR EACH ROW EXECUTE FUNCTION public.secret_exposures_frozen_delete();
CREATE TRIGGER secret_exposures_frozen_truncate BEFORE TRUNCATE ON public.secret_exposures FOR EACH STATEMENT EXECUTE FUNCTION public.secret_exposures_frozen_truncate();
CREATE TRIGGER secret_exposures_frozen_update BEFORE UPDATE ON public.secret_exposures FOR EACH ROW EXECUTE FUNCTION public.secret_exposures_frozen_update();
CREATE TRIGGER secrets_frozen_update BEFORE UPDATE ON public.secrets FOR EACH ROW EXECUTE FUNCTION public.secrets_frozen_update();
CREATE TRIGGER vault_values_frozen_delete BEFORE DELETE ON public.vault_values FOR EACH ROW EXECUTE FUNCTION public.vault_values_frozen_delete();
CREATE TRIGGER vault_values_frozen_truncate BEFORE TRUNCATE ON public.vault_values FOR EACH STATEMENT EXECUTE FUNCTION public.vault_values_frozen_truncate();
CREATE TRIGGER vault_values_frozen_update BEFORE UPDATE ON public.vault_values FOR EACH ROW EXECUTE FUNCTION public.vault_values_frozen_update();
ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT api_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.copies
    ADD CONSTRAINT copies_repository_id_fkey FOREIGN KEY (repository_id) REFERENCES public.repositories(id);
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.maintenance
    ADD CONSTRAINT maintenance_repository_id_fkey FOREIGN KEY (repository_id) REFERENCES public.repositories(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.passkeys
    ADD CONSTRAINT passkeys_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.plan_devices
    ADD CONSTRAINT plan_devices_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.devices(id);
ALTER TABLE ONLY public.plan_devices
    ADD CONSTRAINT plan_devices_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.plans(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.plans
    ADD CONSTRAINT plans_repository_id_secret_id_fkey FOREIGN KEY (repository_id, secret_id) REFERENCES public.repositories(id, secret_id);
ALTER TABLE ONLY public.plans
    ADD CONSTRAINT plans_repository_id_storage_id_fkey FOREIGN KEY (repository_id, storage_id) REFERENCES public.repositories(id, storage_id);
ALTER TABLE ONLY public.plans
    ADD CONSTRAINT plans_storage_id_fkey FOREIGN KEY (storage_id) REFERENCES public.storages(id);
ALTER TABLE ONLY public.repositories
    ADD CONSTRAINT repositories_secret_id_fkey FOREIGN KEY (secret_id) REFERENCES public.secrets(id);
ALTER TABLE ONLY public.repositories
    ADD CONSTRAINT repositories_storage_id_fkey FOREIGN KEY (storage_id) REFERENCES public.storages(id);
ALTER TABLE ONLY public.run_events
    ADD CONSTRAINT run_events_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_task_id_fkey FOREIGN KEY (task_id) REFERENCES public.tasks(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.user_rights
    ADD CONSTRAINT user_rights_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.vault_values
    ADD CONSTRAINT vault_values_term_fkey FOREIGN KEY (term) REFERENCES public.keyring_terms(number);

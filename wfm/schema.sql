-- Every table, key, unit and column comment, once.
--
-- A section "migration N" is applied once, in one transaction, to a database that has not seen it. New sections are
-- added at the end; an applied one is never edited. wfm/schema.py turns the result into polars schemas, and the
-- comments behind columns into comments inside the database.
--
-- Nothing is ever overwritten. Each row says which knowledge it is:
--   recorded_at    when the row became known to this database
--   replaced_at    when a row with the same key and other values took its place; empty = in force
--   collection_id  which import or collection brought it (table collection)
--   row_no         where it stood there (a file's row as its reader counts, or the position in a payload)
-- "key" names the columns by which a later row takes the place of an earlier one; empty equals empty.

-- migration 1: the main job

CREATE TABLE migration (          -- key: version
    version      INTEGER NOT NULL,     -- number of the section of schema.sql
    name         VARCHAR NOT NULL,     -- its title
    applied_at   TIMESTAMPTZ NOT NULL  -- when it was applied
);

CREATE TABLE collection (         -- key: collection_id
    collection_id BIGINT NOT NULL,     -- number of the import or collection cycle
    source       VARCHAR NOT NULL,     -- the configured account, or the name given at import
    feed         VARCHAR NOT NULL,     -- the table it fills
    origin       VARCHAR NOT NULL,     -- import, collect, replay or settle
    from_at      TIMESTAMPTZ,          -- first instant of the window that was asked for, or of the rows
    to_at        TIMESTAMPTZ,          -- end of that window, exclusive
    result       VARCHAR NOT NULL,     -- complete, partial or failed
    file_name    VARCHAR,              -- the imported file
    read_n       BIGINT NOT NULL,      -- rows read
    added_n      BIGINT NOT NULL,      -- rows that were new
    replaced_n   BIGINT NOT NULL,      -- rows that took the place of an earlier one
    skipped_n    BIGINT NOT NULL,      -- bad rows set aside
    note         VARCHAR,              -- what went wrong, or was decided
    made_at      TIMESTAMPTZ NOT NULL  -- when it ended
);

CREATE TABLE agent (              -- key: agent_id
    agent_id     VARCHAR NOT NULL,     -- the person, across every phone system
    name         VARCHAR,              -- as people call them
    team         VARCHAR,              -- the team whose figures include theirs
    site         VARCHAR,              -- where they work
    timezone     VARCHAR,              -- IANA zone of their workday; empty = WFM_TIMEZONE
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE login (              -- key: source, login, from_at
    source       VARCHAR NOT NULL,     -- the account whose login it is
    login        VARCHAR NOT NULL,     -- what the vendor calls the agent
    agent_id     VARCHAR NOT NULL,     -- who that is; a login with no row is its own agent_id
    from_at      TIMESTAMPTZ,          -- since when; empty = always
    to_at        TIMESTAMPTZ,          -- until when, exclusive; empty = open
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE queue (              -- key: source, queue_id
    source       VARCHAR NOT NULL,     -- the account whose queue it is
    queue_id     VARCHAR NOT NULL,     -- the vendor's name of it
    name         VARCHAR,              -- as people call it
    timezone     VARCHAR,              -- IANA zone of its opening hours; empty = WFM_TIMEZONE
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE activity (           -- key: activity
    activity     VARCHAR NOT NULL,     -- the word schedules use
    category     VARCHAR NOT NULL,     -- on_queue off_queue_work break meal training meeting time_off unavailable
    paid         BOOLEAN,              -- whether its time is paid
    counted      BOOLEAN,              -- whether its seconds are in the denominator; empty = as its category
    shrinkage    VARCHAR,              -- planned, unplanned or none
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE state_map (          -- key: source, vendor_state, vendor_reason
    source       VARCHAR NOT NULL,     -- the account it holds for; * = every one
    vendor_state VARCHAR NOT NULL,     -- what the vendor says; case, spaces, _ and - do not matter
    state        VARCHAR NOT NULL,     -- what that means (wfm.terms.STATES)
    vendor_reason VARCHAR,             -- the vendor's reason code; empty = any
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE rule (               -- key: category, state
    category     VARCHAR NOT NULL,     -- a category of activities
    state        VARCHAR NOT NULL,     -- a state
    in_adherence BOOLEAN NOT NULL,     -- whether that state is in adherence with it
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE holiday (            -- key: on_date
    on_date      DATE NOT NULL,        -- the local day
    name         VARCHAR NOT NULL,     -- which one: the same name every year lets the forecast learn from the last
    closed       BOOLEAN,              -- whether the centre is closed
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE schedule (           -- key: agent_id, start_at, end_at, activity, published_at
    agent_id     VARCHAR NOT NULL,     -- who
    start_at     TIMESTAMPTZ NOT NULL, -- first instant
    end_at       TIMESTAMPTZ NOT NULL, -- end, exclusive
    activity     VARCHAR NOT NULL,     -- what; a word of table activity
    published_at TIMESTAMPTZ,          -- since when it holds: a later publication replaces the agent's whole workday
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE agent_state (        -- key: source, login, at, vendor_state, vendor_reason
    source       VARCHAR NOT NULL,     -- the account that said so
    login        VARCHAR NOT NULL,     -- what the vendor calls the agent
    "at"         TIMESTAMPTZ NOT NULL, -- when the login entered the state
    vendor_state VARCHAR NOT NULL,     -- the state in the vendor's words
    vendor_reason VARCHAR,             -- the vendor's reason code
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE call_leg (           -- key: source, leg_id
    source       VARCHAR NOT NULL,     -- the account that logged it
    leg_id       VARCHAR NOT NULL,     -- the vendor's key of the leg
    call_id      VARCHAR,              -- what its legs share
    login        VARCHAR,              -- whose phone it was
    queue_id     VARCHAR,              -- the queue it came through
    direction    VARCHAR,              -- in, out, internal or unknown
    started_at   TIMESTAMPTZ,          -- entered the queue, or began to ring or to dial
    answered_at  TIMESTAMPTZ,          -- answered by the agent; empty = not answered
    ended_at     TIMESTAMPTZ,          -- hung up
    ring_s       DOUBLE,               -- seconds before the answer
    talk_s       DOUBLE,               -- seconds from answer to end
    wrap_s       DOUBLE,               -- seconds of wrap-up after the end
    outcome      VARCHAR,              -- answered, abandoned, no_answer, busy ... (open)
    from_number  VARCHAR,              -- as the vendor wrote it
    to_number    VARCHAR,              -- as the vendor wrote it
    recording_id VARCHAR,              -- the vendor's key of the recording
    linked_call_id VARCHAR,            -- the same customer call elsewhere
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE interval_volume (    -- key: source, queue_id, interval_start
    source       VARCHAR NOT NULL,     -- the account that counted it
    queue_id     VARCHAR NOT NULL,     -- the queue
    interval_start TIMESTAMPTZ NOT NULL, -- first instant of the 15 minutes
    entered      BIGINT NOT NULL,      -- calls that entered the queue
    abandoned    BIGINT NOT NULL,      -- of these, gave up before an agent answered
    sum_handle_time_s DOUBLE NOT NULL, -- seconds of handling, as the vendor books them
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE exemption (          -- key: start_at, end_at, kind, agent_id, team, code, made_at
    start_at     TIMESTAMPTZ NOT NULL, -- first instant
    end_at       TIMESTAMPTZ NOT NULL, -- end, exclusive
    kind         VARCHAR NOT NULL,     -- approved (somebody excused it) or system (an outage)
    agent_id     VARCHAR,              -- whom; empty with an empty team = everybody
    team         VARCHAR,              -- which team
    code         VARCHAR,              -- a short reason
    note         VARCHAR,              -- the reason in words
    "by"         VARCHAR,              -- who approved it
    made_at      TIMESTAMPTZ,          -- when; empty = when it was recorded
    revoked_at   TIMESTAMPTZ,          -- since when it no longer holds
    revoked_by   VARCHAR,              -- who revoked it
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE coverage (           -- key: source, start_at, end_at
    source       VARCHAR NOT NULL,     -- the account whose agent states were observed
    start_at     TIMESTAMPTZ NOT NULL, -- first instant
    end_at       TIMESTAMPTZ NOT NULL, -- end, exclusive
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE forecast (           -- key: queue_id, interval_start, origin, made_at
    queue_id     VARCHAR NOT NULL,     -- the queue
    interval_start TIMESTAMPTZ NOT NULL, -- first instant of the 15 minutes
    volume       DOUBLE NOT NULL,      -- expected calls
    volume_p10   DOUBLE NOT NULL,      -- one time in ten fewer
    volume_p50   DOUBLE NOT NULL,      -- half the time fewer
    volume_p90   DOUBLE NOT NULL,      -- one time in ten more
    aht_s        DOUBLE,               -- expected handle seconds per handled call
    aht_p10      DOUBLE,               -- one time in ten shorter
    aht_p90      DOUBLE,               -- one time in ten longer
    model        VARCHAR NOT NULL,     -- how it was made
    origin       TIMESTAMPTZ NOT NULL, -- where the data ended
    made_at      TIMESTAMPTZ NOT NULL  -- when it was computed
);

CREATE TABLE report_row (         -- key: source, report_id, from_at, to_at, row_no, column_key
    source       VARCHAR NOT NULL,     -- the account that ran the report
    report_id    VARCHAR NOT NULL,     -- the vendor's report
    execution_id VARCHAR,              -- the vendor's run of it
    from_at      TIMESTAMPTZ NOT NULL, -- first instant of its window
    to_at        TIMESTAMPTZ NOT NULL, -- end of its window, exclusive
    row_no       BIGINT NOT NULL,      -- row of the report
    column_key   VARCHAR NOT NULL,     -- the vendor's column
    column_title VARCHAR,              -- its title
    column_format VARCHAR,             -- its format
    value        VARCHAR,              -- as the vendor wrote it
    number       DOUBLE,               -- the same as a number
    unit         VARCHAR,              -- of number
    collection_id BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE call_audit (         -- key: source, leg_id, hash
    source       VARCHAR NOT NULL,     -- the account that said so
    leg_id       VARCHAR NOT NULL,     -- the leg it is about
    seen_at      TIMESTAMPTZ NOT NULL, -- when we saw this version
    payload      VARCHAR NOT NULL,     -- what the vendor said
    hash         VARCHAR NOT NULL      -- chained to the row before
);

-- migration 2: collecting over the wire

CREATE TABLE batch (              -- key: name
    name         VARCHAR NOT NULL,     -- the collector's name of it, so that it is stored once, also after a crash
    collection_id BIGINT NOT NULL      -- what it became
);

CREATE TABLE payload (            -- key: collection_id, position
    collection_id BIGINT NOT NULL,     -- the collection that brought it
    position     BIGINT NOT NULL,      -- its place in there
    source       VARCHAR NOT NULL,     -- the configured account
    feed         VARCHAR NOT NULL,     -- what was asked for
    received_at  TIMESTAMPTZ NOT NULL, -- when it came
    context      VARCHAR NOT NULL,     -- what one must know to read it, as JSON; no secret
    size         BIGINT NOT NULL,      -- bytes before compression
    body         BLOB NOT NULL         -- as it came, compressed with zstd
);

-- migration 3: calls put together from what was said of them

CREATE TABLE call_event (         -- key: source, event_id
    source       VARCHAR NOT NULL,     -- the account that said so
    event_id     VARCHAR NOT NULL,     -- what makes it this event, however often it is delivered
    call_id      VARCHAR NOT NULL,     -- the call it is about; its legs are put together from all events of the call
    "at"         TIMESTAMPTZ,          -- when it happened, by the vendor's clock
    kind         VARCHAR NOT NULL,     -- what happened, in the vendor's words: dial-in, answer, hangup ...
    said         VARCHAR NOT NULL,     -- everything that was said, as a JSON object
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

ALTER TABLE call_leg ADD COLUMN from_e164 VARCHAR; -- from_number as an international number; empty = it is none
ALTER TABLE call_leg ADD COLUMN to_e164 VARCHAR;   -- to_number as an international number; empty = it is none

-- migration 4: clocks that are wrong

CREATE TABLE clock (              -- key: source, from_at
    source       VARCHAR NOT NULL,     -- the account whose clock it is
    offset_s     DOUBLE NOT NULL,      -- seconds its clock is ahead; its calls and states are read that much earlier
    from_at      TIMESTAMPTZ,          -- since when, by that clock; empty = always
    to_at        TIMESTAMPTZ,          -- until when, exclusive; empty = open
    "by"         VARCHAR,              -- who said so
    note         VARCHAR,              -- how it is known
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

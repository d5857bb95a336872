-- The tables: their keys, columns, units and comments.
--
-- A section "migration N" is applied once, in one transaction, to a database that lacks it. New sections are added at the
-- end; the statements of an applied one are never edited. The schema module turns the result into polars schemas, and
-- the comments after columns are stored as comments in the database.
--
-- Nothing is ever overwritten. Each row of a versioned table says when it was in force and where it came from:
--   recorded_at    when the row was recorded in this database
--   replaced_at    when a row with the same key and other values replaced it; empty = in force
--   collection_id  the import or collection that brought it (table collection)
--   row_no         its position there (the row number of a file, or the position in a payload)
-- "key" names the columns by which a later row replaces an earlier one; empty equals empty.

-- migration 1: schedules, states, calls, volume and forecasts

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
    from_at      TIMESTAMPTZ,          -- start of the window that was collected, or of the rows
    to_at        TIMESTAMPTZ,          -- end of that window, exclusive
    result       VARCHAR NOT NULL,     -- complete, partial or failed
    file_name    VARCHAR,              -- the imported file
    read_n       BIGINT NOT NULL,      -- rows read
    added_n      BIGINT NOT NULL,      -- rows that were new
    replaced_n   BIGINT NOT NULL,      -- rows that replaced an earlier one
    skipped_n    BIGINT NOT NULL,      -- bad rows left out
    note         VARCHAR,              -- errors, and what was decided
    made_at      TIMESTAMPTZ NOT NULL  -- when it ended
);

CREATE TABLE agent (              -- key: agent_id
    agent_id     VARCHAR NOT NULL,     -- the person, across every phone system
    name         VARCHAR,              -- display name
    team         VARCHAR,              -- the team that the agent counts for
    site         VARCHAR,              -- where the agent works
    timezone     VARCHAR,              -- IANA zone of their workday; empty = WFM_TIMEZONE
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE login (              -- key: source, login, from_at
    source       VARCHAR NOT NULL,     -- the account that the login belongs to
    login        VARCHAR NOT NULL,     -- the vendor's name for the agent
    agent_id     VARCHAR NOT NULL,     -- the agent; a login with no row is its own agent_id
    from_at      TIMESTAMPTZ,          -- since when; empty = always
    to_at        TIMESTAMPTZ,          -- until when, exclusive; empty = open
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE queue (              -- key: source, queue_id
    source       VARCHAR NOT NULL,     -- the account that the queue belongs to
    queue_id     VARCHAR NOT NULL,     -- the vendor's name for it
    name         VARCHAR,              -- display name
    timezone     VARCHAR,              -- IANA zone of its opening hours; empty = WFM_TIMEZONE
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE activity (           -- key: activity
    activity     VARCHAR NOT NULL,     -- the name that schedules use
    category     VARCHAR NOT NULL,     -- on_queue off_queue_work break meal training meeting time_off unavailable
    paid         BOOLEAN,              -- whether its time is paid
    counted      BOOLEAN,              -- whether its seconds are in the denominator; empty = as its category
    shrinkage    VARCHAR,              -- planned, unplanned or none
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE state_map (          -- key: source, vendor_state, vendor_reason
    source       VARCHAR NOT NULL,     -- the account it applies to; * = every account
    vendor_state VARCHAR NOT NULL,     -- the vendor's state; case, spaces, _ and - do not matter
    state        VARCHAR NOT NULL,     -- the state of the glossary it is mapped to
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
    name         VARCHAR NOT NULL,     -- its name; with the same name every year the forecast learns from earlier years
    closed       BOOLEAN,              -- whether the centre is closed
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE schedule (           -- key: agent_id, start_at, end_at, activity, published_at
    agent_id     VARCHAR NOT NULL,     -- the agent
    start_at     TIMESTAMPTZ NOT NULL, -- start
    end_at       TIMESTAMPTZ NOT NULL, -- end, exclusive
    activity     VARCHAR NOT NULL,     -- an activity of table activity
    published_at TIMESTAMPTZ,          -- when it was published: a later publication replaces the agent's whole workday
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE agent_state (        -- key: source, login, at, vendor_state, vendor_reason
    source       VARCHAR NOT NULL,     -- the account that reported it
    login        VARCHAR NOT NULL,     -- the vendor's name for the agent
    "at"         TIMESTAMPTZ NOT NULL, -- when the login entered the state
    vendor_state VARCHAR NOT NULL,     -- the state as the vendor names it
    vendor_reason VARCHAR,             -- the vendor's reason code
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE call_leg (           -- key: source, leg_id
    source       VARCHAR NOT NULL,     -- the account that logged it
    leg_id       VARCHAR NOT NULL,     -- the vendor's key of the leg
    call_id      VARCHAR,              -- the same for all legs of a call
    login        VARCHAR,              -- the agent's login
    queue_id     VARCHAR,              -- the queue it came from
    direction    VARCHAR,              -- in, out, internal or unknown
    started_at   TIMESTAMPTZ,          -- when it entered the queue, or began to ring or to dial
    answered_at  TIMESTAMPTZ,          -- when the agent answered; empty = not answered
    ended_at     TIMESTAMPTZ,          -- when it ended
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
    abandoned    BIGINT NOT NULL,      -- of these, hung up before an agent answered
    sum_handle_time_s DOUBLE NOT NULL, -- seconds of handling, as the vendor books them
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

CREATE TABLE exemption (          -- key: start_at, end_at, kind, agent_id, team, code, made_at
    start_at     TIMESTAMPTZ NOT NULL, -- first instant
    end_at       TIMESTAMPTZ NOT NULL, -- end, exclusive
    kind         VARCHAR NOT NULL,     -- approved (excused by somebody) or system (an outage)
    agent_id     VARCHAR,              -- the agent; empty with an empty team = everybody
    team         VARCHAR,              -- the team
    code         VARCHAR,              -- a short reason
    note         VARCHAR,              -- the reason in words
    "by"         VARCHAR,              -- who approved it
    made_at      TIMESTAMPTZ,          -- when it was approved; empty = when it was recorded
    revoked_at   TIMESTAMPTZ,          -- when it was revoked
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
    model        VARCHAR NOT NULL,     -- the forecasting method
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
    source       VARCHAR NOT NULL,     -- the account that reported it
    leg_id       VARCHAR NOT NULL,     -- the leg it is about
    seen_at      TIMESTAMPTZ NOT NULL, -- when this version was received
    payload      VARCHAR NOT NULL,     -- the vendor's record of the leg
    hash         VARCHAR NOT NULL      -- SHA-256 over the row and the hash before it
);

-- migration 2: collection from phone systems

CREATE TABLE batch (              -- key: name
    name         VARCHAR NOT NULL,     -- the collector's name for it, so that it is stored once, also after a crash
    collection_id BIGINT NOT NULL      -- the collection it was stored as
);

CREATE TABLE payload (            -- key: collection_id, position
    collection_id BIGINT NOT NULL,     -- the collection that brought it
    position     BIGINT NOT NULL,      -- its position in the collection
    source       VARCHAR NOT NULL,     -- the configured account
    feed         VARCHAR NOT NULL,     -- the feed
    received_at  TIMESTAMPTZ NOT NULL, -- when it was received
    context      VARCHAR NOT NULL,     -- what a parser needs as well, as JSON; no secrets
    size         BIGINT NOT NULL,      -- bytes before compression
    body         BLOB NOT NULL         -- as received, compressed with zstd
);

-- migration 3: call events, and numbers in international format

CREATE TABLE call_event (         -- key: source, event_id
    source       VARCHAR NOT NULL,     -- the account that reported it
    event_id     VARCHAR NOT NULL,     -- identifies the event, however often it is delivered
    call_id      VARCHAR NOT NULL,     -- the call it is about; its legs are assembled from all events of the call
    "at"         TIMESTAMPTZ,          -- when it happened, by the vendor's clock
    kind         VARCHAR NOT NULL,     -- the vendor's event type: dial-in, answer, hangup ...
    said         VARCHAR NOT NULL,     -- all fields of the event, as a JSON object
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

ALTER TABLE call_leg ADD COLUMN from_e164 VARCHAR; -- from_number in E.164 format; empty = not a public number
ALTER TABLE call_leg ADD COLUMN to_e164 VARCHAR;   -- to_number in E.164 format; empty = not a public number

-- migration 4: clock offsets

CREATE TABLE clock (              -- key: source, from_at
    source       VARCHAR NOT NULL,     -- the account that the clock belongs to
    offset_s     DOUBLE NOT NULL,      -- seconds its clock is ahead; its calls and states are read that much earlier
    from_at      TIMESTAMPTZ,          -- since when, by that clock; empty = always
    to_at        TIMESTAMPTZ,          -- until when, exclusive; empty = open
    "by"         VARCHAR,              -- who recorded it
    note         VARCHAR,              -- the evidence for it
    collection_id BIGINT, row_no BIGINT, recorded_at TIMESTAMPTZ NOT NULL, replaced_at TIMESTAMPTZ
);

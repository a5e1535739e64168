-- What is kept of single jobs, put behind prelude.lua: leases, times, counts of
-- attempts and crashes, and how all of it goes.

-- A lease record: `token score reserved_at stopping ttr worker`.
local function read_lease(record)
  local token, score, at, stopping, ttr, worker =
    string.match(record, '^(%S+) (%S+) (%d+) ([01]) (%d+) (.*)$')
  return {
    token = token or '', score = tonumber(score or '0'), at = at or '0',
    stopping = stopping == '1', ttr = tonumber(ttr or '0'), worker = worker or '',
  }
end

-- Whether this is the record of a job (JSON), as far as that shows at its ends.
local function is_job(record)
  return record and string.find(record, '{"key":"', 1, true) == 1 and string.byte(record, -1) == 125
end

-- What is kept of a job: its lease or nil, job (JSON) or false, crashes, and
-- its times: since when it can be taken for its next attempt (ready, nil where
-- that is not known), how many attempts were counted when that was written
-- (where there are more, a PHP worker took it since), when one of ours first
-- took it (first, nil if none did).
local function records_of(k, id)
  local found = redis.call('HMGET', k.jobs, id .. ':lease', id .. ':job', id .. ':times', id .. ':crashes')
  local ready, attempts, first = string.match(found[3] or '', '^(%S+) (%d+) (%S+)$')
  return {
    lease = found[1] and read_lease(found[1]),
    job = is_job(found[2]) and found[2],
    ready = tonumber(ready), attempts = tonumber(attempts), first = tonumber(first),
    crashes = tonumber(found[4] or '0') or 0,
  }
end

local function times(ready, attempts, first)
  return (ready and text(ready) or '-') .. ' ' .. text(attempts) .. ' '
    .. (first and text(first) or '-')
end

local function drop_lease(k, id)
  redis.call('HDEL', k.jobs, id .. ':lease', id .. ':changed')
  redis.call('ZREM', k.leases_at, id)
end

-- The score of a lease: nobody takes the job before ttr + 5 s, at least 30 s.
-- The fraction .xxx5 tells our scores from PHP's, which are whole seconds.
local function lease_score(ttr, now)
  return string.format('%.4f', now / 1000 + math.max(ttr + 5, 30) + 0.0005)
end

local function lease_record(lease, score)
  return table.concat({ lease.token, score, lease.at, lease.stopping and '1' or '0',
    text(lease.ttr), lease.worker }, ' ')
end

-- Longer than the members of a sorted set that Redis keeps as a list.
local LONG = string.rep('-', 100)
-- Members from which on it is worth that.
local MANY = 4

-- Adds pairs of score and id to a sorted set. Redis keeps a small set as a
-- list, which each ZADD walks from its start and reads every score of; one
-- that had a long member is a tree for as long as it is not empty.
local function add_many(k, name, pairs_of)
  if k.has[name] or #pairs_of < 2 * MANY then
    redis.call('ZADD', k[name], unpack(pairs_of))
  else
    redis.call('ZADD', k[name], '0', LONG, unpack(pairs_of))
    redis.call('ZREM', k[name], LONG)
  end
  k.has[name] = true
end

-- Writes a lease. More fields of the job's records may follow.
local function hold(k, id, lease, now, ...)
  local score = lease_score(lease.ttr, now)
  k.has.reserved, k.has.leases_at = true, true
  redis.call('ZADD', k.reserved, score, id)
  redis.call('HSET', k.jobs, id .. ':lease', lease_record(lease, score), ...)
  redis.call('ZADD', k.leases_at, text(now), id)
end

-- What is kept of `id`, if `token` still holds it: the lease is its, and the
-- score that it wrote stands. A lease of its own that no longer holds is dropped.
local function held(k, id, token)
  local records = records_of(k, id)
  local lease = records.lease
  if not lease or lease.token ~= token then
    return nil
  end
  local score = redis.call('ZSCORE', k.reserved, id)
  local stands = score and tonumber(score) == lease.score
  if stands and redis.call('HEXISTS', k.messages, id) == 1 then
    return records
  end
  if stands then
    redis.call('ZREM', k.reserved, id)
  end
  drop_lease(k, id)
  return nil
end

-- What is no count, such as -5, nan or 1.5, is taken for none.
local function count_from(found)
  local digits = string.match(found or '', '^%d+$')
  return digits and #digits <= 9 and tonumber(digits) or 0
end

local function attempts_of(k, id)
  return count_from(redis.call('HGET', k.attempts, id))
end

-- Takes back the counting of an attempt. At 0 the field goes: its presence
-- means "reserved" to yii2-queue's status.
local function uncount(k, id)
  local attempts = attempts_of(k, id) - 1
  if attempts > 0 then
    redis.call('HSET', k.attempts, id, text(attempts))
  else
    redis.call('HDEL', k.attempts, id)
  end
end

-- Whether the sweeps paused lately: then silence does not mean that a worker died.
local function outage(k, now)
  return now - state(k, 'swept_at') > OUTAGE_AFTER or now < state(k, 'grace_until')
end

-- Ends a lease that nobody settled: the attempt is not counted; the crash is,
-- if its worker is dead and was not told to stop.
local function forgive(k, id, records, dead)
  uncount(k, id)
  if dead and not records.lease.stopping then
    records.crashes = records.crashes + 1
    redis.call('HSET', k.jobs, id .. ':crashes', text(records.crashes))
  end
  drop_lease(k, id)
end

local function forget_records(k, id)
  redis.call('HDEL', k.jobs, id .. ':lease', id .. ':job', id .. ':times', id .. ':crashes', id .. ':progress',
    id .. ':record', id .. ':changed')
  redis.call('ZREM', k.leases_at, id)
  if k.has.orphans then
    redis.call('ZREM', k.orphans, id)
  end
end

local function forget(k, id)
  redis.call('ZREM', k.reserved, id)
  redis.call('HDEL', k.attempts, id)
  redis.call('HDEL', k.messages, id)
  forget_records(k, id)
end

-- The same for as many as one command takes; `fields` are all that is kept of them in k.jobs.
local function forget_all(k, ids, fields)
  redis.call('ZREM', k.reserved, unpack(ids))
  redis.call('HDEL', k.attempts, unpack(ids))
  redis.call('HDEL', k.messages, unpack(ids))
  redis.call('HDEL', k.jobs, unpack(fields))
  redis.call('ZREM', k.leases_at, unpack(ids))
  if k.has.orphans then
    redis.call('ZREM', k.orphans, unpack(ids))
  end
end

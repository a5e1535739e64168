-- Shared pieces, put before every script (redis/scripts.rs). Above them stand
-- NAMES and TYPES: the kinds of keys of a channel in the order of KEYS, and the
-- type that each must have, written out of redis/keys.rs; and those of a bucket.
--
-- Every script is given whole blocks of #NAMES keys, one block a channel. It
-- first checks (bad_type, fences, targets) and only then writes, because Redis
-- does not take back what a script wrote before it failed. The numbers below
-- are those of store.rs, in milliseconds.
local LEASE_DEAD_AFTER, OUTAGE_AFTER, OUTAGE_GRACE = 10000, 6000, 12000
local RECEIPT_KEPT, ORPHAN_AFTER = 600000, 60000
local CHUNK = 1000
-- Jobs that one command is about, where it is about several: what Lua can hand over at once has a limit.
local AT_ONCE = 100

-- Whole numbers as text; Lua's own way turns to exponents at 15 digits.
local function text(number)
  return string.format('%.0f', number)
end

-- The keys of the block-th channel, by kind.
local function channel(block)
  local k, before = {}, (block - 1) * #NAMES
  for i = 1, #NAMES do
    k[NAMES[i]] = KEYS[before + i]
  end
  return k
end

-- The keys of a bucket, by kind; they stand behind those of so many channels.
local function bucket(channels)
  local b, before = {}, channels * #NAMES
  for i = 1, #BUCKET_NAMES do
    b[BUCKET_NAMES[i]] = KEYS[before + i]
  end
  return b
end

-- Why a bucket cannot be used, as bad_type has it.
local function bad_bucket(b)
  for i = 1, #BUCKET_NAMES do
    local found = redis.call('TYPE', b[BUCKET_NAMES[i]]).ok
    if found ~= 'none' and found ~= BUCKET_TYPES[i] then
      return b[BUCKET_NAMES[i]] .. ' it is a ' .. found .. ', not a ' .. BUCKET_TYPES[i]
    end
  end
end

-- Milliseconds since 1970: a test's, or Redis's own.
local function clock(given)
  if given ~= '' then
    return tonumber(given)
  end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Why a channel cannot be used, `<key> <reason>`, or nil. Notes in k.has which
-- keys there are, so that scripts need not write to those that are not there.
local function bad_type(k)
  k.has = {}
  for i = 1, #NAMES do
    local found = redis.call('TYPE', k[NAMES[i]]).ok
    if found ~= 'none' and found ~= TYPES[i] then
      return k[NAMES[i]] .. ' it is a ' .. found .. ', not a ' .. TYPES[i]
    end
    k.has[NAMES[i]] = found ~= 'none'
  end
  local last = redis.call('GET', k.message_id)
  -- As INCR takes it, which does not count on `007`.
  if last and not (last == '0' or string.match(last, '^[1-9]%d*$') and #last <= 15) then
    return k.message_id .. ' `' .. string.gsub(string.sub(last, 1, 40), '[^%w%p]', '?')
      .. '` is not a counter of ids'
  end
end

local function corrupt(why)
  return { err = 'CORRUPT ' .. why }
end

-- Numbers in the channel's state; what is not a number counts as 0.
local function state(k, name)
  return tonumber(redis.call('HGET', k.state, name) or '0') or 0
end

local function discard(k, jobs)
  redis.call('HSET', k.state, 'discarded', text(state(k, 'discarded') + jobs))
end

-- A counter of ids that fell means that a PHP program cleared the queue: the
-- records of single jobs speak of other jobs then. The failed set stays; it
-- is no longer part of what was pushed since.
local function notice_clear(k)
  local last, high = tonumber(redis.call('GET', k.message_id) or '0'), state(k, 'high')
  if last < high then
    redis.call('HSET', k.state, 'epoch', text(state(k, 'epoch') + 1), 'high', text(last),
      'discarded', text(-redis.call('ZCARD', k.failed_at)))
    redis.call('UNLINK', k.jobs, k.leases_at, k.done, k.done_at, k.output, k.orphans)
  elseif last > high then
    redis.call('HSET', k.state, 'high', text(last))
  end
end

-- A call's result, kept so that the call can be sent again.
local function receipt(k, token)
  return redis.call('HGET', k.receipts, token)
end

local function keep_receipt(k, token, result, now)
  redis.call('HSET', k.receipts, token, result)
  redis.call('ZADD', k.receipts_at, text(now), token)
end

-- The head of a verb that is about one channel: what it is answered where that
-- cannot be used, or where the call is a repeat; nil where there is work to do.
local function answered(k, token)
  local bad = bad_type(k)
  if bad then
    return corrupt(bad)
  end
  local before = receipt(k, token)
  if before then
    return before
  end
  notice_clear(k)
end

-- A lease record: `token score reserved_at stopping ttr worker`.
local function read_lease(record)
  local token, score, at, stopping, ttr, worker =
    string.match(record, '^(%S+) (%S+) (%d+) ([01]) (%d+) (.*)$')
  return {
    token = token or '', score = tonumber(score or '0'), at = at or '0',
    stopping = stopping == '1', ttr = tonumber(ttr or '0'), worker = worker or '',
  }
end

local RECORD_FIELDS = 4

-- Appends the fields of a job's records to the arguments of HMGET.
local function record_fields(fields, id)
  local n = #fields
  fields[n + 1], fields[n + 2], fields[n + 3], fields[n + 4] =
    id .. ':lease', id .. ':job', id .. ':times', id .. ':crashes'
end

-- What is kept of a job: its lease or nil, job (JSON) or false, crashes, and
-- its times: since when it can be taken for its next attempt (ready, nil where
-- that is not known), how many attempts were counted when that was written
-- (where there are more, a PHP worker took it since), when one of ours first
-- took it (first, nil if none did).
-- `found` is what HMGET answered for such fields, behind so many others.
local function records_from(found, before)
  local ready, attempts, first = string.match(found[before + 3] or '', '^(%S+) (%d+) (%S+)$')
  return {
    lease = found[before + 1] and read_lease(found[before + 1]),
    job = string.match(found[before + 2] or '', '^{"key":".*}$') or false,
    ready = tonumber(ready), attempts = tonumber(attempts), first = tonumber(first),
    crashes = tonumber(found[before + 4] or '0') or 0,
  }
end

local function records_of(k, id)
  local fields = {}
  record_fields(fields, id)
  return records_from(redis.call('HMGET', k.jobs, unpack(fields)), 0)
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
local MANY = 16

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

-- Appends all fields that are kept of a job which is not over.
local function all_fields(fields, id)
  local n = #fields
  fields[n + 1], fields[n + 2], fields[n + 3], fields[n + 4] =
    id .. ':lease', id .. ':job', id .. ':times', id .. ':crashes'
  fields[n + 5], fields[n + 6], fields[n + 7] = id .. ':progress', id .. ':record', id .. ':changed'
end

local function forget_records(k, id)
  local fields = {}
  all_fields(fields, id)
  redis.call('HDEL', k.jobs, unpack(fields))
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

-- The same for as many as one command takes.
local function forget_all(k, ids)
  local fields = {}
  for _, id in ipairs(ids) do
    all_fields(fields, id)
  end
  redis.call('ZREM', k.reserved, unpack(ids))
  redis.call('HDEL', k.attempts, unpack(ids))
  redis.call('HDEL', k.messages, unpack(ids))
  redis.call('HDEL', k.jobs, unpack(fields))
  redis.call('ZREM', k.leases_at, unpack(ids))
  if k.has.orphans then
    redis.call('ZREM', k.orphans, unpack(ids))
  end
end

-- Ids to the right end of `waiting`, where they are served next, the smallest first.
local function to_front(k, ids)
  table.sort(ids, function(a, b)
    return #a == #b and a > b or #a > #b
  end)
  for _, id in ipairs(ids) do
    redis.call('RPUSH', k.waiting, id)
  end
end

-- Puts an id behind the others, or among the delayed. Never with a score up
-- to now + 1 s: a PHP mover could remove it there without having seen it.
-- Returns since when it can be taken.
local function enqueue(k, id, delay, now)
  local due = math.ceil(now / 1000) + delay
  if delay > 0 and due * 1000 > now + 1000 then
    redis.call('ZADD', k.delayed, text(due), id)
    return due * 1000
  end
  redis.call('LPUSH', k.waiting, id)
  return now
end

-- A fresh id with this message; ids that are in use are passed over.
local function new_id(k, message)
  local id
  repeat
    id = text(redis.call('INCR', k.message_id))
  until redis.call('HSETNX', k.messages, id, message) == 1
  redis.call('HSET', k.state, 'high', id)
  return id
end

-- What is kept of a job from its push to its end.
local function job_record(job, now)
  return '{"key":"' .. job.key .. '","pushed_at":' .. text(now) .. ',"metadata":' .. job.metadata .. '}'
end

-- Stores a new job; `job` has message, delay (s), metadata (JSON) and key.
local function store_job(k, job, now)
  local id = new_id(k, job.message)
  local ready = enqueue(k, id, job.delay, now)
  redis.call('HSET', k.jobs, id .. ':job', job_record(job, now), id .. ':times', times(ready, 0, nil))
  return id
end

-- The same for as many as one command takes; returns their ids. One by one
-- where an id is in use, since those are passed over.
local function store_jobs(k, jobs, now)
  local last = tonumber(redis.call('GET', k.message_id) or '0')
  local ids, messages, waiting, records = {}, {}, {}, {}
  for i = 1, #jobs do
    ids[i] = text(last + i)
  end
  local in_use = false
  for _, found in ipairs(redis.call('HMGET', k.messages, unpack(ids))) do
    in_use = in_use or found
  end
  if in_use then
    for i, job in ipairs(jobs) do
      ids[i] = store_job(k, job, now)
    end
    return ids
  end
  redis.call('INCRBY', k.message_id, #jobs)
  for i, job in ipairs(jobs) do
    local id, ready = ids[i], now
    messages[#messages + 1], messages[#messages + 2] = id, job.message
    if job.delay > 0 then
      ready = enqueue(k, id, job.delay, now)
    else
      waiting[#waiting + 1] = id
    end
    local n = #records
    records[n + 1], records[n + 2] = id .. ':job', job_record(job, now)
    records[n + 3], records[n + 4] = id .. ':times', times(ready, 0, nil)
  end
  redis.call('HSET', k.messages, unpack(messages))
  redis.call('HSET', k.state, 'high', ids[#ids])
  if #waiting > 0 then
    redis.call('LPUSH', k.waiting, unpack(waiting))
  end
  redis.call('HSET', k.jobs, unpack(records))
  return ids
end

-- Reads job number n of a call from ARGV[at] on: message, delay, metadata.
local function job_from(at, token, n)
  return {
    message = ARGV[at], delay = tonumber(ARGV[at + 1]), metadata = ARGV[at + 2],
    key = token .. '-' .. text(n),
  }
end

local function drop_receipts(k, now, limit)
  local old = redis.call('ZRANGEBYSCORE', k.receipts_at, '-inf', text(now - RECEIPT_KEPT),
    'LIMIT', 0, limit)
  for _, token in ipairs(old) do
    redis.call('HDEL', k.receipts, token)
    redis.call('ZREM', k.receipts_at, token)
  end
  return #old
end

-- Records of ours whose message is gone: a PHP worker finished the job. The
-- cursor walks round the hash, a step a call. Returns how many were dropped.
local function drop_stale(k, count)
  local step = redis.call('HSCAN', k.jobs, redis.call('HGET', k.state, 'jobs_cursor') or '0',
    'COUNT', count)
  local stale = 0
  for i = 1, #step[2], 2 do
    local id = string.match(step[2][i], '^(.*):job$')
    if id and redis.call('HEXISTS', k.messages, id) == 0 then
      forget_records(k, id)
      stale = stale + 1
    end
  end
  if step[1] == '0' then
    redis.call('HDEL', k.state, 'jobs_cursor')
  else
    redis.call('HSET', k.state, 'jobs_cursor', step[1])
  end
  return stale
end

-- Where only PHP workers serve a queue nobody sweeps it: then who stores jobs
-- there drops more than these will leave behind.
local function tidy_unswept(k, stored, now)
  if now - state(k, 'swept_at') > OUTAGE_AFTER then
    drop_receipts(k, now, 10)
    drop_stale(k, math.min(10 * stored + 10, CHUNK))
  end
end

-- A lease or a pause that an earlier, faster clock wrote ends as if it had
-- been written now.
local function heed_set_back(k, now)
  local ahead = redis.call('ZRANGEBYSCORE', k.leases_at, '(' .. text(now), '+inf', 'LIMIT', 0, CHUNK)
  for _, id in ipairs(ahead) do
    redis.call('ZADD', k.leases_at, text(now), id)
  end
  if state(k, 'grace_until') > now + OUTAGE_GRACE then
    redis.call('HSET', k.state, 'grace_until', text(now + OUTAGE_GRACE))
  end
end

-- Returns the jobs of dead leases to the queue, a chunk of them.
local function reclaim(k, now)
  local freed, front = {}, {}
  if outage(k, now) then
    return freed
  end
  local dead = redis.call('ZRANGEBYSCORE', k.leases_at, '-inf', text(now - LEASE_DEAD_AFTER),
    'LIMIT', 0, CHUNK)
  for _, id in ipairs(dead) do
    local records = records_of(k, id)
    local score = tonumber(redis.call('ZSCORE', k.reserved, id) or nil)
    local stands = records.lease and score == records.lease.score
    if stands then
      redis.call('ZREM', k.reserved, id)
    end
    if not records.lease or redis.call('HEXISTS', k.messages, id) == 0 then
      forget_records(k, id)
    else
      forgive(k, id, records, true)
      -- Otherwise a PHP program put it back or took it over.
      if stands then
        front[#front + 1], freed[#freed + 1] = id, id
      end
    end
  end
  to_front(k, front)
  return freed
end

-- The failed set: field `id/epoch`, so that ids may restart.
local function drop_failed(k, field)
  local id, epoch = string.match(field, '^(.*)/(%d+)$')
  redis.call('HDEL', k.failed, field)
  redis.call('HDEL', k.failed_messages, field)
  redis.call('ZREM', k.failed_at, field)
  redis.call('ZREM', k.failed_until, field)
  local left = {}
  for other in string.gmatch(redis.call('HGET', k.failed_ids, id) or '', '%d+') do
    if other ~= epoch then
      left[#left + 1] = other
    end
  end
  if #left > 0 then
    redis.call('HSET', k.failed_ids, id, table.concat(left, ' '))
  else
    redis.call('HDEL', k.failed_ids, id)
  end
end

-- The field of the latest failure of an id, and its epoch; nil if there is none.
local function failed_field(k, id)
  local epoch = string.match(redis.call('HGET', k.failed_ids, id) or '', '(%d+)$')
  if epoch then
    return id .. '/' .. epoch, tonumber(epoch)
  end
end

-- How jobs come into a queue and back into it, and what goes from it with time;
-- put behind records.lua.

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
  set_state(k, 'high', tonumber(id))
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
  local at_once = times(now, 0, nil)
  for i, job in ipairs(jobs) do
    local id, since, m, r = ids[i], at_once, 2 * i, 4 * i
    messages[m - 1], messages[m] = id, job.message
    if job.delay > 0 then
      since = times(enqueue(k, id, job.delay, now), 0, nil)
    else
      waiting[#waiting + 1] = id
    end
    records[r - 3], records[r - 2] = id .. ':job', job_record(job, now)
    records[r - 1], records[r] = id .. ':times', since
  end
  redis.call('HSET', k.messages, unpack(messages))
  set_state(k, 'high', last + #jobs)
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
  for from = 1, #old, AT_ONCE do
    local to = math.min(from + AT_ONCE - 1, #old)
    redis.call('HDEL', k.receipts, unpack(old, from, to))
    redis.call('ZREM', k.receipts_at, unpack(old, from, to))
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
    set_state(k, 'grace_until', now + OUTAGE_GRACE)
  end
end

-- Returns the jobs of dead leases to the queue, a chunk of them.
local function reclaim(k, now)
  local freed, front = {}, {}
  if not k.has.leases_at or outage(k, now) then
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

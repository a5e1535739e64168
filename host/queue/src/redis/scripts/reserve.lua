-- reserve: takes jobs for one attempt each, under leases.
-- KEYS: a channel.
-- ARGV: now or '', token, limit, whether a suspect may be taken (0 or 1), worker.
-- Returns: whether jobs are waiting (0 or 1), milliseconds until the next is due or -1, the ids reclaimed, then for each job
-- {id, message, attempt, crashes, record of the job (JSON), reserved_at, ready_at, first_reserved_at}. The same
-- jobs again for the same token, without those whose lease is lost since; the others are held from now.
local MAX_BYTES = 4194304 -- of messages in a reply, which has to come in time; what is over comes with the next
local k, now, token = channel(1), clock(ARGV[1]), ARGV[2]
local limit, suspects, worker = tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5]
local bad = bad_type(k)
if bad then
  return corrupt(bad)
end

-- Milliseconds until we may move what is due. While a PHP worker holds the
-- lock it may be between its range and its remove, and for a while after: the
-- lock expires after a second whether it has finished or not. A lock that
-- never expires is left over from a killed `clear`.
local function lock_left()
  local left = redis.call('PTTL', k.moving_lock)
  if left >= 0 then
    redis.call('HSET', k.state, 'lock_at', text(now))
    return left + 1000
  end
  local seen = state(k, 'lock_seen')
  if left == -2 then
    if seen ~= 0 then
      redis.call('HDEL', k.state, 'lock_seen')
    end
    return math.max(0, 1000 - (now - state(k, 'lock_at')))
  end
  if seen == 0 then
    seen = now
    redis.call('HSET', k.state, 'lock_seen', text(now))
  end
  return math.max(0, 10000 - (now - seen))
end

local function due(set)
  return redis.call('ZRANGEBYSCORE', set, '-inf', string.format('%.3f', now / 1000),
    'LIMIT', 0, CHUNK)
end

local function move_due()
  -- Behind those that waited before them, the earliest first.
  for _, id in ipairs(due(k.delayed)) do
    redis.call('LPUSH', k.waiting, id)
    redis.call('ZREM', k.delayed, id)
  end
  -- What a PHP worker held is served next, as yii2-queue does it. Our own
  -- reservations are reclaimed by their leases, outages considered.
  local front = {}
  for _, id in ipairs(due(k.reserved)) do
    local lease = records_of(k, id).lease
    if not (lease and lease.score == tonumber(redis.call('ZSCORE', k.reserved, id))) then
      redis.call('ZREM', k.reserved, id)
      front[#front + 1] = id
    end
  end
  to_front(k, front)
end

local function is_in_future(score)
  return score and tonumber(score) > now / 1000
end

local function is_number(id)
  return string.match(id, '^[1-9]%d*$') and #id <= 15
end

-- An id that no counter gave (a hand-written `abc`) gets a number of its own.
local function numbered(id, message)
  if is_number(id) then
    return id
  end
  local new = new_id(k, message)
  local attempts = redis.call('HGET', k.attempts, id)
  if attempts then
    redis.call('HSET', k.attempts, new, attempts)
  end
  forget(k, id)
  return new
end

-- A job as the reply has it.
local function taken(id, message, attempt, kept, reserved_at)
  return { id, message, attempt, kept.crashes, kept.job, reserved_at,
    kept.ready and kept.attempts == attempt - 1 and text(kept.ready) or false,
    text(kept.first or now) }
end

local function take(id, message, kept)
  local ttr = tonumber(string.match(message, '^(%d+);') or '0')
  local attempt = attempts_of(k, id) + 1
  if kept.first then
    redis.call('HDEL', k.jobs, id .. ':progress')
  end
  if k.has.orphans then
    redis.call('ZREM', k.orphans, id)
  end
  kept.job = kept.job or '{"key":"' .. token .. '-' .. id .. '","pushed_at":null,"metadata":[]}'
  kept.first = kept.first or now
  redis.call('HSET', k.attempts, id, text(attempt))
  hold(k, id, { token = token, at = text(now), stopping = false, worker = worker,
    ttr = ttr <= 4294967295 and ttr or 0 }, now,
    id .. ':job', kept.job, id .. ':times', times(kept.ready, kept.attempts or 0, kept.first))
  return taken(id, message, attempt, kept, text(now))
end

local function take_again(id)
  local kept = held(k, id, token)
  if not kept then
    return nil
  end
  -- Whoever asks again begins only now.
  hold(k, id, kept.lease, now)
  return taken(id, redis.call('HGET', k.messages, id), attempts_of(k, id), kept, kept.lease.at)
end

local jobs, aside, bytes, locked, reclaimed = {}, {}, 0, 0, {}

-- What is still to be written of the plain jobs taken: each command is given all of them.
local pending = { attempts = {}, reserved = {}, jobs = {}, leases_at = {}, ids = {} }

local function write_pending()
  if #pending.ids == 0 then
    return
  end
  redis.call('HSET', k.attempts, unpack(pending.attempts))
  add_many(k, 'reserved', pending.reserved)
  redis.call('HSET', k.jobs, unpack(pending.jobs))
  add_many(k, 'leases_at', pending.leases_at)
  if k.has.orphans then
    redis.call('ZREM', k.orphans, unpack(pending.ids))
  end
  pending = { attempts = {}, reserved = {}, jobs = {}, leases_at = {}, ids = {} }
end

local function append(list, one, two)
  list[#list + 1] = one
  list[#list + 1] = two
end

local now_text = text(now)
-- Lease records of this call differ by the ttr alone: score and text by ttr.
local leases = {}

local function lease_of(ttr)
  if not leases[ttr] then
    local score = lease_score(ttr, now)
    leases[ttr] = { score = score, record = lease_record({ token = token, at = now_text, stopping = false,
      worker = worker, ttr = ttr }, score) }
  end
  return leases[ttr]
end

-- The same as `take` for a job that no worker of ours had before.
local function take_plain(id, message, kept, attempts)
  local ttr = tonumber(string.match(message, '^(%d+);') or '0')
  local lease = lease_of(ttr <= 4294967295 and ttr or 0)
  append(pending.attempts, id, text(attempts + 1))
  append(pending.reserved, lease.score, id)
  append(pending.jobs, id .. ':lease', lease.record)
  if not kept.job then
    kept.job = '{"key":"' .. token .. '-' .. id .. '","pushed_at":null,"metadata":[]}'
    append(pending.jobs, id .. ':job', kept.job)
  end
  append(pending.jobs, id .. ':times', times(kept.ready, kept.attempts or 0, now))
  append(pending.leases_at, now_text, id)
  pending.ids[#pending.ids + 1] = id
  return taken(id, message, attempts + 1, kept, now_text)
end

-- The ids taken, as `first last` of those that follow each other.
local function ranges()
  local lines, first, last = {}, nil, nil
  for i = 1, #jobs + 1 do
    local id = jobs[i] and tonumber(jobs[i][1])
    if last and id ~= last + 1 then
      lines[#lines + 1] = text(first) .. ' ' .. text(last)
      first = nil
    end
    first, last = first or id, id
  end
  return table.concat(lines, '\n')
end

-- Looks at one popped id. It comes into `jobs`, into `aside`, or is dropped:
-- a ghost that a mover doubled, or an id whose message is gone.
local function consider(id)
  local delayed = redis.call('ZSCORE', k.delayed, id)
  if is_in_future(delayed) or is_in_future(redis.call('ZSCORE', k.reserved, id)) then
    return
  end
  if delayed then
    redis.call('ZREM', k.delayed, id)
  end
  local message = redis.call('HGET', k.messages, id)
  if not message then
    return forget(k, id)
  end
  id = numbered(id, message)
  local kept = records_of(k, id)
  if kept.lease then
    local seen = tonumber(redis.call('ZSCORE', k.leases_at, id) or '0')
    forgive(k, id, kept, now - seen >= LEASE_DEAD_AFTER and not outage(k, now))
  end
  if kept.crashes > 0 and not suspects then
    aside[#aside + 1] = id
    return
  end
  suspects = suspects and kept.crashes == 0
  bytes = bytes + #message
  jobs[#jobs + 1] = take(id, message, kept)
end

-- Looks at popped ids. What decides is read for all of them at once, and so is written what follows for those that are
-- plain: waiting, never taken by one of ours, without a crash. The others are considered one by one.
local function consider_all(ids)
  local fields, seen = {}, {}
  for _, id in ipairs(ids) do
    record_fields(fields, id)
  end
  local delayed = redis.call('ZMSCORE', k.delayed, unpack(ids))
  local reserved = redis.call('ZMSCORE', k.reserved, unpack(ids))
  local attempts = redis.call('HMGET', k.attempts, unpack(ids))
  local records = redis.call('HMGET', k.jobs, unpack(fields))
  for i, id in ipairs(ids) do
    -- The rest stays where it was.
    if bytes >= MAX_BYTES then
      for left = #ids, i, -1 do
        redis.call('RPUSH', k.waiting, ids[left])
      end
      break
    end
    local kept = records_from(records, (i - 1) * RECORD_FIELDS)
    local plain = not seen[id] and not delayed[i] and not is_in_future(reserved[i])
      and not kept.lease and not kept.first and kept.crashes == 0 and is_number(id)
    local message = plain and redis.call('HGET', k.messages, id)
    if message then
      bytes = bytes + #message
      jobs[#jobs + 1] = take_plain(id, message, kept, count_from(attempts[i]))
    else
      write_pending()
      consider(id)
    end
    seen[id] = true
  end
  write_pending()
end

local before = receipt(k, token)
if before then
  for first, last in string.gmatch(before, '(%d+) (%d+)') do
    for id = tonumber(first), tonumber(last) do
      jobs[#jobs + 1] = take_again(text(id)) or nil
    end
  end
else
  notice_clear(k)
  locked = lock_left()
  if locked == 0 then
    move_due()
  end
  reclaimed = reclaim(k, now)
  local looks = limit + CHUNK
  while #jobs < limit and looks > 0 and bytes < MAX_BYTES do
    local ids = redis.call('RPOP', k.waiting, math.min(limit - #jobs, looks, AT_ONCE))
    if not ids then
      break
    end
    consider_all(ids)
    looks = looks - #ids
  end
  for i = #aside, 1, -1 do
    redis.call('RPUSH', k.waiting, aside[i])
  end
  if #jobs > 0 then
    keep_receipt(k, token, ranges(), now)
  end
end

-- The next delayed job, or the next reservation of a PHP worker to expire; what
-- is due and could not be moved, when that may be done.
local function next_due()
  local due = redis.call('ZRANGE', k.delayed, 0, 0, 'WITHSCORES')[2]
  local foreign = redis.call('ZRANGE', k.reserved, 0, 9, 'WITHSCORES')
  for i = 1, #foreign, 2 do
    if redis.call('HEXISTS', k.jobs, foreign[i] .. ':lease') == 0 then
      due = math.min(tonumber(due or foreign[i + 1]), tonumber(foreign[i + 1]))
      break
    end
  end
  if not due then
    return -1
  end
  return math.max(locked, math.ceil(tonumber(due) * 1000 - now))
end

local reply = { redis.call('LLEN', k.waiting) > 0 and 1 or 0, next_due(), reclaimed }
for _, job in ipairs(jobs) do
  reply[#reply + 1] = job
end
return reply

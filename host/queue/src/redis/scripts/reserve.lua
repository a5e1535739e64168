-- reserve: takes jobs for one attempt each, under leases.
-- KEYS: a channel.
-- ARGV: now or '', token, limit, whether a suspect may be taken (0 or 1), worker.
-- Returns: whether jobs are waiting (0 or 1), milliseconds until the next is due or -1, the ids reclaimed, then for each job
-- `ID ATTEMPT CRASHES RESERVED_AT READY_AT FIRST_RESERVED_AT` (READY_AT may be `-`), message, record of the job (JSON). The
-- same jobs again for the same token, without those whose lease is lost since; the others are held from now.
local MAX_BYTES = 4194304 -- of messages in a reply, which has to come in time; what is over comes with the next
local k, now, token = channel(1), clock(ARGV[1]), ARGV[2]
local limit, suspects, worker = tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5]
-- Where no sweep passes, one of the others may be to blame: no job is to run whose end cannot be stored, or which would not
-- come back if its worker died.
local bad = bad_type(k, OF_OVER) or now - state(k, 'swept_at') > OUTAGE_AFTER and bad_type(k)
if bad then
  return corrupt(bad)
end

-- Milliseconds until we may move what is due. While a PHP worker holds the
-- lock it may be between its range and its remove, and for a while after: the
-- lock expires after a second whether it has finished or not. A lock that
-- never expires is left over from a killed `clear`.
local function lock_left()
  local left = k.has.moving_lock and redis.call('PTTL', k.moving_lock) or -2
  if left >= 0 then
    set_state(k, 'lock_at', now)
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
    set_state(k, 'lock_seen', now)
  end
  return math.max(0, 10000 - (now - seen))
end

local function due(set)
  return redis.call('ZRANGEBYSCORE', set, '-inf', string.format('%.3f', now / 1000),
    'LIMIT', 0, CHUNK)
end

local function move_due()
  -- Behind those that waited before them, the earliest first.
  for _, id in ipairs(k.has.delayed and due(k.delayed) or {}) do
    redis.call('LPUSH', k.waiting, id)
    redis.call('ZREM', k.delayed, id)
  end
  -- What a PHP worker held is served next, as yii2-queue does it. Our own
  -- reservations are reclaimed by their leases, outages considered.
  local front = {}
  for _, id in ipairs(k.has.reserved and due(k.reserved) or {}) do
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
  return string.find(id, '^[1-9]%d*$') and #id <= 15
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

local reply, ids_taken = { 0, -1, {} }, {}

-- Adds a job to the reply; all but the message and the job's record are numbers as text.
local function taken(id, message, attempt, crashes, job, reserved_at, ready, first)
  local n = #reply
  reply[n + 1] = id .. ' ' .. attempt .. ' ' .. crashes .. ' ' .. reserved_at .. ' ' .. ready .. ' ' .. first
  reply[n + 2], reply[n + 3] = message, job
  ids_taken[#ids_taken + 1] = id
end

local function taken_with(id, message, attempt, kept, reserved_at)
  local ready = kept.ready and kept.attempts == attempt - 1 and text(kept.ready)
  taken(id, message, text(attempt), text(kept.crashes), kept.job or '', reserved_at, ready or '-', text(kept.first or now))
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
  taken_with(id, message, attempt, kept, text(now))
end

local function take_again(id)
  local kept = held(k, id, token)
  if kept then
    -- Whoever asks again begins only now.
    hold(k, id, kept.lease, now)
    taken_with(id, redis.call('HGET', k.messages, id), attempts_of(k, id), kept, kept.lease.at)
  end
end

local aside, bytes, locked = {}, 0, 0

-- What is still to be written of the plain jobs taken: each command is given all of them.
local pending = { attempts = {}, reserved = {}, jobs = {}, leases_at = {}, ids = {} }

local function write_pending()
  if #pending.ids == 0 then
    return
  end
  redis.call('HSET', k.attempts, unpack(pending.attempts))
  k.has.attempts = true
  add_many(k, 'reserved', pending.reserved)
  redis.call('HSET', k.jobs, unpack(pending.jobs))
  add_many(k, 'leases_at', pending.leases_at)
  if k.has.orphans then
    redis.call('ZREM', k.orphans, unpack(pending.ids))
  end
  pending = { attempts = {}, reserved = {}, jobs = {}, leases_at = {}, ids = {} }
end

local now_text = text(now)
-- Lease records of this call differ by the ttr alone: score and text by ttr, as it stands in the message.
local leases = {}

local function lease_of(message)
  local stands = string.match(message, '^(%d+);') or '0'
  if not leases[stands] then
    local ttr = tonumber(stands)
    ttr = ttr <= 4294967295 and ttr or 0
    local score = lease_score(ttr, now)
    leases[stands] = { score = score, record = lease_record({ token = token, at = now_text, stopping = false,
      worker = worker, ttr = ttr }, score) }
  end
  return leases[stands]
end

-- The same as `take` for a job that no worker of ours had before. `ready` and `counted` are what is kept of its times,
-- as they stand there.
local function take_plain(id, message, attempts, job, ready, counted)
  local lease, attempt, p = lease_of(message), attempts == 0 and '1' or text(attempts + 1), pending
  local n = #p.ids
  p.ids[n + 1] = id
  p.attempts[2 * n + 1], p.attempts[2 * n + 2] = id, attempt
  p.reserved[2 * n + 1], p.reserved[2 * n + 2] = lease.score, id
  p.leases_at[2 * n + 1], p.leases_at[2 * n + 2] = now_text, id
  local fields, f = p.jobs, #p.jobs
  fields[f + 1], fields[f + 2] = id .. ':lease', lease.record
  fields[f + 3], fields[f + 4] = id .. ':times', ready .. ' ' .. counted .. ' ' .. now_text
  if not is_job(job) then
    job = '{"key":"' .. token .. '-' .. id .. '","pushed_at":null,"metadata":[]}'
    fields[f + 5], fields[f + 6] = id .. ':job', job
  end
  taken(id, message, attempt, '0', job, now_text, tonumber(counted) == attempts and ready or '-', now_text)
end

-- The ids taken, as `first last` of those that follow each other.
local function ranges()
  local lines, first, last = {}, nil, nil
  for i = 1, #ids_taken + 1 do
    local id = ids_taken[i] and tonumber(ids_taken[i])
    if last and id ~= last + 1 then
      lines[#lines + 1] = text(first) .. ' ' .. text(last)
      first = nil
    end
    first, last = first or id, id
  end
  return table.concat(lines, '\n')
end

-- Looks at one popped id. It comes into the reply, into `aside`, or is dropped:
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
  take(id, message, kept)
end

-- Which of these ids have a lease or a crash behind them.
local function touched(ids)
  local fields, among = {}, {}
  for i, id in ipairs(ids) do
    fields[2 * i - 1], fields[2 * i] = id .. ':lease', id .. ':crashes'
  end
  local found = #ids > 0 and redis.call('HMGET', k.jobs, unpack(fields)) or {}
  for i, id in ipairs(ids) do
    among[id] = found[2 * i - 1] or found[2 * i]
  end
  return among
end

-- Looks at popped ids. What decides is read for all of them at once, and so is written what follows for those that are
-- plain: waiting, never taken by one of ours, without a crash. The others are considered one by one. A job that one of
-- ours has taken says so in its times; one without times, as PHP programs push them, is asked for its lease and crashes.
local function consider_all(ids)
  local fields, strange, seen = {}, {}, {}
  for i, id in ipairs(ids) do
    fields[2 * i - 1], fields[2 * i] = id .. ':times', id .. ':job'
  end
  local records = redis.call('HMGET', k.jobs, unpack(fields))
  for i, id in ipairs(ids) do
    if not records[2 * i - 1] then
      strange[#strange + 1] = id
    end
  end
  local ours = touched(strange)
  local delayed = k.has.delayed and redis.call('ZMSCORE', k.delayed, unpack(ids)) or {}
  local reserved = k.has.reserved and redis.call('ZMSCORE', k.reserved, unpack(ids)) or {}
  local attempts = k.has.attempts and redis.call('HMGET', k.attempts, unpack(ids)) or {}
  for i, id in ipairs(ids) do
    -- The rest stays where it was.
    if bytes >= MAX_BYTES then
      for left = #ids, i, -1 do
        redis.call('RPUSH', k.waiting, ids[left])
      end
      break
    end
    local ready, counted = '-', '0'
    if records[2 * i - 1] then
      ready, counted = string.match(records[2 * i - 1], '^(%d+) (%d+) %-$')
    end
    local plain = ready and not seen[id] and not ours[id] and not delayed[i] and not is_in_future(reserved[i])
      and is_number(id)
    local message = plain and redis.call('HGET', k.messages, id)
    if message then
      bytes = bytes + #message
      take_plain(id, message, count_from(attempts[i]), records[2 * i], ready, counted)
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
      take_again(text(id))
    end
  end
else
  notice_clear(k)
  locked = lock_left()
  if locked == 0 then
    move_due()
  end
  reply[3] = reclaim(k, now)
  local looks = limit + CHUNK
  while #ids_taken < limit and looks > 0 and bytes < MAX_BYTES do
    local ids = redis.call('RPOP', k.waiting, math.min(limit - #ids_taken, looks, AT_ONCE))
    if not ids then
      break
    end
    consider_all(ids)
    looks = looks - #ids
  end
  for i = #aside, 1, -1 do
    redis.call('RPUSH', k.waiting, aside[i])
  end
  if #ids_taken > 0 then
    keep_receipt(k, token, ranges(), now)
  end
end

-- The next delayed job, or the next reservation of a PHP worker to expire; what
-- is due and could not be moved, when that may be done.
local function next_due()
  local due = k.has.delayed and redis.call('ZRANGE', k.delayed, 0, 0, 'WITHSCORES')[2]
  local first = k.has.reserved and redis.call('ZRANGE', k.reserved, 0, 9) or {}
  local ours = #first > 0 and redis.call('ZMSCORE', k.leases_at, unpack(first)) or {}
  for i, id in ipairs(first) do
    if not ours[i] then
      local expires = tonumber(redis.call('ZSCORE', k.reserved, id))
      due = math.min(tonumber(due or expires), expires)
      break
    end
  end
  if not due then
    return -1
  end
  return math.max(locked, math.ceil(tonumber(due) * 1000 - now))
end

reply[1], reply[2] = redis.call('LLEN', k.waiting) > 0 and 1 or 0, next_due()
return reply

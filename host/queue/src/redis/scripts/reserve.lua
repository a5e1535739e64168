-- reserve: takes jobs for one attempt each, under leases.
-- KEYS: a channel.
-- ARGV: now or '', token, limit, whether a suspect may be taken (0 or 1), worker.
-- Returns: whether jobs are waiting (0 or 1), milliseconds until the next is due or -1, then for each job
-- {id, message, attempt, crashes, record of the job (JSON), reserved_at, ready_at, first_reserved_at}. The same
-- jobs again for the same token, without those whose lease is lost since.
local MAX_BYTES = 16777216 -- of messages in a reply; what is over comes with the next
local k, now, token = channel(1), clock(ARGV[1]), ARGV[2]
local limit, suspects, worker = tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5]
local bad = bad_type(k)
if bad then
  return corrupt(bad)
end

-- While a PHP worker holds the lock it may be between its range and its
-- remove. A lock that never expires is left over from a killed `clear`.
local function may_move()
  local left = redis.call('PTTL', k.moving_lock)
  if left ~= -1 then
    redis.call('HDEL', k.state, 'lock_seen')
    return left == -2
  end
  local seen = state(k, 'lock_seen')
  if seen == 0 then
    redis.call('HSET', k.state, 'lock_seen', text(now))
  end
  return seen ~= 0 and now - seen >= 10000
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
    local lease = lease_of(k, id)
    if not (lease and lease.score == tonumber(redis.call('ZSCORE', k.reserved, id))) then
      redis.call('ZREM', k.reserved, id)
      front[#front + 1] = id
    end
  end
  to_front(k, front)
end

local function is_in_future(set, id)
  local score = redis.call('ZSCORE', set, id)
  return score and tonumber(score) > now / 1000
end

-- An id that no counter gave (a hand-written `abc`) gets a number of its own.
local function numbered(id, message)
  if string.match(id, '^[1-9]%d*$') and #id <= 15 then
    return id
  end
  local new = new_id(k, message)
  local attempts = redis.call('HGET', k.attempts, id)
  if attempts then
    redis.call('HSET', k.attempts, new, attempts)
  end
  redis.call('ZREM', k.delayed, id)
  forget(k, id)
  return new
end

-- A job as the reply has it.
local function taken(id, message, attempt, crashes, reserved_at)
  local ready, attempts, first = times_of(k, id)
  return { id, message, attempt, crashes, redis.call('HGET', k.jobs, id), reserved_at,
    ready and attempts == attempt - 1 and text(ready) or false, text(first or now) }
end

local function take(id, message, crashes)
  local ttr = tonumber(string.match(message, '^(%d+);') or '0')
  local before = attempts_of(k, id)
  local ready, attempts, first = times_of(k, id)
  redis.call('ZREM', k.delayed, id)
  redis.call('ZREM', k.orphans, id)
  redis.call('HSET', k.attempts, id, text(before + 1))
  redis.call('HDEL', k.progress, id)
  redis.call('HSETNX', k.jobs, id,
    '{"key":"' .. token .. '-' .. id .. '","pushed_at":null,"metadata":[]}')
  if not first then
    keep_times(k, id, ready, attempts or 0, now)
  end
  hold(k, id, { token = token, at = text(now), stopping = false, worker = worker,
    ttr = ttr <= 4294967295 and ttr or 0 }, now)
  return taken(id, message, before + 1, crashes, text(now))
end

local function take_again(line)
  local id, attempt, crashes = string.match(line, '^(%d+) (%d+) (%d+)$')
  local lease = held(k, id, token)
  return lease and taken(id, redis.call('HGET', k.messages, id), tonumber(attempt),
    tonumber(crashes), lease.at)
end

local jobs, lines, aside, bytes = {}, {}, {}, 0

-- Looks at one popped id. It comes into `jobs`, into `aside`, or is dropped:
-- a ghost that a mover doubled, or an id whose message is gone.
local function consider(id)
  if is_in_future(k.reserved, id) or is_in_future(k.delayed, id) then
    return
  end
  local message = redis.call('HGET', k.messages, id)
  if not message then
    redis.call('ZREM', k.delayed, id)
    return forget(k, id)
  end
  id = numbered(id, message)
  local lease = lease_of(k, id)
  if lease then
    local seen = tonumber(redis.call('ZSCORE', k.leases_at, id) or '0')
    forgive(k, id, lease, now - seen >= LEASE_DEAD_AFTER and not outage(k, now))
  end
  local crashes = crashes_of(k, id)
  if crashes > 0 and not suspects then
    aside[#aside + 1] = id
    return
  end
  suspects = suspects and crashes == 0
  bytes = bytes + #message
  jobs[#jobs + 1] = take(id, message, crashes)
  lines[#lines + 1] = id .. ' ' .. text(jobs[#jobs][3]) .. ' ' .. text(crashes)
end

local before = receipt(k, token)
if before then
  for line in string.gmatch(before, '[^\n]+') do
    jobs[#jobs + 1] = take_again(line) or nil
  end
else
  notice_clear(k)
  if may_move() then
    move_due()
  end
  reclaim(k, now)
  local looks = limit + CHUNK
  while #jobs < limit and looks > 0 and bytes < MAX_BYTES do
    local id = redis.call('RPOP', k.waiting)
    if not id then
      break
    end
    consider(id)
    looks = looks - 1
  end
  for i = #aside, 1, -1 do
    redis.call('RPUSH', k.waiting, aside[i])
  end
  if #lines > 0 then
    keep_receipt(k, token, table.concat(lines, '\n'), now)
  end
end

-- The next delayed job, or the next reservation of a PHP worker to expire; what
-- is due and could not be moved, when the lock may be gone.
local function next_due()
  local due = redis.call('ZRANGE', k.delayed, 0, 0, 'WITHSCORES')[2]
  local foreign = redis.call('ZRANGE', k.reserved, 0, 9, 'WITHSCORES')
  for i = 1, #foreign, 2 do
    if redis.call('HEXISTS', k.leases, foreign[i]) == 0 then
      due = math.min(tonumber(due or foreign[i + 1]), tonumber(foreign[i + 1]))
      break
    end
  end
  if not due then
    return -1
  end
  local locked = redis.call('PTTL', k.moving_lock)
  local least = locked == -1 and 1000 or math.max(0, locked)
  return math.max(least, math.ceil(tonumber(due) * 1000 - now), 0)
end

local reply = { redis.call('LLEN', k.waiting) > 0 and 1 or 0, next_due() }
for _, job in ipairs(jobs) do
  reply[#reply + 1] = job
end
return reply

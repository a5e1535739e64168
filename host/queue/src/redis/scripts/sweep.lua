-- sweep: returns the jobs of dead leases and orphans to the queue, drops what is past its time.
-- KEYS: a channel.
-- ARGV: now or ''.
-- Returns: whether there is more to do at once (0 or 1), number of jobs' records pruned, the ids reclaimed, the orphans' ids.
local k, now = channel(1), clock(ARGV[1])
local bad = bad_type(k)
if bad then
  return corrupt(bad)
end
notice_clear(k)
local more = false

local function older(set, score)
  local found = redis.call('ZRANGEBYSCORE', set, '-inf', text(score), 'LIMIT', 0, CHUNK)
  more = more or #found == CHUNK
  return found
end

local function prune()
  local done, failed = older(k.done_at, now), older(k.failed_until, now)
  for from = 1, #done, AT_ONCE do
    local to = math.min(from + AT_ONCE - 1, #done)
    redis.call('HDEL', k.done, unpack(done, from, to))
    redis.call('HDEL', k.output, unpack(done, from, to))
    redis.call('ZREM', k.done_at, unpack(done, from, to))
  end
  for _, field in ipairs(failed) do
    drop_failed(k, field)
  end
  if #failed > 0 then
    discard(k, #failed)
  end
  more = drop_receipts(k, now, CHUNK) == CHUNK or more
  return #done + #failed
end

-- Orphans: in `messages` and in no set. There are none if the sets hold as
-- many as `messages`. Otherwise a random sample of ids (HSCAN would read
-- their bodies too) is looked at, and those found in no set are looked at
-- again by every sweep until ORPHAN_AFTER. The only O(n) here is LPOS over
-- `waiting`; all of a sweep together pass at most `budget` elements of it, so
-- that orphans behind a longer queue wait until it is shorter.
local waiting = redis.call('LLEN', k.waiting)
local budget = 200000

-- Whether an id is in no set; nil if the budget is used up.
local function is_adrift(id)
  if redis.call('ZSCORE', k.reserved, id) or redis.call('ZSCORE', k.delayed, id)
    or redis.call('HEXISTS', k.messages, id) == 0 then
    return false
  end
  budget = budget - waiting
  if budget < 0 then
    return nil
  end
  return not redis.call('LPOS', k.waiting, id)
end

local function adopt_orphans()
  local found = {}
  for _, id in ipairs(redis.call('ZRANGE', k.orphans, 0, 99)) do
    local adrift = is_adrift(id)
    local since = tonumber(redis.call('ZSCORE', k.orphans, id))
    if adrift == false then
      redis.call('ZREM', k.orphans, id)
    elseif adrift and now - since >= ORPHAN_AFTER then
      redis.call('ZREM', k.orphans, id)
      redis.call('RPUSH', k.waiting, id)
      found[#found + 1] = id
    end
  end
  local placed = redis.call('LLEN', k.waiting) + redis.call('ZCARD', k.delayed)
    + redis.call('ZCARD', k.reserved)
  if redis.call('HLEN', k.messages) > placed then
    for _, id in ipairs(redis.call('HRANDFIELD', k.messages, 100)) do
      if is_adrift(id) then
        redis.call('ZADD', k.orphans, 'NX', text(now), id)
      end
    end
  end
  return found
end

if now - state(k, 'swept_at') > OUTAGE_AFTER then
  set_state(k, 'grace_until', now + OUTAGE_GRACE)
end
set_state(k, 'swept_at', now)
heed_set_back(k, now)
local reclaimed = reclaim(k, now)
more = more or #reclaimed == CHUNK
local pruned = prune()
more = drop_stale(k, 400) >= 50 or more
local orphans = adopt_orphans()
return { more and 1 or 0, pruned, reclaimed, orphans }

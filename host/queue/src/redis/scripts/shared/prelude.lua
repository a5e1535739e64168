-- What all scripts share begins here: the keys and state of a channel; records.lua
-- and queueing.lua follow, then the script (redis/scripts.rs). Above stand
-- NAMES and TYPES: the kinds of keys of a channel in the order of KEYS, and the
-- type that each must have, written out of redis/keys.rs; and those of a bucket,
-- of a plugin's trials and of the registry of workers.
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
-- Those of workers.rs, likewise.
local SILENT_AFTER, SILENT_KEPT = 40000, 3600000
local MAX_WORKERS, WORKERS_CHUNK = 1000, 100

-- Whole numbers as text; Lua's own way turns to exponents at 15 digits. %.0f takes several times as long as %d, in which a
-- server of 32 bits has no room for a time.
local WHOLE = string.format('%d', 2 ^ 32) == '4294967296' and '%d' or '%.0f'
local function text(number)
  return string.format(WHOLE, number)
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

-- The keys of the registry of workers, by kind; of a script they are all.
local function workers()
  local w = {}
  for i = 1, #WORKER_NAMES do
    w[WORKER_NAMES[i]] = KEYS[i]
  end
  return w
end

-- Why it cannot be used, as bad_type has it.
local function bad_workers(w)
  for i = 1, #WORKER_NAMES do
    local found = redis.call('TYPE', w[WORKER_NAMES[i]]).ok
    if found ~= 'none' and found ~= WORKER_TYPES[i] then
      return w[WORKER_NAMES[i]] .. ' it is a ' .. found .. ', not a ' .. WORKER_TYPES[i]
    end
  end
end

-- The keys of a plugin's trials, by kind; they stand alone.
local function trial()
  local k = {}
  for i = 1, #TRIAL_NAMES do
    k[TRIAL_NAMES[i]] = KEYS[i]
  end
  return k
end

-- Why they cannot be used, as bad_type has it.
local function bad_trial(k)
  for i = 1, #TRIAL_NAMES do
    local found = redis.call('TYPE', k[TRIAL_NAMES[i]]).ok
    if found ~= 'none' and found ~= TRIAL_TYPES[i] then
      return k[TRIAL_NAMES[i]] .. ' it is a ' .. found .. ', not a ' .. TRIAL_TYPES[i]
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

-- What tells the size of a key of each type, and refuses one of another type.
local SIZE_OF = { string = 'STRLEN', list = 'LLEN', hash = 'HLEN', zset = 'ZCARD' }

-- The keys that have nothing of jobs which are not over.
local OF_OVER = { done = true, done_at = true, output = true, failed = true, failed_messages = true,
  failed_at = true, failed_until = true, failed_ids = true }
local OF_FAILED = { failed = true, failed_messages = true, failed_at = true, failed_until = true, failed_ids = true }

-- Why a channel cannot be used, `<key> <reason>`, or nil. Notes in k.has which
-- keys there are, so that scripts need not ask or write to those that are not
-- there. Looks at all keys but those that the script neither reads nor writes.
local function bad_type(k, spared)
  local has = {}
  k.has = has
  for i = 1, #NAMES do
    local name = NAMES[i]
    if not (spared and spared[name]) then
      -- A number costs half of what the answer of TYPE does.
      local size = redis.pcall(SIZE_OF[TYPES[i]], k[name])
      if type(size) ~= 'number' then
        local found = redis.call('TYPE', k[name]).ok
        if found == TYPES[i] then
          -- Something else is wrong, such as a command that is forbidden: now it is said.
          redis.call(SIZE_OF[TYPES[i]], k[name])
        end
        return k[name] .. ' it is a ' .. found .. ', not a ' .. TYPES[i]
      end
      has[name] = size > 0
    end
  end
  local last = redis.call('GET', k.message_id)
  k.last = last
  -- As INCR takes it, which does not count on `007`.
  if last and not (last == '0' or string.match(last, '^[1-9]%d*$') and #last <= 15) then
    return k.message_id .. ' `' .. string.gsub(string.sub(last, 1, 40), '[^%w%p]', '?')
      .. '` is not a counter of ids'
  end
end

local function corrupt(why)
  return { err = 'CORRUPT ' .. why }
end

-- The numbers of a channel's state, which are read at once.
local NUMBERS = { 'epoch', 'high', 'discarded', 'failures', 'swept_at', 'grace_until', 'lock_seen', 'lock_at' }

-- One of them; what is not a number counts as 0.
local function state(k, name)
  if not k.numbers then
    k.numbers = {}
    for i, found in ipairs(redis.call('HMGET', k.state, unpack(NUMBERS))) do
      k.numbers[NUMBERS[i]] = found and tonumber(found)
    end
  end
  return k.numbers[name] or 0
end

local function set_state(k, name, number)
  redis.call('HSET', k.state, name, text(number))
  if k.numbers then
    k.numbers[name] = number
  end
end

local function discard(k, jobs)
  set_state(k, 'discarded', state(k, 'discarded') + jobs)
end

-- A counter of ids that fell means that a PHP program cleared the queue: the
-- records of single jobs speak of other jobs then. The failed set stays; it
-- is no longer part of what was pushed since.
local function notice_clear(k)
  local last, high = tonumber(k.last or '0'), state(k, 'high')
  if last < high then
    local failed = redis.call('ZCARD', k.failed_at)
    set_state(k, 'epoch', state(k, 'epoch') + 1)
    set_state(k, 'high', last)
    set_state(k, 'discarded', -failed)
    redis.call('UNLINK', k.jobs, k.leases_at, k.done, k.done_at, k.output, k.orphans)
  elseif last > high then
    set_state(k, 'high', last)
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

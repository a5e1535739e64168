-- bucket_change: changes a bucket under a lease.
-- KEYS: the channel of the lease, a bucket.
-- ARGV: now or '', id and token of the lease, token, the most keys and bytes, then one of
--   `set` and pairs of key and value; `delete` and keys; `add`, key, delta; `swap`, key, value, version.
-- Returns: `yes`, `sum <number>`, `stale`, `nan`, `keys`, `bytes` or `lost`; the same again for the same token while no other
--   change was made under the lease.
local k, b, id, token = channel(1), bucket(1), ARGV[2], ARGV[4]
local bad = bad_type(k) or bad_bucket(b)
if bad then
  return corrupt(bad)
end
notice_clear(k)
if not held(k, id, ARGV[3]) then
  return 'lost'
end
local before, answer = string.match(redis.call('HGET', k.jobs, id .. ':changed') or '', '^(%S+) (.*)$')
if before == token then
  return answer
end

local function number(name)
  return tonumber(redis.call('HGET', b.numbers, name) or '0') or 0
end

local verb, first = ARGV[7], ARGV[8]
local version, bytes, keys = number('version'), number('bytes'), redis.call('HLEN', b.values)

-- What a change comes to is worked out before anything is written: what will be
-- stored at a key, or false for what will be dropped.
local order, after, unreadable = {}, {}, nil

-- What will be at a key as things stand: version and value, or nothing.
local function stored(key)
  local record = after[key]
  if record == nil then
    record = redis.call('HGET', b.values, key)
  end
  if record then
    local seen, value = string.match(record, '^(%d+) (.*)$')
    unreadable = unreadable or not seen and key
    return tonumber(seen or '0'), value or ''
  end
end

local function plan(key, value)
  local seen, old = stored(key)
  if seen then
    keys, bytes = keys - 1, bytes - #key - #old
  end
  if value then
    keys, bytes = keys + 1, bytes + #key + #value
  end
  version = version + 1
  if after[key] == nil then
    order[#order + 1] = key
  end
  after[key] = value and text(version) .. ' ' .. value
end

local keys_before, bytes_before, result = keys, bytes, 'yes'
if verb == 'set' then
  for at = 8, #ARGV, 2 do
    plan(ARGV[at], ARGV[at + 1])
  end
elseif verb == 'delete' then
  for at = 8, #ARGV do
    if stored(ARGV[at]) then
      plan(ARGV[at], false)
    end
  end
elseif verb == 'add' then
  -- Redis adds whole numbers of 64 bits, which Lua cannot; in a field of its own.
  local seen, old = stored(first)
  redis.call('HSET', b.numbers, 'sum', seen and old or '0')
  local added = redis.pcall('HINCRBY', b.numbers, 'sum', ARGV[9])
  local sum = redis.call('HGET', b.numbers, 'sum')
  redis.call('HDEL', b.numbers, 'sum')
  if type(added) == 'table' then
    return 'nan'
  end
  plan(first, sum)
  result = 'sum ' .. sum
else
  local seen, wanted = stored(first), tonumber(ARGV[10])
  if seen and seen ~= wanted or not seen and number('deleted') > wanted then
    return 'stale'
  end
  plan(first, ARGV[9])
end
if unreadable then
  return corrupt(b.values .. ' its field ' .. string.gsub(unreadable, '[^%w%p]', '?') .. ' has no version')
end
if keys > keys_before and keys > tonumber(ARGV[5]) then
  return 'keys'
end
if bytes > bytes_before and bytes > tonumber(ARGV[6]) then
  return 'bytes'
end

for _, key in ipairs(order) do
  if after[key] then
    redis.call('HSET', b.values, key, after[key])
    redis.call('ZADD', b.order, '0', key)
  else
    redis.call('HDEL', b.values, key)
    redis.call('ZREM', b.order, key)
    redis.call('HSET', b.numbers, 'deleted', text(version))
  end
end
if #order > 0 then
  redis.call('HSET', b.numbers, 'version', text(version), 'bytes', text(bytes))
end
redis.call('HSET', k.jobs, id .. ':changed', token .. ' ' .. result)
return result

-- failed: looks at the failed set.
-- KEYS: a channel.
-- ARGV: `list`, offset, limit; or `one`, id.
-- Returns: for each job its id, what is kept of it (JSON), its message; the latest failure first.
local k = channel(1)
local bad = bad_type(k)
if bad then
  return corrupt(bad)
end
local fields
if ARGV[1] == 'list' then
  local first = tonumber(ARGV[2])
  fields = redis.call('ZREVRANGE', k.failed_at, text(first), text(first + tonumber(ARGV[3]) - 1))
else
  fields = { failed_field(k, ARGV[2]) }
  fields[2] = nil
end
local reply = {}
for _, field in ipairs(fields) do
  reply[#reply + 1] = { (string.match(field, '^%d+')), redis.call('HGET', k.failed, field),
    redis.call('HGET', k.failed_messages, field) }
end
return reply

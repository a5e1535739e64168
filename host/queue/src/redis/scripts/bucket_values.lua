-- bucket_values: what is at some keys of a bucket.
-- KEYS: a bucket.
-- ARGV: the keys.
-- Returns: the bucket's version, then for each key `<version> <value>` or nil.
local b = bucket(0)
local bad = bad_bucket(b)
if bad then
  return corrupt(bad)
end
local found = #ARGV > 0 and redis.call('HMGET', b.values, unpack(ARGV)) or {}
table.insert(found, 1, redis.call('HGET', b.numbers, 'version') or '0')
return found

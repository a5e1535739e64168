-- withdraw: a worker ends in order.
-- KEYS: the registry of workers.
-- ARGV: now or '' (not used), the worker's id.
-- Returns: OK.
local w = workers()
local bad = bad_workers(w)
if bad then
  return corrupt(bad)
end
redis.call('HDEL', w.known, ARGV[2])
redis.call('ZREM', w.seen_at, ARGV[2])
return redis.status_reply('OK')

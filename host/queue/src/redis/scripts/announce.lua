-- announce: a worker lives and says what it does. Drops some that were silent for too long.
-- KEYS: the registry of workers.
-- ARGV: now or '', the worker's id, its record as JSON.
-- Returns: OK.
local w, now = workers(), clock(ARGV[1])
local bad = bad_workers(w)
if bad then
  return corrupt(bad)
end
-- Those that an earlier, faster clock wrote would live until it is caught up.
local ahead = redis.call('ZRANGEBYSCORE', w.seen_at, '(' .. text(now), '+inf', 'LIMIT', 0, WORKERS_CHUNK)
for _, id in ipairs(ahead) do
  redis.call('ZADD', w.seen_at, text(now), id)
end
redis.call('HSET', w.known, ARGV[2], ARGV[3])
redis.call('ZADD', w.seen_at, text(now), ARGV[2])
local kept = redis.call('ZCARD', w.seen_at) > MAX_WORKERS and SILENT_AFTER or SILENT_KEPT
local gone = redis.call('ZRANGEBYSCORE', w.seen_at, '-inf', '(' .. text(now - kept),
  'LIMIT', 0, WORKERS_CHUNK)
for _, id in ipairs(gone) do
  redis.call('HDEL', w.known, id)
  redis.call('ZREM', w.seen_at, id)
end
return redis.status_reply('OK')

-- workers: who is known, the latest heard of first.
-- KEYS: the registry of workers.
-- ARGV: now or '', how many at most.
-- Returns: now, and of each its id, when it was last heard of, its record or nil.
local w, now = workers(), clock(ARGV[1])
local bad = bad_workers(w)
if bad then
  return corrupt(bad)
end
local ids = redis.call('ZREVRANGEBYSCORE', w.seen_at, '+inf', text(now - SILENT_KEPT), 'LIMIT', 0, ARGV[2])
local found = {}
for i, id in ipairs(ids) do
  found[i] = { id, redis.call('ZSCORE', w.seen_at, id), redis.call('HGET', w.known, id) }
end
return { text(now), found }

-- progress: keeps what a running attempt says.
-- KEYS: a channel.
-- ARGV: now or '', id and token of the lease, the progress as JSON without its closing brace.
-- Returns: 1 (kept) or 0 (the lease is lost).
local k, now = channel(1), clock(ARGV[1])
local bad = bad_type(k, OF_OVER)
if bad then
  return corrupt(bad)
end
notice_clear(k)
if not held(k, ARGV[2], ARGV[3]) then
  return 0
end
redis.call('HSET', k.jobs, ARGV[2] .. ':progress', ARGV[4] .. ',"at":' .. text(now) .. '}')
return 1

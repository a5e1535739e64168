-- counts: how many jobs are in each state.
-- KEYS: a channel.
-- ARGV: none.
-- Returns: waiting, delayed, reserved, done, failed.
local k = channel(1)
local bad = bad_type(k)
if bad then
  return corrupt(bad)
end
local waiting, delayed = redis.call('LLEN', k.waiting), redis.call('ZCARD', k.delayed)
local reserved, failed = redis.call('ZCARD', k.reserved), redis.call('ZCARD', k.failed_at)
local last = tonumber(redis.call('GET', k.message_id) or '0')
local discarded = state(k, 'discarded')
if last < state(k, 'high') then
  -- A foreign clear that nobody has noticed yet.
  discarded = -failed
end
return { waiting, delayed, reserved,
  math.max(0, last - waiting - delayed - reserved - failed - discarded), failed }

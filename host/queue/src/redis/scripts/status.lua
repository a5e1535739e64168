-- status: all that is known of a job.
-- KEYS: a channel.
-- ARGV: id.
-- Returns: the state (waiting, delayed, reserved, done, failed, none), then, each nil where there is none: due (s),
-- attempts, crashes, message, record of the job (JSON), worker, progress (JSON), record of the last attempt (JSON), what
-- stays of a job that is over (JSON), output, since when it is held (ms).
local k, id = channel(1), ARGV[1]
local bad = bad_type(k)
if bad then
  return corrupt(bad)
end
local fresh = tonumber(redis.call('GET', k.message_id) or '0') >= state(k, 'high')
local message = redis.call('HGET', k.messages, id)
if message then
  local kept, score = records_of(k, id), redis.call('ZSCORE', k.reserved, id)
  local lease = kept.lease
  local due = redis.call('ZSCORE', k.delayed, id)
  local holds = lease and score and tonumber(score) == lease.score
  -- False, not nil: Redis ends a list at the first nil.
  return { score and 'reserved' or due and 'delayed' or 'waiting', due, attempts_of(k, id),
    fresh and kept.crashes or 0, message,
    fresh and kept.job, holds and lease.worker or false,
    fresh and redis.call('HGET', k.jobs, id .. ':progress'),
    fresh and redis.call('HGET', k.jobs, id .. ':record'),
    false, false, holds and lease.at or false }
end
local entry, field = fresh and redis.call('HGET', k.done, id), failed_field(k, id)
if entry then
  return { 'done', false, 0, 0, false, false, false, false, false, entry,
    redis.call('HGET', k.output, id), false }
elseif field then
  return { 'failed', false, 0, 0, redis.call('HGET', k.failed_messages, field), false, false,
    false, false, redis.call('HGET', k.failed, field), false, false }
end
return { 'none' }

-- trial_change: begins a trial, adds attempts to one, or ends it.
-- KEYS: a trial.
-- ARGV: now or '', then one of `begin`, revision, from, to, share, length, factor; `count`, number, token, and attempts and
--   failures of the old version and of the new one; `end`, number, revision or '', how.
-- Returns: 1 if it is so, 0 if the trial is another, has changed or has ended; a count the same again for the same token.
local k, now, verb = trial(), clock(ARGV[1]), ARGV[2]
local bad = bad_trial(k)
if bad then
  return corrupt(bad)
end
local found = redis.call('HMGET', k.record, 'number', 'revision', 'end')
local number, revision, over = found[1] or '0', tonumber(found[2] or '0') or 0, found[3]
local after = text(revision + 1)

if verb == 'begin' then
  if tonumber(ARGV[3]) ~= revision then
    return '0'
  end
  redis.call('DEL', k.record)
  redis.call('HSET', k.record, 'number', after, 'revision', after, 'from', ARGV[4], 'to', ARGV[5], 'share', ARGV[6],
    'length', ARGV[7], 'factor', ARGV[8], 'began_at', text(now))
  return '1'
end

if verb == 'count' then
  local before = receipt(k, ARGV[4])
  if before then
    return before
  end
  drop_receipts(k, now, 100)
  local counts = number == ARGV[3] and not over
  if counts then
    for i, name in ipairs({ 'old_attempts', 'old_failures', 'new_attempts', 'new_failures' }) do
      redis.call('HINCRBY', k.record, name, ARGV[4 + i])
    end
    redis.call('HSET', k.record, 'revision', after)
  end
  keep_receipt(k, ARGV[4], counts and '1' or '0', now)
  return counts and '1' or '0'
end

if number ~= ARGV[3] or ARGV[4] ~= '' and tonumber(ARGV[4]) ~= revision then
  return '0'
end
redis.call('HSET', k.record, 'revision', after, 'end', ARGV[5], 'ended_at', text(now))
return '1'

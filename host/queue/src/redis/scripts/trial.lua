-- trial: a plugin's latest trial.
-- KEYS: a trial.
-- ARGV: now or ''.
-- Returns: now, then number, revision, from, to, share, length, factor, began_at, the old version's attempts and failures, the
--   new one's, end and ended_at, as text, nil where there is none.
local k = trial()
local bad = bad_trial(k)
if bad then
  return corrupt(bad)
end
local found = redis.call('HMGET', k.record, 'number', 'revision', 'from', 'to', 'share', 'length', 'factor', 'began_at',
  'old_attempts', 'old_failures', 'new_attempts', 'new_failures', 'end', 'ended_at')
table.insert(found, 1, text(clock(ARGV[1])))
return found
